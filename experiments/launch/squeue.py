"""States of Slurm jobs, from `squeue` and, where accounting is enabled, from `sacct`."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable

from experiments.config.registry import ConfigError

# States in which a job waits, runs, or will run again without being submitted again.
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
    """Checks that this machine can submit jobs.

    Raises:
        ConfigError: a Slurm program is missing.
    """
    missing = [name for name in ("sbatch", "srun", "squeue") if shutil.which(name) is None]
    if missing:
        raise ConfigError(
            f"--launcher slurm needs {missing[0]}, which is not on this machine's PATH; start the "
            "command on a login node of the cluster, or use --launcher local"
        )


def alive(state: str) -> bool:
    """True if a job in this state waits, runs, or will run again."""
    return state in _ALIVE


def states(jobs: Iterable[str]) -> dict[str, str]:
    """State of each job (`12`, or `12_3` for a task of an array), such as `RUNNING`.

    Raises:
        OSError: the controller does not answer; a later call may succeed.
    """
    names = set(jobs)
    if not names:
        return {}
    # A query for all jobs: Slurm refuses a list that holds a job it has already forgotten.
    lines = _run("squeue", "--me", "--states=all", "--array", "--noheader", "--format=%i|%T")
    known = dict(line.split("|", 1) for line in lines if "|" in line)
    missing = {job.partition("_")[0] for job in names - known.keys()}
    if missing and shutil.which("sacct"):
        words = ["-j", ",".join(sorted(missing)), "--allocations", "--noheader", "--parsable2"]
        try:
            lines = _run("sacct", *words, "--format=JobID,State")
        except OSError:  # accounting is disabled
            lines = []
        # The state of a cancelled job is followed by the user who cancelled it.
        known = dict(line.partition(" ")[0].split("|", 1) for line in lines if "|" in line) | known
    return {job: known.get(job, GONE) for job in names}


def find_job(tag: str) -> str | None:
    """Job whose comment is `tag`, or None."""
    for line in _run("squeue", "--me", "--states=all", "--noheader", "--format=%F|%k"):
        job, _, comment = line.partition("|")
        if comment == tag:
            return job
    return None


def _run(*command: str) -> list[str]:
    """Lines that a Slurm program prints."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except subprocess.SubprocessError as error:
        raise OSError(f"{command[0]} does not answer ({error})") from error
    if done.returncode:
        raise OSError(f"{command[0]}: {done.stderr.strip() or f'exit code {done.returncode}'}")
    return done.stdout.splitlines()
