"""Batches of token arrays: `TextBatch`, the dataset that makes them, and its loader."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from datamodules.errors import DataError
from datamodules.store.corpus import UNLABELLED
from datamodules.store.ragged import Ragged
from datamodules.store.sampler import BucketSampler, EpochSampler
from datamodules.store.truncation import TokenTruncation

# Widths are rounded up to a multiple of this. Each new shape costs a kernel's set-up, which oneDNN,
# cuDNN and torch.compile then keep: an epoch in 340 widths took 3.7 GB for an LSTM, in 50 it does
# not grow.
_WIDTH_STEP = 8


class TextBatch(NamedTuple):
    """Batch of texts.

    Padding is at the end of rows only and has the tokenizer's padding id. Masks come from `lengths`
    alone, since the id may also occur in a text.

    Attributes:
        tokens: int64[B, T], token ids.
        lengths: int64[B], each at least 1.
        labels: int64[B]; -1 where unknown. Where a text may have several, multi-hot int64[B, C].
        ids: int64[B], row numbers in the split's fixed order.
    """

    tokens: torch.Tensor
    lengths: torch.Tensor
    labels: torch.Tensor
    ids: torch.Tensor

    def blind(self) -> TextBatch:
        """The same texts without labels and ids, all -1: what a network may see in evaluation."""
        unknown = torch.full_like(self.labels, UNLABELLED)
        return self._replace(labels=unknown, ids=unknown)

    def ragged(self) -> Ragged:
        """Tokens of the texts without padding, on the CPU."""
        lengths = self.lengths.cpu().numpy()
        inside = np.arange(self.tokens.shape[1]) < lengths[:, None]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return Ragged(self.tokens.cpu().numpy()[inside].astype(np.int32), offsets)


class TokenDataset(Dataset[TextBatch]):
    """Some rows of a split. Indexing with an array of positions returns a whole `TextBatch`.

    Args:
        tokens: all rows of the split.
        labels: int[N] labels of all rows of the split, or multi-hot int[N, C].
        rows: int64[N], the rows that belong to this dataset; they become the batches' `ids`.
        token_truncation: vocabulary cap and truncation.
    """

    def __init__(
        self,
        tokens: Ragged,
        labels: np.ndarray,
        rows: np.ndarray,
        token_truncation: TokenTruncation,
    ) -> None:
        self.tokens, self.labels, self.rows = tokens, labels, rows
        self.token_truncation = token_truncation
        self.lengths = token_truncation.lengths(tokens.lengths[rows])

    def __len__(self) -> int:
        return len(self.rows)

    def unlabelled(self) -> TokenDataset:
        """The same rows without their labels."""
        unknown = np.full_like(self.labels, UNLABELLED)
        return TokenDataset(self.tokens, unknown, self.rows, self.token_truncation)

    def __getitem__(self, positions: np.ndarray) -> TextBatch:
        rows = self.rows[positions]
        matrix, lengths = self.token_truncation.rows(self.tokens, rows)
        matrix = np.pad(
            matrix,
            ((0, 0), (0, _missing(matrix.shape[1], self.token_truncation))),
            constant_values=self.token_truncation.pad_id,
        )
        return TextBatch(
            torch.from_numpy(matrix),
            torch.from_numpy(lengths.astype(np.int64)),
            torch.from_numpy(self.labels[rows].astype(np.int64)),
            torch.from_numpy(rows.astype(np.int64)),
        )


def widen(batch: TextBatch, truncation: TokenTruncation) -> TextBatch:
    """Batch with padding up to one of the few widths in which datasets make theirs."""
    missing = _missing(batch.tokens.shape[1], truncation)
    return batch._replace(
        tokens=torch.nn.functional.pad(batch.tokens, (0, missing), value=truncation.pad_id)
    )


def _missing(width: int, truncation: TokenTruncation) -> int:
    """Columns up to the next multiple of `_WIDTH_STEP`, or to the longest that a row may be."""
    return min(-width % _WIDTH_STEP, (truncation.max_length or 2**31) - width)


class TextLoader(DataLoader[Any]):
    """Loader of the batches that a dataset makes, each whole; resumes within an epoch.

    Lightning stores `state_dict` in its checkpoints and loads it before the first batch.
    """

    sampler: EpochSampler[Any]

    def __init__(
        self,
        dataset: Dataset[Any],
        *,
        sampler: EpochSampler[Any],
        batch_size: None = None,
        **options: Any,
    ) -> None:
        # Lightning makes the loader anew for predict and passes `batch_size` and `sampler` by name:
        # a positional sampler would be passed twice.
        super().__init__(dataset, sampler=sampler, batch_size=batch_size, **options)

    def __len__(self) -> int:
        return len(self.sampler)

    def state_dict(self) -> dict[str, int]:
        """Epoch and number of batches yielded in it."""
        return {"epoch": self.sampler.epoch, "position": self.sampler.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continues where `state` was taken."""
        self.sampler.resume(state["epoch"], state["position"])


def make_loader(
    dataset: Any,
    batch_size: int,
    *,
    split: str,
    shuffle: bool,
    seed: int,
    rank: int,
    world: int,
) -> TextLoader:
    """Loader of one process, in training (`shuffle`) or evaluation.

    Args:
        dataset: rows of all processes, such as a `TokenDataset`.
        batch_size: rows per batch, over all processes; evaluation rounds it to a multiple of them.
        split: name of the rows in error messages.
        shuffle: draw a new order in each epoch.
        seed: random seed of the orders.
        rank: number of this process.
        world: number of processes.

    Raises:
        DataError: the processes cannot divide a training batch equally, or outnumber the rows.
    """
    if shuffle and batch_size % world:
        name = "unlabelled_batch_size" if split == "unlabelled" else "batch_size"
        raise DataError(
            f"data.{name} is {batch_size}, over all devices, and cannot be divided equally "
            f"among {world} processes; choose a multiple of {world}"
        )
    if not shuffle:  # no result depends on the batch size of an evaluation
        batch_size = max(1, batch_size // world) * world
    if len(dataset) < world:
        raise DataError(
            f"{len(dataset)} rows of {split} cannot be divided among {world} processes; use at "
            f"most {len(dataset)} processes"
        )
    sampler = BucketSampler(
        dataset.lengths, batch_size, shuffle=shuffle, seed=seed, rank=rank, world=world
    )
    return TextLoader(dataset, sampler=sampler)
