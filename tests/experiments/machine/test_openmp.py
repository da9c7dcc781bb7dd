"""Waiting of threads: set by every command before a library is loaded, unless the user has."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from experiments.launch import squeue
from experiments.launch.slurm import SlurmLauncher
from experiments.launch.slurm_config import Cluster
from experiments.machine import cores, openmp
from experiments.machine.environment import hardware
from experiments.machine.resources import split_resources
from experiments.records.run_files import read_row
from tests.experiments.conftest import REPOSITORY, TOY, Command

NAMES = (openmp.POLICY, *openmp.WAITING)
HEAVY = {"torch", "lightning", "numpy", "scipy", "sklearn", "pandas", "transformers", "gensim"}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*NAMES, openmp.THREADS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(openmp, "_chosen", {})
    monkeypatch.setattr(openmp, "_without_effect", set())


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.mark.parametrize(
    "module", ["experiments.cli.main", "experiments.machine.openmp", "datamodules", "lit_models"]
)
def test_an_import_loads_nothing_heavy_and_sets_nothing(module: str) -> None:
    code = f"import os; before = dict(os.environ); import sys, {module}; "
    code += "print(before == dict(os.environ), *{name.partition('.')[0] for name in sys.modules})"
    same, *loaded = python(code).stdout.split()
    assert same == "True" and not HEAVY & set(loaded)


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ({}, {"GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "1"}),
        ({"GOMP_SPINCOUNT": "7"}, {"GOMP_SPINCOUNT": "7", "KMP_BLOCKTIME": "1"}),
        ({"KMP_BLOCKTIME": "infinite"}, {"GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "infinite"}),
        ({"OMP_WAIT_POLICY": "active"}, {"OMP_WAIT_POLICY": "active"}),
        ({"OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "3"}, None),
        ({"GOMP_SPINCOUNT": ""}, {"GOMP_SPINCOUNT": "", "KMP_BLOCKTIME": "1"}),
    ],
)
def test_what_the_user_has_set_stays(
    user: dict[str, str], expected: dict[str, str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in user.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    openmp.configure()
    now = {name: os.environ[name] for name in NAMES if name in os.environ}
    assert now == openmp.waiting() == (user if expected is None else expected)


def test_a_library_that_is_loaded_already_is_not_said_to_wait_so() -> None:
    import torch  # noqa: F401

    openmp.configure()
    assert os.environ["GOMP_SPINCOUNT"] == "1000"  # for processes that are started
    assert openmp.waiting() == {} == hardware()["openmp"]


SPIN_COUNT = re.compile(r"GOMP_SPINCOUNT = '(\d+)'")  # as libgomp shows it when it is loaded


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="libgomp is the library of Linux")
@pytest.mark.parametrize("given", ["", "12"])
def test_a_command_sets_it_before_a_library_is_loaded(given: str, cold_lit: Command) -> None:
    user = {"GOMP_SPINCOUNT": given} if given else {}
    done = cold_lit("fit", "-c", "bag", "--print_config", OMP_DISPLAY_ENV="VERBOSE", **user)
    assert done.returncode == 0
    assert set(SPIN_COUNT.findall(done.stderr)) == {given or "1000"}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="libgomp is the library of Linux")
def test_so_do_the_fork_server_the_runs_and_their_ranks(cold_lit: Command, tmp_path: Path) -> None:
    words = ["benchmark", "bag", "--runs", tmp_path, "--name", "b", *TOY]
    words += ["--trainer.devices=2", "--trainer.accelerator=cpu", "--trainer.strategy=ddp"]
    done = cold_lit(*words, OMP_DISPLAY_ENV="VERBOSE")
    assert done.returncode == 0, done.stderr
    run = tmp_path / "b" / "bag" / "seed-0"
    of_rank_one = (run / "log.txt").read_text()
    for output in (done.stderr, of_rank_one):
        assert set(SPIN_COUNT.findall(output)) == {"1000"}
    assert read_row(run).hardware["openmp"] == openmp.WAITING


CHOSEN = {"GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "1"}


@pytest.mark.parametrize("handed_on", [True, False])
@pytest.mark.parametrize(
    ("user", "cluster", "expected"),
    [
        ({}, "", CHOSEN),
        ({}, "export GOMP_SPINCOUNT=5", CHOSEN | {"GOMP_SPINCOUNT": "5"}),
        ({}, "export OMP_WAIT_POLICY=active", {"OMP_WAIT_POLICY": "active"}),
        ({}, "export OMP_NUM_THREADS=7", CHOSEN | {"OMP_NUM_THREADS": "7"}),
        ({"OMP_NUM_THREADS": "4,2"}, "", CHOSEN | {"OMP_NUM_THREADS": "4,2"}),
        ({"OMP_NUM_THREADS": "3"}, "", CHOSEN | {"OMP_NUM_THREADS": "3"}),
        ({"OMP_NUM_THREADS": "3"}, "export OMP_NUM_THREADS=7", CHOSEN | {"OMP_NUM_THREADS": "7"}),
        ({"KMP_BLOCKTIME": "9"}, "", CHOSEN | {"KMP_BLOCKTIME": "9"}),
        ({"GOMP_SPINCOUNT": ""}, "", CHOSEN | {"GOMP_SPINCOUNT": ""}),
        ({"OMP_WAIT_POLICY": "passive"}, "", {"OMP_WAIT_POLICY": "passive"}),
    ],
)
def test_a_job_of_slurm_has_what_the_user_set_and_nothing_chosen_on_the_login_node(
    user: dict[str, str],
    cluster: str,
    expected: dict[str, str],
    handed_on: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(squeue, "check_slurm", lambda: None)
    monkeypatch.setattr(openmp, "affinity", lambda: 64)
    monkeypatch.setattr(openmp, "cores", lambda: 2)
    for name, value in user.items():
        monkeypatch.setenv(name, value)
    openmp.configure()
    before, jobs = dict(os.environ), list[dict[str, str]]()

    class Executor:
        """Runs the script of a job, with or without the environment of `sbatch`."""

        def __init__(self, *words: object, **options: object) -> None: ...

        def update_parameters(self, *, setup: list[str], **others: object) -> None:
            self.setup = setup

        def map_array(self, *words: object) -> list[SimpleNamespace]:
            script = "\n".join(["set -eu", *self.setup, "env"])
            env = dict(os.environ) if handed_on else {"PATH": os.environ["PATH"]}
            shell = subprocess.run(["sh", "-c", script], env=env, capture_output=True, text=True)
            assert shell.returncode == 0, shell.stderr
            jobs.append(dict(line.split("=", 1) for line in shell.stdout.splitlines()))
            return [SimpleNamespace(job_id="1_0")]

    monkeypatch.setattr("submitit.SlurmExecutor", Executor)
    setup = [cluster] if cluster else []
    SlurmLauncher(tmp_path, Cluster(setup=setup))._send([], "tag")
    names = (*NAMES, openmp.THREADS)
    assert {name: jobs[0][name] for name in names if name in jobs[0]} == expected
    assert dict(os.environ) == before


def test_a_quota_limits_the_threads_of_a_run_and_of_runs_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(openmp, "affinity", lambda: 64)
    for module in (openmp, sys.modules["experiments.machine.resources"]):
        monkeypatch.setattr(module, "cores", lambda: 6)
    openmp.configure()
    assert os.environ["OMP_NUM_THREADS"] == "6"
    assert split_resources(2)[0].threads == 3  # 6 was not the user's word
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    openmp.configure()
    assert os.environ["OMP_NUM_THREADS"] == "5" and split_resources(2)[0].threads == 5


def test_no_quota_leaves_the_number_of_threads_to_the_libraries() -> None:
    openmp.configure()
    assert ("OMP_NUM_THREADS" in os.environ) == (cores.cores() < cores.affinity())


LIMITED = """
import os, sys
from pathlib import Path
from experiments.machine import cores, openmp
cores.OWN_CGROUPS = cores.CGROUPS = Path(sys.argv[0]) / "none"
if {quota}:
    os.sched_getaffinity = lambda process: set(range(64))
    cores.cpu_quota = lambda: 0.5
else:
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
openmp.configure()
import torch
print(cores.cores(), torch.get_num_threads())
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux has affinities")
@pytest.mark.parametrize("quota", [True, False])
def test_pytorch_uses_what_affinity_and_quota_grant(quota: bool) -> None:
    assert python(LIMITED.format(quota=quota)).stdout.split() == ["1", "1"]
