"""The one error a corpus raises when its input is not usable."""


class DataError(Exception):
    """Bad input data. The message names the file and row, the rule, and the remedy."""


class Unavailable(DataError):
    """Something that cannot be had on this machine; a benchmark then skips the experiment."""
