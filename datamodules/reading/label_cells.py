"""Cells with several labels, in a list or with a separator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from datamodules.errors import DataError
from datamodules.reading.labels import Labels


@dataclass(frozen=True)
class LabelCells:
    """Column whose cells have any number of labels, none included.

    Attributes:
        separator: what divides the labels of a cell; None: a cell is a list.
    """

    separator: str | None = None

    def __post_init__(self) -> None:
        if self.separator is not None and not self.separator.strip():
            raise DataError(
                f"data.label_separator is {self.separator!r}; it must be what divides two labels, "
                "such as '|' or ';'"
            )

    def spell(self, cell: Any, number: int, labels: Labels, place: str) -> tuple[str, ...]:
        """Labels of a cell.

        Args:
            cell: a list, or a text with separators.
            number: number of its row.
            labels: spells them, and keeps a record.
            place: name of the row and column, for messages.

        Raises:
            DataError: the cell is no list or text, or one of its labels is empty or no label.
        """
        names = list[str]()
        for value in self._values(cell, place):
            if not (value is None or isinstance(value, str | int | float)):
                raise DataError(
                    f"{place} has {str(value)[:40]!r}, a {type(value).__name__}, among its labels; "
                    "a label must be a string, a number or true/false"
                )
            name = labels.spell(value, number)
            if name is None:
                raise DataError(
                    f"{place} has an empty label in {str(cell)[:60]!r}; remove it, and leave the "
                    f"{'list' if self.separator is None else 'cell'} empty if the text has no label"
                )
            names.append(name)
        return tuple(names)

    def _values(self, cell: Any, place: str) -> list[Any]:
        if self.separator is None:
            if not isinstance(cell, list):
                raise DataError(
                    f"{place} has {str(cell)[:40]!r}, a {type(cell).__name__}, and the first row "
                    "has a list of labels; give a list in every row, [] where a text has no label"
                )
            return cell
        if isinstance(cell, list):
            raise DataError(
                f"{place} has a list of labels, and data.label_separator is {self.separator!r}; "
                "leave it out: lists need none"
            )
        if cell is None or (isinstance(cell, str) and not cell.strip()):
            return []
        return cell.split(self.separator) if isinstance(cell, str) else [cell]
