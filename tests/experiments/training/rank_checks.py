"""Program of the two processes in `test_ranks.py`.

python -m tests.experiments.training.rank_checks FOLDER
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback

from experiments.config.registry import merge
from experiments.config.resolved import Resolved
from experiments.launch import process_group
from experiments.training import callbacks, ranks
from experiments.training.fitting import Fit, fit_and_choose, refit
from experiments.training.measure import predict
from experiments.training.signals import Stopped
from experiments.training.spec import RunSpec

ROWS, BATCH, EPOCHS = 68, 8, 3  # 51 train rows, of which the last batch has 3
STEPS = 7  # of an epoch
CUT = STEPS + 3  # step at which the resumed run is stopped
FREE: dict[str, Any] = {"word_dropout": 0.0, "dropout": 0.0}
MODELS: dict[str, dict[str, Any]] = {
    "sparse": {"class_path": "lit_models.bag.Bag", "init_args": FREE},
    "weighted": {
        "class_path": "lit_models.bag.Bag",
        "init_args": FREE | {"class_weights": "balanced"},
    },
    "dense": {
        "class_path": "lit_models.cnn.CNN",
        "init_args": FREE | {"embedding_dropout": 0.0, "embedding_dim": 8, "num_filters": 8},
    },
    "sum": {"class_path": "lit_models.perceptron.Perceptron", "init_args": {"min_df": 1}},
    "random": {  # draws random numbers in every step, and averages its weights
        "class_path": "lit_models.bag.Bag",
        "init_args": {"word_dropout": 0.2, "weight_averaging": "ema", "schedule": "cosine"},
    },
}


class Losses(Callback):
    """Records the loss of every step, over all ranks."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_train_batch_end(self, trainer: L.Trainer, module: Any, *others: Any) -> None:
        self.seen.append(float(module.step_loss))


def resolved(
    name: str,
    cache: Path,
    world: int,
    window: int | None = None,
    strategy: str = "ddp",
    settings: dict[str, Any] | None = None,
) -> Resolved:
    """A toy run on a number of processes, built from its random seed and prepared."""
    data = {"rows": ROWS, "batch_size": BATCH, "cache_dir": str(cache), "train_window": window}
    trainer = {"devices": world, "accelerator": "cpu", "max_epochs": EPOCHS}
    base = {
        "model": MODELS[name],
        "data": {"class_path": "tests.toys.ToyData", "init_args": data},
        "trainer": trainer | {"strategy": strategy if world > 1 else "auto"},
    }
    run = Resolved(merge(base, settings or {}))
    L.seed_everything(0, verbose=False)
    run.build()
    run.cli.datamodule.prepare_data()
    run.cli.datamodule.setup()
    return run


def fitted(
    one: Resolved, folder: Path, again: bool = False, watching: Sequence[Callback] = ()
) -> tuple[Fit, dict[str, Any]]:
    """Fits; returns the results that must not depend on the number of processes."""
    losses = Losses()
    one.cli.config_init["trainer"]["callbacks"] = [losses, *watching]
    fit = refit(one, folder, EPOCHS - 1) if again else fit_and_choose(one, folder)
    predictions = predict(one.cli.trainer, one.cli.model, one.cli.datamodule, "test")
    history = [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in fit.clock.history]
    return fit, {
        "losses": losses.seen,
        "history": history,
        "best_epoch": fit.best_epoch,
        "tokens": fit.clock.all_tokens(),
        "ids": predictions.ids.tolist(),
        "probabilities": np.round(predictions.probabilities, 6).tolist(),
    }


def cut(one: Resolved, folder: Path) -> None:
    """Fits until one rank receives a signal."""

    def after(self: Any, trainer: L.Trainer, *others: Any) -> None:
        if trainer.global_step == CUT and ranks.current().number == 1:
            os.kill(os.getpid(), signal.SIGUSR1)  # the other rank receives none

    original, callbacks.ProgressCallback.on_train_batch_end = (
        callbacks.ProgressCallback.on_train_batch_end,
        after,
    )
    try:
        fit_and_choose(one, folder)
        raise AssertionError("it was not stopped")
    except Stopped as stopped:
        assert str(stopped) == f"SIGUSR1 at step {CUT}", stopped
    finally:
        callbacks.ProgressCallback.on_train_batch_end = original  # type: ignore[method-assign]


def cut_and_resumed(folder: Path, cache: Path, strategy: str = "ddp") -> bool:
    """Compares a run that one rank stopped and that was resumed with an uninterrupted one."""
    whole = resolved("random", cache, 2, 6, strategy)
    fit_and_choose(whole, folder / "whole")
    cut(resolved("random", cache, 2, 6, strategy), folder / "cut")
    torch.manual_seed(99 + ranks.current().number)  # earlier draws must not matter
    second = resolved("random", cache, 2, 6, strategy)
    fit_and_choose(second, folder / "cut")
    pairs = zip(whole.cli.model.parameters(), second.cli.model.parameters(), strict=True)
    return all(torch.equal(one, other) for one, other in pairs)


def main(folder: Path) -> None:
    settings = {"model": MODELS["sparse"], "data": {"class_path": "tests.toys.ToyData"}}
    words = ("--trainer.devices=2", "--trainer.accelerator=cpu")
    spec = RunSpec("toy", "b", "smoke", 0, folder, settings, words)
    cache, results = folder / "cache", {}
    with process_group.join_process_group(spec):
        for name in ("sparse", "weighted", "dense", "sum"):
            results[name] = fitted(resolved(name, cache, 2), folder / name)[1]
        again = resolved("sparse", cache, 2).refitted()
        again.build()
        again.cli.datamodule.prepare_data()
        again.cli.datamodule.setup()
        results["again"] = fitted(again, folder / "again", again=True)[1]
        MODELS["estimator"] = {"class_path": "lit_models.tfidf_logreg.TfidfLogReg"}
        try:
            fit_and_choose(resolved("estimator", cache, 2), folder / "estimator")
        except ValueError as error:
            results["estimator"] = str(error)
        results["resumed"] = cut_and_resumed(folder, cache)
        if not ranks.is_rank_zero():
            assert ranks.all_gather(results)[0] == results  # equal on both ranks
            return
        ranks.all_gather(results)
    (folder / "results.json").write_text(json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
