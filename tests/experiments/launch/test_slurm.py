"""Options that the Slurm launcher gives to Slurm and output that it reads, without a Slurm."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from submitit.slurm.slurm import _make_sbatch_string

from experiments.cli.main import main
from experiments.config.registry import CONFIGS, ConfigError, Registry, read_profile
from experiments.launch import squeue
from experiments.launch.benchmark import Plan, expand
from experiments.launch.slurm import SlurmLauncher, Submission
from experiments.launch.slurm_config import Cluster, read_cluster
from experiments.records.lock import exclusive_lock
from experiments.records.run_files import ROW_FILE, read_row, write_row
from experiments.training.outcome import failed_row
from experiments.training.spec import RunSpec

SMALL = ["--profile", "smoke", "--data=tests.toys.ToyData"]
FAKE = {
    "squeue": "12_0|RUNNING\n12_1|COMPLETED\n13|PENDING\n",
    "sacct": "9|CANCELLED by 0\n10|TIMEOUT\n",
}


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with Slurm programs whose output is fixed."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sbatch", "srun", *FAKE):
        (folder / name).write_text(f"#!/bin/sh\ncat <<'END'\n{FAKE.get(name, '')}END\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("partitoin: gpu", "unknown key 'partitoin', did you mean 'partition'"),
        ("time: soon", "time is 'soon'; write 90m, 4h"),
        ("time: 0", "time is 0; write 90m, 4h"),
        ("cpus: 0", "cpus is 0; it must be a number from 1 up"),
        ("gpus: one", "gpus is 'one'; it must be a number from 0 up"),
        ("setup: module load cuda", "setup is 'module load cuda'; it must be a YAML list"),
        ("{time: 1m, signal_seconds: 60}", "signal_seconds is 60 and a job ends after 60 s"),
    ],
)
def test_a_cluster_that_cannot_be_meant_is_refused(
    content: str, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError, match=message):
        read_cluster(file)


def test_a_job_that_is_not_asked_gets_no_signal_of_submitit_either(tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text("time: 10m\nsignal_seconds: 0\n")
    script = _make_sbatch_string("python", "x", **read_cluster(file).parameters("n", "t", []))
    assert "#SBATCH --signal=USR1@0\n" in script and "USR2" not in script


@pytest.mark.parametrize(
    "setup",
    [
        "true",
        "set -e",
        "set -euo pipefail",
        "set -o errexit; trap 'exit 3' ERR",
        "trap 'touch cleaned' EXIT; IFS=138",
    ],
)
@pytest.mark.parametrize(("code", "requeued"), [(138, True), (0, False), (7, False)])
def test_a_job_is_requeued_whatever_its_setup_sets(
    setup: str, code: int, requeued: bool, tmp_path: Path
) -> None:
    programs = {"srun": f"exit {code}", "scontrol": "echo $* >> asked"}
    for name, line in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / name).chmod(0o755)
    parameters = Cluster(setup=[setup]).parameters("n", "t", ["export X=1"])
    (tmp_path / "job.sh").write_text(_make_sbatch_string("run", "x", **parameters))
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SLURM_JOB_ID": "7"}
    done = subprocess.run(["bash", "job.sh"], cwd=tmp_path, env=environment)
    assert done.returncode == code
    asked = tmp_path / "asked"
    assert asked.exists() == requeued and (not requeued or asked.read_text() == "requeue 7\n")
    assert (tmp_path / "cleaned").exists() == ("EXIT" in setup), "its own trap is kept"


def test_a_setup_that_fails_under_set_e_ends_the_job(tmp_path: Path) -> None:
    parameters = Cluster(setup=["set -e", "false"]).parameters("n", "t", [])
    (tmp_path / "job.sh").write_text(_make_sbatch_string("run", "x", **parameters))
    assert subprocess.run(["bash", "job.sh"], cwd=tmp_path).returncode == 1


def test_shipped_clusters_become_the_options_of_sbatch() -> None:
    files = sorted((CONFIGS / "slurm").glob("*.yaml"))
    assert [file.stem for file in files] == ["cpu", "gpu"]
    for file in files:
        assert f"--cluster experiments/configs/slurm/{file.name}" in file.read_text()
        script = _make_sbatch_string("python", "x", **read_cluster(file).parameters("n", "t", []))
        assert "#SBATCH --signal=USR1@120" in script and "#SBATCH --requeue" in script
        assert "USR2" not in script, "submitit would act on it, and in mid-step"
    assert "#SBATCH --gpus-per-node=1" in script and "#SBATCH --time=240" in script


def test_every_key_reaches_sbatch() -> None:
    cluster = Cluster(
        partition="p",
        memory="3G",
        cpus=5,
        account="a",
        qos="q",
        nodelist="n1",
        exclude="n2",
        constraint="c",
        setup=["module load x"],
        extra={"mail-type": "FAIL"},
    )
    script = _make_sbatch_string("run", "x", map_count=4, **cluster.parameters("n", "t", ["y"]))
    for option in ("partition=p", "mem=3G", "cpus-per-task=5", "account=a", "qos=q", "nodelist=n1"):
        assert f"#SBATCH --{option}\n" in script
    for option in ("exclude=n2", "constraint=c", "mail-type=FAIL", "comment=t", "job-name=n"):
        assert f"#SBATCH --{option}\n" in script
    assert "module load x\ny\n" in script and "--cpus-per-task=5 run" in script


def test_states_come_from_the_queue_and_older_ones_from_the_accounting(fake: Path) -> None:
    states = squeue.states(["12_0", "12_1", "13", "9", "10", "11"])
    assert states == {
        "12_0": "RUNNING",
        "12_1": "COMPLETED",
        "13": "PENDING",
        "9": "CANCELLED",
        "10": "TIMEOUT",
        "11": squeue.GONE,
    }
    alive = {job for job, state in states.items() if squeue.alive(state)}
    assert alive == {"12_0", "13"}
    (fake / "sacct").write_text("#!/bin/sh\necho no accounting is kept >&2; exit 1\n")
    assert squeue.states(["9"]) == {"9": squeue.GONE}
    (fake / "squeue").write_text("#!/bin/sh\necho no answer >&2; exit 1\n")
    with pytest.raises(OSError, match="squeue: no answer"):
        squeue.states(["9"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--launcher", "slurm"], "--launcher slurm needs sbatch, which is not on this machine's"),
        (["--launcher", "slurm", "--jobs", "2"], "--jobs 2 is for this machine"),
        (["--cluster", "x.yaml"], "--cluster x.yaml goes with --launcher slurm"),
        (["--jobs", "0"], "--jobs is 0; it must be at least 1"),
    ],
)
def test_launchers_refuse_what_they_cannot_do(
    words: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["benchmark", "bag", *words, "--runs", str(tmp_path), *SMALL]) == 1
    assert message in capsys.readouterr().err


class Outcomes(dict[Path, str]):
    """Outcome of each run that has ended; a `RunObserver`."""

    def started(self, spec: RunSpec) -> None: ...

    def progressed(self, spec: RunSpec, what: str, share: float) -> None: ...

    def message(self, words: str) -> None: ...

    def ended(self, spec: RunSpec, outcome: str, seconds: float) -> None:
        self[spec.folder] = outcome


def planned(runs: Path) -> tuple[Plan, RunSpec]:
    plan = expand(
        Registry(),
        read_profile("smoke"),
        names=["bag"],
        seeds=[0],
        name="b",
        runs=runs,
        overrides=SMALL[2:],
    )
    return plan, plan.specs[0]


@pytest.mark.parametrize("state", ["12|COMPLETED", "12|FAILED", "", "12|TIMEOUT"])
@pytest.mark.parametrize("retry", [False, True])
@pytest.mark.parametrize("older", [False, True])
def test_a_row_that_a_job_writes_while_the_queue_is_asked_stays(
    state: str, retry: bool, older: bool, fake: Path, tmp_path: Path
) -> None:
    plan, spec = planned(tmp_path / "runs")
    new, row = tmp_path / "new.json", spec.folder / ROW_FILE
    write_row(tmp_path / "new", failed_row(spec, "of the job", "2026-01-01T00:00:00+00:00"))
    (tmp_path / "new" / ROW_FILE).rename(new)
    spec.folder.mkdir(parents=True)
    if older:
        write_row(spec.folder, failed_row(spec, "of before", "2025-01-01T00:00:00+00:00"))
    (plan.folder / "slurm").mkdir()
    submission = Submission("tag", "12", [str(spec.folder)], [spec.resolve().hash])
    (plan.folder / "slurm" / "submissions.json").write_text(json.dumps([vars(submission)]))
    launcher, outcomes = SlurmLauncher(plan.folder, Cluster(), retry, poll=0.01), Outcomes()
    script = f"#!/bin/sh\ncp {new} {row}.new && mv {row}.new {row}\necho '{state}'\n"
    (fake / "squeue").write_text(script)
    assert launcher.run([spec], outcomes)
    assert outcomes == {spec.folder: "done"} and row.read_bytes() == new.read_bytes()


@pytest.mark.parametrize("state", ["12|FAILED", "", "12|TIMEOUT"])
def test_a_job_that_ended_without_a_row_gets_one_before_the_observer_hears_of_it(
    state: str, fake: Path, tmp_path: Path
) -> None:
    class Reads(Outcomes):
        def ended(self, spec: RunSpec, outcome: str, seconds: float) -> None:
            assert read_row(spec.folder).reason == outcome
            super().ended(spec, outcome, seconds)

    plan, spec = planned(tmp_path / "runs")
    (plan.folder / "slurm").mkdir(parents=True)
    submission = Submission("tag", "12", [str(spec.folder)], [spec.resolve().hash])
    (plan.folder / "slurm" / "submissions.json").write_text(json.dumps([vars(submission)]))
    (fake / "squeue").write_text(f"#!/bin/sh\necho '{state}'\n")
    outcomes = Reads()
    assert SlurmLauncher(plan.folder, Cluster(), poll=0.01).run([spec], outcomes)
    assert "Slurm job 12 ended without a row" in outcomes[spec.folder]


def test_a_run_folder_that_another_process_holds_is_not_cleared(fake: Path, tmp_path: Path) -> None:
    plan, spec = planned(tmp_path / "runs")
    write_row(spec.folder, failed_row(spec, "of before", "2025-01-01T00:00:00+00:00"))
    launcher = SlurmLauncher(plan.folder, Cluster(), True, poll=0.01)
    with (
        exclusive_lock(spec.folder),
        pytest.raises(ConfigError, match="another process works in"),
    ):
        launcher.run([spec], Outcomes())
    assert (spec.folder / ROW_FILE).exists()
