"""Runs on two processes (gloo, on the CPU): equal to one process, stopped and failing together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lightning.fabric.plugins.environments.lightning import find_free_network_port

from datamodules.errors import DataError
from experiments.config.registry import ConfigError
from experiments.launch import process_group
from experiments.records.run_files import VAL_FILE, read_row
from experiments.training import ranks
from experiments.training.spec import RunSpec
from tests.experiments.conftest import REPOSITORY, TOY, Command
from tests.experiments.training import rank_checks
from tests.experiments.training.rank_checks import EPOCHS, STEPS, fitted, resolved
from tests.warm import ForkServer

TWO = ["--trainer.devices=2", "--trainer.accelerator=cpu", "--trainer.strategy=ddp"]


def environments() -> list[dict[str, str]]:
    """Variables of each of two ranks, as torchrun sets them."""
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(find_free_network_port())}
    place |= {"WORLD_SIZE": "2"}
    return [place | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(2)]


def forked(fork_server: ForkServer, *words: object) -> list[tuple[int, str]]:
    """Starts a module twice; the exit code and the output of each rank."""
    commands = [fork_server.start(*map(str, words), **place) for place in environments()]
    try:
        ended = [command.wait(timeout=150) for command in commands]
    finally:
        for command in commands:
            command.kill()
    return [(done.returncode, done.stdout + done.stderr) for done in ended]


def launched(words: list[str], folder: Path, timeout: float = 150) -> list[tuple[int, str]]:
    """As `forked`, in new interpreters, which have their ranks while they import."""
    processes = []
    for rank, place in enumerate(environments()):
        with open(folder / f"output{rank}.txt", "w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *words],
                cwd=REPOSITORY,
                env=os.environ | place | {"PYTHONPATH": str(REPOSITORY)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        processes.append(process)
    try:
        codes = [process.wait(timeout) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(code, (folder / f"output{rank}.txt").read_text()) for rank, code in enumerate(codes)]


@pytest.fixture(scope="module")
def two_processes(
    fork_server: ForkServer, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Results of the two processes of `rank_checks.py`."""
    folder = tmp_path_factory.mktemp("ranks")
    for code, output in forked(fork_server, "tests.experiments.training.rank_checks", folder):
        assert code == 0, output
    return json.loads((folder / "results.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sparse", "weighted", "dense", "sum", "again"])
def test_two_processes_compute_what_one_does(
    name: str, two_processes: dict[str, Any], tmp_path: Path
) -> None:
    single = resolved("sparse" if name == "again" else name, tmp_path / "cache", 1)
    if name == "again":
        single = single.refitted()
        single.build()
        single.cli.datamodule.prepare_data()
        single.cli.datamodule.setup()
    _, one = fitted(single, tmp_path / "run", again=name == "again")
    two = two_processes[name]
    assert len(one["losses"]) >= 20 and len(one["losses"]) == len(two["losses"])
    assert two["losses"] == pytest.approx(one["losses"], abs=1e-4, rel=1e-4)
    assert two["ids"] == one["ids"] == sorted(set(one["ids"]))
    assert two["tokens"] == one["tokens"] and two["best_epoch"] == one["best_epoch"]
    for ours, theirs in zip(one["probabilities"], two["probabilities"], strict=True):
        assert theirs == pytest.approx(ours, abs=1e-4)
    assert len(one["history"]) == len(two["history"]) == EPOCHS
    for ours, theirs in zip(one["history"], two["history"], strict=True):
        assert theirs == pytest.approx(ours, abs=1e-4, rel=1e-4)


def test_the_last_batch_is_one_that_two_processes_cannot_halve(tmp_path: Path) -> None:
    data = resolved("sparse", tmp_path, 1).cli.datamodule
    sizes = sorted(len(batch.ids) for batch in data.train_dataloader())
    assert len(sizes) == STEPS and sizes[0] == 3  # otherwise the weighted mean is not tested


@pytest.mark.slow
def test_a_signal_to_one_rank_stops_all_at_one_step_and_the_run_resumes_bit_for_bit(
    two_processes: dict[str, Any],
) -> None:
    assert two_processes["resumed"] is True


