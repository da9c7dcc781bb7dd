"""Axes, names and colours of the page's figures."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from experiments.records.row import Row
from experiments.report.comparison import compared, intervals, pairs
from experiments.report.costs import WIDE, costs
from experiments.report.curves import curves
from experiments.report.facts import FAMILIES, OTHER
from experiments.report.figure import log_ticks, padded_range
from experiments.report.picture.symbols import NAMES, THEMES
from experiments.report.tables import Evidence, Table, build_tables
from experiments.statistics.table import analyse_runs
from tests.rows import make_metrics, make_predictions, make_row


def analysed(skills: dict[str, list[int]], part: str = "test", **changes: Any) -> Table:
    """Table of made predictions: seeds of the random numbers behind each run, by experiment."""
    from experiments.records.metrics import evaluate

    runs, rows = [], list[Row]()
    for name, numbers in skills.items():
        for seed, number in enumerate(numbers):
            predictions = make_predictions(seed=number)
            metrics = evaluate(predictions.labels, predictions.probabilities)
            row = make_row(experiment=name, seed=seed, **{part: metrics}, **changes)
            rows.append(row)
            runs.append((row, {"test": predictions, "val": predictions}))
    from pathlib import Path

    def analyse(done: list[Row], parts: list[Any]) -> Evidence:
        found = {one: analyse_runs(runs, Path("here"), part=one) for one in parts if one == "test"}
        return Evidence({one: analysis for one, analysis in found.items() if analysis})

    (table,) = build_tables(rows, analyse=analyse)
    return table


@pytest.mark.parametrize(
    ("low", "high"), [(20, 24), (1.1, 1.9), (3, 4.5), (0.0021, 0.0029), (9.5, 10.5), (80, 1200)]
)
def test_a_log_axis_has_ticks_however_short_it_is(low: float, high: float) -> None:
    ticks = log_ticks([math.log10(low), math.log10(high)])
    assert 3 <= len(ticks) <= 9 and all(low <= tick <= high for tick in ticks)
    assert ticks == sorted(set(ticks))
    assert all(len(f"{tick:.12g}".replace(".", "").strip("0")) <= 3 for tick in ticks)


def test_ranges_stay_within_what_a_value_can_be() -> None:
    assert padded_range([98.0, 100.0], 0, 100)[1] == 100
    assert padded_range([0.01, 0.5], 0)[0] == 0
    assert padded_range([3.0, 5.0]) == pytest.approx([2.84, 5.16])


def test_no_accuracy_axis_goes_beyond_100() -> None:
    rows = [
        make_row(
            experiment=name,
            test=make_metrics(accuracy=accuracy),
            train_seconds=seconds,
            history=[
                {"epoch": at, "val/accuracy": 0.9 + at / 10, "val/log_loss": 0.01} for at in (0, 1)
            ],
        )
        for name, accuracy, seconds in (("a", 1.0, 2.0), ("b", 0.99, 3.0))
    ]
    (table,) = build_tables(rows)
    drawn = [one.figure for one in (*costs(table), *curves(table)[0])]
    for figure in drawn:
        assert figure["layout"]["yaxis"]["range"][1] == 100


@pytest.mark.parametrize("epochs", [2, 3, 5, 8, 30, 200, 1000])
def test_epochs_are_whole_and_each_once(epochs: int) -> None:
    history = [
        {"epoch": at, "val/accuracy": 0.8, "val/log_loss": 0.5, "train/epoch_loss": 0.4}
        for at in range(epochs)
    ]
    (table,) = build_tables([make_row(history=history)])
    figure = curves(table)[0][0].figure
    ticks = figure["layout"]["xaxis"]["tickvals"]
    assert ticks[0] == 1 and len(set(ticks)) == len(ticks) <= 7
    assert all(isinstance(tick, int) and tick <= epochs for tick in ticks)
    go.Figure(figure)


def test_training_loss_is_drawn_beside_that_of_validation() -> None:
    history = [
        {"epoch": at, "val/accuracy": 0.8, "val/log_loss": 0.5, "train/epoch_loss": 0.4 - at / 10}
        for at in range(3)
    ]
    (table,) = build_tables([make_row(history=history)])
    figure = curves(table)[0][0].figure
    training = next(one for one in figure["data"] if "training loss" in one["hovertemplate"])
    assert training["yaxis"] == "y2" and training["y"] == pytest.approx([0.4, 0.3, 0.2])
    low, high = figure["layout"]["yaxis2"]["range"]
    assert 0 <= low < 0.2 and high > 0.5


@pytest.mark.parametrize("count", [40, 90])
def test_every_point_has_a_name_or_stands_in_the_key(count: int) -> None:
    generator = np.random.default_rng(0)
    rows = [
        make_row(
            experiment=f"an_experiment_{at}",
            family=FAMILIES[at % len(FAMILIES)],
            test=make_metrics(accuracy=0.9 + 0.01 * generator.random()),
            train_seconds=10 + 5 * generator.random(),
        )
        for at in range(count)
    ]
    (table,) = build_tables(rows)
    layout = costs(table)[0].figure["layout"]
    for notes, key in (
        (layout["annotations"], layout["meta"]["key"]),
        (layout["meta"]["narrow"]["annotations"], layout["meta"]["narrow"]["key"]),
    ):
        listed = dict(part.split(": ") for part in key.strip(".").split(". ") if part)
        numbers = listed.get("Numbers in the figure, the places in the table", "")
        named = dict(entry.split(" ", 1)[::-1] for entry in numbers.split(", ") if entry)
        crowded = listed.get("Without room for a number", "")
        texts = [note["text"] for note in notes]
        unplaced = set(filter(None, crowded.split(", ")))
        assert len(texts) == len(set(texts)) == count - len(unplaced)
        for place, line in enumerate(table.lines, 1):
            ways = line.experiment in texts, named.get(line.experiment) == str(place) in texts
            assert sum(ways) + (line.experiment in unplaced) == 1
    assert bool(unplaced) == (count == 90)  # in the narrow figure, the last of the two
    assert sum(note["text"].startswith("an_") for note in layout["annotations"]) > 8
    assert WIDE[0] > 0


def test_names_of_points_do_not_cover_each_other() -> None:
    rows = [
        make_row(experiment=name, test=make_metrics(accuracy=accuracy), train_seconds=seconds)
        for name, accuracy, seconds in (("first", 0.9, 5), ("second", 0.901, 5.1), ("far", 0.5, 90))
    ]
    (table,) = build_tables(rows)
    notes = costs(table)[0].figure["layout"]["annotations"]
    places = {note["text"]: (note.get("xshift"), note.get("ax"), note["xanchor"]) for note in notes}
    assert set(places) == {"first", "second", "far"}
    assert places["first"] != places["second"]


def test_families_have_colours_and_shapes_in_the_figures() -> None:
    rows = [
        make_row(experiment=f"e{at}", family=family, train_seconds=1.0 + at)
        for at, family in enumerate((*FAMILIES, "one of my own"))
    ]
    (table,) = build_tables(rows)
    traces = costs(table)[0].figure["data"][1:]
    assert {trace["meta"]["role"] for trace in traces} == {f"family-{n}" for n in range(len(NAMES))}
    assert len({trace["marker"]["symbol"] for trace in traces}) == len(NAMES)
    assert [trace["name"] for trace in traces] == [*FAMILIES, "one of my own"]
    assert NAMES[-1] == OTHER and all(len(t.families) == len(NAMES) for t in THEMES.values())


def test_pairs_are_drawn_only_where_some_differ() -> None:
    same = analysed({"a": [1, 2], "b": [1, 2], "alone": [3]})
    assert pairs(same) is None and compared(same) == ["a", "b"]
    other = make_predictions(seed=5)
    assert len(other.ids) == 200
    assert intervals(same) is not None


def test_intervals_are_within_100_and_in_the_order_of_the_table() -> None:
    table = analysed({"a": [1, 2], "b": [3, 4], "c": [5]})
    figure = intervals(table)
    assert figure is not None
    go.Figure(figure)
    axis = figure["layout"]["yaxis"]
    assert axis["ticktext"] == [line.experiment for line in table.lines]
    assert figure["layout"]["xaxis"]["range"][1] <= 100
    assert json.dumps(figure)
