"""Splits by group: the reviews of a movie and the copies of a text are on one side."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence

import numpy as np

from datamodules.errors import DataError
from datamodules.store.corpus import TextSplit
from datamodules.store.label_sets import occurring, strata

MARKUP = re.compile(r"</?[A-Za-z][^<>]*>")
_ATTEMPTS = 20
"""Orders tried per split. The first one fits where most groups are single rows."""
_ASCII_PUNCTUATION = bytes(code for code in range(128) if not chr(code).isalnum())


class _Kept(dict[int, int | None]):
    """Table for `str.translate`: drops spaces, punctuation, and control and format characters.

    As in BERT's tokenizer, all marks of ASCII are punctuation, `$` and `+` too. Symbols beyond
    ASCII are kept, such as emoji and currencies: a tokenizer makes tokens of them.
    """

    def __missing__(self, code: int) -> int | None:
        if code < 128:
            dropped = code in _ASCII_PUNCTUATION
        else:
            category = unicodedata.category(chr(code))
            dropped = category[0] in "PZ" or category in ("Cc", "Cf")
        self[code] = None if dropped else code
        return self[code]


_KEPT = _Kept()


def text_key(text: str) -> bytes:
    """Digest without regard to markup, case, spacing and punctuation; copies of a text share it.

    Letters, digits, combining marks and symbols of all scripts count, in their normal form C. A
    text of punctuation alone is digested as it is, without its spaces.

    Returns:
        16 bytes (BLAKE2b).
    """
    plain = MARKUP.sub("", text).lower() if "<" in text else text.lower()
    if plain.isascii():  # the same result as the line below, twenty times faster
        kept = plain.encode().translate(None, _ASCII_PUNCTUATION)
    else:
        kept = _encode(unicodedata.normalize("NFC", plain).translate(_KEPT))
    return hashlib.blake2b(kept or _encode("".join(text.split())), digest_size=16).digest()


def drop_copies(split: TextSplit, of: Sequence[str]) -> TextSplit:
    """Rows of `split` whose text is no copy (see `text_key`) of a text in `of`."""
    keys = {text_key(text) for text in of}
    rows = [row for row, text in enumerate(split.texts) if text_key(text) not in keys]
    return TextSplit(
        [split.texts[row] for row in rows],
        split.labels[np.asarray(rows, dtype=np.int64)],
        [split.keys[row] for row in rows],
        None if split.groups is None else split.groups[rows],
    )


def merge_groups(groups: np.ndarray | None, texts: Sequence[str]) -> np.ndarray:
    """Joins groups that share a text, so that copies are never on two sides of a split.

    Args:
        groups: int[N], group (movie) of each row. None: every row is a group of its own.
        texts: N texts; copies have the same `text_key`.

    Returns:
        int64[N], groups numbered 0, 1, … in the order of their first row.

    Raises:
        ValueError: `groups` and `texts` have different lengths.
    """
    if groups is None:
        groups = np.arange(len(texts))
    if len(groups) != len(texts):
        raise ValueError(f"{len(groups)} groups for {len(texts)} texts; give one group per text")
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
    """Divides `size` rows among classes in proportion to `available`, by largest remainder.

    Args:
        available: int64[C], available rows per class.
        size: number of rows; at most the sum of `available`.

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
    """Stratified subset of `rows`; the subset of a smaller size is part of that of a larger one.

    The rows of each class, permuted, are placed at equal steps from 0 to 1; the subset is the
    `size` rows with the lowest places.

    Args:
        labels: int64[N], classes 0, 1, …
        rows: int64[M], numbers of the rows to choose from.
        size: number of rows of the subset; M or more takes all.
        seed: random seed of the permutation.

    Returns:
        int64[min(size, M)], ascending.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    shuffled = rng.permutation(np.sort(rows))
    place = np.empty(len(shuffled))
    for label in np.unique(labels[shuffled]):
        members = np.flatnonzero(labels[shuffled] == label)
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    return np.sort(shuffled[np.argsort(place, kind="stable")[:size]])


def limited_rows(
    labels: np.ndarray, rows: np.ndarray, limit: int | None, classes: int
) -> np.ndarray:
    """Training rows within `data.train_limit` (`nested_subset`); all of them where it is None.

    Raises:
        DataError: no row of some class is left.
    """
    if limit is None:
        return rows
    subset = nested_subset(strata(labels), rows, limit)
    if occurring(labels[subset]) < classes:
        raise DataError(
            f"data.train_limit is {limit}, which leaves no row of some of the {classes} classes; "
            "raise it"
        )
    return subset


def grouped_split(
    labels: np.ndarray,
    groups: np.ndarray,
    sizes: Mapping[str, int],
    seed: int,
    *,
    exact: bool = True,
) -> dict[str, np.ndarray]:
    """Draws splits of exact, class-proportional sizes without dividing a group.

    The groups are permuted; a split takes each group that fits into the rest of its quota of every
    class. The splits are filled one after the other, so the first one depends on its own size
    alone, not on the sizes of the others.

    Args:
        labels: int64[N], classes 0, 1, …
        groups: int64[N], group of each row.
        sizes: number of rows by name of split, in the order of drawing. They may sum to less than
            N.
        seed: random seed of the permutation.
        exact: False: a split may have fewer rows than its size, where the groups do not fit.

    Returns:
        Row numbers by name of split, int64, ascending.

    Raises:
        ValueError: a size is negative, or the arrays have different lengths.
        DataError: the sizes sum to more than N, or groups do not fit into the quotas (if `exact`).
    """
    if len(labels) != len(groups):
        raise ValueError(f"{len(groups)} groups for {len(labels)} labels; give one per label")
    for name, size in sizes.items():
        if size < 0:
            raise ValueError(f"the {name} split has {size} rows; give 0 or more")
    if sum(sizes.values()) > len(labels):
        sum_of_sizes = " + ".join(f"{size:,} {name}" for name, size in sizes.items())
        raise DataError(
            f"{sum_of_sizes} rows are more than the {len(labels):,} of the corpus; set smaller "
            "sizes"
        )
    if len(labels) == 0:
        return {name: np.empty(0, dtype=np.int64) for name in sizes}

    _, numbers = np.unique(groups, return_inverse=True)
    by_group = np.argsort(numbers, kind="stable")
    members = np.split(by_group, np.cumsum(np.bincount(numbers))[:-1])
    available = np.bincount(labels)
    rng = np.random.Generator(np.random.PCG64(seed))
    order = rng.permutation(len(members)).tolist()

    splits: dict[str, np.ndarray] = {}
    for name, size in sizes.items():
        quotas = class_quotas(available, size)
        for _ in range(_ATTEMPTS if exact else 1):
            rows, other_groups = _fill(quotas.tolist(), order, members, labels)
            counts = np.bincount(labels[rows], minlength=len(available))
            if filled := bool((counts == quotas).all()):
                break
            order = rng.permutation(order).tolist()
        if exact and not filled:
            raise DataError(
                f"the {name} split needs {quotas.tolist()} rows per class, but whole groups "
                f"(movies, copies of one text) fill only {counts.tolist()}; "
                "set another size or another split seed"
            )
        splits[name], order, available = rows, other_groups, available - counts
    return splits


def _fill(
    quotas: list[int], order: list[int], members: list[np.ndarray], labels: np.ndarray
) -> tuple[np.ndarray, list[int]]:
    """Rows of the groups that fit into the quotas, ascending, and the other groups, in order."""
    size = sum(quotas)
    rows: list[int] = []
    other_groups: list[int] = []
    for position, group in enumerate(order):
        if len(rows) == size:
            other_groups += order[position:]
            break
        classes = labels[members[group]].tolist()
        if all(classes.count(label) <= quotas[label] for label in set(classes)):
            for label in classes:
                quotas[label] -= 1
            rows += members[group].tolist()
        else:
            other_groups.append(group)
    return np.sort(np.asarray(rows, dtype=np.int64)), other_groups


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
