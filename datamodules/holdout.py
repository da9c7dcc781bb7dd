"""Validation rows of a user's own corpus, and what its parts have in common."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from datamodules.errors import DataError
from datamodules.splits import class_quotas, grouped_split, merge_groups, text_key
from datamodules.store.corpus import TextSplit
from datamodules.store.label_sets import occurring, strata

_ATTEMPTS = 20
_NEAR = 0.02  # of the size: an order that comes so near is not improved


def draw_validation(
    train: TextSplit, fraction: float, seed: int, place: str, column: str | None
) -> tuple[np.ndarray, list[str]]:
    """Draws the validation rows of a train file, stratified, with copies of a text on one side.

    Rows of a group (such as those of an author) are on one side; without groups, the only row of a
    class remains a training row.

    Args:
        train: rows of the file.
        fraction: share of the rows to draw.
        seed: random seed of the draw.
        place: name of the file, for messages.
        column: name of the column of groups, for messages; None: there is none.

    Returns:
        int64[M], row numbers, ascending, and sentences on what the draw could not keep.

    Raises:
        DataError: nothing can be drawn that leaves a training row of each class.
    """
    size, few, notes = max(round(len(train) * fraction), 1), "different texts", list[str]()
    labels = strata(train.labels)
    if train.groups is not None:
        val_rows, notes = _draw_groups(train, labels, train.groups, size, fraction, seed, column)
        few = f"groups ({len(np.unique(train.groups)):,} values of {column!r}) with all classes"
    else:
        rows = np.flatnonzero(np.bincount(labels)[labels] > 1)
        # Not exact: a text with a thousand copies is a group that may not fit the remaining places.
        drawn = grouped_split(
            labels[rows],
            merge_groups(None, train.texts)[rows],
            {"validation": min(size, len(rows))},
            seed,
            exact=False,
        )["validation"]
        val_rows = rows[drawn]
    left = np.setdiff1d(np.arange(len(train)), val_rows)
    if len(val_rows) == 0 or occurring(train.labels[left]) < occurring(train.labels):
        raise DataError(
            f"{place}: {len(train):,} rows have too few {few} to set aside {fraction:.0%} of them "
            "for validation; give a validation file or more rows, or set another "
            "data.validation_fraction"
        )
    return val_rows, notes


def overlap_notes(parts: Mapping[str, TextSplit]) -> list[str]:
    """Sentences on the texts and groups of a part that are also in one before it."""
    if len(parts) == 1:
        return []
    keys = {part: [text_key(text) for text in split.texts] for part, split in parts.items()}
    notes = []
    for other, part in combinations(parts, 2):
        known = set(keys[other])
        if copies := sum(key in known for key in keys[part]):
            count = f"{copies:,} of the {len(keys[part]):,} {part} texts"
            notes.append(f"{count} are also in the {other} data.")
        ours, theirs = parts[part].groups, parts[other].groups
        if ours is not None and theirs is not None and (shared := int(np.isin(ours, theirs).sum())):
            notes.append(
                f"{shared:,} of the {len(ours):,} {part} texts are of groups that are also in the "
                f"{other} data."
            )
    return notes


def _draw_groups(
    train: TextSplit,
    labels: np.ndarray,
    groups: np.ndarray,
    size: int,
    fraction: float,
    seed: int,
    column: str | None,
) -> tuple[np.ndarray, list[str]]:
    """Validation rows, whole groups; copies of a text are on one side where that is possible.

    A text that many groups share would join them to one.
    """
    notes = []
    val_rows = nearest_split(labels, merge_groups(groups, train.texts), size, seed)
    if abs(len(val_rows) - size) > size / 2:
        val_rows = nearest_split(labels, groups, size, seed)
        keys = [text_key(text) for text in train.texts]
        known = {keys[row] for row in np.setdiff1d(np.arange(len(train)), val_rows)}
        if copies := sum(keys[row] in known for row in val_rows):
            notes.append(
                f"{copies:,} of the {len(val_rows):,} validation texts are also in training rows "
                f"of other groups by {column!r}."
            )
    if abs(len(val_rows) - size) > size / 4:
        notes.append(
            f"Validation has {len(val_rows) / len(train):.0%} of the rows instead of "
            f"{fraction:.0%}, since the {len(np.unique(groups)):,} groups by {column!r} are not "
            "divided."
        )
    return val_rows, notes


def nearest_split(
    labels: np.ndarray, groups: np.ndarray, size: int, seed: int, attempts: int = _ATTEMPTS
) -> np.ndarray:
    """Draws whole groups whose rows per class come near to class-proportional quotas.

    The groups are permuted; each one is taken that leaves a row of each of its classes, and either
    has a class of which no row is drawn yet, or brings the rows per class no farther from their
    quotas. Of a few orders the nearest counts. Unlike `grouped_split` it draws groups that are
    larger than a quota.

    Args:
        labels: int64[N], classes 0, 1, …
        groups: int64[N], group of each row.
        size: number of rows to draw.
        seed: random seed of the orders.
        attempts: orders tried at most.

    Returns:
        int64[M], row numbers, ascending; M is `size` only if groups fit. Empty if each group has
        all rows of some class.
    """
    _, numbers = np.unique(groups, return_inverse=True)
    pairs, counts = np.unique(np.stack([numbers, labels]), axis=1, return_counts=True)
    classes_of: list[list[tuple[int, int]]] = [[] for _ in range(int(numbers.max()) + 1)]
    for group, label, count in zip(
        pairs[0].tolist(), pairs[1].tolist(), counts.tolist(), strict=True
    ):
        classes_of[group].append((label, count))
    available = np.bincount(labels)
    quotas = class_quotas(available, size)
    rng = np.random.Generator(np.random.PCG64(seed))
    best: tuple[int, list[int]] | None = None
    for _ in range(attempts):
        taken, distance = _take(
            rng.permutation(len(classes_of)).tolist(),
            classes_of,
            quotas.tolist(),
            available.tolist(),
        )
        if taken and (best is None or distance < best[0]):
            best = distance, taken
        if best is not None and best[0] <= _NEAR * size:
            break
    chosen = np.zeros(len(classes_of), dtype=bool)
    chosen[best[1] if best else []] = True
    return np.flatnonzero(chosen[numbers])


def _take(
    order: list[int],
    classes_of: list[list[tuple[int, int]]],
    quotas: list[int],
    left: list[int],
) -> tuple[list[int], int]:
    """Groups taken in an order, and the distance of their rows per class from the quotas."""
    taken, wanted = [], {label for label, quota in enumerate(quotas) if quota}
    for group in order:
        further = 0
        new, leaves_all = False, True
        for label, count in classes_of[group]:
            quota = quotas[label]
            further += abs(quota - count) - abs(quota)
            new |= label in wanted
            leaves_all &= count < left[label]
        if leaves_all and (new or further <= 0):
            taken.append(group)
            wanted.difference_update(label for label, _ in classes_of[group])
            for label, count in classes_of[group]:
                quotas[label] -= count
                left[label] -= count
    return taken, sum(map(abs, quotas))
