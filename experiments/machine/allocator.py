"""Memory that a process keeps for its next step, instead of giving it back to the kernel."""

from __future__ import annotations

import ctypes
import os
import platform

# Numbers of `mallopt` in glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST = 2**30  # of the blocks that are kept, in bytes
_NEVER = -1
_TUNABLES, _PREFIX = "GLIBC_TUNABLES", "MALLOC_"

_kept = False


def keep_memory() -> None:
    """Makes malloc keep blocks of up to 1 GiB that are freed.

    glibc maps each block of more than 32 MiB anew and unmaps it when it is freed. So the kernel
    clears the tensors of every step, a page at a time, which in a virtual machine takes as long as
    the arithmetic: `docs/speed.md` has the figures. Numbers stay the same. Settings of malloc in
    the environment stay, too; other C libraries are left alone.
    """
    global _kept
    by_user = any(name.startswith(_PREFIX) for name in os.environ)
    if _kept or by_user or "glibc.malloc" in os.environ.get(_TUNABLES, ""):
        return
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    _kept = bool(mallopt(_MMAP_THRESHOLD, _LARGEST) and mallopt(_TRIM_THRESHOLD, _NEVER))


def keeps_memory() -> bool:
    """True if `keep_memory` has taken effect in this process."""
    return _kept
