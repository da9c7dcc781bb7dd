"""Regions of texts and the words on both sides of them, in batches of positions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor, nn
from torch.utils.data import IterableDataset

from datamodules.store.ragged import Ragged, rows_of

RUN = 32
"""Number of positions next to each other that are computed together, from one window of words."""


class RegionBatch(NamedTuple):
    """Runs of positions next to each other, with the words that their regions and targets need.

    Attributes:
        words: int64[U], the distinct words of the windows.
        windows: int64[N, RUN + 2 · reach], places in `words`; U where there is no word.
        texts: bool[N, RUN], positions inside a text.
        negatives: int64[K], words drawn at random.
        read: share of the training done before this batch.
    """

    words: Tensor
    windows: Tensor
    texts: Tensor
    negatives: Tensor
    read: float


class RegionBatches(IterableDataset[RegionBatch]):
    """All positions of all texts, the texts in a new random order in each epoch.

    Args:
        texts: rows of words below V; V is a word without a vector.
        frequencies: float[V], to which the probability to draw a word is proportional.
        size: words of a region.
        negative: K.
        batch_size: positions of a batch.
        epochs: number of epochs that will be read, for `read`.
        seed: random seed.
    """

    def __init__(
        self,
        texts: Ragged,
        frequencies: np.ndarray,
        size: int,
        negative: int,
        batch_size: int,
        epochs: int,
        seed: int,
    ) -> None:
        self.texts, self.none = texts, len(frequencies)
        self.reach, self.negative = reach_of(size), negative
        self.runs, self.epoch, self.epochs = max(1, batch_size // RUN), 0, epochs
        self.cumulated = np.cumsum(frequencies, dtype=np.float64)
        self.rng = np.random.default_rng(seed)

    def __iter__(self) -> Iterator[RegionBatch]:
        stream, inside = self._stream()
        windows = sliding_window_view(stream, RUN + 2 * self.reach)[::RUN]
        inside = inside.reshape(-1, RUN)
        for first in range(0, len(inside), self.runs):
            own = windows[first : first + self.runs]
            words, places = np.unique(own, return_inverse=True)
            if words[-1] == self.none:
                words = words[:-1]
            drawn = self.rng.random(self.negative) * self.cumulated[-1]
            negatives = np.searchsorted(self.cumulated, drawn, side="right")
            yield RegionBatch(
                torch.from_numpy(words.astype(np.int64)),
                torch.from_numpy(places.reshape(own.shape)),
                torch.from_numpy(inside[first : first + self.runs]),
                torch.from_numpy(negatives),
                (self.epoch + first / len(inside)) / self.epochs,
            )
        self.epoch += 1

    def _stream(self) -> tuple[np.ndarray, np.ndarray]:
        """The texts behind one another with gaps between them, and bool, positions of words.

        A gap is as long as the reach of a region and its targets, so that these are of one text.
        """
        rows = rows_of(self.texts, self.rng.permutation(len(self.texts)))
        gaps = self.reach * np.arange(1, len(rows) + 1)
        at = np.arange(len(rows.values)) + np.repeat(gaps, rows.lengths)
        width = -(-(len(rows.values) + gaps[-1] - self.reach) // RUN) * RUN
        stream = np.full(width + 2 * self.reach, self.none, dtype=np.int32)
        stream[at] = rows.values
        inside = np.zeros(width, dtype=bool)
        inside[at - self.reach] = True
        return stream, inside


def reach_of(size: int) -> int:
    """Largest distance of a word of a target from the middle of its region of `size` words."""
    return size // 2 + size


def bands(size: int) -> tuple[Tensor, Tensor]:
    """Places of the words of a run's regions and targets.

    A region of `size` words begins (size - 1) // 2 words before its position.

    Returns:
        Two float[RUN, RUN + 2 · reach], 1 where a word of the window is in the region of a
        position, or in its target.
    """
    reach, before = reach_of(size), (size - 1) // 2
    distance = torch.arange(RUN + 2 * reach)[None, :] - reach - torch.arange(RUN)[:, None]
    first = distance + before  # place in the region
    region = (first >= 0) & (first < size)
    target = (first >= -size) & (first < 2 * size) & ~region
    return region.float(), target.float()


def in_windows(vectors: Tensor, batch: RegionBatch) -> Tensor:
    """float[N, R + 2 · reach, d] of the words of windows; zeros where there is no word.

    Args:
        vectors: float[U, d], of the distinct words of the batch.
        batch: the windows.
    """
    vectors = torch.cat([vectors, vectors.new_zeros(1, vectors.shape[1])])
    return nn.functional.embedding(batch.windows, vectors)
