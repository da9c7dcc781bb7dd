"""Selected rows of a published table."""

from __future__ import annotations

from experiments.config.registry import Registry
from experiments.report.readme.top import Candidate, select_rows, top_table
from experiments.report.tables import build_tables
from tests.experiments.report.test_picture import candidate, tables_of
from tests.rows import make_metrics, make_row


def many() -> list[Candidate]:
    """Fourteen experiments of three families, one of them under both protocols."""
    candidates = [
        candidate("best", 0.93, 5e6, family="bags", architecture="NBBag"),
        candidate("small", 0.911, 1e4),
        candidate("fast", 0.912, protocol="refit", train_seconds=1.0),
        candidate("prompt", 0.9101, latency_ms_p50=0.1),
        candidate("tiny_but_poor", 0.9099, 10, train_seconds=0.5, latency_ms_p50=0.01),
        candidate("both", 0.925),
        candidate("both", 0.926, protocol="refit"),
        candidate("lstm", 0.85, family="recurrent", architecture="LSTM"),
        *(candidate(f"next_{at}", 0.92 - at / 1e3) for at in range(7)),
    ]
    return sorted(candidates, key=lambda one: -one.accuracy)


def test_telling_rows_are_the_best_of_each_family_the_cheap_good_ones_and_the_next() -> None:
    chosen = [(one.line.experiment, one.protocol) for one in select_rows(many())]
    assert chosen == [
        ("best", "holdout"),
        ("both", "refit"),
        *((f"next_{at}", "holdout") for at in range(4)),
        ("fast", "refit"),
        ("small", "holdout"),
        ("prompt", "holdout"),
        ("lstm", "holdout"),
    ]
    few = sorted([candidate("a", 0.8), candidate("b", 0.9)], key=lambda one: -one.accuracy)
    assert select_rows(few) == few


def test_the_short_table_says_what_it_shows_and_where_the_rest_is() -> None:
    text = top_table(tables_of(*many()), "t", Registry(), "docs/results.md")
    grid, rule, units, link = text.split("\n\n")
    lines = [line.strip("| ").split(" | ") for line in grid.splitlines()]
    assert ", ".join(lines[0]) == (
        "experiment, what it is, protocol, test accuracy %, log loss, parameters, training s, "
        "p50 ms"
    )
    assert len(lines) == 12
    assert lines[2] == [
        "`best`",
        "NBBag",
        "holdout",
        "93.00 [92.7, 93.3]",
        "0.288",
        "5M",
        "41",
        "1.6",
    ]
    assert lines[3][:3] == ["`both`", "CNN", "refit"]
    words = " ".join(rule.split())
    assert words.startswith(
        "10 of 15 rows: the best of each family, then the smallest, the fastest"
    )
    assert "at most 2 points below the best, then the next best" in words
    assert "`holdout`: trained on the train part" in words and "`refit`: every choice" in words
    units = " ".join(units.split())
    assert (
        "In brackets the 95% interval over reviews; the variation over seeds would add to it"
        in units
    )
    assert "in nats" in units and "p50 the median time" in units
    assert link.endswith("[docs/results.md](docs/results.md).")
    alone = top_table(build_tables([make_row(test=make_metrics())]), "t", Registry(), "results.md")
    assert "refit" not in alone and "brackets" not in alone and "(results.md)" in alone
