"""Loaders in a real Trainer: each row once an epoch, resumed where a run was cut."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from datamodules.store.batching import TextBatch, TextLoader, TokenDataset
from datamodules.store.sampler import BucketSampler
from datamodules.store.truncation import TokenTruncation
from tests.datamodules.store.test_batching import make_ragged
from tests.datamodules.store.test_sampler import flat, make_sampler, skewed_lengths

ROWS, BATCH = 61, 8  # 8 batches an epoch, the last one short


def make_loader(rows: TokenDataset, shuffle: bool) -> TextLoader:
    return TextLoader(rows, sampler=BucketSampler(rows.lengths, BATCH, shuffle=shuffle))


class Data(L.LightningDataModule):
    """Random rows, without any file."""

    def setup(self, stage: str) -> None:
        tokens = make_ragged(skewed_lengths(ROWS) // 20 + 1)
        token_truncation = TokenTruncation(None, None, "head", 0, 1)
        self.rows = TokenDataset(tokens, np.zeros(ROWS), np.arange(ROWS), token_truncation)

    def train_dataloader(self) -> TextLoader:
        return make_loader(self.rows, shuffle=True)

    def val_dataloader(self) -> TextLoader:
        return make_loader(self.rows, shuffle=False)

    predict_dataloader = val_dataloader


class Recorder(L.LightningModule):
    """Records the ids of its training batches."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen: list[list[int]] = []

    def training_step(self, batch: TextBatch, batch_idx: int) -> torch.Tensor:
        self.seen.append(batch.ids.tolist())
        return self.weight.sum()

    def validation_step(self, batch: TextBatch, batch_idx: int) -> None:
        pass

    def predict_step(self, batch: TextBatch, batch_idx: int) -> torch.Tensor:
        return batch.ids

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def make_trainer(*callbacks: Callback, **options: Any) -> L.Trainer:
    quiet = {
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": bool(callbacks),
        "use_distributed_sampler": False,
    }
    return L.Trainer(accelerator="cpu", callbacks=list(callbacks), **(quiet | options))


def resume(file: Path, keep: ModelCheckpoint, **options: Any) -> list[list[int]]:
    """Batches of a run that resumes from a checkpoint and ends with epoch 3."""
    model = Recorder()
    trainer = make_trainer(keep, max_epochs=3, **options)
    trainer.fit(model, Data(), ckpt_path=file, weights_only=True)
    return model.seen


@pytest.fixture(scope="module")
def uncut() -> list[list[int]]:
    """Batches of three whole epochs."""
    model = Recorder()
    make_trainer(max_epochs=3, limit_val_batches=0).fit(model, Data())
    return model.seen


def test_a_trainer_sees_each_row_once_an_epoch_in_a_new_order(uncut: list[list[int]]) -> None:
    assert len(uncut) == 24
    first, second, third = (flat(uncut[start : start + 8]) for start in (0, 8, 16))
    assert sorted(first) == sorted(second) == sorted(third) == list(range(ROWS))
    assert first != second != third != first


@pytest.mark.parametrize("step", [1, 5, 8, 11, 16])
def test_a_resumed_run_sees_the_rest_and_then_the_next_epoch(
    step: int, uncut: list[list[int]], tmp_path: Path
) -> None:
    keep = ModelCheckpoint(tmp_path, every_n_train_steps=step, save_top_k=-1, filename="{step}")
    make_trainer(keep, max_steps=step).fit(Recorder(), Data())
    assert resume(tmp_path / f"step={step}.ckpt", keep) == uncut[step:]


@pytest.mark.parametrize("at_train_end", [True, False])
def test_a_run_resumed_between_epochs_starts_with_the_next_one(
    at_train_end: bool, uncut: list[list[int]], tmp_path: Path
) -> None:
    keep = ModelCheckpoint(tmp_path, filename="end", save_on_train_epoch_end=at_train_end)
    make_trainer(keep, max_epochs=1).fit(Recorder(), Data())
    assert resume(tmp_path / "end.ckpt", keep) == uncut[8:]


def test_a_run_resumed_from_a_validation_within_the_epoch_goes_on(
    uncut: list[list[int]], tmp_path: Path
) -> None:
    keep = ModelCheckpoint(tmp_path, filename="{step}", save_top_k=-1)
    make_trainer(keep, max_epochs=1, val_check_interval=3).fit(Recorder(), Data())
    assert resume(tmp_path / "step=3.ckpt", keep, val_check_interval=3) == uncut[3:]


def test_a_shortened_epoch_is_followed_by_the_next_one(uncut: list[list[int]]) -> None:
    model = Recorder()
    make_trainer(max_epochs=2, limit_train_batches=3).fit(model, Data())
    assert model.seen == uncut[:3] + uncut[8:11]


def test_predict_gives_every_id_once_and_again() -> None:
    model, data = Recorder(), Data()
    trainer = make_trainer(max_epochs=1, limit_val_batches=2)
    trainer.fit(model, data)
    loader = data.val_dataloader()
    for given in (loader, loader):
        outputs = trainer.predict(model, given)
        assert outputs is not None
        assert sorted(torch.cat(outputs).tolist()) == list(range(ROWS))
    outputs = trainer.predict(model, datamodule=data)
    assert outputs is not None
    assert sorted(torch.cat(outputs).tolist()) == list(range(ROWS))


def test_predict_is_whole_after_a_validation_of_the_same_loader_was_cut_short() -> None:
    model, data = Recorder(), Data()
    data.setup("validate")
    loader = data.val_dataloader()
    make_trainer(limit_val_batches=2).validate(model, loader, verbose=False)
    outputs = make_trainer().predict(model, loader)
    assert outputs is not None
    assert sorted(torch.cat(outputs).tolist()) == list(range(ROWS))


def test_a_loader_hands_its_position_over() -> None:
    data = Data()
    data.setup("fit")
    first, second, uncut = (data.train_dataloader() for _ in range(3))
    assert len(first) == 8
    start = [batch.ids.tolist() for batch in islice(first, 3)]
    assert first.state_dict() == {"epoch": 0, "position": 3}
    second.load_state_dict(first.state_dict())
    rest = [batch.ids.tolist() for batch in second]
    assert start + rest == [batch.ids.tolist() for batch in uncut]


def test_a_loader_takes_its_sampler_by_name() -> None:
    data = Data()
    data.setup("fit")
    with pytest.raises(TypeError, match="takes 2 positional arguments but 3"):
        TextLoader(data.rows, make_sampler())  # type: ignore[misc]
