"""Settings that are refused with the reason, alone or together."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.cli.main import main

OWN = ["--profile", "smoke", "--data=tests.toys.ToyData"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--trainer.fast_dev_run true", "trainer.fast_dev_run is True; leave it out: such a run"),
        ("--trainer.overfit_batches 2", "say --data.train_limit N"),
        ("--trainer.limit_val_batches 1", "every row is evaluated"),
        ("--trainer.limit_predict_batches 0.5", "every row is evaluated"),
        ("--trainer.logger false", "metrics go to W&B"),
        ("--trainer.default_root_dir x", "runs go to the folder of --runs"),
        ("--trainer.gradient_clip_val 1", "say --model.gradient_clip_norm"),
        ("--trainer.enable_checkpointing false", "resumed, by its checkpoints"),
        ("--trainer.use_distributed_sampler true", "loaders divide the rows"),
        ("--trainer.barebones true", "by its checkpoints and metrics"),
        ("--trainer.max_epochs 0", "it must be at least 1"),
        ("--trainer.num_nodes 0", "trainer.num_nodes is 0; it must be at least 1"),
        ("--run.patience -1", "run.patience is -1; it must be at least 0"),
        ("--trainer.precision 16-mixed --run.precision 32-true", "cannot both hold"),
        ("--run.folds 3 --run.protocol refit", "cannot both hold: the folds"),
        ("--data.validation a --data.validation_fraction 0.2", "cannot both hold: a validation"),
        ("--root a --data.root b", "both name the corpus"),
        ("--seed -1", "seed -1 is negative"),
        ("--seed 4294967296", "a seed is at most 4,294,967,295"),
        ("--data.split_seed -1", "data.split_seed -1 is negative"),
        ("--data.split_seed 4294967296", "data.split_seed is 4294967296; a seed is at most"),
        ("--model.dropout .nan", "dropout"),
        ("--model.learning_rate .inf", "model.learning_rate is inf; it must be a finite number"),
        ("--model.learning_rate nan", "learning_rate"),
        ("--model.num_filters 3", "unknown setting 'num_filters' (Bag has no such)"),
        ("--trainer.devices 0", "trainer.devices is '0', which this machine does not have"),
        ("--trainer.devices -1", "trainer.devices is '-1', which this machine does not have"),
        ("--trainer.devices [0]", "on a CPU, say a number of processes from 1 up, or auto"),
        ("--trainer.devices 1.5", "on a CPU, say a number of processes from 1 up, or auto"),
        ("--trainer.accelerator tpux", "and trainer.accelerator 'tpux'"),
    ],
)
def test_what_cannot_be_used_is_told_before_a_run_begins(
    words: str, message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    own = ["--data=TextFiles", "--data.train=a.csv"] if "split" in words or "valid" in words else []
    own = [*OWN[:2], *own] if own else OWN
    assert main(["fit", "-c", "bag", *own, "--runs", str(tmp_path), *words.split()]) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: ") and message in told and len(told.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("seed", ["0", "4294967295"])
def test_the_first_and_the_last_seed_are_seeds(
    seed: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["fit", "-c", "tfidf_logreg", *OWN, "--data.rows=60", "--runs", str(tmp_path)]
    assert main([*words, "--seed", seed, "--run.wandb_mode=disabled"]) == 0


def test_sizes_of_a_learning_curve_exclude_a_limit(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["benchmark", "bag", "--train-sizes", "10", "--data.train_limit", "20"]
    assert main(words) == 1
    assert "--train-sizes and --data.train_limit both say" in capsys.readouterr().err


def test_devices_that_are_not_there_stop_a_benchmark_before_its_first_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["benchmark", "bag", *OWN, "--runs", str(tmp_path), "--trainer.devices", "-1"]
    assert main(words) == 1
    assert "trainer.devices is '-1'" in capsys.readouterr().err and not list(tmp_path.iterdir())
