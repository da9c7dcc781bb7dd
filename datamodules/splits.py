"""Honest splits: what belongs together (a movie, copies of one text) stays on one side."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence

import numpy as np

from datamodules.errors import DataError
from datamodules.store.corpus import TextSplit

_MARKUP = re.compile(r"</?[A-Za-z][^<>]*>")
_LETTERS = re.compile(r"[^\W_]+")
_ATTEMPTS = 20
"""Orders tried per split. The first does where single rows abound, as in the real corpora."""
_ASCII_NOT_LETTERS = bytes(code for code in range(128) if not chr(code).isalnum())


def text_key(text: str) -> bytes:
    """A digest that two texts share if they differ in markup, case, spacing or punctuation alone.

    A text of nothing but markup and punctuation stands for itself.

    Returns:
        16 bytes (BLAKE2b), so that a hundred thousand keys stay small.
    """
    plain = _MARKUP.sub("", text).lower() if "<" in text else text.lower()
    if plain.isascii():  # the same result as the line below, twenty times faster
        letters = plain.encode().translate(None, _ASCII_NOT_LETTERS)
    else:
        letters = "".join(_LETTERS.findall(plain)).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(
        letters or text.encode("utf-8", "surrogatepass"), digest_size=16
    ).digest()


def drop_copies(split: TextSplit, of: Sequence[str]) -> TextSplit:
    """The rows of `split` whose text is no copy (see `text_key`) of a text in `of`."""
    seen = {text_key(text) for text in of}
    kept = [row for row, text in enumerate(split.texts) if text_key(text) not in seen]
    return TextSplit(
        [split.texts[row] for row in kept],
        split.labels[np.asarray(kept, dtype=np.int64)],
        [split.keys[row] for row in kept],
    )


def merge_groups(groups: np.ndarray | None, texts: Sequence[str]) -> np.ndarray:
    """Joins the groups that share a text, so that copies never fall on two sides of a split.

    Args:
        groups: int[N], the group (movie) of each row; None: every row is a group of its own.
        texts: N texts; two are the same if their `text_key` is.

    Returns:
        int64[N], groups numbered 0, 1, … in the order of their first row.
    """
    if groups is None:
        groups = np.arange(len(texts))
    if len(groups) != len(texts):
        raise ValueError(f"one group per text is needed, got {len(groups)} for {len(texts)} texts")
    names, numbers = np.unique(groups, return_inverse=True)
    parents = list(range(len(names)))

    def root(group: int) -> int:
        while parents[group] != group:
            parents[group] = parents[parents[group]]
            group = parents[group]
        return group

    first: dict[bytes, int] = {}
    for group, text in zip(numbers.tolist(), texts, strict=True):
        other = first.setdefault(text_key(text), group)
        if other != group:
            parents[root(group)] = root(other)

    roots = np.asarray([root(group) for group in range(len(names))], dtype=np.int64)[numbers]
    _, first_rows, merged = np.unique(roots, return_index=True, return_inverse=True)
    order = np.empty(len(first_rows), dtype=np.int64)
    order[np.argsort(first_rows)] = np.arange(len(first_rows))
    return order[merged]


def class_quotas(available: np.ndarray, size: int) -> np.ndarray:
    """Splits `size` rows over the classes in proportion to `available`, by largest remainder.

    Args:
        available: int64[C], the rows at hand per class.
        size: how many rows are wanted in all; at most the sum of `available`.

    Returns:
        int64[C] with sum `size`, never more than `available`.
    """
    total = int(available.sum())
    quotas = size * available // max(total, 1)
    remainders = size * available - quotas * total
    largest = np.argsort(-remainders, kind="stable")[: size - int(quotas.sum())]
    quotas[largest] += 1
    return quotas


def nested_subset(labels: np.ndarray, rows: np.ndarray, size: int, seed: int = 0) -> np.ndarray:
    """Some of `rows`, each class in its share; a smaller size gives a part of a larger one.

    The rows of each class stand in an order permuted by `seed`, at equal steps from 0 to 1; the
    first `size` of all that come up are taken.

    Args:
        labels: int64[N], classes 0, 1, …
        rows: int64[M], which of the N to choose from.
        size: how many; M or more takes all.
        seed: of the permutation.

    Returns:
        int64[min(size, M)], ascending.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    shuffled = rng.permutation(np.sort(rows))
    place = np.empty(len(shuffled))
    for label in np.unique(labels[shuffled]):
        own = np.flatnonzero(labels[shuffled] == label)
        place[own] = (np.arange(len(own)) + 0.5) / len(own)
    return np.sort(shuffled[np.argsort(place, kind="stable")[:size]])


