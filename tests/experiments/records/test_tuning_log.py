"""Log of trials: each setting that was measured on validation of an official corpus, counted."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from datamodules import console
from experiments.cli.main import main
from experiments.config.identity import config_hash, setting_hash
from experiments.config.registry import CONFIGS, Registry, layered, read_profile
from experiments.config.run_settings import RunSettings
from experiments.launch.benchmark import expand
from experiments.launch.launcher import record_death
from experiments.launch.local import LocalLauncher
from experiments.records import logs, tuning_log
from experiments.records.counts import counts, describe
from experiments.records.row import ResultsError
from experiments.records.run_files import read_row, write_row
from experiments.records.tuning_log import Before, Trial, count_trials, read
from experiments.report import report
from experiments.training.run import execute
from experiments.training.spec import RunSpec
from experiments.tuning.search_space import read_space
from experiments.tuning.sweep import Sweep
from tests.experiments.records.test_run_files import PUBLISHED
from tests.experiments.records.test_test_log import entry
from tests.rows import make_row

FIT = ["fit", "-c", "tfidf_logreg", "--profile", "smoke", "--run.wandb_mode=disabled"]


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Log in the temporary folder."""
    monkeypatch.setattr(tuning_log, "LOG", tmp_path / "tuning_log.jsonl")
    monkeypatch.setattr(console, "_said", {})
    return tmp_path / "tuning_log.jsonl"


def fit(tmp_path: Path, *words: str, data: str = "OfficialToy") -> Path:
    """Fit with the command line, in this process, and return the run folder."""
    fixed = [*FIT, "--runs", str(tmp_path / "runs"), f"--data=tests.toys.{data}"]
    assert main([*fixed, *words]) == 0
    return tmp_path / "runs" / "fit" / "tfidf_logreg" / "seed-0"


def trial(experiment: str = "cnn", setting: str = "a", **changes: Any) -> Trial:
    values: dict[str, Any] = {field.name: None for field in dataclasses.fields(Trial)}
    return Trial(**values | {"experiment": experiment, "setting": setting} | changes)


def test_each_run_on_an_official_corpus_leaves_a_line_and_counts_itself(
    log: Path, tmp_path: Path
) -> None:
    folder = fit(tmp_path)
    row = read_row(folder)
    assert row.val is not None
    [line] = log.read_text().splitlines()
    assert json.loads(line) == {
        "time": row.ended,
        "experiment": "tfidf_logreg",
        "setting": setting_hash(row.config),
        "config_hash": row.config_hash,
        "corpus": "toy",
        "corpus_fingerprint": row.corpus_fingerprint,
        "profile": "smoke",
        "seed": 0,
        "split_seed": None,
        "chosen_on": "validation",
        "accuracy": row.val.accuracy,
        "log_loss": row.val.log_loss,
        "n": row.val.n,
        "git_commit": row.git_commit,
        "git_dirty": row.git_dirty,
        "run": "fit/tfidf_logreg/seed-0",
    }
    assert row.tuning == {"trials": 1, "chosen_on": "validation"}
    assert main(["test", str(folder)]) == 0
    assert len(read()) == 1  # a test is no trial
    fit(tmp_path, "--model.C=3", "--test")
    assert len(read()) == 2 and read_row(folder).tuning["trials"] == 2
    fit(tmp_path, "--model.C=3", "--run.folds=2")
    assert read_row(folder).tuning == {"trials": 2, "chosen_on": "2 folds of train"}
    last = read()[-1]
    assert isinstance(last, Trial)
    assert (last.chosen_on, last.n) == ("2 folds of train", 64)
    fit(tmp_path, "--model.C=3", "--run.protocol=holdout")
    fit(tmp_path, "--model.C=3", "--seed=1")  # another run folder
    assert count_trials(read(), "tfidf_logreg") == 2 and len(read()) == 5
    log.write_text("".join(f"{line}\n" for line in log.read_text().splitlines()[:1]))
    fit(tmp_path, "--model.C=5")
    assert read_row(folder).tuning["trials"] == 2


def test_runs_on_other_corpora_are_not_counted(log: Path, tmp_path: Path) -> None:
    folder = fit(tmp_path, data="ToyData")
    assert not log.exists()
    assert read_row(folder).tuning == {"trials": None, "chosen_on": "validation"}


