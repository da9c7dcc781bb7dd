"""Random windows: parts of the row from any position, never padding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch

from datamodules.errors import DataError
from datamodules.store.windows import random_windows
from lit_models.bag import Bag
from tests.batches import make_batch
from tests.toys import ToyData


def test_a_window_is_a_stretch_of_its_row() -> None:
    rows = [list(range(10, 30)), list(range(50, 53)), list(range(70, 77))]
    batch = make_batch(rows, width=24)
    torch.manual_seed(0)
    starts = set()
    for _ in range(200):
        tokens, lengths = random_windows(batch.tokens, batch.lengths, 7)
        assert tokens.shape == (3, 7) and lengths.tolist() == [7, 3, 7]
        first = int(tokens[0, 0])
        starts.add(first)
        assert tokens[0].tolist() == list(range(first, first + 7))
        assert tokens[1, :3].tolist() == rows[1] and tokens[2].tolist() == rows[2]
    assert starts == set(range(10, 24))  # the last words of the row among them


def test_short_rows_stay_as_they_are() -> None:
    batch = make_batch([[5, 6, 7], [8]])
    tokens, lengths = random_windows(batch.tokens, batch.lengths, 100)
    assert torch.equal(tokens, batch.tokens) and torch.equal(lengths, batch.lengths)


class Widths(L.Callback):
    """Records the widths of batches in training and in validation."""

    def __init__(self) -> None:
        self.train: list[int] = []
        self.val: list[int] = []

    def on_train_batch_end(
        self, trainer: Any, module: Any, outputs: Any, batch: Any, *n: Any
    ) -> None:
        self.train.append(batch.tokens.shape[1])

    def on_validation_batch_end(
        self, trainer: Any, module: Any, outputs: Any, batch: Any, *n: Any
    ) -> None:
        self.val.append(batch.tokens.shape[1])


def test_only_training_is_windowed(tmp_path: Path) -> None:
    widths = Widths()
    trainer = L.Trainer(
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[widths],
        default_root_dir=tmp_path,
    )
    data = ToyData(batch_size=8, train_window=6, cache_dir=str(tmp_path))
    trainer.fit(Bag(embedding_dim=2), datamodule=data)
    assert max(widths.train) == 6 and max(widths.val) > 16


def test_an_empty_window_is_refused() -> None:
    with pytest.raises(DataError, match="data.train_window is 0; it must be at least 1"):
        ToyData(train_window=0)
