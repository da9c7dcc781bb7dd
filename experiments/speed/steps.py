"""Parts of training steps, and what the steps have read."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.profilers import Profiler

PARTS = ("data", "forward", "backward", "optimiser", "other")
"""Parts of a step. Clipping and zeroing gradients belong to the optimiser; `other` is what is left:
Lightning's loop, metrics and logging, callbacks such as averaged weights."""

# Endings of the names by which Lightning calls what it profiles.
_ACTIONS = {
    "train_dataloader_next": "data",
    "batch_to_device": "data",
    "training_step": "forward",
    "backward": "backward",
    "optimizer_step": "optimiser",  # forward and backward are within it
}


class StepProfiler(Profiler):
    """Clock of the parts of training steps.

    Args:
        synchronised: Wait for the device at both ends of each part. It slows the steps, so that
            rates are to be measured without it.

    Attributes:
        seconds: Total time of each action, `optimiser` with forward and backward.
    """

    def __init__(self, synchronised: bool) -> None:
        super().__init__()
        self.synchronised = synchronised
        self.seconds = dict.fromkeys(_ACTIONS.values(), 0.0)
        self._since: dict[str, float] = {}

    def start(self, action_name: str) -> None:
        if action_name.rpartition(".")[2] in _ACTIONS:
            self._since[action_name] = self._now()

    def stop(self, action_name: str) -> None:
        if (since := self._since.pop(action_name, None)) is not None:
            part = _ACTIONS[action_name.rpartition(".")[2]]
            self.seconds[part] += self._now() - since

    def _now(self) -> float:
        if self.synchronised:
            torch.cuda.synchronize()
        return time.perf_counter()


def shares(profiles: Sequence[StepProfiler], seconds: float) -> dict[str, float]:
    """Share of each of `PARTS` in the time of the steps that were profiled; their sum is 1.

    Args:
        profiles: Of one or more rounds.
        seconds: Time of all these rounds.
    """
    total = {part: sum(p.seconds[part] for p in profiles) for part in PARTS[:-1]}
    total["optimiser"] -= total["forward"] + total["backward"]
    total["other"] = seconds - sum(total.values())
    return {part: total[part] / seconds for part in PARTS}


class Reader(Callback):
    """Collector of the batches of training steps, as they are on the device.

    Attributes:
        batches: The batches.
    """

    def __init__(self) -> None:
        self.batches: list[Any] = []

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, batch_idx: int) -> None:
        self.batches.append(batch)
