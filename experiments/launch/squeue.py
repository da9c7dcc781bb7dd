"""What Slurm says of jobs: asked of `squeue`, and of the accounting where it is kept."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable

from experiments.config.registry import ConfigError

# Of these a job comes back by itself.
_ALIVE = {
    "PENDING",
    "RUNNING",
    "CONFIGURING",
    "COMPLETING",
    "REQUEUED",
    "REQUEUE_HOLD",
    "RESIZING",
    "SIGNALING",
    "SPECIAL_EXIT",
    "STAGE_OUT",
    "STOPPED",
    "SUSPENDED",
    "PREEMPTED",
}
GONE = "no longer known to Slurm"


def check_slurm() -> None:
    """Looks whether this machine can submit jobs.

    Raises:
        ConfigError: it cannot.
    """
    missing = [name for name in ("sbatch", "srun", "squeue") if shutil.which(name) is None]
    if missing:
        raise ConfigError(
            f"--launcher slurm needs {missing[0]}, which is not on this machine's PATH; start the "
            "command on a login node of the cluster, or use --launcher local"
        )


def alive(state: str) -> bool:
    """Whether a job in this state waits, runs, or will again."""
    return state in _ALIVE


def states(jobs: Iterable[str]) -> dict[str, str]:
    """The state of each job (`12`, or `12_3` for a task of an array), such as `RUNNING`.

    Raises:
        OSError: the controller does not answer; asking again later may do.
    """
    asked = set(jobs)
    if not asked:
        return {}
    # One question for all jobs: Slurm refuses a list in which one is too old to be known.
    lines = _ask("squeue", "--me", "--states=all", "--array", "--noheader", "--format=%i|%T")
    found = dict(line.split("|", 1) for line in lines if "|" in line)
    missing = {job.partition("_")[0] for job in asked - found.keys()}
    if missing and shutil.which("sacct"):
        words = ["-j", ",".join(sorted(missing)), "--allocations", "--noheader", "--parsable2"]
        try:
            lines = _ask("sacct", *words, "--format=JobID,State")
        except OSError:  # no accounting is kept here
            lines = []
        # The state of a cancelled job names who cancelled it.
        found = dict(line.partition(" ")[0].split("|", 1) for line in lines if "|" in line) | found
    return {job: found.get(job, GONE) for job in asked}


def tagged(tag: str) -> str | None:
    """The job submitted with this comment, or None."""
    for line in _ask("squeue", "--me", "--states=all", "--noheader", "--format=%F|%k"):
        job, _, comment = line.partition("|")
        if comment == tag:
            return job
    return None


def _ask(*command: str) -> list[str]:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except subprocess.SubprocessError as error:
        raise OSError(f"{command[0]} does not answer ({error})") from error
    if done.returncode:
        raise OSError(f"{command[0]}: {done.stderr.strip() or f'exit code {done.returncode}'}")
    return done.stdout.splitlines()
