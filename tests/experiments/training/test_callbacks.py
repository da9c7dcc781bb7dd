"""Stopping and resuming: no epoch is skipped, repeated or timed wrongly."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch

from experiments.config.resolved import Resolved
from experiments.training import callbacks
from experiments.training.checkpointing import RESUME_FILE
from experiments.training.fitting import fit_and_choose
from experiments.training.signals import Stopped

STEPS = 6  # of an epoch
SETTINGS = {
    "model": {"class_path": "lit_models.bag.Bag"},  # draws dropout masks in every step
    "data": {"class_path": "tests.toys.ToyData", "init_args": {"rows": 8 * STEPS * 4 // 3}},
    "trainer": {"max_epochs": 4},
}


def resolved(tmp_path: Path, accumulated: int = 1, **run: Any) -> Resolved:
    """The toy run, built and prepared, always from the same random seed."""
    settings: dict[str, Any] = {**SETTINGS, "run": run}
    settings["trainer"] = {**settings["trainer"], "accumulate_grad_batches": accumulated}
    words = [f"--data.cache_dir={tmp_path / 'cache'}", "--data.batch_size=8"]
    toy = Resolved(settings, words)
    L.seed_everything(0, verbose=False)
    toy.build()
    toy.cli.datamodule.prepare_data()
    toy.cli.datamodule.setup()
    return toy


def stop_at(step: int, patch: pytest.MonkeyPatch) -> None:
    """Sends SIGTERM after a step, as a cluster would."""

    def after(self: Any, trainer: L.Trainer, *others: Any) -> None:
        if trainer.global_step == step:
            os.kill(os.getpid(), signal.SIGTERM)

    patch.setattr(callbacks.ProgressCallback, "on_train_batch_end", after)


def epochs(fit: Any) -> list[int]:
    return [int(epoch["epoch"]) for epoch in fit.clock.history]


@pytest.mark.parametrize("step", [1, STEPS - 1, STEPS, STEPS + 1, 2 * STEPS, 3 * STEPS + 2])
def test_a_run_stopped_anywhere_goes_on_through_every_epoch(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = resolved(tmp_path)
    whole = fit_and_choose(settings, tmp_path / "whole")
    folder = tmp_path / "cut"
    with monkeypatch.context() as patch, pytest.raises(Stopped, match="SIGTERM at step"):
        stop_at(step, patch)
        fit_and_choose(resolved(tmp_path), folder)
    torch.manual_seed(99)  # earlier draws must not matter
    resumed = resolved(tmp_path)
    fit = fit_and_choose(resumed, folder)
    for name, weights in settings.cli.model.state_dict().items():
        assert torch.equal(weights, resumed.cli.model.state_dict()[name]), name
    assert epochs(fit) == epochs(whole) == [0, 1, 2, 3]
    assert fit.best_epoch is not None
    assert fit.clock.steps == 4 * STEPS and int(fit.clock.tokens) == int(whole.clock.tokens)
    assert 0 <= fit.clock.wait_seconds < fit.clock.train_seconds
    seconds = [float(epoch["seconds"] or 0) for epoch in fit.clock.history]
    assert seconds == sorted(seconds) and seconds[-1] <= fit.clock.train_seconds


@pytest.mark.parametrize(("accumulated", "steps"), [(2, 3), (4, 2), (7, 1)])
@pytest.mark.parametrize("cut", [False, True])
def test_accumulated_batches_count_as_one_step(
    accumulated: int, steps: int, cut: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if cut:
        with monkeypatch.context() as patch, pytest.raises(Stopped):
            stop_at(steps + 1, patch)
            fit_and_choose(resolved(tmp_path, accumulated), tmp_path / "run")
    settings = resolved(tmp_path, accumulated)
    fit = fit_and_choose(settings, tmp_path / "run")
    assert fit.clock.steps == 4 * steps == settings.cli.trainer.global_step


def test_a_run_that_had_ended_trains_no_further_when_it_is_started_again(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    # With this patience the run ends early, as soon as an epoch brings no improvement.
    first = fit_and_choose(
        resolved(tmp_path, monitor="val/accuracy", patience=1, mode="max"), folder
    )
    assert (folder / RESUME_FILE).exists()
    again = fit_and_choose(
        resolved(tmp_path, monitor="val/accuracy", patience=1, mode="max"), folder
    )
    assert epochs(again) == epochs(first)
    assert again.best_epoch == first.best_epoch


def test_a_checkpoint_of_another_configuration_is_not_taken(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    fit_and_choose(resolved(tmp_path), folder)
    other = fit_and_choose(resolved(tmp_path, patience=2), folder)
    assert epochs(other)[0] == 0 and other.clock.steps == STEPS * len(epochs(other))
