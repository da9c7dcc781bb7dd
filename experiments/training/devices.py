"""Devices that a run computes on, and the precision that they support."""

from __future__ import annotations

import logging
from typing import Any

import torch
from lightning import Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.strategies import ParallelStrategy

from experiments.config.registry import ConfigError
from experiments.config.resolved import Resolved
from experiments.training import ranks

_LOG = logging.getLogger("lightning.pytorch")


class _AnyNumber(ranks.RankEnvironment):
    """Environment of a trainer that is asked for its devices before its processes are started."""

    def validate_settings(self, num_devices: int, num_nodes: int) -> None:
        """Accepts any number."""


def devices_of(resolved: Resolved) -> list[torch.device]:
    """Devices of this machine that a run computes on, one for each of its processes there.

    Lightning chooses them from `trainer.accelerator` and `trainer.devices`; a card that is there
    is not always used.

    Raises:
        ConfigError: this machine lacks such a device, or the setting is none.
    """
    settings: Any = resolved.cli.config["trainer"]
    level = _LOG.level
    _LOG.setLevel(logging.ERROR)  # the trainer of the run says the same again
    try:
        strategy = Trainer(
            accelerator=settings["accelerator"],
            devices=settings["devices"],
            plugins=[_AnyNumber()],
            logger=False,
            enable_checkpointing=False,
        ).strategy
    except (MisconfigurationException, TypeError, ValueError) as error:
        asked = f"trainer.devices is {settings['devices']!r}"
        if settings["accelerator"] != "auto":
            asked += f" and trainer.accelerator {settings['accelerator']!r}"
        raise ConfigError(
            f"{asked}, which this machine does not have ({error}): {_machine()}"
        ) from error
    finally:
        _LOG.setLevel(level)
    if isinstance(strategy, ParallelStrategy):
        return list(strategy.parallel_devices or [])
    return [strategy.root_device]


def _machine() -> str:
    """Devices that can be asked for on this machine."""
    if gpus := torch.cuda.device_count():
        return f"it has {gpus} GPUs; say a number from 1 to {gpus}, a list such as [0], or auto"
    return "it has no GPU; on a CPU, say a number of processes from 1 up, or auto"


def resolve_precision(precision: str, device: torch.device) -> str:
    """Resolves `auto`: bf16 on GPUs that support it, fp16 on older ones, fp32 elsewhere."""
    if precision != "auto":
        return precision
    if device.type != "cuda":
        return "32-true"
    return "bf16-mixed" if torch.cuda.get_device_capability(device) >= (8, 0) else "16-mixed"
