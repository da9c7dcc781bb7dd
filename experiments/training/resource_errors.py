"""Errors of exhausted memory and full disks, with a remedy in their message."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from experiments.machine.environment import peak_memory_bytes

# Messages of allocators that raise a plain RuntimeError.
_FULL_MEMORY = (
    "can't allocate memory",  # of torch on the CPU
    "CUDA out of memory",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_ALLOC_FAILED",
)
_FULL_DISK = (errno.ENOSPC, errno.EDQUOT)


class OutOfMemory(Exception):
    """Memory is exhausted; the message gives the peak and a remedy."""


class DiskFull(Exception):
    """A file could not be written because the disk is full; the message names it."""


@contextmanager
def explain_resource_errors(folder: Path) -> Iterator[None]:
    """Raises exhausted memory and full disks as `OutOfMemory` and `DiskFull`.

    Args:
        folder: the run's folder.

    Raises:
        OutOfMemory: memory is exhausted.
        DiskFull: the disk, or the user's quota, is full.
    """
    try:
        yield
    except Exception as error:
        if _short_of_memory(error):
            raise OutOfMemory(
                f"{_peak()} were held when memory ran out ({_first_line(error)}); lower "
                "--data.batch_size (or --data.eval_batch_size) or --data.max_length, or on a GPU "
                "set --run.precision bf16-mixed"
            ) from error
        if isinstance(error, OSError) and error.errno in _FULL_DISK:
            raise DiskFull(
                f"{error.filename or folder} could not be written ({error.strerror}); nothing "
                "half-written is left; free some space and start the run again"
            ) from error
        raise


def _short_of_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in _FULL_MEMORY)


def _peak() -> str:
    if torch.cuda.is_initialized() and (peak := torch.cuda.max_memory_allocated()):
        return f"{peak / 2**30:.1f} GiB of GPU memory"
    return f"{peak_memory_bytes() / 2**30:.1f} GiB"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
