"""Energy that the cards of this machine took, as NVML counts it."""

from __future__ import annotations

import torch


class EnergyMeter:
    """Joules of all visible cards since the meter was made.

    The driver counts energy from Volta on (`nvmlDeviceGetTotalEnergyConsumption`, millijoules). It
    counts all that runs on a card, other people's work included. Needs the package
    `nvidia-ml-py`; without it, or without a card, nothing is known.
    """

    def __init__(self) -> None:
        self._start = _joules()

    def joules(self) -> float | None:
        """Since the start; None where nothing counts it."""
        now = _joules()
        return None if now is None or self._start is None else now - self._start


def _joules() -> float | None:
    if not torch.cuda.is_available():
        return None
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        try:
            # By UUID: NVML numbers all cards, torch those that CUDA_VISIBLE_DEVICES leaves.
            names = [
                f"GPU-{torch.cuda.get_device_properties(card).uuid}"
                for card in range(torch.cuda.device_count())
            ]
            handles = [pynvml.nvmlDeviceGetHandleByUUID(name) for name in names]
            counted = [pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) for handle in handles]
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return None
    return sum(counted) / 1000
