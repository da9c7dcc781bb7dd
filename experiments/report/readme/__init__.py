"""Tables and picture in Markdown files, written between marks."""
