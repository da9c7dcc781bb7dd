"""Report of predictions: pairs, reliability, errors, lengths, reviews, origin."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
from rich.console import Console

from datamodules.store.corpus import Corpus, TextSplit
from experiments.records.plan import PlannedRun, read_plan
from experiments.report import read_tables, report
from experiments.report.comparison import intervals, pairs
from experiments.report.provenance import find_origin
from experiments.report.quality import by_length, confusion, errors, reliability
from experiments.report.reviews import BRIEF, reviews
from experiments.report.tables import Table
from experiments.report.texts import find_texts

FINGERPRINT = "0123456789abcdef"  # of `make_row`


@pytest.fixture
def table(made: Path) -> Table:
    [only], lost = read_tables(made)
    assert not lost
    return only


def quiet() -> Console:
    return Console(width=100, file=io.StringIO())


def test_intervals_and_seeds_are_those_of_the_analysis(table: Table) -> None:
    figure = intervals(table)
    assert figure and table.analysis
    go.Figure(figure)
    *means, seeds = figure["data"]  # of each family
    best = table.lines[0]
    mean = next(trace for trace in means if 0 in trace["y"])
    axis = figure["layout"]["yaxis"]
    assert best.interval and axis["ticktext"][axis["tickvals"].index(mean["y"][0])] == (
        best.experiment
    )
    assert mean["x"][0] + mean["error_x"]["array"][0] == pytest.approx(100 * best.interval.high)
    assert len(seeds["x"]) == 12
    assert seeds["x"][1] == pytest.approx(100 * best.rows[1].test.accuracy)  # type: ignore[union-attr]


def test_a_pair_is_blank_unless_it_differs_and_mirrors_itself(table: Table) -> None:
    figure = pairs(table)
    assert figure and table.analysis
    go.Figure(figure)
    trace = figure["data"][0]
    names, shown = trace["x"], 0
    for one in table.analysis.differences:
        here, there = names.index(one.first), names.index(one.second)
        value = trace["z"][here][there]
        assert (value is not None) == one.different
        if value is not None:
            shown += 1
            assert value == pytest.approx(100 * one.difference, abs=1e-3)
            assert trace["z"][there][here] == -value
        assert f"{100 * one.difference:+.2f} points" in trace["customdata"][here][there]
    assert 0 < shown < len(table.analysis.differences)


def test_confusion_and_the_bars_count_the_same_errors(table: Table) -> None:
    assert table.analysis
    name = table.lines[0].experiment
    counts = confusion(table, name)
    assert counts is not None
    accuracy = table.analysis.intervals[name].mean
    assert counts.sum() == 1000 and np.trace(counts) / 1000 == pytest.approx(accuracy)
    assert counts.sum(axis=1).tolist() == np.bincount(table.analysis.labels).tolist()
    figure = errors(table, ["bad", "good"])
    assert figure
    go.Figure(figure)
    left, right = figure["data"]
    assert left["name"] == "bad predicted as good"
    assert -left["x"][0] == pytest.approx(100 * counts[0, 1] / counts[0].sum(), abs=1e-3)
    assert right["x"][0] == pytest.approx(100 * counts[1, 0] / counts[1].sum(), abs=1e-3)
    assert errors(table, ["a", "b", "c"]) is None


def test_reliability_is_told_before_and_after(table: Table) -> None:
    panels = reliability(table)
    assert [panel.title for panel in panels] == [line.experiment for line in table.lines]
    go.Figure(panels[0].figure)
    diagonal, before, after = panels[0].figure["data"]
    assert diagonal["x"] == diagonal["y"] == [0, 100] and len(before["x"]) == 15
    assert before["x"] != after["x"] and before["y"] == pytest.approx(after["y"], abs=15)


def test_accuracy_by_length_is_of_equal_parts(table: Table) -> None:
    assert by_length(table, None) is None
    assert table.analysis
    right = table.analysis.correct[table.lines[0].experiment].mean(axis=0)
    # Reviews that are right are the long ones, so accuracy rises from 0 to 100.
    lengths = np.where(right == 1, 500, 5)
    figure = by_length(table, lengths)
    assert figure
    go.Figure(figure)
    trace = figure["data"][0]
    assert trace["x"][0] == "5–500" and trace["x"][-1] == "500–500" and len(trace["x"]) == 8
    wrong = (right < 1).sum() / 125  # of an eighth, and of two seeds most often one
    assert trace["z"][0][0] <= 100 * (1 - wrong / 2) + 0.1 and trace["z"][0][1:] == [100] * 7


def test_reviews_that_all_have_wrong_and_that_divide(table: Table) -> None:
    lists = reviews(table, None)
    assert lists and table.analysis and lists.total == 1000
    assert len(lists.hardest) == 10 and len(lists.divisive) == 10
    assert lists.all_wrong >= 10 and lists.all_right > 500
    assert all(not review.right and len(review.wrong) == 6 for review in lists.hardest)
    chances = [review.chance for review in lists.hardest]
    assert chances == sorted(chances) and chances[-1] < 0.5
    assert all(len(review.right) == len(review.wrong) == 3 for review in lists.divisive)
    assert lists.hardest[0].brief is None and lists.hardest[0].name.startswith("row ")


def cache_corpus(cache: Path, fingerprint: str, test: int = 1000) -> None:
    """A corpus in the cache whose test reviews contain their number."""
    texts = [f"<br />Review number {row} " + "word " * (row % 90) for row in range(test)]
    split = TextSplit(texts, np.arange(test) % 2, [f"test/{row}" for row in range(test)])
    rows = np.arange(2)
    train = TextSplit(["a", "b"], rows, ["1", "2"])
    corpus = Corpus("made", ("negative", "positive"), train, rows[:1], rows[1:], test=split)
    corpus.__dict__["fingerprint"] = fingerprint  # cached_property
    corpus.save(cache / "corpora" / "made")


def test_texts_come_from_the_cache_and_nowhere_else(
    table: Table, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIT_SENTIMENT_CACHE", str(tmp_path))
    (tmp_path / "corpora" / "broken").mkdir(parents=True)
    (tmp_path / "corpora" / "broken" / "corpus.json").write_text("{")
    assert find_texts(FINGERPRINT) is None and find_texts(None) is None
    page = report(made, out=tmp_path / "without", console=quiet()).html.read_text()
    assert "Their texts are missing here" in page and "Accuracy by length" not in page
    cache_corpus(tmp_path, FINGERPRINT)
    texts = find_texts(FINGERPRINT)
    assert texts and texts.labels == ("negative", "positive")
    assert texts.lengths(np.array([3, 0])).tolist() == [4 + 3, 4]
    lists = reviews(table, texts)
    assert lists
    for review in lists.hardest + lists.divisive:
        number = review.name.removeprefix("test/")
        assert review.brief and review.brief.startswith(f"Review number {number}")
        assert len(review.brief) <= BRIEF and "<" not in review.brief
    page = report(made, out=tmp_path / "with", console=quiet()).html.read_text()
    assert "Accuracy by length" in page and "Review number" in page
    assert "Review number" not in (tmp_path / "with" / "report.md").read_text()


def test_the_command_makes_the_line_again(table: Table, made: Path) -> None:
    line = table.lines[0]
    plan = [
        PlannedRun(line.experiment, 0, ("--data.root=/home/me/aclImdb", "--model.dropout=0.3"), ())
    ]
    origin = find_origin(line, "made", made, plan)
    assert origin.commands == [
        f"lit-sentiment benchmark {line.experiment} --profile quick --seeds 0 1 --name made "
        "--run.protocol=holdout --model.dropout=0.3"
    ]
    assert origin.config.startswith("data:\n  class_path: tests.toys.ToyData")
    assert origin.machines == [
        "Example CPU, 2 cores, 2 threads; 32-true; torch 2.13.0, lightning 2.6.6"
    ]


def test_a_published_line_names_its_table_and_its_variant(published_tables: list[Table]) -> None:
    import experiments.cli.parser
    from experiments.records.run_files import read_table

    results = experiments.cli.parser.RESULTS
    [table] = [one for one in published_tables if one.task == "imdb-v1"]
    lines = {line.experiment: line for line in table.lines}
    assert set(lines) == {row.experiment for row in read_table(results / "imdb.jsonl")}
    (cnn,) = find_origin(lines["cnn_word2vec"], "results", results, []).commands
    assert cnn.startswith(
        "lit-sentiment benchmark cnn_word2vec --profile full --seeds 0 --name imdb "
        "--configs experiments/configs/word2vec "
    )
    (minilm,) = find_origin(lines["minilm"], "results", results, []).commands
    assert minilm.endswith("--name imdb --run.precision=bf16-mixed")


def test_words_of_a_real_run(finished: Path) -> None:
    [table], _ = read_tables(finished)
    by_name = {line.experiment: line for line in table.lines}
    origin = find_origin(by_name["tfidf_logreg"], "b", finished, [])
    assert origin.neighbours == [] and "class_path: tests.toys.ToyData" in origin.config
    assert [run.experiment for run in read_plan(finished)] == ["bag", "tfidf_logreg"]
    command = find_origin(by_name["bag"], "b", finished, read_plan(finished)).commands[-1]
    typed = ["--data=tests.toys.ToyData", "--data.rows=120", "--trainer.max_epochs=2"]
    assert set(typed) <= set(command.split())
