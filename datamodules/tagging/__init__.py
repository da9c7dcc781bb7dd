"""Words with tags: punctuation and capitals of texts, and users' own files."""
