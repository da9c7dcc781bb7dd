"""Out of memory and full disks, in words that say what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from experiments.machine.environment import peak_memory_bytes

# What allocators say that have no exception of their own.
_FULL_MEMORY = (
    "can't allocate memory",  # torch's on the CPU
    "CUDA out of memory",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_ALLOC_FAILED",
)
_FULL_DISK = (errno.ENOSPC, errno.EDQUOT)


class OutOfMemory(Exception):
    """The run needs more memory than there is; the message has the peak and a remedy."""


class DiskFull(Exception):
    """A file could not be written whole; the message says where and what is left."""


@contextmanager
def explain_resource_errors(folder: Path) -> Iterator[None]:
    """Turns a shortage within the block into one of the exceptions above.

    Args:
        folder: the run's folder.
    """
    try:
        yield
    except Exception as error:
        if _short_of_memory(error):
            raise OutOfMemory(
                f"{_peak()} were held when memory ran out ({_first_line(error)}); lower "
                "--data.batch_size (or --data.eval_batch_size) or --data.max_length, or on a card "
                "say --run.precision bf16-mixed"
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
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB of the card"
    return f"{peak_memory_bytes() / 2**30:.1f} GiB"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
