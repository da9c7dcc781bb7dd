"""Results in Markdown files: tables and a picture, written between marks."""
