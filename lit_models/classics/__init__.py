"""Bases that several classical models share: n-grams, centroids, forests, averages of vectors."""
