"""Runs that are interrupted anywhere and resumed end bit for bit like uninterrupted ones.

The interrupted runs are forked processes, which signal or kill themselves.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from experiments.records.predictions import read_predictions
from experiments.records.run_files import VAL_FILE
from experiments.training import callbacks, signals
from experiments.training.checkpointing import RESUME_FILE
from experiments.training.run import execute
from experiments.training.signals import EXIT_STOPPED, Stopped
from experiments.training.spec import RunSpec
from lit_models.base.classifier import LitClassifier
from lit_models.base.model import WEIGHTS_FILE
from tests.experiments.training.test_wandb_run import records

ROWS, BATCH, EPOCHS = 64, 8, 3
STEPS, MORE_STEPS = 6, 8  # of an epoch of the first and of the second fit
EVERYTHING = {  # settings that draw random numbers or have a state
    "class_path": "lit_models.bag.Bag",
    "init_args": {
        "word_dropout": 0.2,
        "dropout": 0.3,
        "weight_averaging": "ema",
        "schedule": "cosine",
        "warmup_fraction": 0.2,
        "optimizer": "adamw",
        "embedding_dim": 8,  # a checkpoint after every batch: small ones
    },
}


def spec_of(folder: Path, **trainer: Any) -> RunSpec:
    """Two fits, a checkpoint after every batch, early stopping, random windows."""
    data = {"rows": ROWS, "batch_size": BATCH, "train_window": 6}
    settings = {
        "model": EVERYTHING,
        "data": {
            "class_path": "tests.toys.ToyData",
            "init_args": data | {"cache_dir": str(folder.parent / "cache")},
        },
        "trainer": {"max_epochs": EPOCHS, "log_every_n_steps": 1, **trainer},
        "run": {"protocol": "refit", "wandb_mode": "disabled", "checkpoint_minutes": 0.0},
    }
    return RunSpec("bag", "b", "smoke", 0, folder, settings, test=False)


def cut(spec: RunSpec, number: int, where: Callable[[pytest.MonkeyPatch, int], None]) -> int:
    """Executes a run in a process that signals itself; returns its exit code."""

    def run() -> None:
        with pytest.MonkeyPatch.context() as patch:
            where(patch, number)
            try:
                execute(spec)
            except Stopped:
                os._exit(EXIT_STOPPED)
            os._exit(0)

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join(120)
    assert process.exitcode is not None
    return process.exitcode


def at_batch(batch: int) -> Callable[[pytest.MonkeyPatch, int], None]:
    """Sends the signal within a batch, counted over both fits."""

    def patched(patch: pytest.MonkeyPatch, number: int) -> None:
        count = iter(range(1, 10_000))

        def after(self: Any, *others: Any) -> None:
            if next(count) == batch:
                os.kill(os.getpid(), number)

        patch.setattr(callbacks.ProgressCallback, "on_train_batch_end", after)

    return patched


def in_validation(patch: pytest.MonkeyPatch, number: int) -> None:
    """Sends the signal during the validation of the second epoch."""
    step = LitClassifier.validation_step

    def validated(self: LitClassifier, *words: Any) -> None:
        if self.trainer.current_epoch == 1:
            os.kill(os.getpid(), number)
        step(self, *words)

    patch.setattr(LitClassifier, "validation_step", validated)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state = torch.load(folder / WEIGHTS_FILE, map_location="cpu", weights_only=True)
    return state["state_dict"]


@pytest.fixture(scope="module")
def uncut(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("uncut") / "run"
    return folder, execute(spec_of(folder))


PLACES: dict[str, int | str] = {
    "first step": 1,
    "mid-epoch": STEPS - 2,
    "epoch's end": STEPS,
    "validation": "validation",
    "second fit": EPOCHS * STEPS + 3,
}


@pytest.mark.parametrize(
    ("where", "number"),
    [
        pytest.param(
            *(where, number),
            id=f"{name}-{number.name}",
            # A run takes both signals alike.
            marks=pytest.mark.slow if number == signal.SIGUSR1 and name != "second fit" else [],
        )
        for name, where in PLACES.items()
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGKILL)
    ],
)
def test_a_run_cut_anywhere_ends_as_an_uncut_one(
    where: int | str, number: int, uncut: tuple[Path, Any], tmp_path: Path
) -> None:
    spec = spec_of(tmp_path / "run")
    place = at_batch(where) if isinstance(where, int) else in_validation
    code = cut(spec, number, place)
    assert code == (-signal.SIGKILL if number == signal.SIGKILL else EXIT_STOPPED)
    assert not (spec.folder / "row.json").exists()
    torch.manual_seed(99)  # earlier draws must not matter
    row = execute(spec)
    whole, whole_row = uncut
    ours, theirs = weights(spec.folder), weights(whole)
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert torch.equal(ours[name], tensor), name
    for part in ("ids", "labels", "probabilities"):
        pair = (read_predictions(folder / VAL_FILE) for folder in (spec.folder, whole))
        assert np.array_equal(*(getattr(predictions, part) for predictions in pair))
    assert row is not None
    history = [[{**e, "seconds": 0} for e in one.history] for one in (row, whole_row)]
    assert history[0] == history[1]
    assert (row.epochs, row.best_epoch) == (whole_row.epochs, whole_row.best_epoch)
    assert not [
        f
        for f in spec.folder.iterdir()
        if f.name.startswith(".") or "ckpt" in f.suffix and f.name != WEIGHTS_FILE
    ]


@pytest.mark.parametrize("trainer", [{"accumulate_grad_batches": 2}, {"val_check_interval": 0.5}])
def test_it_waits_for_accumulated_gradients_and_for_validation_within_an_epoch(
    trainer: dict[str, Any], tmp_path: Path
) -> None:
    whole, spec = spec_of(tmp_path / "whole", **trainer), spec_of(tmp_path / "run", **trainer)
    execute(whole)
    assert cut(spec, signal.SIGTERM, at_batch(3)) == EXIT_STOPPED
    execute(spec)
    ours, theirs = weights(spec.folder), weights(whole.folder)
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())


def test_the_checkpoint_holds_no_pickle(tmp_path: Path) -> None:
    spec = spec_of(tmp_path / "run")
    assert cut(spec, signal.SIGUSR1, at_batch(3)) == EXIT_STOPPED
    state = torch.load(spec.folder / RESUME_FILE, map_location="cpu", weights_only=True)
    [rank_state] = state["ranks"]
    assert set(rank_state["random"]) == {"python", "numpy", "torch", "cuda"}
    assert state["global_step"] == 3


@pytest.mark.parametrize(
    "number, expected", [(signal.SIGUSR1, ["scontrol requeue 12_7"]), (signal.SIGTERM, [])]
)
def test_slurms_warning_puts_the_array_task_back_into_the_queue(
    number: int, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs, calls = tmp_path / "bin", tmp_path / "calls.txt"
    programs.mkdir()
    scontrol = programs / "scontrol"
    # The checkpoint must exist before Slurm requeues the job, which it may end at once.
    scontrol.write_text(
        f"#!/bin/sh\ntest -f {tmp_path}/run/{RESUME_FILE} && echo scontrol $* >> {calls}\n"
    )
    scontrol.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    for name, value in {"JOB_ID": "19", "ARRAY_JOB_ID": "12", "ARRAY_TASK_ID": "7"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    monkeypatch.setenv("SLURM_NTASKS", "1")  # with which Lightning would install its own handlers
    spec = spec_of(tmp_path / "run")
    assert cut(spec, number, at_batch(2)) == EXIT_STOPPED
    requests = calls.read_text().splitlines() if calls.exists() else []
    assert requests == expected


def test_a_job_that_slurm_will_not_requeue_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.delenv("SLURM_ARRAY_JOB_ID", raising=False)
    monkeypatch.setenv("SLURM_JOB_ID", "31")
    monkeypatch.setenv("PATH", str(tmp_path))  # without scontrol
    signals.requeue()
    assert "Slurm job 31 not requeued" in capsys.readouterr().out
    monkeypatch.delenv("SLURM_JOB_ID")
    signals.requeue()
    assert capsys.readouterr().out == ""


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("wandb/offline-run-*/*.wandb"))


def history_of(file: Path) -> list[dict[str, Any]]:
    """Logged points of a segment, read by W&B."""
    return [record["item"] for record in records(file.parent, "history")]


def joined(files: list[Path]) -> dict[tuple[str, int], float]:
    """Every metric at its global step over the segments of a run; later segments prevail."""
    points = [point for file in files for point in history_of(file)]
    return {
        (key, int(point["trainer/global_step"])): value
        for point in points
        for key, value in point.items()
        if not key.startswith("_") and key != "trainer/global_step"
    }


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_tracked_segments_of_a_cut_run_join_into_the_uncut_history(
    number: int, tmp_path: Path
) -> None:
    import wandb.sdk.launch  # noqa: F401  # which a run imports; not in each of six forks

    whole, spec = spec_of(tmp_path / "whole"), spec_of(tmp_path / "run")
    for one in (whole, spec):
        one.settings["run"]["wandb_mode"] = "offline"
    assert cut(whole, 0, lambda patch, number: None) == 0
    assert cut(spec, number, at_batch(STEPS + 3)) != 0
    assert cut(spec, 0, lambda patch, number: None) == 0
    assert len(segments(whole.folder)) == 1 and len(segments(spec.folder)) == 2
    identity = (spec.folder / "wandb_id.txt").read_text()
    assert all(file.stem == f"run-{identity}" for file in segments(spec.folder))
    ours, theirs = joined(segments(spec.folder)), joined(segments(whole.folder))
    assert {k for k, _ in theirs} >= {"train/loss", "train/epoch_loss", "val/log_loss"}
    assert {k: v for k, v in ours.items() if theirs.get(k) != v} == {}
    missing = {step for _, step in set(theirs) - set(ours)}
    # Points before the cut that W&B's process still held in memory are lost with a killed run.
    assert max(missing, default=-1) < (0 if number == signal.SIGTERM else STEPS + 3), missing


def test_outside_of_the_steps_a_signal_stops_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.toys import ToyData

    def slow(self: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("it went on")

    before = signal.getsignal(signal.SIGTERM)
    spec = spec_of(tmp_path / "run")
    with monkeypatch.context() as patch, pytest.raises(Stopped, match="SIGTERM outside of"):
        patch.setattr(ToyData, "read", slow)
        execute(spec)
    assert signal.getsignal(signal.SIGTERM) is before
    row = execute(replace(spec))
    assert row is not None and row.status == "ok"
