"""The table in the terminal, at widths from 40 to 200 columns."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

from experiments.report.tables import Table, build_tables
from experiments.report.terminal import LEAST, SHORT, _short, print_tables
from tests.rows import make_metrics, make_row

LONG = ("bidirectional_lstm_word2vec_of_every_review", "bidirectional_lstm_word2vec_of_some_review")
WIDTHS = [*range(40, 201, 8), 72, 79, 80, 81, 120]


def table_of(names: tuple[str, ...], seeds: tuple[int, ...] = (0, 1), **changes: Any) -> Table:
    rows = [
        make_row(
            experiment=name,
            seed=seed,
            train_seconds=1547.3 + 100 * seed,
            latency_ms_p50=1234.56,
            parameters=123_456_789,
            test=make_metrics(accuracy=0.9012 - 0.01 * seed),
            **changes,
        )
        for name in names
        for seed in seeds
    ]
    [table] = build_tables(rows)
    return table


def printed(table: Table, width: int, encoding: str = "utf-8") -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    print_tables(Console(width=width, file=file, color_system=None), [table])
    file.flush()
    return file.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]


def names_of(headings: list[str]) -> set[str]:
    return {key for key in SHORT if SHORT[key].split("\n")[0] in headings}


@pytest.mark.parametrize("width", WIDTHS)
def test_no_number_is_cut_and_what_is_left_out_is_told(width: int) -> None:
    table = table_of(("cnn", "tfidf_logreg"))
    text = printed(table, width)
    assert max(map(len, text.splitlines())) <= width
    told = re.search(
        r"Not shown at this width: ([^.]+)\. A terminal of (\d+)", " ".join(text.split())
    )
    left = {key for key in SHORT if told and " ".join(SHORT[key].split()) in told[1].split(", ")}
    for line in table.lines:
        [row] = [row for row in text.splitlines() if row.split()[:1] == [line.label]]
        for column in table.columns:
            if column.key in SHORT and column.key not in left:
                assert _short(column, line) in row, (width, column.key)
    shown = {key for key in SHORT if any(column.key == key for column in table.columns)} - left
    kept = [LEAST.index(key) for key in shown if key != "test_accuracy"]
    dropped = [LEAST.index(key) for key in left]
    assert not kept or not dropped or max(dropped) < min(kept), "the least important ones go first"
    assert "test_accuracy" in shown


def test_the_width_that_is_told_shows_all() -> None:
    table = table_of(("cnn", "tfidf_logreg"))
    told = re.search(r"A terminal of (\d+) columns", " ".join(printed(table, 60).split()))
    assert told
    assert "Not shown" in printed(table, int(told[1]) - 1)
    assert "Not shown" not in printed(table, int(told[1]))


@pytest.mark.parametrize("width", WIDTHS)
def test_names_are_shortened_last_with_a_mark_and_stay_apart(width: int) -> None:
    text = printed(table_of(LONG), width)
    rows = [row.split() for row in text.splitlines() if row.startswith("bidir")]
    assert len(rows) == 2 and rows[0][0] != rows[1][0]
    cut = [row for row in rows if row[0] not in LONG]
    assert all("…" in row[0] for row in cut)
    if cut:
        assert all(len(row) == 4 for row in rows), "a name, and the accuracy alone"
    assert all("±" in row for row in rows)


def test_an_encoding_without_the_signs_has_others_of_the_same_width() -> None:
    text = printed(table_of(("cnn", "größe")), 200, "latin-1")
    assert "89.62 +- 0.71" in text and "größe" in text
    rows = [row for row in text.splitlines() if "+-" in row]
    assert len({len(row.rstrip()) for row in rows}) == 1


def test_wide_letters_count_as_two() -> None:
    text = printed(table_of(("模型" * 20, "cnn")), 60)
    from rich.cells import cell_len

    assert max(map(cell_len, text.splitlines())) <= 60


def test_a_table_of_validation_alone_keeps_its_accuracy() -> None:
    [table] = build_tables([make_row(experiment="a" * 50, test=None)])
    text = printed(table, 40)
    assert "87.31" in text and "Val acc" in text
    assert "Test acc" not in text, "a column without a value takes no room"
