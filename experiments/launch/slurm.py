"""Slurm launcher: submits each run as a job with submitit and collects the rows."""

from __future__ import annotations

import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from experiments.config.registry import ConfigError, Registry
from experiments.launch import squeue
from experiments.launch.launcher import (
    RunObserver,
    clear_run_folder,
    record_death,
    run_and_record,
)
from experiments.launch.slurm_config import Cluster
from experiments.machine import openmp
from experiments.machine.environment import now
from experiments.machine.resources import limit_threads, outside_allocation
from experiments.records.atomic import remove_leftovers, replace_bytes
from experiments.records.lock import exclusive_lock
from experiments.records.run_files import ROW_FILE
from experiments.training.signals import EXIT_STOPPED, Stopped, requeue
from experiments.training.spec import RunSpec

_ARRAY_SIZE = 1000  # tasks of one job array; Slurm's default limit is 1,001
_SETTLE_SECONDS = 30.0  # after which a file written on a node is visible here (NFS)
_RESUBMISSIONS = 3  # of one run under --retry


@dataclass
class Submission:
    """Job array that was submitted, or was about to be.

    Attributes:
        tag: comment of the jobs.
        job: Slurm's job id; None if this program died before it was stored.
        runs: run folders, in the order of the array's tasks.
        hashes: configuration hash of each run.
    """

    tag: str
    job: str | None
    runs: list[str]
    hashes: list[str]

    def task(self, place: int) -> str:
        """Slurm's id of the job of a run."""
        return str(self.job) if len(self.runs) == 1 else f"{self.job}_{place}"


