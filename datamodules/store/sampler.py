"""BucketSampler: batches of rows of similar length."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from torch.utils.data import Sampler


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
