"""Ensembles: members, their alignment, refusals, and a run folder like any other."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from experiments.cli.main import main
from experiments.config.registry import ConfigError
from experiments.inference.ensembles import combine_members
from experiments.inference.members import find_member, seed_of
from experiments.inference.predictor import Predictor
from experiments.records import test_log, tuning_log
from experiments.records.metrics import evaluate
from experiments.records.predictions import read_predictions, write_predictions
from experiments.records.publishing import publish, verify_published
from experiments.records.row import ResultsError
from experiments.records.run_files import CONFIG_FILE, read_row, write_row
from experiments.report import read_tables, report
from experiments.report.provenance import find_origin
from experiments.statistics.combining import combine, fit_weights
from tests.rows import make_run


def runs(root: Path, *names: str, **changes: Any) -> list[Path]:
    """Runs of unlike predictions on the same reviews."""
    return [
        make_run(root, data=10 * at, experiment=name, **changes) for at, name in enumerate(names, 1)
    ]


def official(folders: list[Path]) -> None:
    """Make the corpus of runs one with an official test split."""
    for folder in folders:
        data = {"class_path": "tests.toys.OfficialToy", "init_args": {"split_seed": 4}}
        (folder / CONFIG_FILE).write_text(json.dumps({"data": data}))


def change(folder: Path, **changes: Any) -> Path:
    write_row(folder, dataclasses.replace(read_row(folder), **changes))
    return folder


def make(*words: object) -> int:
    return main(["ensemble", *map(str, words)])


@pytest.mark.parametrize("protocol", ["holdout", "refit"])
def test_a_row_like_any_other(tmp_path: Path, protocol: str) -> None:
    members = runs(tmp_path / "b", "cnn", "bag", protocol=protocol, train_seconds=10.0)
    change(members[0], parameters=100, track="unlabelled", notes=["Corpus note.", "cnn: own."])
    change(members[1], parameters=20, notes=["Corpus note."])
    assert make("bag+cnn", *members, "--runs", tmp_path) == 0
    folder = tmp_path / "ensemble" / "bag+cnn" / "seed-0"
    row = read_row(folder)
    assert (row.architecture, row.family, row.protocol) == ("Ensemble", "ensembles", protocol)
    assert (row.parameters, row.train_seconds, row.track) == (120, 20.0, "unlabelled")
    assert row.members == ("bag", "cnn") and row.tuning["chosen_on"] == "validation"
    files = {"val": "val_predictions.parquet", "test": "predictions.parquet"}
    files |= {"test_refit": "refit/predictions.parquet"} if protocol == "refit" else {}
    val = [read_predictions(member / files["val"]) for member in members]
    weights = fit_weights(val[0].labels, [one.probabilities for one in val])
    for file in files.values():
        read = [read_predictions(member / file) for member in members]
        expected = combine([one.probabilities for one in read], weights)
        found = read_predictions(folder / file)
        assert np.array_equal(found.probabilities, expected)
        assert found.groups is not None and np.array_equal(found.groups, read[0].groups)
    fitted = yaml.safe_load((folder / CONFIG_FILE).read_text())["fitted"]
    assert [one["weight"] for one in fitted] == weights.tolist()
    assert row.notes[0] == "Corpus note." and len(row.notes) == 2
    for one, weight in zip(fitted, weights, strict=True):
        text = f"{weight:.3f} · {one['experiment']} (seed 0, {one['config_hash']})"
        assert text in row.notes[1]

    [published] = publish([folder], "t", tmp_path / "published")
    assert verify_published(tmp_path / "published") == [published]
    publish(members, "t", tmp_path / "published")
    report(tmp_path / "published")
    [table], _ = read_tables(tmp_path / "published")
    assert {line.family for line in table.lines} == {"ensembles", "other"}
    line = next(line for line in table.lines if line.architecture == "Ensemble")
    origin = find_origin(line, "t", tmp_path / "published", [])
    assert origin.commands == [
        "lit-sentiment ensemble bag+cnn experiments/results/t.jsonl:bag "
        "experiments/results/t.jsonl:cnn --seeds 0",
    ]


def test_training_time_is_that_of_the_fits_that_are_combined(tmp_path: Path) -> None:
    """A member's second fit is no part of an ensemble of first fits."""
    times = {"train_seconds": 10.0, "vectors_seconds": 4.0}
    twice = make_run(tmp_path / "b", data=10, experiment="cnn", protocol="refit", **times)
    once = make_run(tmp_path / "b", data=20, experiment="bag", train_seconds=7.0)
    assert make("bag+cnn", twice, once, "--runs", tmp_path) == 0
    row = read_row(tmp_path / "ensemble" / "bag+cnn" / "seed-0")
    assert (row.protocol, row.fits) == ("holdout", 1)
    assert (row.train_seconds, row.vectors_seconds) == (12.0, 2.0)