def grouped_split(
    labels: np.ndarray,
    groups: np.ndarray,
    sizes: Mapping[str, int],
    seed: int,
    *,
    exact: bool = True,
) -> dict[str, np.ndarray]:
    """Draws splits of exact, class-proportional sizes in which no group is divided.

    The groups come up in an order permuted by `seed`; a split takes every group that wholly fits
    in what is left of its quota of each class. The splits are filled one after the other, so the
    first one depends on its own size alone, not on the sizes of the others.

    Args:
        labels: int64[N], classes 0, 1, …
        groups: int64[N], rows of one group go to one split.
        sizes: rows wanted per split, in drawing order; rows that no split takes are left over.
        seed: of the permutation.
        exact: False allows a split to stay short of its size where the groups do not fit.

    Returns:
        For each split its rows, int64, ascending.

    Raises:
        ValueError: a negative size, or arrays of different lengths.
        DataError: fewer rows than wanted, or groups too large for the quotas (if `exact`).
    """
    if len(labels) != len(groups):
        raise ValueError(f"one group per label is needed, got {len(groups)} for {len(labels)}")
    for name, size in sizes.items():
        if size < 0:
            raise ValueError(f"the {name} split cannot have {size} rows; give 0 or more")
    if sum(sizes.values()) > len(labels):
        asked = " + ".join(f"{size:,} {name}" for name, size in sizes.items())
        raise DataError(
            f"{asked} rows are asked for, but only {len(labels):,} exist; ask for fewer"
        )
    if len(labels) == 0:
        return {name: np.empty(0, dtype=np.int64) for name in sizes}

    _, numbers = np.unique(groups, return_inverse=True)
    by_group = np.argsort(numbers, kind="stable")
    members = np.split(by_group, np.cumsum(np.bincount(numbers))[:-1])
    left = np.bincount(labels)
    rng = np.random.Generator(np.random.PCG64(seed))
    order = rng.permutation(len(members)).tolist()

    splits: dict[str, np.ndarray] = {}
    for name, size in sizes.items():
        quotas = class_quotas(left, size)
        for _ in range(_ATTEMPTS if exact else 1):
            rows, rest = _fill(quotas.tolist(), order, members, labels)
            taken = np.bincount(labels[rows], minlength=len(left))
            if filled := bool((taken == quotas).all()):
                break
            order = rng.permutation(order).tolist()
        if exact and not filled:
            raise DataError(
                f"the {name} split needs {quotas.tolist()} rows per class, but whole groups "
                f"(movies, copies of one text) fill only {taken.tolist()}; "
                "choose another size or another split seed"
            )
        splits[name], order, left = rows, rest, left - taken
    return splits


def _fill(
    quotas: list[int], order: list[int], members: list[np.ndarray], labels: np.ndarray
) -> tuple[np.ndarray, list[int]]:
    """Takes the groups that fit in the quotas; returns their rows and the groups left over."""
    wanted = sum(quotas)
    rows: list[int] = []
    left_over: list[int] = []
    for position, group in enumerate(order):
        if len(rows) == wanted:
            left_over += order[position:]
            break
        classes = labels[members[group]].tolist()
        if all(classes.count(label) <= quotas[label] for label in set(classes)):
            for label in classes:
                quotas[label] -= 1
            rows += members[group].tolist()
        else:
            left_over.append(group)
    return np.sort(np.asarray(rows, dtype=np.int64)), left_over
