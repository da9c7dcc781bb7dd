"""Peak of a machine: the faster of the libraries that multiply matrices."""

from __future__ import annotations

import time

import pytest
import torch

from experiments.machine import peak


@pytest.mark.parametrize("slow", ["torch", "linear"])
def test_the_faster_library_counts(slow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(peak._PEAK_SIZES, "cpu", 64)
    monkeypatch.setattr(peak, "_PEAK_ROUNDS", 3)

    def wait(left: torch.Tensor, right: torch.Tensor) -> None:
        time.sleep(0.01)

    owner, name = (torch, "matmul") if slow == "torch" else (peak, "linear")
    monkeypatch.setattr(owner, name, wait)
    found = peak.peak_flops(torch.device("cpu"), torch.float32)
    assert found > 2 * 64**3 / 0.01
