"""Pairs of sequences: a text's symbols, and the symbols to write for it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from datamodules.store.batching import TokenDataset
from datamodules.store.ragged import Ragged

END = 0
"""Symbol after the last one of an answer; as context it comes before the first."""


class PairBatch(NamedTuple):
    """Texts with what is to be written for them.

    Attributes:
        tokens: int64[B, S], token ids.
        lengths: int64[B], each at least 1.
        targets: int64[B, T], symbols 1 … P, then `END`, then `END` as padding.
        target_lengths: int64[B], number of symbols before the end, each at least 1.
        ids: int64[B], row numbers in the split's fixed order.
    """

    tokens: torch.Tensor
    lengths: torch.Tensor
    targets: torch.Tensor
    target_lengths: torch.Tensor
    ids: torch.Tensor


class PairDataset(Dataset[PairBatch]):
    """Pairs of some rows: one for each answer that a row has.

    Args:
        texts: the rows, each once.
        answers: answers of all rows of the split, one after the other.
        first: int64[N + 1], number of the first answer of each row of the split.

    Attributes:
        lengths: int64, length of the text of each pair.
        token_truncation: that of the texts.
    """

    def __init__(self, texts: TokenDataset, answers: Ragged, first: np.ndarray) -> None:
        counts = np.diff(first)[texts.rows]
        self.texts, self.answers = texts, answers
        self.positions = np.repeat(np.arange(len(texts)), counts)
        before = np.repeat(np.cumsum(counts) - counts, counts)
        start = np.repeat(first[texts.rows], counts)
        self.numbers = start + np.arange(len(before)) - before
        self.lengths = texts.lengths[self.positions]
        self.token_truncation = texts.token_truncation

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, positions: np.ndarray) -> PairBatch:
        batch, numbers = self.texts[self.positions[positions]], self.numbers[positions]
        starts = self.answers.offsets[numbers]
        lengths = self.answers.offsets[numbers + 1] - starts
        columns = np.arange(lengths.max() + 1)
        inside = columns < lengths[:, None]
        places = np.where(inside, starts[:, None] + columns, 0)
        targets = np.where(inside, self.answers.values[places], END).astype(np.int64)
        return PairBatch(
            batch.tokens,
            batch.lengths,
            torch.from_numpy(targets),
            torch.from_numpy(lengths.astype(np.int64)),
            batch.ids,
        )
