"""The Slurm launcher on a real Slurm: jobs collected, requeued, cancelled, timed out, reopened."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from experiments.records.row import Row
from experiments.records.run_files import read_row
from tests.experiments.conftest import REPOSITORY, TOY
from tests.slurm.cluster import cluster, missing

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(900)]

SLEEPY = """
import time
from lit_models.bag import Bag

class Sleepy(Bag):
    \"\"\"A bag that waits in every step.\"\"\"
    def training_step(self, batch, batch_idx):
        time.sleep(0.4)
        return super().training_step(batch, batch_idx)
"""
CLUSTER = "time: 10m\ncpus: 1\nmemory: 1G\nsignal_seconds: 0\n"

Head = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="module")
def slurm() -> Iterator[dict[str, str]]:
    if reason := missing():
        pytest.skip(f"no Slurm here: {reason}")
    with cluster() as environment:
        yield environment


@pytest.fixture
def head(slurm: dict[str, str], tmp_path: Path) -> Iterator[Head]:
    """Starts a benchmark of some experiments on the cluster."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "sleepy.py").write_text(SLEEPY)
    for name in ("sleepy_a", "sleepy_b"):
        (outside / f"{name}.yaml").write_text("# Sleepy.\nmodel: {class_path: sleepy.Sleepy}\n")
    started = []

    def start(*words: str, resources: str = CLUSTER, name: str = "b") -> subprocess.Popen[str]:
        file = tmp_path / f"{name}.yaml"
        file.write_text(resources)
        places = ["--configs", outside, "--runs", tmp_path, "--name", name, "--cluster", file]
        command = [sys.executable, "-m", "experiments", "benchmark", "--launcher", "slurm"]
        started.append(
            subprocess.Popen(
                [*command, *map(str, places), *TOY, *words],
                cwd=REPOSITORY,
                env=slurm | {"PYTHONPATH": str(REPOSITORY), "SLURM_NTASKS": "7"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                preexec_fn=heed_ctrl_c,
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
    subprocess.run(["scancel", "--me"], env=slurm, check=True)


def heed_ctrl_c() -> None:
    """Restores SIGINT, which is ignored in processes that a shell starts in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for(file: Path, process: subprocess.Popen[str], seconds: float = 400) -> None:
    end = time.monotonic() + seconds
    while not file.exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end, f"{file} did not appear"
        time.sleep(0.1)


def end(process: subprocess.Popen[str], seconds: float = 300) -> str:
    output, _ = process.communicate(timeout=seconds)
    return output


def job_of(folder: Path) -> str:
    """Slurm's id of the job that was submitted last for a run."""
    submissions = json.loads((folder.parents[1] / "slurm" / "submissions.json").read_text())
    submission = [s for s in submissions if str(folder) in s["runs"]][-1]
    task = submission["runs"].index(str(folder))
    job: str = submission["job"]
    return job if len(submission["runs"]) == 1 else f"{job}_{task}"


def outcome(row: Row) -> tuple:
    history = [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in row.history]
    return row.status, row.val, row.test, row.best_epoch, history


def test_a_run_asked_in_time_saves_and_is_queued_again_until_it_ends(
    head: Head, tmp_path: Path
) -> None:
    folder = tmp_path / "b" / "sleepy_a" / "seed-0"
    # Slurm sends the signal up to a minute early: 20 to 80 seconds after the start. 200 steps of
    # 0.4 seconds are not done by then, and a slow machine has begun.
    resources = CLUSTER.replace("10m", "3m").replace("signal_seconds: 0", "signal_seconds: 100")
    process = head("sleepy_a", "--trainer.max_epochs=100", resources=resources)
    assert process.wait(500) == 0, end(process)
    check_resumed(folder, 100)


def test_a_run_asked_by_scancel_saves_and_is_queued_again(
    head: Head, slurm: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "b" / "sleepy_a" / "seed-0"
    process = head("sleepy_a", "--trainer.max_epochs=40")
    wait_for(folder / "resume.ckpt", process)
    subprocess.run(["scancel", "--signal=USR1", job_of(folder)], env=slurm, check=True)
    assert process.wait(500) == 0, end(process)
    check_resumed(folder, 40)


def check_resumed(folder: Path, epochs: int) -> None:
    """A run saved, was queued again by Slurm and not by the head, and went on to its end."""
    assert len(read_row(folder).history) == epochs
    log = (folder / "log.txt").read_text()
    assert "SIGUSR1 at step" in log and "requeued" in log and "resumed from" in log
    submissions = json.loads((folder.parents[1] / "slurm" / "submissions.json").read_text())
    assert len(submissions) == 1, "Slurm queued it again, and the head did not submit another"


def test_a_signal_before_the_run_has_begun_queues_it_again(
    head: Head, slurm: dict[str, str], tmp_path: Path
) -> None:
    seen, python = tmp_path / "seen", tmp_path / "python"
    wait = f"if [ ! -e {seen} ]; then touch {seen}; exec sleep 300; fi"  # as slow imports do
    python.write_text(f'#!/bin/sh\n{wait}\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    process = head("bag", resources=f"{CLUSTER}python: {python}\n")
    wait_for(seen, process)
    job = job_of(tmp_path / "b" / "bag" / "seed-0")
    subprocess.run(["scancel", "--signal=USR1", job], env=slurm, check=True)
    assert process.wait(300) == 0, end(process)
    assert read_row(tmp_path / "b" / "bag" / "seed-0").status == "ok"


def test_an_array_gives_the_rows_that_runs_here_give(
    head: Head, slurm: dict[str, str], tmp_path: Path
) -> None:
    process = head("bag", "tfidf_logreg", "--seeds", "0", "1")
    assert process.wait(300) == 0, end(process)
    words = ["benchmark", "bag", "tfidf_logreg", "--seeds", "0", "1", "--name", "here", *TOY]
    here = [sys.executable, "-m", "experiments", *words, "--runs", str(tmp_path)]
    subprocess.run(here, cwd=REPOSITORY, check=True, capture_output=True)
    for name in ("bag", "tfidf_logreg"):
        for seed in (0, 1):
            part = Path(name) / f"seed-{seed}"
            there = read_row(tmp_path / "b" / part)
            assert outcome(there) == outcome(read_row(tmp_path / "here" / part))
            assert there.status == "ok" and there.hardware["threads"] == 1
    submissions = json.loads((tmp_path / "b" / "slurm" / "submissions.json").read_text())
    assert len(submissions) == 1 and len(submissions[0]["runs"]) == 4
    assert stat.S_IMODE((tmp_path / "b" / "slurm").stat().st_mode) == 0o700
    assert len((tmp_path / "b" / "results.jsonl").read_text().splitlines()) == 4


def test_a_head_that_dies_is_reopened_and_submits_nothing_twice(head: Head, tmp_path: Path) -> None:
    folder = tmp_path / "b" / "sleepy_a" / "seed-0"
    process = head("sleepy_a", "tfidf_logreg", "--trainer.max_epochs=30")
    wait_for(folder / "resume.ckpt", process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    file = tmp_path / "b" / "slurm" / "submissions.json"
    submissions = json.loads(file.read_text())
    # As if it had died right after sbatch: the running job is found by its comment.
    file.write_text(json.dumps([submissions[0] | {"job": None}]))
    again = head("sleepy_a", "tfidf_logreg", "--trainer.max_epochs=30")
    assert again.wait(300) == 0, end(again)
    assert json.loads(file.read_text()) == submissions
    assert len(read_row(folder).history) == 30
    assert read_row(folder.parents[1] / "tfidf_logreg" / "seed-0").status == "ok"


def test_ctrl_c_leaves_the_jobs_and_says_so(
    head: Head, slurm: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "b" / "sleepy_a" / "seed-0"
    process = head("sleepy_a", "--trainer.max_epochs=60")
    wait_for(folder / "resume.ckpt", process)
    process.send_signal(signal.SIGINT)
    output = end(process)
    assert process.returncode == 130 and "the jobs go on" in output, output
    states = subprocess.run(
        ["squeue", "--noheader", "--format=%T"], env=slurm, capture_output=True, text=True
    )
    assert "RUNNING" in states.stdout
    other = head("sleepy_a", "--trainer.max_epochs=3")  # while it runs with 60 epochs
    output = end(other)
    assert other.returncode == 1 and "runs it with other settings" in output, output


def test_requeued_in_mid_epoch_a_run_ends_as_an_uncut_one(
    head: Head, slurm: dict[str, str], tmp_path: Path
) -> None:
    cut, whole = (tmp_path / "b" / name / "seed-0" for name in ("sleepy_a", "sleepy_b"))
    process = head("sleepy_a", "sleepy_b", "--trainer.max_epochs=4")
    wait_for(cut / "resume.ckpt", process)
    time.sleep(0.6)
    subprocess.run(["scontrol", "requeue", job_of(cut)], env=slurm, check=True)
    assert process.wait(300) == 0, end(process)
    assert outcome(read_row(cut)) == outcome(read_row(whole))
    assert "stopped by SIGTERM at step" in (cut / "log.txt").read_text()
    log = (cut / "log.txt").read_text()
    assert "resumed from" in log, log


def test_a_job_that_is_cancelled_or_runs_out_of_time_becomes_a_row_and_goes_on_with_retry(
    head: Head, slurm: dict[str, str], tmp_path: Path
) -> None:
    cancelled, other = (tmp_path / "b" / name / "seed-0" for name in ("sleepy_a", "tfidf_logreg"))
    late = tmp_path / "late" / "sleepy_b" / "seed-0"
    process = head("sleepy_a", "tfidf_logreg", "--trainer.max_epochs=9")
    short = CLUSTER.replace("10m", "1m")
    timed = head("sleepy_b", "--trainer.max_epochs=300", resources=short, name="late")
    wait_for(cancelled / "resume.ckpt", process)
    subprocess.run(["scancel", job_of(cancelled)], env=slurm, check=True)
    assert process.wait(300) == 1
    row = read_row(cancelled)
    assert row.status == "failed" and "CANCELLED" in str(row.reason), row.reason
    assert read_row(other).status == "ok"
    again = head("sleepy_a", "tfidf_logreg", "--trainer.max_epochs=9", "--retry")
    assert again.wait(300) == 0, end(again)
    assert read_row(cancelled).status == "ok" and len(read_row(cancelled).history) == 9
    assert "resumed from" in (cancelled / "log.txt").read_text()
    assert timed.wait(300) == 1
    row = read_row(late)
    assert row.status == "failed" and "TIMEOUT" in str(row.reason), row.reason
    assert (late / "resume.ckpt").exists()


def test_what_slurm_refuses_is_one_clear_line(head: Head, tmp_path: Path) -> None:
    process = head("tfidf_logreg", resources="partition: nowhere\n")
    output = end(process)
    assert process.returncode == 1 and "error: Slurm does not take the jobs" in output
    assert "partition" in output.lower() and "Traceback" not in output
    assert not list(tmp_path.rglob("row.json"))


def test_two_ranks_under_srun_give_the_row_of_one(slurm: dict[str, str], tmp_path: Path) -> None:
    words = [
        "-c",
        "cnn",
        "--data.vectors=null",
        *TOY,
        "--runs",
        str(tmp_path),
        "--data.batch_size=8",
    ]
    words += ["--model.word_dropout=0", "--model.embedding_dropout=0", "--model.dropout=0"]
    fit = [sys.executable, "-m", "experiments", "fit", *words]
    environment = slurm | {"PYTHONPATH": str(REPOSITORY)}
    subprocess.run([*fit, "--name", "one"], cwd=REPOSITORY, env=environment, check=True)
    ranks = ["--trainer.devices=2", "--trainer.accelerator=cpu", "--trainer.strategy=ddp"]
    command = ["srun", "--ntasks=2", *fit, "--name", "two", *ranks]
    subprocess.run(command, cwd=REPOSITORY, env=environment, check=True, timeout=300)
    one, two = (read_row(tmp_path / name / "cnn" / "seed-0") for name in ("one", "two"))
    assert one.val is not None and two.val is not None
    assert two.val.n == one.val.n and abs(two.val.log_loss - one.val.log_loss) < 1e-4
