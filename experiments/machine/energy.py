"""Energy used by the GPUs of this machine, as counted by NVML."""

from __future__ import annotations

import torch


class EnergyMeter:
    """Meter of the energy used by all visible GPUs since it was created.

    The driver counts energy on GPUs from Volta on (`nvmlDeviceGetTotalEnergyConsumption`, in
    millijoules), for everything that runs on a GPU, other users' processes included. Needs the
    package `nvidia-ml-py`; without it, or without a GPU, the energy is unknown.
    """

    def __init__(self) -> None:
        self._start = _joules()

    def joules(self) -> float | None:
        """Joules since the meter was created; None if unknown."""
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
            # By UUID: NVML numbers all GPUs, torch only those in CUDA_VISIBLE_DEVICES.
            names = [
                f"GPU-{torch.cuda.get_device_properties(gpu).uuid}"
                for gpu in range(torch.cuda.device_count())
            ]
            handles = [pynvml.nvmlDeviceGetHandleByUUID(name) for name in names]
            millijoules = [pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) for handle in handles]
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return None
    return sum(millijoules) / 1000
