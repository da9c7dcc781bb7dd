"""The largest class as a line of every table, and the note on runs that are no better."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from experiments.config.registry import Registry
from experiments.records.metrics import evaluate, is_chance, largest_class
from experiments.records.predictions import write_predictions
from experiments.records.problems.class_predictions import Predictions
from experiments.records.run_files import TEST_FILE, VAL_FILE
from experiments.report.html import Page, render_html
from experiments.report.markdown import render_markdown
from experiments.report.readme.grids import full_table
from experiments.report.readme.top import top_table
from experiments.report.tables import Evidence, Table, build_tables
from experiments.report.terminal import print_tables
from experiments.training.outcome import chance_notes
from tests.rows import make_row


@pytest.fixture(scope="module")
def tables() -> list[Table]:
    evidence = Evidence(largest_class={"val": 0.6125, "test": 0.6})
    return build_tables([make_row()], analyse=lambda *_: evidence)


def test_it_is_the_last_line_of_the_terminal(tables: list[Table]) -> None:
    console = Console(width=100, file=io.StringIO(), color_system=None)
    print_tables(console, tables)
    assert isinstance(console.file, io.StringIO)
    lines = [line.split() for line in console.file.getvalue().splitlines()]
    [at] = [number for number, line in enumerate(lines) if line[:2] == ["largest", "class"]]
    assert lines[at - 1][0] == "cnn"
    assert lines[at][2:5] == ["61.25", "60.00", "–"]


def test_it_is_the_last_line_of_markdown_and_page(tables: list[Table]) -> None:
    [line] = [w for w in render_markdown("b", tables).splitlines() if w.startswith("| largest")]
    assert line.startswith("| largest class | – | – | 61.25 | 60.00 | – |")
    html = render_html(Page("b", Path(), tables, [None], [], []))
    [foot] = re.findall(r"<tfoot>.*?</tfoot>", html, re.S)
    heads = html.partition("<thead>")[2].partition("</thead>")[0].count("<th")
    assert len(re.findall(r"<t[hd][ >]", foot)) == heads
    assert "61.25" in foot
    assert "60.00" in foot


def test_it_is_the_last_line_of_published_tables(tables: list[Table]) -> None:
    [line] = [w for w in full_table(tables, "t", Registry()).splitlines() if "largest" in w]
    assert line.count("60.00") == line.count("61.25") == 1
    [line] = [w for w in top_table(tables, "t", Registry(), "x").splitlines() if "largest" in w]
    assert line == (
        "| largest class | Always the most frequent class, whatever the text | – | 60.00 | – | – "
        "| – | – |"
    )


def test_a_table_without_predictions_has_no_such_line() -> None:
    [table] = build_tables([make_row()])
    assert not table.largest_class
    assert "largest" not in render_markdown("b", [table])


def predictions(right: int, rows: int, classes: int) -> Predictions:
    """Of as many rows of each class, some of them right."""
    labels = np.arange(rows, dtype=np.int64) % classes
    answers = np.where(np.arange(rows) < right, labels, (labels + 1) % classes)
    probabilities = np.full((rows, classes), 0.1 / (classes - 1))
    probabilities[np.arange(rows), answers] = 0.9
    return Predictions(np.arange(rows, dtype=np.int64), labels, probabilities)


@pytest.mark.parametrize(
    ("right", "rows", "chance"),
    [(20, 100, True), (10, 100, True), (26, 100, True), (27, 100, False), (230, 1000, False)],
)
def test_what_is_no_better_than_chance(right: int, rows: int, chance: bool) -> None:
    # A fifth of the rows, plus 1.645 standard deviations of as many coin flips.
    one = predictions(right, rows, 5)
    assert largest_class(one.labels) == 0.2
    assert is_chance(evaluate(one.labels, one.probabilities), one.labels) == chance


def test_a_run_that_is_no_better_says_so(tmp_path: Path) -> None:
    files = [tmp_path / name for name in (VAL_FILE, TEST_FILE)]
    write_predictions(files[0], predictions(60, 100, 5))
    write_predictions(files[1], predictions(21, 100, 5))
    sentence = (
        "cnn: the accuracy on the 100 test rows is not above the 20.00% of always naming the "
        "largest class by more than chance."
    )
    notes = chance_notes("cnn", [*files, files[1]], None)
    assert notes == [sentence]
    row = make_row(notes=notes)
    page = render_markdown("b", build_tables([row]))
    assert "The accuracy on the 100 test rows is not above the 20.00%" in page
