"""Checks of the settings that every corpus has."""

from __future__ import annotations

from typing import Any

from datamodules.errors import DataError
from datamodules.store.truncation import check_truncation

_LEAST = {
    "vocab_size": 2,
    "min_frequency": 1,
    "max_length": 1,
    "train_window": 1,
    "batch_size": 1,
    "eval_batch_size": 1,
    "unlabelled_batch_size": 0,
    "train_limit": 2,
    "seed": 0,
}


def check_settings(data: Any) -> None:
    """Refuse settings of a datamodule that cannot be used.

    Raises:
        DataError: one is too small, or does not go with the tokenizer.
    """
    for name, least in _LEAST.items():
        value = getattr(data, name)
        if value is not None and value < least:
            raise DataError(f"data.{name} is {value}; it must be at least {least}")
    check_truncation(data.truncation)
    fold = data.fold
    if fold is not None and not (fold[1] >= 2 and 0 <= fold[0] < fold[1]):
        raise DataError(f"data.fold is {list(fold)}; it must be such as [0, 5], [1, 5], …")
    if fold is not None and data.teacher is not None:
        raise DataError(
            f"data.teacher is {data.teacher!r}, which learnt from rows of every fold; set "
            "--data.teacher null for cross-validation"
        )
    capped = data.vocab_size is not None or data.min_frequency > 1
    if capped and not data.tokenizer.fits_vocabulary:
        raise DataError(
            f"data.vocab_size is {data.vocab_size} and data.min_frequency is {data.min_frequency}, "
            f"but the vocabulary of {type(data.tokenizer).__name__} is fixed; set "
            "--data.vocab_size null and --data.min_frequency 1"
        )