def test_a_log_out_of_reach_is_told_once_and_fails_nothing(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logs, "CHECKOUT", False)
    row = make_row()
    row = dataclasses.replace(row, config={"data": {}, "run": {}})
    for _ in range(2):
        tuning_log.record_trial(row, tmp_path)
    assert capsys.readouterr().err.count("trials on validation are not added to tuning_log") == 1
    assert not log.exists() and read() == []


def test_a_damaged_line_is_named(log: Path) -> None:
    log.write_text(json.dumps({"experiment": "cnn", "trials": 2, "before": "x"}) + "\n[]\n")
    with pytest.raises(ResultsError, match=f"{log}:2: not an entry"):
        read()


def test_trials_are_the_distinct_settings_and_those_before_the_log() -> None:
    before = Before(experiment="cnn", trials=4, before="by hand", settings=["a"])
    assert count_trials([before], "cnn") == count_trials([before, trial()], "cnn") == 4
    more = [before, trial(), trial(setting="b"), trial(setting="b", seed=1), trial("bag", "c")]
    assert count_trials(more, "cnn") == 5
    assert count_trials(more, "cnn", ["a", "b"]) == 5 and count_trials(more, "cnn", ["d"]) == 6
    assert count_trials([*more, trial("cnn_tuned", "b")], "cnn_tuned") == 5  # of a sweep of cnn
    assert count_trials(more, "bag") == 1 and count_trials(more, "lstm") == 0


def test_seeds_splits_and_protocols_are_of_one_setting() -> None:
    data = {"class_path": "datamodules.imdb.IMDB", "init_args": {"max_length": 400}}
    config = {"seed_everything": 0, "data": data, "run": {"protocol": "holdout", "patience": 3}}
    for changes in (
        {"seed_everything": 1},
        {"run": {"protocol": "refit", "patience": 3, "folds": 5, "wandb_mode": "online"}},
        {"data": data | {"init_args": {"max_length": 400, "split_seed": 3, "fold": [0, 5]}}},
    ):
        other = config | changes
        assert setting_hash(other) == setting_hash(config)
        assert config_hash(other) != config_hash(config)
    for changes in (
        {"run": {"protocol": "holdout", "patience": 2}},
        {"data": data | {"init_args": {"max_length": 300}}},
        {"model": {"class_path": "lit_models.cnn.CNN"}},
    ):
        assert setting_hash(config | changes) != setting_hash(config)


