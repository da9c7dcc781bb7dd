"""Metrics of the second fit in the tracked run."""

from __future__ import annotations

from pathlib import Path

from tests.experiments.conftest import Command


def test_the_second_fits_metrics_stand_apart_in_the_tracked_run(
    lit: Command, tmp_path: Path
) -> None:
    from tests.experiments.training.test_wandb_run import records

    words = ["fit", "-c", "bag", "--profile", "smoke", "--runs", tmp_path, "--run.protocol=refit"]
    words += ["--data=tests.toys.ToyData", "--data.rows=160", "--data.batch_size=8"]
    done = lit(*words)
    assert done.returncode == 0, done.stderr
    assert "toy, profile smoke" in done.stdout
    items = [r["item"] for r in records(tmp_path / "fit" / "bag" / "seed-0", "history")]
    losses = [[item[key] for item in items if key in item] for key in ("train/epoch_loss",)]
    again = [item["refit/train/epoch_loss"] for item in items if "refit/train/epoch_loss" in item]
    assert len(losses[0]) == len(again) == 1 and losses[0] != again
    assert not any(key.startswith("refit/val") for item in items for key in item)
