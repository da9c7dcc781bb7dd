"""Tables in the terminal, without the columns for which there is no room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

# Of an encoding without the usual signs.
_ASCII_BOX = box.Box("    \n    \n -- \n    \n    \n -- \n    \n    \n", ascii=True)
_ASCII = str.maketrans({"±": "+-", "–": "-", "…": "~", "†": "*", "·": "-", "→": "->"})


@dataclass(frozen=True)
class GridColumn:
    """Column of a table in the terminal.

    Attributes:
        heading: Heading, of one line or two.
        cells: A cell for each line of the table.
        rank: Columns of the lowest rank are left out first; None: never left out.
        justify: Side at which the cells begin.
    """

    heading: str
    cells: Sequence[Text | str]
    rank: int | None = None
    justify: Literal["left", "right"] = "right"

    def translated(self, symbols: dict[int, str]) -> GridColumn:
        """The column with other signs in its cells."""
        cells = []
        for cell in self.cells:
            text = cell if isinstance(cell, Text) else Text(cell)
            cells.append(Text(text.plain.translate(symbols), style=text.style))
        return GridColumn(self.heading, cells, self.rank, self.justify)

    @property
    def width(self) -> int:
        """Characters of the widest cell, with one for the gap before it and one after it."""
        texts = [*self.heading.split("\n"), *map(str, self.cells)]
        return max(map(cell_len, texts)) + 2


def print_grid(
    console: Console, names: GridColumn, columns: Sequence[GridColumn], elsewhere: str = ""
) -> None:
    """Print a table without the columns for which there is no room, and say which these are.

    Rich would cut off names and digits. Here names are shortened last, and no number is.

    Args:
        console: Console to print to.
        names: First column, whose cells are shortened when nothing else can be left out.
        columns: Other columns.
        elsewhere: Where all columns are shown, such as `the page of ... `.
    """
    symbols = _ASCII if console.options.ascii_only else {}
    names = names.translated(symbols)
    columns = [column.translated(symbols) for column in columns]
    needed = names.width - 1 + sum(column.width for column in columns)
    shown, width = list(columns), needed
    for column in sorted(
        (one for one in columns if one.rank is not None), key=lambda one: one.rank or 0
    ):
        if width <= console.width:
            break
        width -= column.width
        shown = [one for one in shown if one is not column]
    room = console.width - sum(column.width for column in shown) - 1
    mark = "…".translate(symbols)
    style = _ASCII_BOX if console.options.ascii_only else box.SIMPLE
    grid = Table(box=style, padding=(0, 1, 0, 0), show_edge=False)
    head = names.heading.split("\n")
    grid.add_column("\n".join(shortened(line, room, mark) for line in head), no_wrap=True)
    for column in shown:
        grid.add_column(column.heading, justify=column.justify, no_wrap=True)
    for number, name in enumerate(names.cells):
        cells = [column.cells[number] for column in shown]
        grid.add_row(shortened(str(name), room, mark), *cells)
    console.print(grid)
    if left := [one for one in columns if one not in shown]:
        hidden = ", ".join(" ".join(one.heading.split()) for one in left)
        text = f"Not shown at this width: {hidden}. A terminal of {needed} columns shows all"
        text += f", and so does {elsewhere}." if elsewhere else "."
        console.print(Text(text, style="dim"))


def shortened(name: str, room: int, mark: str) -> str:
    """A name in at most `room` characters: its begin and its end with a mark between."""
    if cell_len(name) <= room:
        return name
    end = max(0, room - 1) // 2
    begin = max(1, room - 1 - end)
    while cell_len(name[:begin] + mark + name[len(name) - end :]) > max(room, 2) and begin > 1:
        begin -= 1  # of characters that are two wide
    return name[:begin] + mark + name[len(name) - end :]
