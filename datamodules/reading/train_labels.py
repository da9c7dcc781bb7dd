"""Labels of a train file: their names, their numbers, and whether a text has several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from datamodules.errors import DataError
from datamodules.reading.classes import check_classes, is_number, listed
from datamodules.reading.label_cells import LabelCells
from datamodules.reading.opening import FileSettings
from datamodules.reading.tables import Table


class LabelColumn(NamedTuple):
    """Labels of a train file.

    Attributes:
        names: sorted names, numbers by value.
        sets: how cells are read that have several labels; None: a text has one.
    """

    names: tuple[str, ...]
    sets: LabelCells | None


@lru_cache(maxsize=16)
def scan_labels(
    path: Path,
    size: int,
    mtime_ns: int,
    settings: FileSettings,
    columns: tuple[str, str],
    separator: str | None = None,
) -> LabelColumn:
    """Labels of a train file; size and time are keys of the cache.

    Args:
        path: the file.
        size: in bytes.
        mtime_ns: time of its last change.
        settings: how it is read.
        columns: its columns of texts and labels.
        separator: what divides the labels of a cell. None: a text has several labels where the
            first one's are a list.
    """
    table = Table(path, settings)
    sets = label_cells(table, columns[1], separator)
    counts: Counter[str] = Counter()
    for _, _, label, _ in table.rows(*columns, sets=sets):
        counts.update([label] if isinstance(label, str) else label or ())
    if sets is None:
        check_classes(path, columns[1], counts)
    elif len(counts) < 2:
        raise DataError(
            f"{path}: column {columns[1]!r} has {len(counts)} different labels {listed([*counts])}"
            "; a model of several labels needs at least two. Set another --data.label_column or "
            "--data.label_separator"
        )
    names = sorted(counts, key=_by_value if all(map(is_number, counts)) else str)
    return LabelColumn(tuple(names), sets)


def label_cells(table: Table, column: str, separator: str | None) -> LabelCells | None:
    """Reader of cells that have several labels; None: a text has one."""
    several = separator is not None or table.has_lists(column)
    return LabelCells(separator) if several else None


def number_of(
    label: str, numbers: dict[str, int], where: Callable[[], str], names: tuple[str, ...]
) -> int:
    """Number of a label.

    Args:
        label: its name.
        numbers: numbers by name.
        where: names the row, for messages.
        names: all names.

    Raises:
        DataError: the train file has no such label.
    """
    if label in numbers:
        return numbers[label]
    near = next((n for n in numbers if n.casefold() == label.casefold()), None)
    other = f" ({near!r} differs in case alone)" if near else ""
    raise DataError(
        f"{where()}: label {label!r} does not occur in the train file, whose labels are "
        f"{listed(names)}{other}; correct the label, or add training texts with it"
    )


def _by_value(name: str) -> tuple[float, str]:
    return float(name), name
