"""Word vectors: trained on a corpus, read from files, or published."""