@pytest.fixture(scope="module")
def one_process(lit: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("one_process")
    words = ["fit", "-c", "bag", "--profile", "smoke", "--test", "--runs", runs, *TOY]
    done = lit(*words, "--model.word_dropout=0", "--model.dropout=0")
    assert done.returncode == 0, done.stderr
    return runs / "fit" / "bag" / "seed-0"


# Two further interpreters, which ranks are launched in, cost 14 seconds: forks stand for them.
@pytest.mark.slow
@pytest.mark.parametrize(
    "how", ["started", "forked", pytest.param("launched", marks=pytest.mark.slow)]
)
def test_the_command_line_on_two_processes(
    how: str, one_process: Path, lit: Command, fork_server: ForkServer, tmp_path: Path
) -> None:
    words = ["fit", "-c", "bag", "--profile", "smoke", "--test", "--runs", str(tmp_path), *TOY]
    words += [*TWO, "--model.word_dropout=0", "--model.dropout=0"]
    if how == "started":
        done = lit(*words)
        assert done.returncode == 0, done.stdout + done.stderr
    else:
        (code, _), (other, output) = (
            launched(["experiments", *words], tmp_path)
            if how == "launched"
            else forked(fork_server, "experiments", *words)
        )
        assert code == other == 0, output
        assert "Val acc" not in output and "the log goes" not in output  # only rank 0 prints
    run = tmp_path / "fit" / "bag" / "seed-0"
    row, single = read_row(run), read_row(one_process)
    assert row.hardware["processes"] == 2 and "processes" not in single.hardware
    assert row.val is not None and row.test is not None
    assert vars(row.val) == pytest.approx(vars(single.val), abs=1e-5)
    assert vars(row.test) == pytest.approx(vars(single.test), abs=1e-5)
    assert row.config_hash == single.config_hash
    assert len(list((run / "wandb").glob("offline-run-*"))) == 1
    ours, theirs = ({f.name for f in folder.iterdir()} for folder in (run, one_process))
    assert ours == theirs and (run / VAL_FILE).exists()


def test_an_error_of_one_rank_is_the_error_of_all(fork_server: ForkServer, tmp_path: Path) -> None:
    words = ["fit", "-c", "bag", "--profile", "smoke", "--runs", str(tmp_path), *TOY, *TWO]
    words += ["--trainer.callbacks=tests.experiments.training.test_ranks.FailsInRankOne"]
    (code, _), (other, output) = forked(fork_server, "experiments", *words)
    assert code == other == 1
    row = read_row(tmp_path / "fit" / "bag" / "seed-0")
    assert row.status == "failed"
    assert row.reason == "RankFailed: process 1 of the run: ValueError: not on this machine"
    assert "not on this machine" in output


class FailsInRankOne(rank_checks.Callback):
    """Fails like a node on which something is missing."""

    def on_train_batch_end(self, *words: Any) -> None:
        if ranks.current().number == 1:
            raise ValueError("not on this machine")


def test_a_batch_that_the_ranks_cannot_share_is_refused(tmp_path: Path) -> None:
    data = resolved("sparse", tmp_path, 1).cli.datamodule
    data.trainer = type("Three", (), {"global_rank": 1, "world_size": 3})()
    with pytest.raises(DataError, match="data.batch_size is 8.* 3 processes.*a multiple of 3"):
        data.train_dataloader()
    parts = []
    for rank in range(3):
        data.trainer = type("Three", (), {"global_rank": rank, "world_size": 3})()
        parts += [int(i) for batch in data.loader("test") for i in batch.ids]
        assert len(data.loader("test")) == len(list(data.loader("test")))
    assert sorted(parts) == list(range(rank_checks.ROWS // 2))


@pytest.mark.parametrize(
    "words, message",
    [
        (["--trainer.strategy=ddp_spawn"], "'ddp_spawn'.*say --trainer.strategy ddp"),
        (["--trainer.strategy=fsdp"], "'fsdp'.*say --trainer.strategy fsdp2, or ddp"),
        (["--trainer.num_nodes=2"], "num_nodes is 2.*srun or torchrun"),
    ],
)
def test_what_one_process_cannot_start_is_refused(
    words: list[str], message: str, tmp_path: Path
) -> None:
    settings = {
        "model": rank_checks.MODELS["sparse"],
        "data": {"class_path": "tests.toys.ToyData"},
    }
    spec = RunSpec("bag", "b", "smoke", 0, tmp_path, settings, (*TWO, *words))
    with pytest.raises(ConfigError, match=message), process_group.start_process_group(spec):
        pass


@pytest.mark.slow
def test_an_estimator_on_several_processes_is_refused(two_processes: dict[str, Any]) -> None:
    expected = "TfidfLogReg fits on one process, not 2; run it with --trainer.devices 1"
    assert two_processes["estimator"] == expected


def test_a_number_of_processes_that_was_not_asked_for_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    settings = {"model": rank_checks.MODELS["sparse"], "data": {"class_path": "tests.toys.ToyData"}}
    spec = RunSpec("bag", "b", "smoke", 0, tmp_path, settings)
    message = "2 processes were started, and --trainer.devices 1 asks for one"
    with pytest.raises(ConfigError, match=message), process_group.join_process_group(spec):
        pass


def test_the_tasks_of_an_srun_step_are_the_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    step = {"SLURM_JOB_ID": "1234567", "SLURM_STEP_NODELIST": "node[3-4]"}
    step |= {"SLURM_PROCID": "3", "SLURM_LOCALID": "1", "SLURM_NODEID": "1"}
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "")  # so that monkeypatch restores them
        monkeypatch.delenv(name)
    for name, value in (step | {"SLURM_STEP_NUM_TASKS": "4"}).items():
        monkeypatch.setenv(name, value)
    assert process_group._external_rank() == ranks.Rank(3, 4, 1, 1)
    assert (os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]) == ("node3", "19567")
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")  # a job of one task, or a batch script
    assert process_group._external_rank() is None