def test_members_are_aligned_by_id(tmp_path: Path) -> None:
    first, second = runs(tmp_path, "cnn", "bag")
    before = combine_members([find_member(str(one)) for one in (first, second)])
    for name in ("val_predictions.parquet", "predictions.parquet"):
        rows = read_predictions(second / name)
        order = np.random.default_rng(1).permutation(len(rows.ids))
        mixed = (rows.ids[order], rows.labels[order], rows.probabilities[order])
        write_predictions(
            second / name,
            dataclasses.replace(
                rows,
                **dict(zip(("ids", "labels", "probabilities"), mixed, strict=True)),
                groups=None,
            ),
        )
    after = combine_members([find_member(str(one)) for one in (second, first)])
    for part, found in after.parts.items():
        expected = before.parts[part].probabilities
        assert found.probabilities == pytest.approx(expected, abs=1e-6)


def test_published_rows_are_members_too(tmp_path: Path) -> None:
    folders = runs(tmp_path / "b", "cnn", "bag")
    publish(folders, "t", tmp_path / "p")
    table = tmp_path / "p" / "t.jsonl"
    for words in ([f"{table}:cnn", f"{table}:bag:0"], [f"{table}:cnn", folders[1]]):
        found = combine_members([find_member(str(word)) for word in words])
        expected = combine_members([find_member(str(folder)) for folder in folders])
        assert found.weights == pytest.approx(expected.weights, rel=0.01)
        accuracy = [
            float((p.probabilities.argmax(axis=1) == p.labels).mean())
            for p in (found.parts["test"], expected.parts["test"])
        ]
        assert accuracy[0] == pytest.approx(accuracy[1], abs=0.01)


def test_seeds_alike_and_a_deterministic_member_in_each(tmp_path: Path) -> None:
    for seed in (0, 1, 2):
        runs(tmp_path / "b", "cnn", seed=seed)
    [fixed] = runs(tmp_path / "b", "bag", deterministic=True)
    places = [tmp_path / "b" / name for name in ("cnn", "bag")]
    assert make("both", *places, "--seeds", 1, 2, "--runs", tmp_path, "--name", "e") == 0
    rows = [read_row(tmp_path / "e" / "both" / f"seed-{seed}") for seed in (1, 2)]
    assert [row.seed for row in rows] == [1, 2]
    assert rows[0].config_hash != rows[1].config_hash
    assert "cnn (seed 2" in rows[1].notes[-1] and "bag (seed 0" in rows[1].notes[-1]
    report(tmp_path / "e")  # the settings of the seeds are equal
    one, two = find_member(str(fixed)), find_member(str(places[0] / "seed-2"))
    assert seed_of([one, two]) == 2 and seed_of([one]) == 0


@pytest.mark.parametrize(
    ("text", "seed", "error"),
    [
        ("{b}/nothing", None, "no finished run"),
        ("{b}/cnn", None, "2 runs fit, there are seed 0 .*, seed 1 .*--seeds"),
        ("{b}/cnn", 7, "0 runs of seed 7 fit"),
        ("{b}/cnn/seed-0", 1, "0 runs of seed 1 fit"),
        ("{b}/none.jsonl:cnn", None, "none.jsonl: no such table"),
        ("{b}/t.jsonl:gru", None, "no finished run"),
        ("{b}/t.jsonl:cnn:5", None, "no finished run"),
        ("{b}/t.jsonl:cnn", None, "2 runs fit"),
    ],
)
def test_a_member_that_is_not_there(
    tmp_path: Path, text: str, seed: int | None, error: str
) -> None:
    folders = [make_run(tmp_path, number) for number in (0, 1)]
    publish(folders, "t", tmp_path)
    with pytest.raises(ConfigError, match=error):
        find_member(text.format(b=tmp_path), seed)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"task": "other-v1"}, "cnn has task None and bag 'other-v1'"),
        ({"corpus": "own"}, "cnn has corpus 'movie-reviews' and bag 'own'"),
        ({"corpus_fingerprint": "f" * 16}, "corpus_fingerprint '0123456789abcdef' and bag 'ffff"),
        ({"profile": "full"}, "cnn has profile 'quick' and bag 'full'"),
        ({"excluded": "robustness"}, "cnn has excluded None"),
        ({"protocol": "folds", "test": None}, "bag, seed 0 has no predictions of a validation"),
        ({"test": None}, r"no test predictions .*cnn has test; bag has none.*--no-test"),
    ],
)
def test_unequal_members_are_refused(tmp_path: Path, changes: dict[str, Any], error: str) -> None:
    first, second = runs(tmp_path, "cnn", "bag")
    change(second, **changes)
    with pytest.raises(ResultsError, match=error):
        combine_members([find_member(str(one)) for one in (first, second)])


