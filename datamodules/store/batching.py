"""Batches of token arrays: `TextBatch`, the dataset that makes them, and its loader."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from datamodules.store.ragged import Ragged
from datamodules.store.sampler import BucketSampler
from datamodules.store.truncation import TokenTruncation

# Widths are rounded up to this. Each new shape costs a kernel's set-up, which oneDNN, cuDNN and
# torch.compile then keep: an epoch in 340 widths took 3.7 GB for an LSTM, in 50 it does not grow.
_WIDTH_STEP = 8


class TextBatch(NamedTuple):
    """One batch of texts.

    Padding stands only at the end of a row and carries the tokenizer's pad id; what is padding is
    told by `lengths` alone.

    Attributes:
        tokens: int64[B, T].
        lengths: int64[B], each at least 1.
        labels: int64[B]; -1 where unknown.
        ids: int64[B], row numbers in the split's fixed order.
    """

    tokens: torch.Tensor
    lengths: torch.Tensor
    labels: torch.Tensor
    ids: torch.Tensor


class TokenDataset(Dataset[TextBatch]):
    """Some rows of a split. Indexed by an array of positions, it gives a finished `TextBatch`.

    Args:
        tokens: all rows of the split.
        labels: int64 labels of all rows of the split.
        rows: int64[N], the rows that belong to this dataset; they become the batches' `ids`.
        cut: caps and truncation.
    """

    def __init__(
        self, tokens: Ragged, labels: np.ndarray, rows: np.ndarray, cut: TokenTruncation
    ) -> None:
        self.tokens, self.labels, self.rows, self.cut = tokens, labels, rows, cut
        self.lengths = cut.lengths(tokens.lengths[rows])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, positions: np.ndarray) -> TextBatch:
        rows = self.rows[positions]
        matrix, lengths = self.cut.rows(self.tokens, rows)
        matrix = np.pad(
            matrix,
            ((0, 0), (0, self._width(matrix.shape[1]) - matrix.shape[1])),
            constant_values=self.cut.pad_id,
        )
        return TextBatch(
            torch.from_numpy(matrix),
            torch.from_numpy(lengths.astype(np.int64)),
            torch.from_numpy(self.labels[rows].astype(np.int64)),
            torch.from_numpy(rows.astype(np.int64)),
        )

    def _width(self, longest: int) -> int:
        """The next multiple of `_WIDTH_STEP`, but no more than a row may have."""
        return min(-(-longest // _WIDTH_STEP) * _WIDTH_STEP, self.cut.max_length or 2**31)


class TextLoader(DataLoader[TextBatch]):
    """A loader whose batches come ready from the dataset and which resumes in mid-epoch.

    Lightning stores `state_dict` in its checkpoints and gives it back before the first batch.
    """

    sampler: BucketSampler

    def __init__(
        self,
        dataset: TokenDataset,
        *,
        sampler: BucketSampler,
        batch_size: None = None,
        **options: Any,
    ) -> None:
        # Lightning makes the loader anew for predict: it passes `batch_size` and `sampler` by name,
        # a positional sampler would be passed twice.
        super().__init__(dataset, sampler=sampler, batch_size=batch_size, **options)

    def __len__(self) -> int:
        return len(self.sampler)

    def state_dict(self) -> dict[str, int]:
        """Epoch and number of batches given out."""
        return {"epoch": self.sampler.epoch, "position": self.sampler.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Goes on where `state` was taken."""
        self.sampler.resume(state["epoch"], state["position"])
