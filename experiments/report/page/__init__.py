"""Parts of the HTML page that are words and tables: summary, commands, classes, subsets."""
