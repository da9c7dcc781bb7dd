"""Sharded runs on two processes (gloo, on the CPU) are equal to runs on one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.plugins import Precision
from torch.distributed.tensor import DTensor
from torch.utils._pytree import tree_leaves

from experiments.config.registry import ConfigError
from experiments.launch import process_group
from experiments.records.run_files import read_row
from experiments.training.checkpointing import RESUME_FILE
from experiments.training.measure import predict
from experiments.training.spec import RunSpec
from lit_models.base.sharding import FullySharded
from lit_models.bert import BERT
from tests.experiments.conftest import TOY, Command
from tests.experiments.training import sharded_checks
from tests.experiments.training.rank_checks import CUT, EPOCHS, STEPS, fitted, resolved
from tests.experiments.training.test_ranks import forked
from tests.tiny_encoders import TINY, tiny
from tests.warm import REPOSITORY, ForkServer

pytestmark = pytest.mark.slow

TWO = ["--trainer.devices=2", "--trainer.accelerator=cpu", "--trainer.strategy=fsdp2"]


@pytest.fixture(scope="module")
def sharded(fork_server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Results and folder of the two processes of `sharded_checks.py`."""
    folder = tmp_path_factory.mktemp("sharded")
    for code, output in forked(fork_server, "tests.experiments.training.sharded_checks", folder):
        assert code == 0, output
    return {"folder": folder, **json.loads((folder / "results.json").read_text())}


@pytest.mark.parametrize("name", sharded_checks.CASES)
def test_two_processes_with_half_of_the_weights_compute_what_one_does(
    name: str, sharded: dict[str, Any], tmp_path: Path
) -> None:
    settings, two = sharded_checks.CASES[name], sharded[name]
    single = resolved(name, tmp_path / "cache", 1, settings=settings)
    near, same = (2e-2, 2e-2) if name == "bf16" else (1e-4, 2e-6)
    _, one = fitted(single, tmp_path / "run")
    assert len(two["losses"]) == len(one["losses"]) == EPOCHS * STEPS
    assert two["losses"] == pytest.approx(one["losses"], abs=near, rel=near)
    assert min(one["losses"]) < 0.9 * one["losses"][0]
    assert two["ids"] == one["ids"] and two["best_epoch"] == one["best_epoch"]
    for ours, theirs in zip(one["probabilities"], two["probabilities"], strict=True):
        assert theirs == pytest.approx(ours, abs=near)
    for ours, theirs in zip(one["history"], two["history"], strict=True):
        keys = [key for key in ours if "loss" in key or name != "bf16"]  # a prediction may flip
        for key in keys:
            assert theirs[key] == pytest.approx(ours[key], abs=near, rel=near), key
    assert all(0.47 < share < 0.53 for pair in two["shares"] for share in pair)

    # The saved model is whole; one process loads it without a strategy.
    model, cli = BERT.load(sharded["folder"] / name), single.cli
    tensors = cli.model.state_dict()
    assert tensors.keys() == model.state_dict().keys()
    for key, value in model.state_dict().items():
        assert type(value) is torch.Tensor, key
        assert torch.allclose(value, tensors[key], atol=10 * near), key
    predictions = predict(cli.trainer, model, cli.datamodule, "test")
    assert predictions.ids.tolist() == two["ids"]
    assert predictions.probabilities == pytest.approx(torch.tensor(two["probabilities"]), abs=same)


@pytest.mark.parametrize("kind", TINY)
def test_gradients_of_parts_are_those_of_the_whole(kind: str, sharded: dict[str, Any]) -> None:
    assert sharded["gradients"][kind] < 1e-6


def test_a_process_without_windows_waits_for_one_that_has_some(
    sharded: dict[str, Any],
) -> None:
    assert sharded["windows"] < 1e-6


def test_a_cut_run_ends_as_an_uncut_one_bit_for_bit(sharded: dict[str, Any]) -> None:
    assert sharded["resumed"] is True


def test_a_run_cut_on_two_processes_goes_on_in_one(sharded: dict[str, Any]) -> None:
    folder = sharded["folder"]
    state = torch.load(folder / "moved" / RESUME_FILE, weights_only=True)
    assert all(type(leaf) is not DTensor for leaf in tree_leaves(state))
    _, resumed = fitted(resolved("rates", folder / "cache", 1), folder / "moved")
    whole = sharded["rates"]
    assert len(resumed["losses"]) == EPOCHS * STEPS - CUT
    assert resumed["losses"] == pytest.approx(whole["losses"][CUT:], abs=1e-4, rel=1e-4)
    for ours, theirs in zip(resumed["probabilities"], whole["probabilities"], strict=True):
        assert theirs == pytest.approx(ours, abs=1e-4)


@pytest.fixture(scope="module")
def small_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """YAML file of an experiment with a tiny encoder."""
    file = tmp_path_factory.mktemp("experiment") / "small.yaml"
    file.write_text(json.dumps({"model": sharded_checks.MODELS["rates"]}))
    return file


def test_the_command_line_from_a_fit_to_the_test_rows(
    small_file: Path, lit: Command, tmp_path: Path
) -> None:
    rows = []
    for name, more in (("two", TWO), ("one", [])):
        words = ["fit", "-c", small_file, "--profile", "smoke", "--runs", tmp_path, *TOY, *more]
        words += ["--run.protocol=refit"]
        done = lit(*words, "--name", name)
        assert done.returncode == 0, done.stdout + done.stderr
        run = tmp_path / name / "small" / "seed-0"
        done = lit("test", run, "--configs", REPOSITORY)
        assert done.returncode == 0, done.stdout + done.stderr
        rows.append(read_row(run))
    two, one = rows
    assert two.hardware["processes"] == 2 and "processes" not in one.hardware
    for name in ("config_hash", "parameters", "flops_per_review", "best_epoch"):
        assert getattr(two, name) == getattr(one, name), name
    assert two.val and two.test and one.val and one.test and two.reviews_per_second
    assert vars(two.val) == pytest.approx(vars(one.val), abs=1e-4)
    assert vars(two.test) == pytest.approx(vars(one.test), abs=1e-4)


def test_one_process_is_refused(tmp_path: Path) -> None:
    settings = {
        "model": sharded_checks.MODELS["rates"],
        "data": {"class_path": "tests.toys.ToyData"},
    }
    spec = RunSpec("bert", "b", "smoke", 0, tmp_path, settings, (*TWO, "--trainer.devices=1"))
    message = "'fsdp2'.*--trainer.devices 1 asks for one; say --trainer.devices 2 or more"
    with pytest.raises(ConfigError, match=message), process_group.start_process_group(spec):
        pass


def test_what_cannot_be_taken_apart_is_refused(sharded: dict[str, Any]) -> None:
    model, compiled = sharded["refused"]
    assert "'fsdp2'" in model and "CNN is none; say --trainer.strategy ddp" in model
    assert "compile is true and trainer.strategy is 'fsdp2'" in compiled
    strategy = FullySharded()
    strategy.connect(BERT(config=tiny("bert")))
    strategy.precision_plugin = plugin = Precision()
    plugin.precision = "16-mixed"  # which a trainer accepts only on a GPU
    with pytest.raises(ValueError, match="precision is '16-mixed' and trainer.strategy is 'fsdp2'"):
        strategy.setup_environment()
