"""Variables of torchrun and Slurm that this process may have been left with."""

from __future__ import annotations

import os
import sys

from experiments.config.registry import ConfigError

_PAIR = ("RANK", "WORLD_SIZE")
_STEP = "SLURM_STEP_NUM_TASKS"
_OF_GROUP = (
    *(*_PAIR, "LOCAL_RANK", "GROUP_RANK", "NODE_RANK"),
    *("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "JSM_NAMESPACE_RANK"),
)
_NUMBERS = (*_OF_GROUP, "LOCAL_WORLD_SIZE", "SLURM_NTASKS", _STEP)


def check_rank_variables() -> None:
    """Check the numbers by which a launcher tells each process its rank; drop incomplete ones.

    Lightning reads each of them alone, as early as on import: a rank that was left in a shell would
    let it write no checkpoint.

    Raises:
        ConfigError: one of them is no number, or they contradict one another.
    """
    numbers = dict[str, int]()
    for name in _NUMBERS:
        value = os.environ.get(name, "").strip()
        if not value:
            os.environ.pop(name, None)
        elif not value.isdecimal():
            raise ConfigError(
                f"${name} is {value!r}; it must be a number, as torchrun and srun set it: "
                f"`unset {name}`"
            )
        else:
            numbers[name] = int(value)
    alone = numbers.get(_STEP, 1) == 1
    # Within an allocation they may be of the batch script, whose runs are processes of their own.
    of_batch = alone and "SLURM_JOB_ID" in os.environ and not os.environ.get("MASTER_ADDR")
    if all(name in numbers for name in _PAIR) and not of_batch:
        _check_torchrun(numbers)
    elif alone:
        if left := [f"${name}" for name in _OF_GROUP if numbers.get(name)]:
            print(
                f"note: {', '.join(left)} without the other variables of a process group: this is "
                "a process of its own",
                file=sys.stderr,
            )
        for name in _OF_GROUP:
            os.environ.pop(name, None)


def _check_torchrun(numbers: dict[str, int]) -> None:
    if numbers["RANK"] >= numbers["WORLD_SIZE"]:
        raise ConfigError(
            f"$RANK is {numbers['RANK']} and $WORLD_SIZE {numbers['WORLD_SIZE']}; ranks count from "
            "0: start the processes with torchrun, or `unset RANK WORLD_SIZE`"
        )
    missing = [name for name in ("MASTER_ADDR", "MASTER_PORT") if not os.environ.get(name)]
    if numbers["WORLD_SIZE"] > 1 and missing:
        raise ConfigError(
            f"$RANK and $WORLD_SIZE are set, and ${missing[0]} is not; start the processes with "
            "torchrun, or `unset RANK WORLD_SIZE`"
        )
