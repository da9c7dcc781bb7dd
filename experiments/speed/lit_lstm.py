"""Measurement of LSTM training in this suite, run as a process by `lstm_vs_keras`."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import lightning as L
import torch

from experiments.config.resolved import Resolved
from experiments.machine.environment import versions
from experiments.speed.sample import configure
from experiments.training import wandb_run
from experiments.training.callbacks import ProgressCallback, TrainingTimer


def measure(resolved: Resolved, warmup: int, folder: Path) -> dict[str, Any]:
    """Measure an epoch with the clock of the suite, after some unmeasured steps.

    The steps do all that those of a run do: metrics, W&B, clock and progress. Work between epochs
    (validation, checkpoints, early stopping) is left out, since the clock does not count it.

    Args:
        resolved: From `configure`.
        warmup: Number of unmeasured steps.
        folder: Folder for the files of W&B.

    Returns:
        `reviews_per_second`, `seconds`, `reviews`, `loss`, `parameters`, `wait_share`, `versions`.
    """
    L.seed_everything(resolved.seed, verbose=False)
    resolved.cli.build()
    model, data = resolved.cli.model, resolved.cli.datamodule
    data.prepare_data()
    data.setup()
    logger = wandb_run.start(resolved, folder, "lstm", "speed", ["speed"])
    exit_code = 1
    try:
        for length in ({"max_steps": warmup}, {"max_epochs": 1}):
            clock = TrainingTimer()
            trainer = resolved.cli.make_trainer(
                **length,
                callbacks=[clock, ProgressCallback(lambda what, share: None)],
                limit_val_batches=0,
                enable_checkpointing=False,
                logger=logger or False,
                default_root_dir=folder,
            )
            trainer.fit(model, datamodule=data)
        exit_code = 0
    finally:
        wandb_run.finish(logger, exit_code)
    reviews = len(data.train_dataloader().dataset)
    return {
        "reviews_per_second": reviews / clock.train_seconds,
        "seconds": clock.train_seconds,
        "reviews": reviews,
        "loss": clock.history[-1]["train/epoch_loss"],
        "parameters": model.parameter_count,
        "wait_share": clock.wait_seconds / clock.train_seconds,
        "versions": versions(),
    }


def main() -> None:
    """Measure once and print the result as JSON on the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root")
    parser.add_argument("--cache-dir")
    parser.add_argument("--reviews", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--warmup", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    resolved = configure(options.root, options.reviews, options.seed, options.cache_dir)
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(resolved, options.warmup, Path(folder))))


if __name__ == "__main__":
    main()
