"""Texts one after the other, as language models learn from them: `StreamBatch` and its loader."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from datamodules.errors import DataError
from datamodules.store.ragged import Ragged, rows_of
from datamodules.store.sampler import EpochSampler


class StreamBatch(NamedTuple):
    """Windows of B parallel streams of texts; the next batch goes on where this one ends.

    A text is followed by a boundary, the padding id, which no text contains: it is what is
    predicted after the last word of a text, and the context of the first word of the next.

    Attributes:
        inputs: int64[B, T], symbols to read.
        targets: int64[B, T], the symbol that follows each of them.
        lengths: int64[B], T each.
        starts: bool[B], true in the first batch of an epoch, in which a carried state begins anew.
    """

    inputs: torch.Tensor
    targets: torch.Tensor
    lengths: torch.Tensor
    starts: torch.Tensor


class StreamDataset(Dataset[StreamBatch]):
    """Texts of an epoch in random order, as one stream that is cut into parallel ones.

    Indexing with `[epoch, number]` returns a whole batch. What does not fill the parallel streams
    equally, fewer symbols than there are streams, is left out; in another epoch it is other texts.

    Args:
        tokens: the texts.
        streams: number B of parallel streams, over all processes.
        window: T, symbols of a stream in a batch; the last batch of an epoch may have fewer.
        boundary: the symbol between two texts.
        seed: random seed of the orders.
        rank: number of this process, which reads B / `world` of the streams.
        world: number of processes.

    Raises:
        DataError: there are fewer symbols than streams, or the processes cannot divide the streams
            equally.
    """

    def __init__(
        self,
        tokens: Ragged,
        streams: int,
        window: int,
        boundary: int,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.tokens, self.streams, self.window = tokens, streams, window
        self.boundary, self.seed, self.rank, self.world = boundary, seed, rank, world
        symbols = int(tokens.lengths.sum()) + len(tokens)  # with the boundary after each text
        self.length = symbols // streams
        if not self.length:
            raise DataError(
                f"data.batch_size is {streams}, and the {len(tokens):,} texts to learn from have "
                f"{symbols} symbols; a language model reads that many streams at once, so set "
                f"--data.batch_size to {max(symbols, 1)} or less"
            )
        if streams % world:
            raise DataError(
                f"data.batch_size is {streams}, over all devices, and cannot be divided equally "
                f"among {world} processes; choose a multiple of {world}"
            )
        self._epoch, self._streams = -1, np.empty((0, 0), dtype=np.int32)

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        return -(-self.length // self.window)

    def __getitem__(self, place: tuple[int, int]) -> StreamBatch:
        epoch, number = place
        if epoch != self._epoch:
            self._epoch, self._streams = epoch, self._of_epoch(epoch)
        start = number * self.window
        end = min(start + self.window, self.length)
        symbols = torch.from_numpy(self._streams[:, start : end + 1].astype(np.int64))
        rows = len(symbols)
        return StreamBatch(
            symbols[:, :-1].contiguous(),
            symbols[:, 1:].contiguous(),
            torch.full((rows,), end - start),
            torch.full((rows,), number == 0),
        )

    def _of_epoch(self, epoch: int) -> np.ndarray:
        """int32[B / world, length + 1] streams; each ends with the first symbol of the next."""
        order = np.random.Generator(np.random.PCG64([self.seed, epoch])).permutation(
            len(self.tokens)
        )
        texts = rows_of(self.tokens, order)
        stream = np.full(int(texts.offsets[-1]) + len(texts) + 1, self.boundary, dtype=np.int32)
        # Text number i is moved by i + 1: a boundary is before it.
        moved = np.repeat(np.arange(len(texts)), texts.lengths)
        stream[np.arange(len(texts.values)) + moved + 1] = texts.values
        starts = np.arange(self.streams)[self.rank :: self.world] * self.length
        return np.stack([stream[start : start + self.length + 1] for start in starts])


class StreamSampler(EpochSampler[tuple[int, int]]):
    """Epoch and number of each batch in turn.

    Args:
        batches: number of batches in an epoch.
    """

    def __init__(self, batches: int) -> None:
        super().__init__()
        self.batches = batches

    def __len__(self) -> int:
        return self.batches

    def items(self) -> list[tuple[int, int]]:
        """Epoch and number of each batch."""
        return [(self.epoch, number) for number in range(self.batches)]
