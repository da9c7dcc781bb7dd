"""Parts of models that give each word of a text a tag."""
