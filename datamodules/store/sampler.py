"""Samplers that resume within an epoch, among them that of batches of rows of similar length."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar, overload

import numpy as np
from torch.utils.data import Sampler

Item = TypeVar("Item")


class EpochSampler(Sampler[Item], ABC, Generic[Item]):
    """Sampler whose order depends on the epoch alone, and which resumes within one.

    Attributes:
        epoch: number of the epoch.
        position: number of batches yielded in it.
        before_first: called once, before the next batch.
    """

    def __init__(self) -> None:
        self.epoch = self.position = 0
        self._start = 0  # first batch of the next iteration; above 0 only after a resume
        self.before_first: Callable[[], None] | None = None

    @abstractmethod
    def __len__(self) -> int:
        """Number of batches in a whole epoch, the same on every rank."""

    @abstractmethod
    def items(self) -> Sequence[Item]:
        """Index of each batch of this epoch, in order, as the dataset of this rank takes it."""

    def set_epoch(self, epoch: int) -> None:
        """Starts an epoch. Called by Lightning; a resumed epoch keeps its position."""
        if epoch != self.epoch:
            self.resume(epoch, 0)

    def resume(self, epoch: int, position: int) -> None:
        """Sets the epoch and the batch at which the next iteration starts."""
        self.epoch, self.position, self._start = epoch, position, position

    def __iter__(self) -> Iterator[Item]:
        self.position, self._start = self._start, 0
        if self.before_first is not None:
            callback, self.before_first = self.before_first, None
            callback()
        items = self.items()
        for number in range(self.position, len(items)):
            self.position += 1
            yield items[number]
        self.resume(self.epoch + 1, 0)


class BucketSampler(EpochSampler[np.ndarray]):
    """Sampler of batches: arrays of positions, rows of similar length together.

    Training (`shuffle`): the epoch's permutation is divided into pools of `pool` global batches,
    each pool is sorted by length and divided into batches, and all batches are shuffled.
    Evaluation: all rows sorted by length, longest first, so that memory use peaks in the first
    batch. The order depends on seed and epoch alone: ranks need not communicate, and a global batch
    has the same rows for any number of ranks.

    Args:
        lengths: int64[N], row lengths.
        batch_size: rows per global batch, divided among the ranks.
        shuffle: draw a new order in each epoch.
        seed: random seed of the orders.
        rank: number of this process.
        world: number of processes.
        pool: global batches per pool.

    Raises:
        ValueError: `batch_size` is below 1 or not a multiple of `world`, there are fewer rows than
            processes, or `rank` is not in 0 … `world` - 1.
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
                f"batch_size {batch_size} cannot be divided among {world} processes; "
                f"choose a multiple of {world}"
            )
        if len(lengths) < world:
            raise ValueError(f"{len(lengths)} rows cannot be divided among {world} processes")
        if not 0 <= rank < world:
            raise ValueError(f"rank is {rank}; it must be in 0…{world - 1}")
        super().__init__()
        self.lengths, self.batch_size, self.shuffle, self.seed = lengths, batch_size, shuffle, seed
        self.rank, self.world, self.pool = rank, world, pool

    def __len__(self) -> int:
        full_batches, remainder = divmod(len(self.lengths), self.batch_size)
        # A remainder with fewer rows than ranks is added to the batch before it.
        return full_batches + (remainder >= self.world) if full_batches else 1

    def batches(self, own: slice = slice(None)) -> Batches:
        """Global batches of this epoch, in order, or the same part of each."""
        rows, size = len(self.lengths), self.batch_size
        kind = np.int32 if rows < 2**31 else np.int64  # int32: 4 bytes a row are all that is held
        if not self.shuffle:
            return Batches(
                np.argsort(-self.lengths, kind="stable").astype(kind), size, len(self), own
            )
        rng = np.random.Generator(np.random.PCG64([self.seed, self.epoch]))
        order = np.arange(rows, dtype=kind)
        rng.shuffle(order)
        step = self.pool * size
        for start in range(0, rows, step):
            pool = order[start : start + step]
            pool[:] = pool[np.argsort(self.lengths[pool], kind="stable")]
        return Batches(order, size, len(self), own).reordered(rng.permutation(len(self)))

    def items(self) -> Batches:
        """The part of each global batch that is this rank's."""
        return self.batches(slice(self.rank, None, self.world))


class Batches(Sequence[np.ndarray]):
    """Batches of an epoch, each cut out of the order of its rows when it is asked for.

    Args:
        order: int[N], rows in the order of the batches.
        size: rows of each batch but one.
        batches: number of batches.
        own: part of each batch that is taken.
        odd: number of the batch that has the other rows, more or fewer. None: the last one.
    """

    def __init__(
        self, order: np.ndarray, size: int, batches: int, own: slice, odd: int | None = None
    ) -> None:
        self.order, self.size, self.batches, self.own = order, size, batches, own
        self.odd = batches - 1 if odd is None else odd
        self._shift = len(order) - (batches - 1) * size - size  # of the batches after the odd one

    def __len__(self) -> int:
        return self.batches

    @overload
    def __getitem__(self, number: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, number: slice) -> list[np.ndarray]: ...
    def __getitem__(self, number: int | slice) -> np.ndarray | list[np.ndarray]:
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(self.batches))]
        place = range(self.batches)[number]
        start, end = (
            one * self.size + (self._shift if one > self.odd else 0) for one in (place, place + 1)
        )
        return self.order[start:end][self.own]

    def reordered(self, numbers: np.ndarray) -> Batches:
        """The same batches in another order.

        Args:
            numbers: int[batches], number of the batch that comes first, second, …
        """
        whole = Batches(self.order, self.size, self.batches, slice(None), self.odd)
        order = np.concatenate([whole[number] for number in numbers.tolist()])
        odd = int(np.flatnonzero(numbers == self.odd)[0])
        return Batches(order, self.size, self.batches, self.own, odd)
