"""A row describes the device that its run has used, not one that is idle beside it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from experiments.config.resolved import Resolved
from experiments.machine.energy import EnergyMeter
from experiments.machine.environment import hardware
from experiments.training.devices import devices_of, resolve_precision
from experiments.training.outcome import failed_row
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
        "get_rng_state_all": list,  # Lightning reads it wherever there is a card
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


@pytest.mark.parametrize(
    ("trainer", "numbers", "precision"),
    [
        ({"accelerator": "cpu"}, None, "32-true"),
        ({"accelerator": "auto"}, [0], "bf16-mixed"),
        ({"accelerator": "gpu"}, [0], "bf16-mixed"),
        ({"accelerator": "cuda", "devices": [1]}, [1], "16-mixed"),
        ({"accelerator": "gpu", "devices": 2}, [0, 1], "bf16-mixed"),
        ({"accelerator": "cpu", "devices": 2}, None, "32-true"),
    ],
)
def test_all_is_derived_from_the_devices_that_are_used(
    trainer: dict[str, Any],
    numbers: list[int] | None,
    precision: str,
    cards: list[str],
    tmp_path: Path,
) -> None:
    settings = spec_of(tmp_path / "run").settings
    devices = devices_of(Resolved(settings | {"trainer": trainer}))
    assert len(devices) == (trainer.get("devices") == 2) + 1
    assert resolve_precision("auto", devices[0]) == precision
    assert resolve_precision("64-true", devices[0]) == "64-true"
    found = hardware(devices)
    assert found["gpu"] == (NAMES[numbers[0]] if numbers else None)
    assert found["gpus"] == len(numbers or [])
    assert (EnergyMeter(devices).joules() is not None) == bool(numbers)
    assert {name.removeprefix("GPU-") for name in cards} == {str(n) for n in numbers or []}


def test_a_run_without_its_device_still_becomes_a_failed_row(tmp_path: Path) -> None:
    spec = spec_of(tmp_path / "run")
    spec.settings["trainer"]["accelerator"] = "gpu"
    if torch.cuda.is_available():
        pytest.skip("here is a GPU")
    row = failed_row(spec, "no GPU", "2026-01-01T00:00:00+00:00")
    assert row.hardware["gpu"] is None and row.reason == "no GPU"
