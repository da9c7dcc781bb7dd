"""Failing runs: a loss that is not finite, exhausted memory, a full disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.launch.launcher import run_and_record
from experiments.records.run_files import read_row
from experiments.training.checkpointing import RESUME_FILE
from experiments.training.resource_errors import DiskFull
from experiments.training.run import execute
from lit_models.base.classifier import LitClassifier
from tests.experiments.training.test_preemption import spec_of


def test_a_loss_that_is_no_number_stops_the_run_with_its_step_and_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, steps = spec_of(tmp_path / "run"), iter(range(1, 100))
    loss = LitClassifier.loss

    def astray(self: LitClassifier, *words: Any) -> torch.Tensor:
        return loss(self, *words) * (float("nan") if next(steps) == 5 else 1.0)

    monkeypatch.setattr(LitClassifier, "loss", astray)
    message = (
        r"train/loss is nan at step 5 \(learning rate 0\.\d+\); the last good checkpoint is "
        r".*resume\.ckpt, of step 4; lower"
    )
    with pytest.raises(FloatingPointError, match=message):
        execute(spec)
    state = torch.load(spec.folder / RESUME_FILE, weights_only=True)
    assert all(torch.isfinite(tensor).all() for tensor in state["state_dict"].values())


def test_without_a_checkpoint_before_it_the_message_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(tmp_path / "run")
    monkeypatch.setattr(LitClassifier, "loss", lambda self, z, y: z.sum() * float("inf"))
    with pytest.raises(FloatingPointError, match="at step 1 .*no checkpoint was written before"):
        execute(spec)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to"),
        MemoryError(),
    ],
)
def test_out_of_memory_becomes_a_row_with_the_peak_and_a_hint(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*words: Any) -> None:
        raise error

    monkeypatch.setattr(LitClassifier, "loss", full)
    spec = spec_of(tmp_path / "run")
    assert run_and_record(spec, lambda what, share: None) == "done"
    row = read_row(spec.folder)
    assert row.status == "failed" and row.reason is not None
    assert row.reason.startswith("OutOfMemory: ") and " GiB" in row.reason
    assert "--data.batch_size" in row.reason and "--data.max_length" in row.reason


def test_a_full_disk_leaves_the_last_checkpoint_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # /dev/full fails with ENOSPC, as a full disk does; a file-size limit would give EFBIG.
    full, saves = Path("/dev/full"), iter(range(1, 100))
    opened = Path.open

    def on_full_disk(self: Path, *words: Any, **more: Any) -> Any:
        if self.name.startswith(f".{RESUME_FILE}") and next(saves) == 3:
            return opened(full, *words, **more)
        return opened(self, *words, **more)

    monkeypatch.setattr(Path, "open", on_full_disk)
    spec = spec_of(tmp_path / "run")
    with pytest.raises(DiskFull, match="could not be written .*nothing half-written is left"):
        execute(spec)
    state = torch.load(spec.folder / RESUME_FILE, weights_only=True)
    assert state["global_step"] == 2
    assert not list(spec.folder.glob(".*"))
