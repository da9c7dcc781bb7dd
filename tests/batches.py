"""Small made batches for tests of models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from datamodules.store.batching import TextBatch
from datamodules.store.ragged import Ragged
from datamodules.store.train_view import TrainView

PAD, UNK = 0, 1
SENTENCE_ENDS = (2, 3, 4)


def make_batch(
    rows: Sequence[Sequence[int]], width: int | None = None, pad: int = PAD, classes: int = 2
) -> TextBatch:
    """Batch of rows of token ids, padded to `width`; labels cycle through the classes."""
    width = width or max(map(len, rows))
    tokens = torch.full((len(rows), width), pad)
    for line, row in zip(tokens, rows, strict=True):
        line[: len(row)] = torch.tensor(row)
    count = torch.arange(len(rows))
    return TextBatch(tokens, torch.tensor([len(row) for row in rows]), count % classes, count)


def random_rows(lengths: Sequence[int], vocab_size: int, seed: int = 0) -> list[list[int]]:
    """Rows of the given lengths, specials left out."""
    rng = np.random.default_rng(seed)
    return [rng.integers(2, vocab_size, length).tolist() for length in lengths]


def make_view(
    rows: Sequence[Sequence[int]],
    labels: Sequence[int],
    vocab_size: int,
    vectors: np.ndarray | None = None,
    characters: bool = False,
) -> TrainView:
    """Training side of a corpus of these rows, whose tokens are words, or letters and marks."""
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    values = np.concatenate([np.asarray(row, dtype=np.int32) for row in rows])
    return TrainView(
        vocabulary=[("a!"[n % 3 == 0] if characters else f"w{n}") for n in range(vocab_size)],
        tokens=Ragged(values, offsets),
        labels=np.asarray(labels),
        unlabelled=None,
        num_classes=int(max(labels)) + 1,
        pad_id=PAD,
        unk_id=UNK,
        sentence_ends=SENTENCE_ENDS,
        vectors=vectors,
    )
