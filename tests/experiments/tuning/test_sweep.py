"""Sweeps: resumed trials, several machines, and the best config, which `fit` reads."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
import torch
import yaml
from optuna.trial import TrialState
from rich.console import Console

from experiments.cli.main import main
from experiments.launch.local import LocalLauncher
from experiments.records.lock import exclusive_lock
from experiments.records.run_files import read_row, write_row
from experiments.training.outcome import failed_row
from experiments.tuning.search_space import read_space
from experiments.tuning.study import (
    JOURNAL,
    Pruned,
    PruningCallback,
    load_trial,
    open_study,
    suggest,
)
from experiments.tuning.sweep import Sweep
from tests.experiments.tuning.conftest import FIT, spec_of

pytestmark = pytest.mark.usefixtures("fork_server")


def sweep_in(runs: Path, space: Path, trials: int) -> Sweep:
    quiet = Console(quiet=True)
    return Sweep(spec_of("bag", runs), read_space(space), trials, "asha", LocalLauncher(), quiet)


def study_in(folder: Path) -> optuna.Study:
    return open_study(folder / JOURNAL, "bag", "min", "asha")


def test_a_sweep_goes_on_where_it_was_and_fit_takes_its_best_settings(
    space: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = ["--runs", str(tmp_path)]
    words = ["sweep", "bag", "--space", str(space), *runs, "--name", "s", *FIT]
    assert main([*words, "--trials", "2"]) == 0
    folder = tmp_path / "s"
    rows = {file: file.stat().st_mtime_ns for file in folder.glob("*/row.json")}
    assert [file.parent.name for file in sorted(rows)] == ["trial-0000", "trial-0001"]

    # As if an earlier start had been killed in its third trial.
    begun = study_in(folder).ask()
    assert main([*words, "--trials", "4", "--jobs", "2"]) == 0
    trials = study_in(folder).trials
    assert begun.number == 2 and len(trials) == 4
    assert all(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in trials)
    assert all(file.stat().st_mtime_ns == before for file, before in rows.items())
    assert not list(folder.rglob("predictions.parquet")), "a trial saw test rows"
    assert len({trial.params["model.learning_rate"] for trial in trials}) == 4

    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    best = min(complete, key=lambda trial: trial.value or 0.0)
    assert best.value == min(
        epoch["val/log_loss"] or 9.0
        for epoch in read_row(folder / f"trial-{best.number:04d}").history
    )
    tuned = folder / "bag_tuned.yaml"
    assert main(["fit", "-c", str(tuned), *runs, *FIT]) == 0
    row = read_row(tmp_path / "fit" / "bag_tuned" / "seed-0")
    assert row.tuning == {"trials": None, "chosen_on": "validation"}  # not an official corpus
    config = yaml.safe_load((tmp_path / "fit/bag_tuned/seed-0/config.yaml").read_text())
    assert config["model"]["init_args"]["learning_rate"] == best.params["model.learning_rate"]
    assert config["data"]["init_args"]["batch_size"] == best.params["data.batch_size"]
    trial_row = read_row(folder / f"trial-{best.number:04d}")
    assert row.val == trial_row.val, "the file means another run than the trial was"

    assert main([*words, "--trials", "4", "--pruner", "median"]) == 1
    assert "is a sweep over other settings" in capsys.readouterr().err


@pytest.mark.parametrize("metric", ["val/accuracy", "val/f1", "val/auroc"])
def test_a_sweep_searches_in_the_direction_of_its_metric(
    metric: str, space: Path, tmp_path: Path
) -> None:
    spec = spec_of("bag", tmp_path)
    spec = dataclasses.replace(spec, overrides=(*spec.overrides, f"--run.monitor={metric}"))
    sweep = Sweep(spec, read_space(space), 1, "asha", LocalLauncher(), Console(quiet=True))
    assert sweep.study.direction == optuna.study.StudyDirection.MAXIMIZE
    [trial] = [sweep._spec(sweep.study.ask().number)]
    [callback] = trial.settings["trainer"]["callbacks"]
    assert callback["init_args"]["mode"] == trial.resolve().run.mode == "max"
    out = tmp_path / "wandb.yaml"
    words = ["sweep", "bag", "--space", str(space), "--wandb-sweep", str(out)]
    assert main([*words, *FIT, "--runs", str(tmp_path), f"--run.monitor={metric}"]) == 0
    assert yaml.safe_load(out.read_text())["metric"] == {"name": metric, "goal": "maximize"}


def test_a_trial_that_another_machine_is_at_is_left_to_it(space: Path, tmp_path: Path) -> None:
    sweep = sweep_in(tmp_path, space, 2)
    elsewhere = sweep.study.ask()
    suggest(load_trial(sweep.study, elsewhere.number), sweep.space)
    with exclusive_lock(tmp_path / "s" / f"trial-{elsewhere.number:04d}"):
        assert sweep.run() is not None
    states = [trial.state for trial in study_in(tmp_path / "s").trials]
    assert states == [TrialState.RUNNING, TrialState.COMPLETE]


@pytest.mark.parametrize("error", [OSError(28, "no space left"), ValueError("[/broken]")])
def test_an_outcome_that_the_study_does_not_take_ends_the_sweep(
    error: Exception, space: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*words: Any, **options: Any) -> None:
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(optuna.Study, "tell", fail)
        with pytest.raises(type(error)) as caught:
            sweep_in(tmp_path, space, 2).run()
    assert caught.value is error
    folder = tmp_path / "s"
    [trial] = study_in(folder).trials
    assert trial.state == TrialState.RUNNING, "the study took it for ended"
    row = folder / "trial-0000" / "row.json"
    written = row.stat().st_mtime_ns
    assert sweep_in(tmp_path, space, 2).run() is not None
    trials = study_in(folder).trials
    assert len(trials) == 2 and all(trial.state.is_finished() for trial in trials)
    assert row.stat().st_mtime_ns == written, "the trial was run again"


def test_a_terminal_that_is_gone_ends_no_sweep(space: Path, tmp_path: Path) -> None:
    closed = (tmp_path / "terminal").open("w")
    closed.close()
    console = Console(file=closed)
    spec = spec_of("bag", tmp_path)
    sweep = Sweep(spec, read_space(space), 2, "asha", LocalLauncher(), console)
    assert sweep.run() is not None
    states = [trial.state for trial in study_in(tmp_path / "s").trials]
    assert TrialState.RUNNING not in states and len(states) == 2


def test_a_trial_that_another_machine_has_ended_meanwhile_is_told_once(
    space: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "s"
    for _ in range(2):  # killed: two trials that the study lists as running, each with its row
        sweep_in(tmp_path, space, 9).study.ask()
    here, there = (sweep_in(tmp_path, space, 2) for _ in range(2))
    rows = [failed_row(there._spec(n), "x", "2026-01-01T00:00:00+00:00") for n in range(2)]
    specs = here._specs()
    assert next(specs).folder.name == "trial-0000"
    write_row(folder / "trial-0001", rows[1])
    there._record(there._spec(1), rows[1])
    assert not list(specs)
    assert study_in(folder).trials[1].state == TrialState.FAIL


def test_machines_propose_different_settings_and_each_can_be_had_again(
    space: Path, tmp_path: Path
) -> None:
    def proposed(folder: Path) -> list[Any]:
        rates = []
        for _ in range(3):  # three machines share a study
            sweep = sweep_in(folder, space, 9)
            number = sweep.study.ask().number
            sweep._spec(number)
            rates.append(sweep.study.trials[number].params["model.learning_rate"])
        return rates

    first = proposed(tmp_path / "a")
    assert len(set(first)) == 3 and proposed(tmp_path / "b") == first


@pytest.mark.parametrize("pruner", ["asha", "median"])
def test_a_hopeless_trial_is_ended_and_a_good_one_is_not(pruner: Any, tmp_path: Path) -> None:
    file = tmp_path / JOURNAL
    study = open_study(file, "x", "min", pruner)
    for value in (0.3, 0.31, 0.32, 0.33, 0.34, 0.35):
        trial = study.ask()
        for epoch in range(4):
            trial.report(value, epoch)
            trial.should_prune()
        study.tell(trial, value)

    def after(value: float) -> None:
        prune = PruningCallback(str(file), "x", study.ask().number, "val/log_loss", "min", pruner)
        for epoch in range(4):
            metrics = {"val/log_loss": torch.tensor(value)}
            trainer: Any = SimpleNamespace(callback_metrics=metrics, current_epoch=epoch)
            prune.on_validation_end(trainer, None)  # type: ignore[arg-type]

    after(0.2)
    with pytest.raises(Pruned, match=r"pruned after epoch \d: val/log_loss 0.9000"):
        after(0.9)
