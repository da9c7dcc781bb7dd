"""A row describes the device that its run has used, not one that is idle beside it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from experiments.training.run import execute
from tests.experiments.training.test_refit import spec_of

NAMES = ["Idle Card", "Other Card"]


def refuse(*words: Any, **options: Any) -> Any:
    raise RuntimeError("a card that is not used was touched")


def number(device: int | torch.device) -> int:
    return device if isinstance(device, int) else device.index or 0


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two cards that can be asked for, and not computed on; the UUIDs whose energy was read."""
    asked: list[str] = []
    answers: dict[str, Any] = {
        "is_available": lambda: True,
        "device_count": lambda: len(NAMES),
        "get_device_name": lambda device=0: NAMES[number(device)],
        "get_device_capability": lambda device=0: ((9, 0), (7, 0))[number(device)],
        "get_device_properties": lambda device: SimpleNamespace(uuid=number(device)),
        "max_memory_allocated": lambda device=None: 123,
        "synchronize": refuse,
        "get_rng_state_all": refuse,
    }
    for name, answer in answers.items():
        monkeypatch.setattr(torch.cuda, name, answer)
    pynvml = ModuleType("pynvml")
    for name, answer in {
        "NVMLError": type("NVMLError", (Exception,), {}),
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlDeviceGetHandleByUUID": lambda name: asked.append(name) or name,
        "nvmlDeviceGetTotalEnergyConsumption": lambda handle: 1000 * len(asked),
    }.items():
        setattr(pynvml, name, answer)
    monkeypatch.setitem(sys.modules, "pynvml", pynvml)
    return asked


@pytest.mark.xfail(strict=True, reason="Trust 8: the idle card is recorded")
@pytest.mark.parametrize(
    ("name", "protocol", "trainer", "precision"),
    [
        ("bag", "holdout", {}, "32-true"),
        ("bag", "refit", {}, "32-true"),
        ("tfidf_logreg", "holdout", {}, "32-true"),
        ("bag", "holdout", {"precision": "bf16-mixed"}, "bf16-mixed"),
    ],
)
def test_a_run_on_the_cpu_says_nothing_of_a_card(
    name: str,
    protocol: str,
    trainer: dict[str, Any],
    precision: str,
    cards: list[str],
    tmp_path: Path,
) -> None:
    spec = spec_of(tmp_path / "run", protocol, name)
    spec.settings["trainer"] |= {"accelerator": "cpu", **trainer}
    row = execute(spec)
    assert row is not None and row.precision == precision
    assert (row.hardware["gpu"], row.hardware["gpus"]) == (None, 0)
    assert row.peak_gpu_memory_bytes is None and row.energy_joules is None and not cards
