"""Word vectors, and the base class of everything that learns or reads them."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from datamodules.errors import DataError
from datamodules.store.cache import digest, locked, new_folder
from datamodules.store.ragged import Ragged

Text = Literal["train", "train+unlabelled"]
"""What is learnt from: the labelled texts, or also those without labels where there are any."""

_FORMAT = 1
_ARRAYS, _META = "vectors.safetensors", "meta.json"


class Covered(NamedTuple):
    """How much of a text has word vectors.

    Attributes:
        words: share of the vocabulary, specials left out.
        running: share of all words that stand in the text.
    """

    words: float
    running: float

    def __str__(self) -> str:
        return f"{self.words:.1%} of the vocabulary, {self.running:.1%} of the running words"


class WordVectors(NamedTuple):
    """Vectors of some tokens.

    Attributes:
        tokens: int64[N], token numbers.
        values: float32[N, d], their vectors.
        seconds: what learning them took, on whatever machine did it.
    """

    tokens: np.ndarray
    values: np.ndarray
    seconds: float

    def matrix(self, vocab_size: int) -> np.ndarray:
        """float32[vocab_size, d]: a row for every token number; zeros for those without vector."""
        matrix = np.zeros((vocab_size, self.values.shape[1]), dtype=np.float32)
        inside = self.tokens < vocab_size
        matrix[self.tokens[inside]] = self.values[inside]
        return matrix

    def covered(self, counts: np.ndarray, specials: Sequence[int] = (0, 1)) -> Covered:
        """What share has a vector.

        Args:
            counts: int64[V], how often each token stands in the text.
            specials: token numbers that are no words.

        Raises:
            DataError: no word has one.
        """
        counts = counts.copy()
        counts[list(specials)] = 0
        words = int((counts > 0).sum())
        has = np.zeros(len(counts), dtype=bool)
        has[self.tokens[self.tokens < len(counts)]] = True
        known = has & (counts > 0)
        if not known.any():
            raise DataError(
                f"none of the {words:,} words of the text has a word vector ({len(self.tokens):,} "
                "vectors are at hand); take vectors of its language and case, or set "
                "--data.vectors null"
            )
        return Covered(int(known.sum()) / words, int(counts[known].sum()) / int(counts.sum()))


class Vectors(ABC):
    """A way to word vectors.

    Args:
        text: what they are learnt from, of `Text`.

    Raises:
        ValueError: there is no such text.
    """

    def __init__(self, text: Text = "train") -> None:
        if text not in get_args(Text):
            raise ValueError(f"text is {text!r}; choose of {get_args(Text)}")
        self.text = text

    def settings(self) -> dict[str, Any]:
        """Everything, beside text and seed, that decides what is learnt: every argument."""
        arguments = {name: value for name, value in vars(self).items() if name != "text"}
        return {"class": type(self).__name__, **arguments}

    def note(self, splits: Collection[str]) -> str | None:
        """What a reader of results must know of the vectors; None: they are of the train texts.

        Args:
            splits: those that the corpus has.
        """
        if self.part(splits) == "train":
            return None
        return "word vectors learnt from train and unlabelled texts"

    def part(self, splits: Collection[str]) -> Text:
        """What they are learnt from in a corpus with these splits."""
        return self.text if "unlabelled" in splits else "train"

    @abstractmethod
    def learn(
        self, texts: Ragged, vocabulary: Sequence[str], seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """int64[N] token numbers and float32[N, d] vectors, from texts alone, never from labels.

        Args:
            texts: rows of token numbers.
            vocabulary: the words by number.
            seed: of what is drawn.
        """

    def load_or_learn(
        self,
        cache: Path,
        source: dict[str, Any],
        texts: Ragged,
        vocabulary: Sequence[str],
        seed: int,
    ) -> WordVectors:
        """The vectors of `texts`: read where they were learnt before, else learnt and kept.

        Args:
            cache: folder of all vectors; the second of two processes waits for the first.
            source: what identifies `texts` and `vocabulary`.
            texts: rows of token numbers.
            vocabulary: the words by number.
            seed: of what is drawn.

        Raises:
            DataError: the kept vectors cannot be read, or new ones not be written.
        """
        key = {"source": source, "settings": self.settings(), "seed": seed, "format": _FORMAT}
        folder = cache / digest(key)
        if not folder.exists():
            with locked(folder):
                if not folder.exists():  # a process before us may have made it
                    started = time.perf_counter()
                    tokens, values = self.learn(texts, vocabulary, seed)
                    seconds = time.perf_counter() - started
                    with new_folder(folder) as temporary:
                        save_file({"tokens": tokens, "values": values}, temporary / _ARRAYS)
                        meta = json.dumps(key | {"seconds": seconds}, indent=2)
                        (temporary / _META).write_text(meta + "\n", encoding="utf-8")
        try:
            arrays = load_file(folder / _ARRAYS)
            meta = json.loads((folder / _META).read_text(encoding="utf-8"))
            return WordVectors(arrays["tokens"], arrays["values"], float(meta["seconds"]))
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise DataError(
                f"{folder}: these word vectors cannot be read ({error}); delete the folder, and "
                "they are learnt again"
            ) from error


def too_rare(min_count: int, texts: int) -> DataError:
    """The error where `min_count` leaves no word."""
    return DataError(
        f"no word stands {min_count} times in the {texts} texts that vectors are learnt from; "
        "lower min_count, or set --data.vectors null"
    )


class TokenRows:
    """Rows as gensim wants them: again with each pass, their words as strings.

    Args:
        texts: rows of token numbers.
        names: the string for each number; None: its digits.
    """

    def __init__(self, texts: Ragged, names: Sequence[str] | None = None) -> None:
        self.texts = texts
        highest = int(texts.values.max()) if len(texts.values) else 0
        self.names = names or [str(token) for token in range(highest + 1)]

    def __getitem__(self, row: int) -> list[str]:
        values, offsets = self.texts
        return list(map(self.names.__getitem__, values[offsets[row] : offsets[row + 1]].tolist()))

    def __iter__(self) -> Iterator[list[str]]:
        for row in range(len(self.texts)):
            yield self[row]
