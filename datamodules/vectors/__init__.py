"""Word vectors: learnt from a corpus, read from files, or published ones."""
