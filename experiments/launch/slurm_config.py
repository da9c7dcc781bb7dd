"""Resources of a benchmark's Slurm jobs: one YAML file, checked before anything is submitted."""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.config.registry import ConfigError, nearest, read_yaml

_TIME = re.compile(r"(\d+(?:\.\d+)?)([mh])")
# Of sbatch: minutes, minutes:seconds, hours:minutes:seconds, days-hours[:minutes[:seconds]]
_SLURM_TIME = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?")

# Python starts and imports without a handler: SIGUSR1 kills it meanwhile (exit code 128 + 10).
# Slurm may send it up to a minute early, so that a short time limit is enough for that to happen.
# A limit shorter than the imports ends after a hundred tries.
_REQUEUE = [
    "code=$?",
    "unset IFS",
    "job=${SLURM_ARRAY_TASK_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}",
    "if [ $code = 138 ] && [ ${SLURM_RESTART_COUNT:-0} -lt 100 ]; then",
    '  scontrol requeue "${job:-$SLURM_JOB_ID}"',
    "fi",
    "exit $code",
]
# A setup that ends the script on an error (`set -e`) would do so after the run, too, before the
# lines above.
_GO_ON = ["set +eu", "trap - ERR"]


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Resources and options of the job of each run.

    Attributes:
        partition: Slurm's partition; None: the default one.
        time: time limit of a job, in minutes; a longer run is requeued and resumed.
        memory: memory of a job, such as `16G`; None: the cluster's default.
        cpus: CPU cores of a job, and threads of its run.
        gpus: GPUs of a job.
        constraint: features that a node must have.
        account: account to charge.
        qos: quality of service.
        nodelist: nodes to use.
        exclude: nodes to avoid.
        at_once: highest number of jobs that run at a time.
        signal_seconds: seconds before the time limit at which SIGUSR1 makes a run save its
            checkpoint; more than the validation of an epoch takes; 0: never.
        setup: shell commands before the run, such as `module load cuda`.
        python: the interpreter on the nodes; None: that of the submitting process.
        extra: further options of sbatch, by their long names.
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
        """Parameters of submitit's `SlurmExecutor`.

        Args:
            name: name of the jobs.
            tag: comment of the jobs, by which they are found again.
            setup: shell commands after those of the file.
        """
        unchanged = ("partition", "time", "constraint", "account", "qos", "nodelist", "exclude")
        parameters = {key: getattr(self, key) for key in unchanged} | {
            "job_name": name,
            "comment": tag,
            "mem": self.memory,
            "cpus_per_task": self.cpus,
            "gpus_per_node": self.gpus or None,
            "ntasks_per_node": 1,
            "array_parallelism": self.at_once,
            "setup": [*self.setup, *setup, *_GO_ON],
            "teardown": _REQUEUE,
            "stderr_to_stdout": True,
            # Since Slurm 22.05 a step does not inherit this option from its job.
            "srun_args": [f"--cpus-per-task={self.cpus}"],
            # Not submitit's SIGUSR2, which submitit handles itself, in the middle of a step. Not to
            # the batch shell (`B:`), which would die of it: the handler is in the job step.
            "additional_parameters": {"requeue": True}
            # Also with 0 seconds (never): without it submitit would set its own signal.
            | {"signal": f"USR1@{self.signal_seconds}"}
            | self.extra,
        }
        return {key: value for key, value in parameters.items() if value is not None}


def read_cluster(file: Path | None) -> Cluster:
    """Reads the YAML file of a cluster; None: all defaults.

    Raises:
        ConfigError: an unknown key, or a value of the wrong type or range.
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
    minimum = {"cpus": 1, "gpus": 0, "at_once": 1, "signal_seconds": 0}
    for key, lowest in minimum.items():
        value = values.get(key, lowest)
        if type(value) is not int or value < lowest:
            raise ConfigError(f"{file}: {key} is {value!r}; it must be a number from {lowest} up")
    for key, kind in (("setup", list), ("extra", dict)):
        if not isinstance(values.get(key, kind()), kind):
            raise ConfigError(
                f"{file}: {key} is {values[key]!r}; it must be a YAML {kind.__name__}"
            )
    words = known - minimum.keys() - {"time", "setup", "extra"}
    typed: dict[str, Any] = {k: str(v) if k in words else v for k, v in values.items()}
    cluster = Cluster(**typed)
    if cluster.signal_seconds >= cluster.time * 60:
        raise ConfigError(
            f"{file}: signal_seconds is {cluster.signal_seconds} and a job ends after "
            f"{cluster.time * 60} s; lower signal_seconds, or raise time"
        )
    return cluster


def _minutes(file: Path, value: Any) -> int:
    text = str(value)
    if match := _TIME.fullmatch(text):
        minutes = int(float(match[1]) * {"m": 1, "h": 60}[match[2]])
    elif match := _SLURM_TIME.fullmatch(text):
        days, *parts = (None if group is None else int(group) for group in match.groups())
        given = [part for part in parts if part is not None]
        # Two parts are minutes and seconds, unless days come before them.
        first = 3600 if days is not None or len(given) == 3 else 60
        sizes = (first, first // 60, first // 3600)
        seconds = sum(part * size for part, size in zip(given, sizes, strict=False))
        minutes = math.ceil(((days or 0) * 86_400 + seconds) / 60)
    else:
        minutes = 0
    if minutes < 1:
        raise ConfigError(
            f"{file}: time is {value!r}; write 90m, 4h, 1:30:00, or a number of minutes"
        )
    return minutes
