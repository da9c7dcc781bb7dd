"""Energy used by GPUs of this machine, as counted by NVML."""

from __future__ import annotations

from collections.abc import Sequence

import torch


class EnergyMeter:
    """Meter of the energy that GPUs have used since it was created.

    The driver counts energy on GPUs from Volta on (`nvmlDeviceGetTotalEnergyConsumption`, in
    millijoules), for everything that runs on a GPU, other users' processes included. Needs the
    package `nvidia-ml-py`; without it, or without a GPU, the energy is unknown.

    Args:
        devices: the devices; those that are no GPUs are left out.
    """

    def __init__(self, devices: Sequence[torch.device]) -> None:
        self._gpus = [device for device in devices if device.type == "cuda"]
        self._start = _joules(self._gpus)

    def joules(self) -> float | None:
        """Joules since the meter was created; None if unknown."""
        now = _joules(self._gpus)
        return None if now is None or self._start is None else now - self._start


def _joules(gpus: list[torch.device]) -> float | None:
    if not gpus:
        return None
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        try:
            # By UUID: NVML numbers all GPUs, torch only those in CUDA_VISIBLE_DEVICES.
            names = [f"GPU-{torch.cuda.get_device_properties(gpu).uuid}" for gpu in gpus]
            handles = [pynvml.nvmlDeviceGetHandleByUUID(name) for name in names]
            millijoules = [pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) for handle in handles]
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return None
    return sum(millijoules) / 1000
