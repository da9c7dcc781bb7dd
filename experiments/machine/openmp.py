"""Threads of OpenMP: their number, and how long they wait for one another without giving way.

A thread of OpenMP that waits for the others of its team keeps its core busy for a while, by default
for milliseconds. Where other processes want that core, each of the thousands of waits in a second
holds up the very thread that is waited for.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from experiments.machine.cores import affinity, cores

# In rounds of a loop (GNU, with which PyTorch and scikit-learn are built on Linux) and in
# milliseconds (LLVM and Intel), by `python -m experiments.speed.busy`: long enough for the waits
# of an idle machine, short enough for a busy one.
WAITING = {"GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "1"}
POLICY = "OMP_WAIT_POLICY"
THREADS = "OMP_NUM_THREADS"

_chosen: dict[str, str] = {}  # what `configure` has set
_without_effect: set[str] = set()  # variables that were set after the libraries had been loaded


def configure() -> None:
    """Sets the variables of OpenMP for this process and those that it starts.

    Threads give way soon, and there are no more of them than a cgroup's quota grants, which the
    libraries do not heed by themselves. Variables that the user has set stay. The libraries read
    them once, when they are loaded: call this before PyTorch, NumPy or scikit-learn is imported.
    """
    values = {} if POLICY in os.environ else dict(WAITING)
    if (granted := cores()) < affinity():
        values[THREADS] = str(granted)
    for name, value in values.items():
        if name not in os.environ:
            os.environ[name] = _chosen[name] = value
            if "torch" in sys.modules:
                _without_effect.add(name)


def waiting() -> dict[str, str]:
    """Variables by which threads wait in this process; empty: the libraries' defaults."""
    names = [name for name in (POLICY, *WAITING) if name in os.environ]
    return {name: os.environ[name] for name in names if name not in _without_effect}


def set_by_user() -> dict[str, str]:
    """Variables of OpenMP that the user has set, and not `configure`."""
    names = [name for name in (POLICY, *WAITING, THREADS) if name in os.environ]
    return {n: os.environ[n] for n in names if os.environ[n] != _chosen.get(n)}


def threads_of_user() -> int | None:
    """Number of threads that the user has set with `$OMP_NUM_THREADS`; None: none, or no number."""
    value = set_by_user().get(THREADS, "")
    return int(value) or None if value.isdecimal() else None


@contextmanager
def choices_hidden() -> Iterator[None]:
    """Hides what `configure` has set from jobs submitted within the block.

    It was chosen for this machine, maybe a login node with a small quota.
    """
    user = set_by_user()
    names = [name for name in _chosen if name in os.environ and name not in user]
    hidden = {name: os.environ.pop(name) for name in names}
    try:
        yield
    finally:
        os.environ.update(hidden)


def job_commands() -> list[str]:
    """Shell commands that set the variables in a job; what its machine has set already stays.

    The number of threads is left to the job, unless the user has set it here.
    """
    user = set_by_user()
    lines = [f'export {name}="${{{name}-{value}}}"' for name, value in user.items()]
    lines += [
        f'[ -n "${{{POLICY}+set}}" ] || export {name}="${{{name}-{value}}}"'
        for name, value in WAITING.items()
        if name not in user
    ]
    return lines
