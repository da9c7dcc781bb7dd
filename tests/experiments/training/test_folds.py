"""Cross-validation within train: `--run.folds K`, from the fits of the folds to the row."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.cli.main import main
from experiments.config.registry import ConfigError
from experiments.config.resolved import Resolved
from experiments.records.metrics import evaluate
from experiments.records.predictions import read_predictions
from experiments.records.problems.class_predictions import Predictions
from experiments.records.run_files import VAL_FILE, check_files, read_row
from experiments.training import folds as folds_module
from experiments.training.folds import HeldOut
from experiments.training.run import execute
from experiments.training.signals import Stopped
from experiments.training.spec import RunSpec
from experiments.tuning.sweep import _value
from tests.experiments.training.test_choice import BEST, QUALITY, scripted
from tests.experiments.training.test_refit import ROWS, same, spec_of

FOLDS = 3


def folded(spec: RunSpec, *words: str) -> RunSpec:
    words = (*spec.overrides, f"--run.folds={FOLDS}", *words)
    return dataclasses.replace(spec, overrides=words, test=False)


def held_out(folder: Path) -> Predictions:
    return read_predictions(folder / VAL_FILE)


@pytest.mark.parametrize("name", ["scripted", "tfidf_logreg"])
def test_each_row_is_predicted_by_the_model_of_the_other_folds(name: str, tmp_path: Path) -> None:
    plain = scripted(tmp_path / "run", "--run.monitor=val/accuracy")
    if name != "scripted":
        plain = spec_of(tmp_path / "run", "refit", name)
    spec = folded(plain)
    row = execute(spec)
    assert row is not None
    predictions = held_out(spec.folder)
    assert predictions.ids.tolist() == list(range(ROWS))
    assert row.val == evaluate(predictions.labels, predictions.probabilities)
    assert row.test is None and row.protocol == "folds" and row.cross_validated
    assert row.tuning["chosen_on"] == f"{FOLDS} folds of train"
    assert row.parameters and row.corpus_fingerprint and row.config["run"]["folds"] == FOLDS
    if name == "scripted":
        assert row.best_epoch == BEST and row.epochs == BEST + 1 + 2  # the patience
    else:
        assert row.best_epoch is None and row.history == []
    check_files(spec.folder, row)
    assert not list(spec.folder.glob("fold-*")) and not list(spec.folder.glob("*.ckpt"))
    for number in range(FOLDS):  # the same by runs that validate on one fold each
        words = (*plain.overrides, f"--data.fold=[{number}, {FOLDS}]", "--run.protocol=holdout")
        alone = dataclasses.replace(
            plain, folder=tmp_path / str(number), overrides=words, test=False
        )
        execute(alone)
        one = held_out(alone.folder)
        assert np.array_equal(one.labels, predictions.labels[one.ids])
        assert np.array_equal(one.probabilities, predictions.probabilities[one.ids])


def test_all_folds_stop_at_the_epoch_that_is_best_on_their_mean() -> None:
    losses = [[0.5, 0.2, 0.6, 0.7], [0.5, 0.6, 0.3], [0.5, 0.6, 0.3, 0.1]]
    histories = [
        [{"epoch": float(n), "val/log_loss": loss, "seconds": 2.0} for n, loss in enumerate(fold)]
        for fold in losses
    ]
    mean = folds_module._mean_history(histories)
    assert [epoch["val/log_loss"] for epoch in mean] == pytest.approx([0.5, 1.4 / 3, 0.4])
    assert [epoch["seconds"] for epoch in mean] == [6.0] * 3  # the fourth is not that of all folds
    assert folds_module._best_epoch(mean, "val/log_loss", "min") == 2
    assert folds_module._best_epoch(mean, "val/log_loss", "max") == 0
    assert folds_module._best_epoch([], "val/log_loss", "min") is None


@pytest.mark.parametrize("at", ["between folds", "within a fold"])
def test_a_stopped_run_goes_on_with_the_fold_that_it_was_in(
    at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = execute(folded(spec_of(tmp_path / "whole", "holdout")))
    spec = folded(spec_of(tmp_path / "run", "holdout"))
    fitted: list[str] = []
    fit_epochs, validated = folds_module.fit_epochs, HeldOut.on_validation_end

    def counted(resolved: Resolved, folder: Path, *words: Any) -> Any:
        if folder.name == "fold-1" and at == "between folds" and "fold-1" not in fitted:
            fitted.append(folder.name)
            raise Stopped(15, "here")
        fitted.append(folder.name)
        return fit_epochs(resolved, folder, *words)

    def stopped(self: HeldOut, trainer: Any, module: Any) -> None:
        validated(self, trainer, module)
        first = fitted.count("fold-1") == 1 and fitted[-1] == "fold-1"
        if first and at == "within a fold" and trainer.current_epoch == 2:
            raise Stopped(15, "here")

    monkeypatch.setattr(folds_module, "fit_epochs", counted)
    monkeypatch.setattr(HeldOut, "on_validation_end", stopped)
    with pytest.raises(Stopped):
        execute(spec)
    row = execute(spec)
    assert fitted == ["fold-0", "fold-1", "fold-1", "fold-2"]
    assert row is not None and whole is not None
    assert row.val == whole.val and row.best_epoch == whole.best_epoch
    assert same(held_out(spec.folder), held_out(tmp_path / "whole"))


def test_a_finished_fold_of_other_settings_is_fitted_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = folded(scripted(tmp_path / "run"))
    remove = folds_module.remove_folds
    monkeypatch.setattr("experiments.training.cross_validation.remove_folds", lambda folder: None)
    execute(spec)
    other = dataclasses.replace(spec, overrides=(*spec.overrides, "--trainer.max_epochs=2"))
    row = execute(other)
    assert row is not None and row.epochs == 2 < len(QUALITY)
    remove(spec.folder)
    assert not list(spec.folder.glob("fold-*"))


def test_settings_of_folds() -> None:
    one = spec_of(Path("run"), "refit").resolve()
    spec = folded(spec_of(Path("run"), "refit"))
    resolved = spec.resolve()
    assert resolved.run.protocol == "holdout"  # nothing is refitted
    assert [fit.config["data"]["init_args"]["fold"] for fit in resolved.fits()] == [
        [number, FOLDS] for number in range(FOLDS)
    ]
    assert len({fit.hash for fit in (one, resolved, *resolved.fits())}) == FOLDS + 2
    assert resolved.hash == folded(spec_of(Path("run"), "holdout")).resolve().hash
    with pytest.raises(ConfigError, match="run.folds is 1; it must be at least 2, or null"):
        dataclasses.replace(spec, overrides=("--run.folds=1",)).resolve()
    with pytest.raises(ConfigError, match="run.folds is 3: cross-validation leaves no model"):
        dataclasses.replace(spec, test=True).resolve()


def test_a_trial_of_a_sweep_is_judged_out_of_fold(tmp_path: Path) -> None:
    row = execute(folded(scripted(tmp_path / "run")))
    assert row is not None and row.val is not None
    assert _value(row, "val/log_loss", "min") == row.val.log_loss
    assert _value(row, "val/accuracy", "max") == row.val.accuracy


def test_commands_say_that_there_is_no_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--profile", "smoke", "--runs", str(tmp_path / "runs"), "--data=tests.toys.ToyData"]
    words += ["--run.wandb_mode=disabled", f"--run.folds={FOLDS}"]
    fit = ["fit", "-c", "nb_logreg", *words]
    for command in ([*fit, "--test"], ["benchmark", "nb_logreg", *words]):
        assert main(command) == 1
        assert f"run.folds is {FOLDS}: cross-validation leaves no model" in capsys.readouterr().err
    assert main(fit) == 0
    run = tmp_path / "runs" / "fit" / "nb_logreg" / "seed-0"
    assert len(held_out(run).ids) == read_row(run).val.n == 64
    for command in (["test", str(run)], ["predict", str(run), "fine"], [*fit, "--test"]):
        assert main(command) == 1
        assert "no model" in (said := capsys.readouterr().err) or "none to predict with" in said
    assert main(["report", str(run.parents[1])]) == 0
    assert main(fit) == 0
    assert "is done already" in capsys.readouterr().out
