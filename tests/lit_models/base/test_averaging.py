"""Averaged weights: the mean by hand, and the same one validated, saved and predicted with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint, ModelCheckpoint

from lit_models.bag import Bag
from lit_models.base.averaging import Average
from tests.toys import ToyData


class Watch(Callback):
    """Keeps the output weights after each step and as they are validated."""

    def __init__(self) -> None:
        self.steps: list[torch.Tensor] = []
        self.validated: list[torch.Tensor] = []

    def on_train_batch_end(self, trainer: L.Trainer, module: Any, *rest: Any) -> None:
        self.steps.append(module.net.output.weight.detach().clone())

    def on_validation_end(self, trainer: L.Trainer, module: Any) -> None:
        self.validated.append(module.net.output.weight.detach().clone())


def fit(
    folder: Path, epochs: int = 3, accumulated: int = 1, **settings: Any
) -> tuple[Bag, Watch, ModelCheckpoint]:
    L.seed_everything(0, verbose=False)
    data = ToyData(batch_size=8, cache_dir=str(folder / "cache"))
    model, watch = Bag(vocab_size=data.vocab_size, embedding_dim=4, **settings), Watch()
    best = ModelCheckpoint(folder, "best", monitor="val/log_loss", save_weights_only=True)
    trainer = L.Trainer(
        max_epochs=epochs,
        accumulate_grad_batches=accumulated,
        callbacks=[watch, best],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=2,
        default_root_dir=folder,
    )
    trainer.fit(model, datamodule=data)
    return model, watch, best


@pytest.mark.parametrize("how", ["ema", "asgd"])
def test_the_mean_is_validated_and_stands_in_every_checkpoint(how: Average, tmp_path: Path) -> None:
    model, watch, best = fit(
        tmp_path, weight_averaging=how, weight_averaging_decay=0.9, weight_averaging_start=1
    )
    assert len(watch.steps) == 18 and len(watch.validated) == 4  # the first is the sanity check
    final = model.net.output.weight
    if how == "asgd":
        assert torch.allclose(final, torch.stack(watch.steps[6:]).mean(dim=0), atol=1e-6)
        assert torch.equal(watch.validated[1], watch.steps[5])  # before its start: the weights
    assert torch.equal(final, watch.validated[-1])
    assert not torch.allclose(final, watch.steps[-1], atol=1e-5)
    saved = torch.load(best.best_model_path, weights_only=True)
    epoch = int(saved["epoch"])
    assert torch.equal(saved["state_dict"]["net.output.weight"], watch.validated[1 + epoch])


def test_ema_follows_its_recurrence(tmp_path: Path) -> None:
    model, watch, _ = fit(tmp_path, epochs=1, weight_averaging="ema", weight_averaging_decay=0.9)
    L.seed_everything(0, verbose=False)
    mean = Bag(vocab_size=1_000, embedding_dim=4).net.output.weight.detach()
    for n, step in enumerate(watch.steps):
        decay = min(0.9, (1 + n) / (10 + n))
        mean = decay * mean + (1 - decay) * step
    assert torch.allclose(model.net.output.weight, mean, atol=1e-6)


# Of the six batches of an epoch, those after which the optimiser steps; the last always is one.
STEPS = {2: [1, 3, 5], 4: [3, 5], 5: [4, 5], 9: [5]}


@pytest.mark.parametrize("how", ["ema", "asgd"])
@pytest.mark.parametrize("accumulated", STEPS)
def test_accumulated_batches_are_one_step(accumulated: int, how: Average, tmp_path: Path) -> None:
    settings = {"weight_averaging_decay": 0.9, "weight_averaging_start": 0}
    model, watch, _ = fit(tmp_path, 2, accumulated, weight_averaging=how, **settings)
    steps = [watch.steps[6 * epoch + batch] for epoch in (0, 1) for batch in STEPS[accumulated]]
    L.seed_everything(0, verbose=False)
    mean = Bag(vocab_size=1_000, embedding_dim=4).net.output.weight.detach()
    for n, step in enumerate(steps):
        decay = min(0.9, (1 + n) / (10 + n)) if how == "ema" else n / (n + 1)
        mean = decay * mean + (1 - decay) * step
    assert torch.allclose(model.net.output.weight, mean, atol=1e-6)


def test_training_itself_does_not_notice(tmp_path: Path) -> None:
    plain = fit(tmp_path / "a")[1].steps
    averaged = fit(tmp_path / "b", weight_averaging="ema")[1].steps
    assert all(torch.equal(one, other) for one, other in zip(plain, averaged, strict=True))


class Save(Checkpoint):  # so that it comes after the averaging
    """Writes a checkpoint after a number of steps, or after the first epoch."""

    def __init__(self, file: Path, step: int | None) -> None:
        self.file, self.step = file, step

    def on_train_batch_end(self, trainer: L.Trainer, module: Any, *rest: Any) -> None:
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.file)

    def on_train_epoch_end(self, trainer: L.Trainer, module: Any) -> None:
        if self.step is None and trainer.current_epoch == 0:
            trainer.save_checkpoint(self.file)


@pytest.mark.parametrize("step", [4, None], ids=["in mid-epoch", "after an epoch"])
def test_a_resumed_fit_ends_with_the_same_mean(step: int | None, tmp_path: Path) -> None:
    def run(checkpoint: Path | None, *callbacks: Callback) -> torch.Tensor:
        L.seed_everything(0, verbose=False)
        data = ToyData(batch_size=8, cache_dir=str(tmp_path / "cache"))
        model = Bag(
            vocab_size=30_000, embedding_dim=4, dropout=0, word_dropout=0, weight_averaging="ema"
        )
        trainer = L.Trainer(
            max_epochs=3,
            callbacks=list(callbacks),
            logger=False,
            enable_checkpointing=bool(callbacks),
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tmp_path,
        )
        trainer.fit(model, datamodule=data, ckpt_path=checkpoint, weights_only=True)
        return model.net.output.weight

    expected = run(None, Save(tmp_path / "part.ckpt", step))
    assert torch.equal(run(tmp_path / "part.ckpt"), expected)
