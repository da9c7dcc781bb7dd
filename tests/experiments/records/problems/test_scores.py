"""Rows of language models: their figures, files, evidence and tables."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.records.evidence import encode, read_evidence, write_evidence
from experiments.records.predictions import read_outputs, read_predictions, write_predictions
from experiments.records.problems.class_predictions import Predictions
from experiments.records.problems.language_metrics import LanguageMetrics
from experiments.records.problems.scores import Scores
from experiments.records.publishing import publish, read_published_evidence, verify_published
from experiments.records.row import ResultsError
from experiments.records.row_schema import row_from_dict, row_to_dict
from experiments.records.run_files import read_row, write_row
from experiments.report import read_tables, report
from experiments.report.facts import describe_variant
from tests.rows import (
    make_language_run,
    make_metrics,
    make_predictions,
    make_row,
    make_run,
    make_scores,
)

TWO = Scores(
    ids=np.array([4, 2]),
    log_probabilities=np.log([1 / 8, 1 / 32]),
    symbols=np.array([3, 5]),
    characters=np.array([10, 6]),
    groups=np.array([9, 9]),
)


def test_figures_by_hand() -> None:
    found = TWO.evaluate()  # 8 bits for 8 symbols and 16 characters
    assert found.perplexity == pytest.approx(2) and found.log_loss == pytest.approx(math.log(2))
    assert found.bits_per_character == pytest.approx(0.5)
    assert (found.n, found.symbols, found.characters) == (2, 8, 16)
    assert found.headline == "perplexity 2.0"
    hopeless = dataclasses.replace(TWO, log_probabilities=np.array([-np.inf, -1.0]))
    with pytest.raises(ResultsError, match="1 of 2 texts have probability 0, .* is infinite"):
        hopeless.evaluate()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"log_probabilities": np.array([0.5, -1.0])}, "text 4 has the log-probability 0.5"),
        ({"log_probabilities": np.array([-1.0, np.nan])}, "text 2 has the log-probability nan"),
        ({"log_probabilities": np.array([-1, -2])}, "dtype int64; convert them to float32"),
        ({"symbols": np.array([0, 5])}, "symbols must be int64 of at least 1"),
        ({"symbols": np.array([2**62, 2**62])}, "symbols must be .* at most 1,099,511,627,776"),
        ({"characters": np.array([1, 2, 3])}, r"characters have shape \(3,\), ids \(2,\)"),
        ({"ids": np.array([4, 4])}, "id 4 occurs 2 times"),
        ({"ids": np.array([-1, 4])}, "id -1 is negative"),
        ({"groups": np.array([1])}, r"groups are int64\[1\]"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ResultsError, match=message):
        dataclasses.replace(TWO, **changes)


def same(one: Scores, two: Scores) -> bool:
    pairs = zip(one.columns().values(), two.columns().values(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def test_a_file_is_read_as_what_it_holds(tmp_path: Path) -> None:
    write_predictions(tmp_path / "scores.parquet", TWO)
    found = read_outputs(tmp_path / "scores.parquet")
    assert isinstance(found, Scores) and same(found, TWO.in_id_order())
    assert found.groups is not None and found.groups.tolist() == [9, 9]
    with pytest.raises(ResultsError, match="holds Scores, not predictions of classes"):
        read_predictions(tmp_path / "scores.parquet")
    write_predictions(tmp_path / "classes.parquet", make_predictions(10))
    assert isinstance(read_outputs(tmp_path / "classes.parquet"), Predictions)


def test_evidence_keeps_the_figures_and_notices_a_change(tmp_path: Path) -> None:
    parts = {"val": make_scores(0), "test": make_scores(1)}
    evidence = write_evidence(tmp_path / "a.npz", parts)
    assert (tmp_path / "a.npz").stat().st_size < 4000
    read = read_evidence(tmp_path / "a.npz", evidence.checksum)
    for part, scores in parts.items():
        assert isinstance(read.parts[part], Scores)
        assert read.parts[part].evaluate().log_loss == pytest.approx(scores.evaluate().log_loss)
        assert np.array_equal(read.parts[part].symbols, scores.symbols)
    for name in ("log_probabilities", "symbols", "characters", "ids"):
        values = getattr(parts["test"], name).copy()
        values[-1] += -1 if name == "log_probabilities" else 1
        changed = dataclasses.replace(parts["test"], **{name: values})
        assert encode(parts | {"test": changed})[0].checksum != evidence.checksum, name


def test_a_row_has_the_metrics_of_its_problem() -> None:
    language = TWO.evaluate()
    row = make_row(problem="language modelling", val=language, test=language)
    again = row_from_dict(row_to_dict(row), "here")
    assert again == row and isinstance(again.test, LanguageMetrics)
    assert row.classified("test") is None and make_row().classified("test") == make_row().test
    for problem, metrics in (("classification", language), ("language modelling", make_metrics())):
        with pytest.raises(ResultsError, match=f"val has other metrics than {problem} has"):
            make_row(problem=problem, val=metrics, test=metrics)
    data = row_to_dict(row) | {"problem": "translation"}
    with pytest.raises(ResultsError, match="field 'problem' is 'translation'"):
        row_from_dict(data, "here")


def test_runs_are_published_with_evidence_and_a_changed_figure_is_found(tmp_path: Path) -> None:
    runs = [make_language_run(tmp_path / "runs", seed=seed, data=seed) for seed in (0, 1)]
    home = tmp_path / "published"
    rows = publish(runs, "language", home)
    assert verify_published(home) == rows
    for run, row in zip(runs, rows, strict=True):
        parts = read_published_evidence(home, row).parts
        assert row.test == parts["test"].evaluate()
        assert row.test == read_row(run).test  # whose loss is in the log
        assert parts["test"].groups is not None
    row = read_row(runs[0])
    wrong = dataclasses.replace(row.test, perplexity=row.test.perplexity + 1)
    write_row(runs[0], dataclasses.replace(row, test=wrong, checksums={}))
    with pytest.raises(ResultsError, match="perplexity is .* they come from different runs"):
        publish(runs[:1], "language", home)


def test_a_table_of_language_models_stands_beside_that_of_classifiers(tmp_path: Path) -> None:
    for name, data in (("lstm_lm", 0), ("ngram_lm", 5)):
        for seed in (0, 1):
            make_language_run(tmp_path / "runs", name, seed, data + seed)
    tables, _ = read_tables(tmp_path / "runs")
    [table] = tables
    assert table.problem == "language modelling" and table.analysis is None
    keys = [column.key for column in table.columns]
    assert keys[:3] == ["val_perplexity", "test_perplexity", "bits"] and "test_accuracy" not in keys
    values = [line.values["test_perplexity"].mean for line in table.lines]
    assert values == sorted(values)
    for line in table.lines:
        interval = line.intervals["test_perplexity"]
        assert interval.low < line.values["test_perplexity"].mean < interval.high
        assert not interval.reviews_only
    files = report(tmp_path / "runs", out=tmp_path)
    text = files.markdown.read_text(encoding="utf-8")
    low, high = (f"{end:,.1f}" for end in (interval.low, interval.high))
    assert f"[{low}, {high}]" in text and "Perplexity is exp of" in text and "F1" not in text
    page = files.html.read_text(encoding="utf-8")
    assert f"{table.lines[0].experiment} has the lowest perplexity, {values[0]:,.1f}" in page
    assert f"{low}–{high}" in page and "Accuracy against cost" not in page


def test_runs_on_other_texts_are_not_held_against_each_other(tmp_path: Path) -> None:
    make_language_run(tmp_path / "runs", "lstm_lm")
    folder = make_language_run(tmp_path / "runs", "ngram_lm")
    row, scores = read_row(folder), make_scores(100, 60, start=8)
    write_predictions(folder / "predictions.parquet", scores)
    write_row(folder, dataclasses.replace(row, test=scores.evaluate(), checksums={}))
    with pytest.raises(ResultsError, match="ngram_lm, seed 0 was evaluated on other texts"):
        read_tables(tmp_path / "runs")


@pytest.mark.parametrize("value", [-np.inf, -1e308, -30_000.0])
def test_scores_without_a_finite_perplexity_are_not_shown(tmp_path: Path, value: float) -> None:
    folder = make_language_run(tmp_path)
    scores = make_scores(100, 60, start=7)
    wrong = dataclasses.replace(scores, log_probabilities=np.full(60, value))
    with pytest.raises(ResultsError, match="is infinite|the mean loss of a symbol is .* diverged"):
        wrong.evaluate()
    write_predictions(folder / "predictions.parquet", wrong)
    [table] = read_tables(tmp_path)[0]
    assert table.lines[0].unverified == (0,)
    assert any("Unverified" in note and "predictions.parquet" in note for note in table.notes)


def test_one_seed_of_a_model_that_draws_says_nothing_of_others(tmp_path: Path) -> None:
    make_language_run(tmp_path, "lstm_lm")
    folder = make_language_run(tmp_path, "ngram_lm", data=1)
    write_row(folder, dataclasses.replace(read_row(folder), deterministic=True))
    [table] = read_tables(tmp_path)[0]
    found = {one.experiment: one.intervals["test_perplexity"].reviews_only for one in table.lines}
    assert found == {"lstm_lm": True, "ngram_lm": False}


def test_perplexities_of_other_vocabularies_are_not_in_one_table(tmp_path: Path) -> None:
    made = [make_language_run(tmp_path, name) for name in ("gru_lm", "lstm_lm", "rnn_lm", "nnlm")]
    words = {"class_path": "datamodules.tokenizers.CharacterTokenizer", "init_args": {}}
    settings = [{}, {"vocab_size": 30_000}, {"vocab_size": 100}, {"tokenizer": words}]
    for folder, arguments in zip(made, settings, strict=True):
        row = read_row(folder)
        data = {**row.config["data"], "init_args": arguments}
        write_row(folder, dataclasses.replace(row, config={"data": data}))
    tables = {
        tuple(line.experiment for line in table.lines): table.variant
        for table in read_tables(tmp_path)[0]
    }
    assert tables == {
        ("gru_lm", "lstm_lm"): "",
        ("rnn_lm",): "vocab_size 100",
        ("nnlm",): "tokenizer CharacterTokenizer",
    }
    odd: list[Any] = [None, 3, {"init_args": 3}, {"init_args": {"vocab_size": [], "tokenizer": 2}}]
    for data in odd:  # a stranger's
        row = dataclasses.replace(read_row(made[0]), config={"data": data})
        assert isinstance(describe_variant(row), str)


def test_tables_of_a_users_own_corpus_name_the_problem(tmp_path: Path) -> None:
    for folder in (make_run(tmp_path), make_language_run(tmp_path)):
        write_row(folder, dataclasses.replace(read_row(folder), task=None, corpus="own"))
    titles = {table.title for table in read_tables(tmp_path)[0]}
    assert titles == {"own, profile quick", "own, language modelling, profile quick"}