def test_the_trials_of_a_sweep_are_those_of_its_experiment(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each trial in this process; the third is pruned."""
    space = tmp_path / "space.yaml"
    space.write_text("model.C: {low: 1.0, high: 10.0}")
    plan = expand(
        Registry(),
        read_profile("smoke"),
        names=["tfidf_logreg"],
        seeds=[0],
        name="s",
        runs=tmp_path,
        overrides=["--data=tests.toys.OfficialToy", "--run.wandb_mode=disabled"],
        test=False,
    )
    spec = dataclasses.replace(plan.specs[0], folder=plan.folder)

    class InThisProcess(LocalLauncher):
        def run(self, specs: Any, observer: Any, deadline: Any = None) -> bool:
            for number, one in enumerate(specs):
                outcome = "pruned after epoch 1"
                if number < 2:
                    one.folder.mkdir()
                    execute(one)
                    outcome = "done"
                record_death(one, outcome, "2026-03-01T10:00:00+00:00")
                observer.ended(one, outcome, 0.0)
            return True

    best = Sweep(spec, read_space(space), 3, "none", InThisProcess(), Console(quiet=True)).run()
    entries = read()
    assert [one.experiment for one in entries] == ["tfidf_logreg"] * 3
    pruned = [isinstance(one, Trial) and one.accuracy is None for one in entries]
    assert pruned == [False, False, True]
    assert count_trials(entries, "tfidf_logreg") == 3
    assert best is not None and "tuning_trials" not in best.read_text()
    words = ["--profile", "smoke", "--runs", str(tmp_path), "--run.wandb_mode=disabled"]
    assert main(["fit", "-c", str(best), *words, "--data=tests.toys.OfficialToy"]) == 0
    row = read_row(tmp_path / "fit" / "tfidf_logreg_tuned" / "seed-0")
    assert row.tuning["trials"] == 3  # of the sweep


def test_the_report_tells_looks_and_trials(tmp_path: Path) -> None:
    rows = [make_row(), make_row(experiment="bag"), make_row(experiment="lstm", test=None)]
    looks = [entry(), entry(seed=1, setting="b"), entry(experiment="bag")]
    tried = [Before(experiment="cnn", trials=4, before="by hand"), trial("bag", "c")]
    assert counts(rows, tmp_path) == {}
    for name, entries in (("test_log.jsonl", looks), ("tuning_log.jsonl", tried)):
        lines = [json.dumps(dataclasses.asdict(one)) + "\n" for one in entries]
        (tmp_path / name).write_text("".join(lines))
    assert counts(rows, tmp_path) == {"bag": (1, 1), "cnn": (2, 4)}
    for row in rows[:2]:
        write_row(tmp_path / row.experiment / "seed-0", row)
    text = report(tmp_path).markdown.read_text()
    assert "- Tested: cnn 2 looks; every other experiment one look\n" in text
    assert "- Tried on validation: cnn 4 trials; every other experiment one trial\n" in text


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ({}, ""),
        ({"a": 1, "b": 1}, "every experiment one look"),
        ({"a": 2, "b": 3, "c": 2}, "b 3 looks; a, c 2 looks"),
        ({"a": 0, "b": 1}, "a no looks; every other experiment one look"),
    ],
)
def test_description(numbers: dict[str, int], text: str) -> None:
    assert describe(numbers, "look") == text


YOUNGER = {"nb_bag+cnn", "nb_bag+dpcnn", "nb_bag+lstm", "ngram_lm_classifier", "seq_cnn"}
YOUNGER |= {"cnn_pseudo_labels", "lstm_pseudo_labels", "lm_lstm", "lm_bidirectional_lstm"}
YOUNGER |= {"cnn_virtual_adversarial", "bidirectional_lstm_virtual_adversarial"}
YOUNGER |= {"mixed_objective_lstm"}
YOUNGER |= {"convolutional_capsule", "lsa_logreg", "memory_network", "neural_turing_machine"}
YOUNGER |= {"tree_lstm", "linear_regression", "linear_regression_stars"}
YOUNGER |= {"byte_transformer"}
"""Published experiments that are younger than the log, which so has each of their trials."""


def test_every_published_experiment_has_its_trials_in_the_committed_log() -> None:
    entries = read(PUBLISHED / "tuning_log.jsonl")
    rows = [json.loads(line) for line in (PUBLISHED / "imdb.jsonl").read_text().splitlines()]
    for row in rows:
        own = [one for one in entries if one.experiment == row["experiment"]]
        before = [one for one in own if isinstance(one, Before)]
        settings = {one.setting for one in own if isinstance(one, Trial)}
        settings |= {setting for one in before for setting in one.settings}
        assert bool(before) == (row["experiment"] not in YOUNGER)
        assert setting_hash(row["config"]) in settings
        assert all(len(one.settings) <= one.trials for one in before)
        assert count_trials(entries, row["experiment"]) >= row["tuning"]["trials"]


def test_typed_trials_are_read_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "tuning_trials" not in vars(RunSettings())
    assert not any("tuning_trials" in file.read_text() for file in CONFIGS.rglob("*.yaml"))
    monkeypatch.setattr(console, "_said", {})
    config = layered(Registry(), "tfidf_logreg", read_profile("smoke"))
    spec = RunSpec("t", "b", "smoke", 0, tmp_path, config)
    older = {**config, "run": {**config["run"], "tuning_trials": 9}}
    assert dataclasses.replace(spec, settings=older).resolve().config == spec.resolve().config
    for words in (("--run.tuning_trials=9",), ("--run.tuning_trials", "9")):
        one = dataclasses.replace(spec, overrides=(*words, "--run.patience=7")).resolve()
        assert one.run.patience == 7 and "tuning_trials" not in one.config["run"]
    assert "note: --run.tuning_trials is no setting today" in capsys.readouterr().err
    file = tmp_path / "own.yaml"
    file.write_text(yaml.safe_dump(older))
    assert "tuning_trials" not in Registry().settings(str(file))["run"]
    assert f"{file}: run.tuning_trials is no setting today" in capsys.readouterr().err
