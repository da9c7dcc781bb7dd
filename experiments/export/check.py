"""Comparison of an export with its run on a thousand reviews, before the export is finished."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datamodules.errors import DataError
from datamodules.store.cache import default_cache_dir
from datamodules.store.corpus import read_head, read_texts
from datamodules.store.encoder import Encoder
from datamodules.tokenizers import CharacterTokenizer
from experiments.config.registry import ConfigError
from experiments.records.metrics import predicted_classes
from experiments.records.row import Row

REVIEWS = 1000
_LONGEST = 400  # words of a made text, where rows have no limit
_CONTINUES = ("##", "Ġ", "▁")  # marks of pieces of words

Model = Callable[[Sequence[str]], np.ndarray]


class Unequal(ConfigError):
    """An export that predicts otherwise than its run. The message has the figures."""


@dataclass(frozen=True)
class Check:
    """Outcome of a comparison.

    Attributes:
        texts: Number of texts.
        source: Where they are from.
        flipped: Number of texts with another label.
        difference: Largest difference of a probability.
        most_flipped: Largest share of texts that may have another label, in 0..1.
        tolerance: Largest difference allowed.
    """

    texts: int
    source: str
    flipped: int
    difference: float
    most_flipped: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """True if both figures are within their limits."""
        few = self.flipped <= self.most_flipped * self.texts
        return few and self.difference <= self.tolerance

    def __str__(self) -> str:
        return (
            f"{self.texts:,} texts ({self.source}): {self.flipped} with another label, at most "
            f"{100 * self.most_flipped:g}% may; largest difference of a probability "
            f"{self.difference:.1e}, tolerance {self.tolerance:.0e}"
        )


# Of weights in fp32 and in 8 bits: share of labels that may differ, and largest difference.
LIMITS = {None: (0.0, 1e-4), "int8": (0.002, 0.1)}


def compare(
    run: Model,
    export: Model,
    texts: list[str],
    source: str,
    quantize: str | None,
    threshold: float | None = None,
) -> Check:
    """Compare an export with its run.

    Args:
        run: From texts to float[N, C] probabilities.
        export: The same, by the export.
        texts: The texts.
        source: Where they are from.
        quantize: Its weights: None for fp32, or `int8`.
        threshold: That of the run (`predicted_classes`).

    Raises:
        Unequal: A figure is beyond its limit.
    """
    expected, found = run(texts), export(texts)
    check = Check(
        len(texts),
        source,
        int((predicted_classes(expected, threshold) != predicted_classes(found, threshold)).sum()),
        float(np.abs(expected.astype(np.float64) - found).max()),
        *LIMITS[quantize],
    )
    if not check.passed:
        remedy = "; export it without --quantize" if quantize else ""
        raise Unequal(f"the export predicts otherwise than the run: {check}{remedy}")
    return check


def check_texts(row: Row, encoder: Encoder) -> tuple[list[str], str]:
    """Texts to compare with, and where they are from.

    They are train reviews of the run's corpus where the cache has it, evenly spread, and random
    words of the vocabulary for what is missing to a thousand.
    """
    texts = _cached(row.corpus_fingerprint)
    if len(texts) > REVIEWS:
        texts = [texts[place] for place in np.linspace(0, len(texts) - 1, REVIEWS).astype(int)]
    parts = [f"{len(texts):,} train reviews"] if texts else []
    if missing := REVIEWS - len(texts):
        texts = texts + _made(encoder, missing)
        parts.append(f"{missing:,} of random words")
    return texts, " and ".join(parts)


def _cached(fingerprint: str | None) -> list[str]:
    """Train texts of the corpus of that fingerprint; empty where the cache does not have it."""
    for folder in sorted((default_cache_dir() / "corpora").glob("[!.]*")):
        try:
            if read_head(folder).fingerprint == fingerprint:
                return list(read_texts(folder, "train"))
        except DataError:  # damaged, or being written
            continue
    return []


def _made(encoder: Encoder, count: int) -> list[str]:
    """Texts of random words, frequent ones more often."""
    vocabulary = encoder.tokenizer.vocabulary()[: encoder.token_truncation.vocab_size]
    joint = "" if isinstance(encoder.tokenizer, CharacterTokenizer) else " "
    weights = [1 / (number + 1) for number in range(len(vocabulary))]
    longest = 2 * (encoder.token_truncation.max_length or _LONGEST)
    draw = random.Random(0)
    texts = []
    for _ in range(count):
        length = int(longest ** draw.random())
        words = joint.join(draw.choices(vocabulary, weights, k=length))
        for mark in _CONTINUES:
            words = words.replace(mark, "")
        texts.append(words)
    return texts


def runner_of(folder: Path, threads: int | None = None) -> Model:
    """The model of an export, by the runner."""
    from experiments.export.runner import Classifier

    return Classifier(folder, threads)
