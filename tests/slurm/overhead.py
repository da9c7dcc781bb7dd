"""Overhead of the Slurm launcher over the same run as a plain Slurm job.

By hand: `python -m tests.slurm.overhead`. Pairs of jobs run one after the other on one node: a run
submitted by `benchmark --launcher slurm`, and `sbatch --wrap "lit-sentiment fit …"`, which needs no
launcher. The overhead is the difference of their run times as recorded by Slurm. Also measured is
the time from the end of a job until the benchmark has read its row.
"""

from __future__ import annotations

import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from tests.experiments.conftest import REPOSITORY, TOY
from tests.slurm.cluster import cluster, missing

PAIRS = 5
PYTHON = [sys.executable, "-m", "experiments"]


def seconds_of(job: str, environment: dict[str, str]) -> tuple[float, float]:
    """Run time of a job in seconds and its end as a timestamp, from `scontrol`."""
    command = ["scontrol", "show", "job", job, "--oneliner"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    fields = dict(word.split("=", 1) for word in done.stdout.split() if "=" in word)
    start, end = (datetime.fromisoformat(fields[name]) for name in ("StartTime", "EndTime"))
    return (end - start).total_seconds(), end.timestamp()


def measure(folder: Path, environment: dict[str, str]) -> tuple[list[float], list[float]]:
    """Seconds of overhead of each pair, and seconds until the benchmark had read each row."""
    overhead, seen = [], []
    subprocess.run([*PYTHON, "prepare", "tfidf_logreg", *TOY], cwd=REPOSITORY, check=True)
    (folder / "cluster.yaml").write_text("cpus: 1\ntime: 10m\n")
    for pair in range(PAIRS):
        words = ["tfidf_logreg", "--name", f"b{pair}", "--runs", str(folder), *TOY]
        slurm = ["--launcher", "slurm", "--cluster", str(folder / "cluster.yaml")]
        subprocess.run(
            [*PYTHON, "benchmark", *words, *slurm],
            cwd=REPOSITORY,
            env=environment,
            check=True,
            capture_output=True,
        )
        done = (folder / f"b{pair}" / "results.jsonl").stat().st_mtime
        job = next((folder / f"b{pair}" / "slurm").glob("*_submitted.pkl")).name.partition("_")[0]
        ours, ended = seconds_of(job, environment)
        seen.append(done - ended)
        plain = shlex.join([*PYTHON, "fit", "--test", "-c", *words, "--name", f"plain{pair}"])
        wrapped = ["sbatch", "--wait", "--parsable", "--output=/dev/null", f"--wrap=srun {plain}"]
        sent = subprocess.run(
            wrapped, cwd=REPOSITORY, env=environment, check=True, capture_output=True, text=True
        )
        time.sleep(1)
        overhead.append(ours - seconds_of(sent.stdout.strip(), environment)[0])
    return overhead, seen


if __name__ == "__main__":
    if reason := missing():
        sys.exit(f"no Slurm here: {reason}")
    with cluster() as inside, tempfile.TemporaryDirectory() as place:
        overheads, delays = measure(Path(place), inside)
    print(f"overhead of a run: median {statistics.median(overheads):.1f} s of {sorted(overheads)}")
    print(
        f"delay until a row was read: median {statistics.median(delays):.1f} s, "
        f"largest {max(delays):.1f} s"
    )
