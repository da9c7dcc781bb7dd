"""Robustness sets: labelled texts that differ from the test split in a known way."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datamodules.movie_reviews import find_file, read_sentences
from datamodules.robustness import contrast_sets, counterfactuals
from datamodules.store.corpus import TextSplit

TYPO_PERCENT = (1, 2, 3, 4, 5)
_PUNCTUATION = re.compile(r"[^\w\s]|_")
_MARKUP = re.compile(r"<br\s*/?>")
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS = {
    key: row[max(at - 1, 0) : at] + row[at + 1 : at + 2]
    for row in _ROWS
    for at, key in enumerate(row)
}
"""Neighbouring keys of each letter in its row of an English keyboard."""


@dataclass(frozen=True)
class Challenge:
    """Robustness set.

    Attributes:
        name: As in `robustness.npz`, for example `counterfactual_revised`.
        texts: N raw texts.
        labels: int64[N], 0 negative, 1 positive.
    """

    name: str
    texts: list[str]
    labels: np.ndarray


def build_challenges(folder: Path, train: TextSplit) -> list[Challenge]:
    """Build all robustness sets, in a fixed order.

    The i-th text of `…_revised` is a revision of the i-th of `…_original`. Typos and removals are
    applied to the originals of the counterfactual pairs: they are from the train split and left
    out of training, so that the test split is not used again.

    Args:
        folder: Files of the sets, from `datamodules.robustness.find_folder`.
        train: The whole official train split.

    Raises:
        DataError: A file is missing, or not as published.
    """
    sets = []
    pairs = counterfactuals(folder, train)
    for name, both in (("contrast", contrast_sets(folder)), ("counterfactual", pairs)):
        sets.append(Challenge(f"{name}_original", both.originals, both.original_labels))
        sets.append(Challenge(f"{name}_revised", both.revised, both.revised_labels))
    texts, labels = pairs.originals, pairs.original_labels
    for percent in TYPO_PERCENT:
        typed = [add_typos(text, percent / 100, seed) for seed, text in enumerate(texts)]
        sets.append(Challenge(f"typos_{percent}", typed, labels))
    sets.append(Challenge("lower_case", [text.lower() for text in texts], labels))
    sets.append(Challenge("no_punctuation", [remove_punctuation(t) for t in texts], labels))
    sentences, sentence_labels = read_sentences(find_file())
    sets.append(Challenge("rotten_tomatoes", sentences, sentence_labels))
    return sets


def add_typos(text: str, rate: float, seed: int) -> str:
    """Add typing errors to a text.

    Each letter is selected with probability `rate` and then, with equal probability, left out,
    doubled, swapped with the next character, or replaced by a neighbouring key. With the same seed,
    the letters selected at a small rate are also selected at a larger one.

    Args:
        text: Any text; only a to z and A to Z are changed.
        rate: Share of letters, 0 to 1.
        seed: Random seed.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    draws, kinds, sides = (
        rng.random(len(text)),
        rng.integers(4, size=len(text)),
        rng.random(len(text)),
    )
    out: list[str] = []
    at = 0
    while at < len(text):
        letter = text[at]
        beside = _NEIGHBOURS.get(letter.lower())
        if beside is None or draws[at] >= rate:
            out.append(letter)
        elif kinds[at] == 1:
            out.append(letter * 2)
        elif kinds[at] == 2 and at + 1 < len(text):
            out.append(text[at + 1] + letter)
            at += 1
        elif kinds[at] == 3:
            other = beside[int(sides[at] * len(beside))]
            out.append(other.upper() if letter.isupper() else other)
        at += 1  # kind 0: left out
    return "".join(out)


def remove_punctuation(text: str) -> str:
    """Replace punctuation and `<br />` by spaces."""
    return " ".join(_PUNCTUATION.sub(" ", _MARKUP.sub(" ", text)).split())