class SlurmLauncher:
    """Launcher that submits the runs not submitted yet and waits for their rows.

    It may be ended at any time: the jobs continue, and the next start finds them by a file beside
    the benchmark. The file lists jobs before they are submitted, so that none is submitted twice,
    whenever this program dies.

    submitit only submits. Its own signal is not used, and `run_job` removes its handlers, which
    would requeue in the middle of a step.

    Args:
        folder: the benchmark's folder, on a file system shared with the nodes.
        cluster: resources of each job.
        retry: submit a run again, up to three times, if its job died.
        variables: environment variables of every run.
        poll: seconds between two checks.
    """

    def __init__(
        self,
        folder: Path,
        cluster: Cluster,
        retry: bool = False,
        variables: dict[str, str] | None = None,
        poll: float = 3.0,
    ) -> None:
        squeue.check_slurm()
        self.folder, self.cluster, self.retry, self.poll = folder, cluster, retry, poll
        self.setup = [f"export {name}={value}" for name, value in (variables or {}).items()]
        # Not all clusters hand the environment of `sbatch` on; the file of the cluster wins.
        self.setup += openmp.job_commands()
        self.place = folder / "slurm"
        self.submissions = self._read()
        self.before = {
            file.parent: _written(file) for file in folder.glob(f"*/*/{ROW_FILE}")
        }  # jobs may write rows from here on

    def run(
        self, specs: Sequence[RunSpec], observer: RunObserver, deadline: float | None = None
    ) -> bool:
        """Submits and collects, as in `Launcher.run`; Ctrl-C leaves the jobs running."""
        started = now()
        for spec in specs:
            observer.started(spec)
        jobs = self._adopt([spec for spec in specs if not self._is_new(spec)])
        rest = []
        for spec in specs:
            if spec.folder in jobs:
                continue
            with exclusive_lock(spec.folder):  # as a job does that writes its row meanwhile
                if not self._is_new(spec):
                    clear_run_folder(spec)
                    rest.append(spec)
        jobs |= self._submit(rest)
        self._write()
        left = {spec.folder: spec for spec in specs}
        since, missed = dict.fromkeys(left, time.monotonic()), dict[Path, float]()
        tries = dict.fromkeys(left, 0)
        while True:
            try:
                states = squeue.states(jobs[folder] for folder in left.keys() & jobs.keys())
            except OSError as error:  # the controller may be restarting; the jobs are not lost
                observer.message(str(error))
                states = {}
            for folder, spec in list(left.items()):
                job = jobs.get(folder, "")
                state = states.get(job, "PENDING")
                settle = _SETTLE_SECONDS if state == "COMPLETED" else self.poll
                if (folder / ROW_FILE).exists():
                    observer.ended(spec, "done", time.monotonic() - since[folder])
                    del left[folder]
                elif squeue.alive(state):
                    missed.pop(folder, None)
                    observer.progressed(spec, f"job {job} {state.lower()}", 0.0)
                elif time.monotonic() - missed.setdefault(folder, time.monotonic()) < settle:
                    continue  # its row may not be visible yet
                elif self.retry and tries[folder] < _RESUBMISSIONS:
                    tries[folder] += 1
                    observer.message(f"job {job} {state.lower()}: submitted again")
                    jobs |= self._submit([spec])
                    del missed[folder]
                else:
                    reason = f"Slurm job {job} ended without a row: {state}; its output is in "
                    reason += f"{self.place}; --retry goes on from the last checkpoint"
                    record_death(spec, reason, started)
                    observer.ended(spec, reason, time.monotonic() - since[folder])
                    del left[folder]
            if not left:
                return True
            if deadline is not None and time.monotonic() + self.poll > deadline:
                return False
            time.sleep(self.poll)

    def _is_new(self, spec: RunSpec) -> bool:
        """True if a job has written the run's row since this launcher was created."""
        return _written(spec.folder / ROW_FILE) not in (None, self.before.get(spec.folder))

    def _adopt(self, specs: Sequence[RunSpec]) -> dict[Path, str]:
        """Jobs of an earlier start that have not ended, or whose end was not reported yet."""
        known = {
            run: (submission.task(place), submission.hashes[place])
            for submission in self.submissions
            if submission.job is not None
            for place, run in enumerate(submission.runs)
        }
        found = squeue.states(job for job, _ in known.values())
        jobs = {}
        for spec in specs:
            job, computed = known.get(str(spec.folder.resolve()), ("", ""))
            lives, row = squeue.alive(found.get(job, "")), spec.folder / ROW_FILE
            if not job or (not lives and (self.retry or row.exists())):
                continue
            if computed == spec.resolve().hash:
                jobs[spec.folder] = job
            elif lives:
                raise ConfigError(
                    f"{spec.folder}: Slurm job {job} runs it with other settings; wait for it, or "
                    f"end it with `scancel {job}`, or choose another --name"
                )
        return jobs

    def _submit(self, specs: Sequence[RunSpec]) -> dict[Path, str]:
        jobs: dict[Path, str] = {}
        for start in range(0, len(specs), _ARRAY_SIZE):
            batch = specs[start : start + _ARRAY_SIZE]
            runs = [str(spec.folder.resolve()) for spec in batch]
            hashes = [spec.resolve().hash for spec in batch]
            submission = Submission(f"lit-sentiment {secrets.token_hex(6)}", None, runs, hashes)
            self.submissions.append(submission)
            self._write()
            submission.job = self._send(batch, submission.tag)
            self._write()
            jobs |= {spec.folder: submission.task(place) for place, spec in enumerate(batch)}
        return jobs

    def _send(self, specs: Sequence[RunSpec], tag: str) -> str:
        import submitit

        self.place.mkdir(parents=True, exist_ok=True)
        self.place.chmod(0o700)  # jobs execute the pickles in this folder
        executor = submitit.SlurmExecutor(self.place, max_num_timeout=0, python=self.cluster.python)
        name = f"lit-sentiment-{self.folder.name}"
        executor.update_parameters(**self.cluster.parameters(name, tag, self.setup))
        absolute = [replace(spec, folder=spec.folder.resolve()) for spec in specs]
        with outside_allocation(), openmp.choices_hidden():
            try:
                jobs = executor.map_array(run_job, absolute)
            except Exception as error:
                raise ConfigError(
                    f"Slurm does not take the jobs ({str(error).strip()}); correct the file given "
                    "as --cluster"
                ) from error
        return jobs[0].job_id.partition("_")[0]

    def _read(self) -> list[Submission]:
        file = self.place / "submissions.json"
        if not file.exists():
            return []
        submissions = [Submission(**entry) for entry in json.loads(file.read_bytes())]
        for submission in submissions:
            if submission.job is None:
                submission.job = squeue.find_job(submission.tag)
        return [submission for submission in submissions if submission.job is not None]

    def _write(self) -> None:
        self.place.mkdir(parents=True, exist_ok=True)
        self.place.chmod(0o700)
        content = [asdict(submission) for submission in self.submissions]
        replace_bytes(self.place / "submissions.json", json.dumps(content, indent=1).encode())


def run_job(spec: RunSpec) -> str:
    """Executes a run in the process of a job, which submitit has started.

    A run that was stopped ends the process with `EXIT_STOPPED`.
    """
    for number in (signal.SIGTERM, signal.SIGCONT, signal.SIGUSR2):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGUSR1, _stop)  # replaced by the run's own handlers meanwhile
    signal.signal(signal.SIGTERM, _stop)
    try:
        outcome = _run_alone(spec)
    except Stopped:
        outcome = "stopped"
    if outcome == "stopped":
        sys.exit(EXIT_STOPPED)
    return outcome


def _run_alone(spec: RunSpec) -> str:
    cpus = os.environ.get("SLURM_CPUS_PER_TASK", "")
    if cpus.isdecimal():
        limit_threads(int(cpus))
    Registry(Path(folder) for folder in spec.config_folders)
    with exclusive_lock(spec.folder):
        if (spec.folder / ROW_FILE).exists():  # requeued after the run had ended
            return "done"
        remove_leftovers(spec.folder)
        return run_and_record(spec, lambda description, fraction: None)


def _stop(number: int, frame: Any) -> None:
    if number == signal.SIGUSR1:  # nothing is left to save, neither before the run nor after it
        requeue()
    raise Stopped(number, "outside of the run")


def _written(row: Path) -> int | None:
    """Modification time of a row in nanoseconds; None if there is no row."""
    try:
        return row.stat().st_mtime_ns
    except OSError:
        return None
