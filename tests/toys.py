"""Made corpus of any size, learnable in seconds, for tests that need a whole data module."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from datamodules.store.corpus import UNLABELLED, Corpus, TextSplit
from datamodules.text import TextDataModule

SIGNALS = 5  # words that reveal a class


def make_split(name: str, rows: int, classes: int, seed: int, labelled: bool = True) -> TextSplit:
    """Texts of 4 to 80 words, most of them short. The word `test7` is in row 7 of `test` alone."""
    rng = random.Random(f"{name} {seed}")
    labels = np.arange(rows, dtype=np.int64) % classes
    texts = []
    for row, label in enumerate(labels.tolist()):
        length = min(int(rng.expovariate(1 / 12)), 75)
        words = [f"word{int(rng.expovariate(1 / 20))}" for _ in range(length)]
        words += [f"class{label}sign{rng.randrange(SIGNALS)}" for _ in range(3)]
        words.append(f"{name}{row}")
        rng.shuffle(words)
        texts.append(" ".join(words))
    if not labelled:
        labels = np.full(rows, UNLABELLED, dtype=np.int64)
    return TextSplit(texts, labels, [f"{name}:{row}" for row in range(rows)])


class ToyData(TextDataModule):
    """Texts of which three words each reveal the class.

    Args:
        rows: rows of train, the last quarter of them validation. Test has half as many, unlabelled
            a quarter.
        classes: number of classes.
        text_seed: random seed of the texts.
        vocab_size: more than the words of the texts, so that models stay small.
        **kwargs: see TextDataModule.
    """

    def __init__(
        self,
        *,
        rows: int = 64,
        classes: int = 2,
        text_seed: int = 0,
        vocab_size: int | None = 1_000,
        **kwargs: Any,
    ) -> None:
        super().__init__(vocab_size=vocab_size, **kwargs)
        self.rows, self.classes, self.text_seed = rows, classes, text_seed
        self.label_names = tuple(f"class{label}" for label in range(classes))

    def source(self) -> dict[str, Any]:
        settings = {"rows": self.rows, "classes": self.classes, "seed": self.text_seed}
        return {"corpus": "toy"} | settings

    def read(self) -> Corpus:
        sizes = self.classes, self.text_seed
        edge = self.rows - self.rows // 4
        return Corpus(
            "toy",
            self.label_names,
            make_split("train", self.rows, *sizes),
            np.arange(edge),
            np.arange(edge, self.rows),
            make_split("test", self.rows // 2, *sizes),
            make_split("unlabelled", self.rows // 4, *sizes, labelled=False),
        )


class OfficialToy(ToyData):
    """Toy corpus with a test split on which every evaluation is logged."""

    official_test = True
