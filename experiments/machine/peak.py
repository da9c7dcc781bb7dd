"""Peak of a machine: the rate of a large matrix product, against which training is held."""

from __future__ import annotations

import time

import torch

from lit_models.layers.linear import linear

_PEAK_SIZES = {"cuda": 8192, "cpu": 2048}  # of the matrix product that measures the peak rate
_PEAK_ROUNDS = 10


def peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """Measure the operations per second of a large square matrix product, the best of several.

    On a CPU PyTorch has two libraries for it, MKL and oneDNN; the faster one counts.
    """
    size = _PEAK_SIZES[device.type]
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    best = float("inf")
    for _ in range(_PEAK_ROUNDS):
        for product in (torch.matmul, linear):
            _synchronise(device)
            started = time.perf_counter()
            product(left, right)
            _synchronise(device)
            best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
