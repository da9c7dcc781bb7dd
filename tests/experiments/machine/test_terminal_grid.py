"""Tables of the commands in the terminal, at widths from 30 to 200 columns."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from experiments.machine.terminal import GridColumn, print_grid

NAMES = GridColumn("\nExperiment", ["bidirectional_lstm_word2vec · holdout", "cnn"])
COLUMNS = [
    GridColumn("A\n%", ["90.12", "89.95"], 1),
    GridColumn("B - A", ["-0.17 [-0.44, +0.10]", "+1.00 [+0.70, +1.30]"]),
    GridColumn("p\n(Holm)", ["0.21", "1.2e-05"], 0),
]


def printed(width: int, encoding: str = "utf-8") -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    print_grid(Console(width=width, file=file, color_system=None), NAMES, COLUMNS, "the page")
    file.flush()
    return file.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [*range(30, 90, 5), 200])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_column_is_shown_whole_or_left_out_with_a_word(width: int, encoding: str) -> None:
    text = printed(width, encoding)
    assert max(map(len, text.splitlines())) <= width
    words = " ".join(text.split())
    left = words.partition("Not shown at this width: ")[2]
    for column, label in zip(COLUMNS, ("A %", "B - A", "p (Holm)"), strict=True):
        for cell in column.cells:
            assert (str(cell) in text) == (label not in left.partition(".")[0])
    assert COLUMNS[1].cells[0] in text, "a column without a rank stays"
    assert not left or "and so does the page." in left


def test_the_lowest_rank_goes_first() -> None:
    for width in range(90, 30, -1):
        text = " ".join(printed(width).split())
        if "Not shown" in text:
            assert "Not shown at this width: p (Holm). A terminal" in text
            break
