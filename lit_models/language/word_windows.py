"""Words and the words around them, drawn from texts in batches."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from datamodules.store.ragged import Ragged, rows_of

_CHUNK = 100_000  # words whose windows are drawn at once: bounds the memory of their pairs


class WindowBatch(NamedTuple):
    """Pairs of a word and one around it, those of a word next to each other.

    Attributes:
        words: int64[B], words in the middle of a window.
        around: int64[P], words around them.
        starts: int64[B], place in `around` of the first of each word.
        read: share of the training done before this batch.
    """

    words: Tensor
    around: Tensor
    starts: Tensor
    read: float

    def widths(self) -> Tensor:
        """int64[B], number of words around each."""
        return self.starts.diff(append=self.starts.new_tensor([len(self.around)]))


class WindowBatches(IterableDataset[WindowBatch]):
    """Windows of all texts, in a new random order in each epoch.

    As in word2vec, each occurrence of a word of share f of the text is kept with probability
    √(t/f) + t/f before windows are made, and every window reaches 1 … `window` words to both sides,
    drawn anew, so that near words count more. No window spans two texts.

    Args:
        texts: rows of words below V.
        counts: int64[V], their counts.
        window: largest distance.
        sample: t.
        batch_pairs: pairs of a batch, of which a word's are not divided.
        epochs: number of epochs that will be read, for `read`.
        seed: random seed.
    """

    def __init__(
        self,
        texts: Ragged,
        counts: np.ndarray,
        window: int,
        sample: float,
        batch_pairs: int,
        epochs: int,
        seed: int,
    ) -> None:
        self.texts, self.window, self.batch_pairs = texts, window, batch_pairs
        share = sample * counts.sum() / np.maximum(counts, 1)  # t/f
        self.kept = np.sqrt(share) + share
        self.epoch, self.epochs = 0, epochs
        self.pairs = 0
        self.rng = np.random.default_rng(seed)

    def __iter__(self) -> Iterator[WindowBatch]:
        order = self.rng.permutation(len(self.texts))
        ends = np.cumsum(self.texts.lengths[order])
        chunks = np.split(order, np.flatnonzero(np.diff(ends // _CHUNK)) + 1)
        read = 0
        for rows in chunks:
            chunk = rows_of(self.texts, rows)
            words, around = self._windows(chunk)
            bounds = np.concatenate([[0], np.cumsum((around >= 0).sum(axis=1))])
            self.pairs += int(bounds[-1])
            parts = np.searchsorted(bounds, np.arange(0, bounds[-1], self.batch_pairs))
            for first, last in pairwise(np.unique([*parts, len(words)])):
                share = (first / len(words) * len(chunk.values) + read) / len(self.texts.values)
                near = around[first:last]
                yield WindowBatch(
                    torch.from_numpy(words[first:last]),
                    torch.from_numpy(near[near >= 0]),
                    torch.from_numpy(bounds[first:last] - bounds[first]),
                    (self.epoch + float(share)) / self.epochs,
                )
            read += len(chunk.values)
        self.epoch += 1

    def _windows(self, texts: Ragged) -> tuple[np.ndarray, np.ndarray]:
        """int64[M] words and int64[M, 2·window] words around them, -1 where none, shuffled."""
        keep = self.rng.random(len(texts.values)) < self.kept[texts.values]
        row = np.repeat(np.arange(len(texts)), texts.lengths)[keep]
        words = texts.values[keep].astype(np.int64)
        around = neighbours(words, row, self.rng.integers(1, self.window + 1, len(words)))
        has_any = np.flatnonzero((around >= 0).any(axis=1))
        places = self.rng.permutation(has_any)
        return words[places], around[places]


def neighbours(words: np.ndarray, row: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Words around each word of a stream.

    Args:
        words: int64[M].
        row: int64[M], number of the text of each.
        reach: int64[M], largest distance of a word from each.

    Returns:
        int64[M, 2 · highest reach], -1 where the text ends or the distance is beyond the reach.
    """
    widest = int(reach.max(initial=0))
    around = np.full((len(words), 2 * widest), -1, dtype=np.int64)
    for distance in range(1, widest + 1):
        same_text = row[distance:] == row[:-distance]
        left, right = (
            around[distance:, widest - distance],
            around[:-distance, widest + distance - 1],
        )
        left[:] = np.where(same_text & (reach[distance:] >= distance), words[:-distance], -1)
        right[:] = np.where(same_text & (reach[:-distance] >= distance), words[distance:], -1)
    return around
