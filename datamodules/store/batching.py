"""From token arrays to batches: `TextBatch`, `TrainView`, the length-bucket sampler, the loader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from datamodules.store.ragged import Ragged

Truncation = Literal["head", "tail", "head+tail"]

# head+tail keeps 1/4 from the start and 3/4 from the end, as Sun et al. 2019 do: 128 + 382 of 512,
# [CLS] and [SEP] beside them.
_HEAD_SHARE = 4
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


class TokenTruncation(NamedTuple):
    """What of a row a model sees: the cap on words and on length.

    Attributes:
        vocab_size: token numbers at or above it become `unk_id`; None keeps all.
        max_length: longest row in tokens; None keeps all.
        truncation: which end of a longer row stays.
        pad_id: fills the end of shorter rows.
        unk_id: stands for capped words.
        prefix: tokens at the start of each row that every truncation keeps, such as `[CLS]`.
        suffix: the same at its end, such as `[SEP]`.
    """

    vocab_size: int | None
    max_length: int | None
    truncation: Truncation
    pad_id: int
    unk_id: int
    prefix: int = 0
    suffix: int = 0

    def lengths(self, full: np.ndarray) -> np.ndarray:
        """int64[N] lengths after truncation, from the full ones."""
        return full if self.max_length is None else np.minimum(full, self.max_length)

    def positions(self, full: np.ndarray) -> np.ndarray:
        """int64[B, T] columns of the full rows that a batch shows; beyond a row's end: garbage.

        Args:
            full: int64[B], full lengths of the rows.
        """
        kept = self.lengths(full)
        columns = np.arange(kept.max())[None, :]
        dropped = (full - kept)[:, None]
        return np.where(columns < self._head(kept)[:, None], columns, columns + dropped)

    def _head(self, kept: np.ndarray) -> np.ndarray:
        """How many of a row's kept tokens are its first ones; the rest are its last."""
        if self.truncation == "head":
            return kept - self.suffix
        if self.truncation == "tail":
            return np.full_like(kept, self.prefix)
        return np.minimum(self.prefix + kept // _HEAD_SHARE, kept - self.suffix)

    def rows(self, tokens: Ragged, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The padded, capped int64[B, T] matrix of some rows and their lengths int64[B]."""
        starts = tokens.offsets[rows]
        full = tokens.offsets[rows + 1] - starts
        kept = self.lengths(full)
        within = np.arange(kept.max())[None, :] < kept[:, None]
        index = np.where(within, starts[:, None] + self.positions(full), 0)
        matrix = tokens.values[index].astype(np.int64)
        if self.vocab_size is not None:
            matrix[matrix >= self.vocab_size] = self.unk_id
        matrix[~within] = self.pad_id
        return matrix, kept

    def ragged(self, tokens: Ragged, rows: np.ndarray) -> Ragged:
        """The same rows, truncated and capped, still ragged."""
        starts = tokens.offsets[rows]
        full = tokens.offsets[rows + 1] - starts
        kept = self.lengths(full)
        offsets = np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)
        row_of = np.repeat(np.arange(len(rows)), kept)
        column = np.arange(offsets[-1]) - offsets[row_of]
        dropped = (full - kept)[row_of]
        column = np.where(column < self._head(kept)[row_of], column, column + dropped)
        values = tokens.values[starts[row_of] + column]
        if self.vocab_size is not None:
            values = np.where(values >= self.vocab_size, self.unk_id, values)
        return Ragged(values.astype(np.int32, copy=False), offsets)


@dataclass(frozen=True)
class TrainView:
    """What a model may look at before its first step: the train side of the corpus, nothing else.

    Attributes:
        vocabulary: tokens by number, capped as the batches are.
        tokens: the rows that are learnt from, cut as the batches are.
        labels: int64[N] of those rows.
        unlabelled: rows without labels, cut the same way, or None.
        num_classes: number of classes.
        pad_id: the tokenizer's padding number.
        unk_id: the tokenizer's number for words outside the vocabulary.
        sentence_ends: numbers of the tokens that end a sentence.
        vectors: float32[V, d] of the vocabulary, zeros where a word has none; or None.
        vectors_seconds: what learning them took.
        vectors_covered: the shares of the vocabulary and of the running words that have one.
        max_length: longest row that the cut lets through; None: any.
        prefix: special tokens at the start of every row.
        suffix: the same at its end.
    """

    vocabulary: list[str]
    tokens: Ragged
    labels: np.ndarray
    unlabelled: Ragged | None
    num_classes: int
    pad_id: int
    unk_id: int
    sentence_ends: tuple[int, ...] = ()
    vectors: np.ndarray | None = None
    vectors_seconds: float = 0.0
    vectors_covered: tuple[float, float] | None = None
    max_length: int | None = None
    prefix: int = 0
    suffix: int = 0


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


class BucketSampler(Sampler[np.ndarray]):
    """Yields arrays of positions, rows of like length together, every position once an epoch.

    Training (`shuffle`): the epoch's permutation is cut into pools of `pool` global batches; each
    pool is sorted by length and cut into batches, and all batches are shuffled. Evaluation: one
    sort, longest first, so that memory peaks at once. The order depends on (seed, epoch) alone:
    ranks agree without talking, and a global batch holds the same rows whatever their number.

    Args:
        lengths: int64[N], row lengths.
        batch_size: global batch size, shared out among the ranks.
        shuffle: a new order each epoch.
        seed: seed of the orders.
        rank: this process.
        world: number of processes.
        pool: global batches per sorting pool.

    Raises:
        ValueError: sizes that do not fit together.
    """

    def __init__(
        self,
        lengths: np.ndarray,
        batch_size: int,
        *,
        shuffle: bool,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        pool: int = 50,
    ) -> None:
        if batch_size < 1 or batch_size % world:
            raise ValueError(
                f"batch_size {batch_size} cannot be shared by {world} processes; "
                f"choose a multiple of {world}"
            )
        if len(lengths) < world:
            raise ValueError(f"{len(lengths)} rows cannot be shared by {world} processes")
        if not 0 <= rank < world:
            raise ValueError(f"rank {rank} is outside 0…{world - 1}")
        self.lengths, self.batch_size, self.shuffle, self.seed = lengths, batch_size, shuffle, seed
        self.rank, self.world, self.pool = rank, world, pool
        self.epoch = 0
        self.position = 0  # batches of this epoch already given out
        self._start = 0  # where the next iteration begins: past 0 only after a resume
        self.before_first: Callable[[], None] | None = None  # called once, before the next batch

    def __len__(self) -> int:
        """Batches of one whole epoch, the same on every rank."""
        rows, size = len(self.lengths), self.batch_size
        whole, rest = divmod(rows, size)
        # A rest too small to give every rank a row joins the batch before it.
        return whole + (rest >= self.world) if whole else 1

    def set_epoch(self, epoch: int) -> None:
        """Moves to an epoch. Lightning calls it; a resumed epoch keeps its position."""
        if epoch != self.epoch:
            self.resume(epoch, 0)

    def resume(self, epoch: int, position: int) -> None:
        """Makes the next iteration begin at a batch of an epoch."""
        self.epoch, self.position, self._start = epoch, position, position

    def batches(self) -> list[np.ndarray]:
        """The global batches of this epoch, in order."""
        rows, size = len(self.lengths), self.batch_size
        if self.shuffle:
            rng = np.random.Generator(np.random.PCG64([self.seed, self.epoch]))
            order = rng.permutation(rows)
            step = self.pool * size
            pools = [order[i : i + step] for i in range(0, rows, step)]
            order = np.concatenate([p[np.argsort(self.lengths[p], kind="stable")] for p in pools])
        else:
            order = np.argsort(-self.lengths, kind="stable")
        cuts = np.arange(1, len(self)) * size
        batches = np.split(order, cuts)
        if self.shuffle:
            batches = [batches[i] for i in rng.permutation(len(batches))]
        return batches

    def __iter__(self) -> Iterator[np.ndarray]:
        self.position, self._start = self._start, 0
        if self.before_first is not None:
            first, self.before_first = self.before_first, None
            first()
        for batch in self.batches()[self.position :]:
            self.position += 1
            yield batch[self.rank :: self.world]
        self.resume(self.epoch + 1, 0)


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
