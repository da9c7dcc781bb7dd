"""Training batches of rows with labels, with a teacher's soft labels, and without labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from datamodules.store.batching import TextLoader, TokenDataset, make_loader
from datamodules.store.sampler import BucketSampler, EpochSampler

Pair = tuple[np.ndarray, np.ndarray]


class MixedBatch(NamedTuple):
    """Training batch in which not every row has a label of the corpus.

    The first four are those of `TextBatch`, of B rows of which the last U have no label. The ids
    are row numbers in the split that a row is from.

    Attributes:
        tokens: int64[B, T].
        lengths: int64[B].
        labels: int64[B], the most probable class of rows with soft labels; -1 in the last U rows.
        ids: int64[B].
        targets: float32[B - U, C] probabilities of the classes, to be learnt instead of `labels`;
            None: the labels are to be learnt.
        unlabelled: U.
    """

    tokens: Tensor
    lengths: Tensor
    labels: Tensor
    ids: Tensor
    targets: Tensor | None
    unlabelled: int


class TaughtDataset(Dataset[MixedBatch]):
    """Rows with labels followed by rows with soft labels, as one.

    Args:
        labelled: N rows; positions 0 … N - 1.
        others: M rows, from position N on, with the same truncation.
        probabilities: float32[M, C] of these.

    Attributes:
        lengths: int64[N + M], length of each row.
        token_truncation: that of both.
    """

    def __init__(
        self, labelled: TokenDataset, others: TokenDataset, probabilities: np.ndarray
    ) -> None:
        certain = np.eye(probabilities.shape[1], dtype=np.float32)[labelled.labels[labelled.rows]]
        self.parts, self.targets = (labelled, others), np.concatenate([certain, probabilities])
        self.lengths = np.concatenate([part.lengths for part in self.parts])
        self.token_truncation = labelled.token_truncation

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, positions: np.ndarray) -> MixedBatch:
        positions = np.sort(positions)  # the labelled ones first
        edge, count = len(self.parts[0]), int((positions < len(self.parts[0])).sum())
        chosen = positions[:count], positions[count:] - edge
        batches = [part[at] for part, at in zip(self.parts, chosen, strict=True) if len(at)]
        tokens, lengths, _, ids = _join(batches, self.token_truncation.pad_id)
        targets = torch.from_numpy(self.targets[positions])
        return MixedBatch(tokens, lengths, targets.argmax(dim=1), ids, targets, 0)


class BesideDataset(Dataset[MixedBatch]):
    """Batches of training rows with rows without labels at their end.

    Args:
        rows: the training rows.
        others: the rows whose labels are left out, with the same truncation.
    """

    def __init__(self, rows: TokenDataset | TaughtDataset, others: TokenDataset) -> None:
        self.rows, self.others = rows, others.unlabelled()

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, positions: Pair) -> MixedBatch:
        first, beside = self.rows[positions[0]], self.others[positions[1]]
        joined = _join([first, beside], self.others.token_truncation.pad_id)
        targets = first.targets if isinstance(first, MixedBatch) else None
        return MixedBatch(*joined, targets, len(beside.labels))


class BesideSampler(EpochSampler[Pair]):
    """Sampler of training batches with one batch of other rows beside each.

    An epoch is one pass over the training rows. The passes over the others follow one another,
    whatever the epochs. Within an epoch the batches are paired by the ranks of their longest rows,
    so that little is padded.

    Args:
        rows: sampler of the training rows, shuffled.
        others: sampler of the others, shuffled, of the same process.
    """

    def __init__(self, rows: BucketSampler, others: BucketSampler) -> None:
        super().__init__()
        self.rows, self.others = rows, others

    def __len__(self) -> int:
        return len(self.rows)

    def items(self) -> list[Pair]:
        """The part of each pair of global batches that is this rank's."""
        self.rows.epoch = self.epoch
        batches = self.rows.batches()
        others = self._others(self.epoch * len(batches), len(batches))
        partners: dict[int, np.ndarray] = dict(
            zip(
                _by_longest(batches, self.rows.lengths),
                [others[number] for number in _by_longest(others, self.others.lengths)],
                strict=True,
            )
        )
        own = slice(self.rows.rank, None, self.rows.world)
        return [(batch[own], partners[number][own]) for number, batch in enumerate(batches)]

    def _others(self, start: int, count: int) -> list[np.ndarray]:
        """`count` global batches of the others, from number `start` of all passes on."""
        found = list[np.ndarray]()
        self.others.epoch, skipped = divmod(start, len(self.others))
        while len(found) < count:
            found += self.others.batches()[skipped:]
            self.others.epoch, skipped = self.others.epoch + 1, 0
        return found[:count]


def training_loader(
    labelled: TokenDataset,
    soft: tuple[TokenDataset, np.ndarray] | None,
    beside: TokenDataset | None,
    sizes: tuple[int, int],
    *,
    seed: int,
    rank: int,
    world: int,
) -> TextLoader:
    """Loader of training batches of one process.

    Args:
        labelled: rows with labels, of all processes.
        soft: further rows, and float32[M, C] probabilities of their classes; None: there are none.
        beside: rows without labels, some of them in each batch; None: none.
        sizes: rows per batch, and of `beside` per batch, over all processes.
        seed: random seed of the orders.
        rank: number of this process.
        world: number of processes.

    Raises:
        DataError: the processes cannot divide a batch equally, or outnumber the rows.
    """
    rows = labelled if soft is None else TaughtDataset(labelled, *soft)
    options: dict[str, Any] = {"shuffle": True, "seed": seed, "rank": rank, "world": world}
    loader = make_loader(rows, sizes[0], split="train", **options)
    if beside is None:
        return loader
    others = make_loader(beside, sizes[1], split="unlabelled", **options)
    sampler = BesideSampler(loader.sampler, others.sampler)  # type: ignore[arg-type]
    return TextLoader(BesideDataset(rows, beside), sampler=sampler)


def _by_longest(batches: Sequence[np.ndarray], lengths: np.ndarray) -> list[int]:
    """Numbers of the batches by the length of their longest row."""
    return sorted(range(len(batches)), key=lambda number: int(lengths[batches[number]].max()))


def _join(batches: list[Any], pad_id: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Tokens, lengths, labels and ids of the rows of batches, one after the other."""
    width = max(batch.tokens.shape[1] for batch in batches)
    tokens = [F.pad(b.tokens, (0, width - b.tokens.shape[1]), value=pad_id) for b in batches]
    lengths, labels, ids = (
        torch.cat([getattr(batch, name) for batch in batches])
        for name in ("lengths", "labels", "ids")
    )
    return torch.cat(tokens), lengths, labels, ids
