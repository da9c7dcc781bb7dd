"""What a benchmark asks of a Slurm cluster: one YAML file, checked before anything is submitted."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.config.registry import ConfigError, nearest, read_yaml

_TIME = re.compile(r"(\d+(?:\.\d+)?)([mh])")


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """What each run's job has, and where.

    Attributes:
        partition: Slurm's name of a group of nodes; None: the default one.
        time: limit of one job, in minutes; a run that needs longer goes on in a further one.
        memory: of a job, such as `16G`; None: the cluster's default.
        cpus: cores of a job, and threads of its run.
        gpus: cards of a job.
        constraint: features that a node must have.
        account: who pays.
        qos: quality of service.
        nodelist: nodes to use.
        exclude: nodes to avoid.
        at_once: jobs that run at a time at most.
        signal_seconds: how long before the time limit a run is asked (SIGUSR1) to save its
            checkpoint; longer than an epoch's validation takes.
        setup: lines of shell before the run, such as `module load cuda`.
        python: the interpreter on the nodes; None: the one that submits.
        extra: any further option of sbatch, by its long name.
    """

    partition: str | None = None
    time: int = 240
    memory: str | None = None
    cpus: int = 2
    gpus: int = 0
    constraint: str | None = None
    account: str | None = None
    qos: str | None = None
    nodelist: str | None = None
    exclude: str | None = None
    at_once: int = 256
    signal_seconds: int = 120
    setup: list[str] = field(default_factory=list)
    python: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def parameters(self, name: str, tag: str, setup: list[str]) -> dict[str, Any]:
        """As submitit's `SlurmExecutor` takes them.

        Args:
            name: of the jobs.
            tag: their comment, by which they are found again.
            setup: lines of shell after those of the file.
        """
        same = ("partition", "time", "constraint", "account", "qos", "nodelist", "exclude")
        found = {key: getattr(self, key) for key in same} | {
            "job_name": name,
            "comment": tag,
            "mem": self.memory,
            "cpus_per_task": self.cpus,
            "gpus_per_node": self.gpus or None,
            "ntasks_per_node": 1,
            "array_parallelism": self.at_once,
            "setup": [*self.setup, *setup] or None,
            "stderr_to_stdout": True,
            # A step of its own does not inherit this one since Slurm 22.05.
            "srun_args": [f"--cpus-per-task={self.cpus}"],
            # Not submitit's SIGUSR2, on which it would act itself and in mid-step. Without `B:`,
            # since it is the step that has the handler, and its shell would die of it.
            "additional_parameters": {"requeue": True}
            # With 0 seconds, which is never, too: submitit would else send one of its own.
            | {"signal": f"USR1@{self.signal_seconds}"}
            | self.extra,
        }
        return {key: value for key, value in found.items() if value is not None}


def read_cluster(file: Path | None) -> Cluster:
    """Reads a cluster's YAML; None: every default.

    Raises:
        ConfigError: a key that does not exist, or a value that cannot be meant.
    """
    if file is None:
        return Cluster()
    content = read_yaml(file)
    known = {entry.name for entry in dataclasses.fields(Cluster)}
    for key in content:
        if key not in known:
            raise ConfigError(
                f"{file}: unknown key {key!r}{nearest(str(key), known)}; it may hold "
                f"{', '.join(sorted(known))}; options of sbatch belong under `extra:`"
            )
    values = {key: value for key, value in content.items() if value is not None}
    if "time" in values:
        values["time"] = _minutes(file, values["time"])
    least = {"cpus": 1, "gpus": 0, "at_once": 1, "signal_seconds": 0}
    for key, lowest in least.items():
        value = values.get(key, lowest)
        if type(value) is not int or value < lowest:
            raise ConfigError(f"{file}: {key} is {value!r}; it must be a number from {lowest} up")
    for key, kind in (("setup", list), ("extra", dict)):
        if not isinstance(values.get(key, kind()), kind):
            raise ConfigError(
                f"{file}: {key} is {values[key]!r}; it must be a YAML {kind.__name__}"
            )
    words = known - least.keys() - {"time", "setup", "extra"}
    typed: dict[str, Any] = {k: str(v) if k in words else v for k, v in values.items()}
    cluster = Cluster(**typed)
    if cluster.signal_seconds >= cluster.time * 60:
        raise ConfigError(
            f"{file}: signal_seconds is {cluster.signal_seconds} and a job ends after "
            f"{cluster.time * 60} s; ask for the checkpoint later, or raise `time`"
        )
    return cluster


def _minutes(file: Path, value: Any) -> int:
    found = _TIME.fullmatch(str(value))
    minutes = int(float(found[1]) * {"m": 1, "h": 60}[found[2]]) if found else value
    if type(minutes) is not int or minutes < 1:
        raise ConfigError(f"{file}: time is {value!r}; write 90m, 4h, or a number of minutes")
    return minutes
