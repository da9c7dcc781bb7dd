"""Errors of corpora, tokenizers and word vectors."""


class DataError(Exception):
    """Unusable input data or setting. The message has the place, value, rule and remedy."""


class Unavailable(DataError):
    """Data or weights that are not available here; a benchmark skips the experiment."""