@pytest.mark.parametrize("part", ["val", "test"])
@pytest.mark.parametrize("what", ["ids", "labels"])
def test_other_reviews_are_refused_with_their_fingerprints(
    tmp_path: Path, part: str, what: str
) -> None:
    first, second = runs(tmp_path, "cnn", "bag")
    file = second / ("val_predictions.parquet" if part == "val" else "predictions.parquet")
    rows = read_predictions(file)
    values = rows.ids + 1 if what == "ids" else rows.labels[::-1].copy()
    rows = dataclasses.replace(rows, **{what: values})
    write_predictions(file, rows)
    change(second, **{part: evaluate(rows.labels, rows.probabilities)})
    with pytest.raises(ResultsError, match=rf"different {part} rows.* \w{{16}}, \d+ with \w{{16}}"):
        combine_members([find_member(str(one)) for one in (first, second)])


def test_one_member_or_the_same_twice_is_refused(tmp_path: Path) -> None:
    [one] = runs(tmp_path, "cnn")
    with pytest.raises(ConfigError, match="1 member was given; an ensemble has at least 2"):
        combine_members([find_member(str(one))])
    with pytest.raises(ConfigError, match="cnn, seed 0 is given twice"):
        combine_members([find_member(str(one))] * 2)


def test_a_test_evaluation_is_a_look_and_validation_alone_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (test_log, tuning_log):
        monkeypatch.setattr(module, "LOG", tmp_path / module.LOG.name)
    folders = runs(tmp_path / "b", "cnn", "bag")
    official(folders)
    words = ("bag+cnn", *folders, "--runs", tmp_path)
    assert make(*words, "--no-test") == 0
    folder = tmp_path / "ensemble" / "bag+cnn" / "seed-0"
    assert not read_row(folder).tested and test_log.read() == []
    for _ in range(2):
        assert make(*words) == 0
    [look], [trial] = test_log.read(), tuning_log.read()
    row = read_row(folder)
    assert row.test and look.accuracy == row.test.accuracy
    assert isinstance(trial, tuning_log.Trial) and trial.split_seed == 4
    assert trial.setting == look.setting and look.experiment == "bag+cnn"
    publish([folder], "t", tmp_path / "published")
    # The setting of another seed is the same one; that of other members is another.
    again = tmp_path / "again"
    others = [make_run(again, 1, data=10 * at, experiment=n) for at, n in enumerate(("cnn", "bag"))]
    official(others)
    assert make("bag+cnn", *others, "--runs", tmp_path) == 0
    assert test_log.count_looks(test_log.read(), "bag+cnn") == 1


def test_another_run_in_its_place_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cnn, bag, gru = runs(tmp_path / "b", "cnn", "bag", "gru")
    assert make("both", cnn, bag, "--runs", tmp_path) == 0
    before = (tmp_path / "ensemble" / "both" / "seed-0" / "row.json").read_bytes()
    assert make("both", cnn, gru, "--runs", tmp_path) == 1
    assert "is another run, of bag, cnn" in capsys.readouterr().err
    assert (tmp_path / "ensemble" / "both" / "seed-0" / "row.json").read_bytes() == before
    for name in ("a/b", "..", ""):
        assert make(name, cnn, bag, "--runs", tmp_path) == 1


def test_what_needs_a_model_names_the_members(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = runs(tmp_path / "b", "cnn", "bag")
    assert make("both", *folders, "--runs", tmp_path, "--no-test") == 0
    folder = tmp_path / "ensemble" / "both" / "seed-0"
    with pytest.raises(ConfigError, match="an ensemble has no model; use .*bag, cnn"):
        Predictor(folder)
    assert main(["test", str(folder)]) == 1
    assert "an ensemble has no model" in capsys.readouterr().err
    # It can be a member itself.
    assert make("three", folder, *runs(tmp_path / "c", "gru"), "--runs", tmp_path, "--no-test") == 0
