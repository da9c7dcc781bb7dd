"""Classes of a file: what their sizes say about the column that they come from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from datamodules.errors import DataError
from datamodules.reading.labels import alike

_FEW_ROWS = 10  # fewer say nothing about a column
_SHOWN = 5


def check_classes(path: Path, column: str, counts: Mapping[str, int]) -> None:
    """Refuse a column of labels that makes no classes.

    Args:
        path: the file.
        column: name of the column.
        counts: rows of each label.

    Raises:
        DataError: no row, one class, or most rows have a label of their own.
    """
    rows = sum(counts.values())
    if not counts:
        raise DataError(f"{path}: has no rows; give a file with labelled texts")
    if len(counts) == 1:
        raise DataError(
            f"{path}: column {column!r} has the one label {next(iter(counts))!r} throughout; a "
            "classifier needs at least two. Set another label_column, or add rows"
        )
    single = [name for name, count in counts.items() if count == 1]
    if rows >= _FEW_ROWS and len(single) > rows / 2:
        raise DataError(
            f"{path}: column {column!r} has {len(counts):,} different labels in {rows:,} rows, "
            f"{len(single):,} of them in one row each, such as {listed(single, 3)}; "
            f"{_guess(single)} A class needs several rows: set another --data.label_column"
        )


def class_notes(name: str, counts: Mapping[str, int]) -> list[str]:
    """Sentences on classes that are too small, and on those that may be one.

    Args:
        name: name of the train file.
        counts: rows of each label.
    """
    notes = []
    single = [label for label, count in counts.items() if count == 1]
    if single:
        notes.append(
            f"{name}: {len(single):,} of the {len(counts):,} classes have one row each, which is "
            f"always learnt from and never validated on: {listed(single)}."
        )
    for group in alike(counts):
        spelt = ", ".join(f"{label!r} ({counts[label]:,} rows)" for label in group)
        notes.append(
            f"{name}: {spelt} differ in case alone and are classes of their own; spell them alike "
            "if they are one."
        )
    return notes


def listed(names: list[str] | tuple[str, ...], shown: int = 10) -> str:
    """Names in quotes, the first few of them."""
    text = ", ".join(repr(name[:40]) for name in names[:shown])
    return text if len(names) <= shown else f"{text} and {len(names) - shown:,} more"


def _guess(names: list[str]) -> str:
    """Kind of column that labels which occur once seem to be from."""
    if all(map(is_number, names)):
        if any("." in name for name in names):
            return (
                "these are numbers to predict (a regression), not classes; divide them into a few "
                "ranges first."
            )
        return "this is the number of a row, or a number to predict (a regression)."
    if sum(map(len, names)) > 30 * len(names):
        return "this is a column of texts."
    return "this is a column of names, one for each row (an id)."


def is_number(name: str) -> bool:
    """Whether a label is a number that can be sorted by value."""
    try:
        return abs(float(name)) < float("inf")
    except ValueError:
        return False
