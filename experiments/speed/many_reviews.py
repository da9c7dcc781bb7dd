"""Write a large file of reviews: the official training reviews repeated, with changed words.

python -m experiments.speed.many_reviews --root CORPUS --reviews 1000000 --out FOLDER

For measurements of memory and time alone: no accuracy on such a file says anything.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datamodules.errors import DataError
from datamodules.imdb import IMDB
from datamodules.store.corpus import TextSplit

FILE = "reviews.csv"
COLUMNS = ("text", "label", "movie")
CHANGED = 0.2  # share of a copy's words that are drawn anew from all running words
NEW = 0.01  # share of these that occur in no other copy: a vocabulary grows with its corpus


class Review(NamedTuple):
    """Row of the file."""

    text: str
    label: str
    movie: str


def many_reviews(train: TextSplit, names: tuple[str, ...], count: int) -> Iterator[Review]:
    """Yield `count` reviews: every review of a split, then copies of them with changed words.

    A copy has movies of its own, and an order of its own. The first reviews of a larger number are
    those of a smaller one.

    Args:
        train: Reviews, with their movies as groups.
        names: Names of the classes.
        count: Number of reviews.
    """
    assert train.groups is not None, "reviews without movies"
    words, ids, ends = _numbered(train)
    for copy in range(-(-count // len(train))):
        rng = np.random.default_rng([0, copy])
        of_copy, is_new = ids.copy(), np.zeros(len(ids), dtype=bool)
        if copy:
            changed = np.flatnonzero(rng.random(len(ids)) < CHANGED)
            of_copy[changed] = ids[rng.integers(len(ids), size=len(changed))]
            is_new[changed[rng.random(len(changed)) < NEW]] = True
        for row in rng.permutation(len(train))[: count - copy * len(train)].tolist():
            span = slice(ends[row], ends[row + 1])
            text = [words[number] for number in of_copy[span].tolist()]
            for place in np.flatnonzero(is_new[span]).tolist():
                text[place] = f"x{copy}{text[place]}"
            movie = f"{copy}-{train.groups[row]}"
            yield Review(" ".join(text), names[int(train.labels[row])], movie)


def write(root: str | None, count: int, folder: Path) -> Path:
    """Write the file of `count` reviews, and return its path.

    Raises:
        DataError: `count` is below 1, or the official corpus is missing.
    """
    if count < 1:
        raise DataError(f"--reviews is {count}; it must be at least 1")
    data = IMDB(root=root)
    reviews = many_reviews(data.read().train, data.label_names, count)
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{FILE}.tmp"
    with temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(reviews)
    return temporary.replace(folder / FILE)


def _numbered(train: TextSplit) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Different words, int32 number of each running word, and int64[N + 1] ends of the reviews."""
    numbers: dict[str, int] = {}
    running = [
        np.array([numbers.setdefault(word, len(numbers)) for word in text.split(" ")], np.int32)
        for text in train.texts
    ]
    ends = np.concatenate([[0], np.cumsum([len(row) for row in running])])
    return list(numbers), np.concatenate(running), ends


def main() -> None:
    """Write the file, and print its path and size."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", help="the official corpus, as in `benchmark --root`")
    parser.add_argument("--reviews", type=int, default=1_000_000, help="number of reviews")
    parser.add_argument("--out", type=Path, required=True, help=f"folder of the file {FILE}")
    options = parser.parse_args()
    try:
        file = write(options.root, options.reviews, options.out)
    except DataError as error:
        parser.error(str(error))
    print(f"{file}: {options.reviews:,} reviews, {file.stat().st_size / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
