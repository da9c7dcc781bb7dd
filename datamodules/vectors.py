"""Word vectors learnt from a corpus before a network reads it."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from datamodules.batching import Ragged
from datamodules.cache import digest, locked, new_folder
from datamodules.errors import DataError

_FORMAT = 1
_ARRAYS, _META = "vectors.safetensors", "meta.json"


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


class Vectors(ABC):
    """A way to word vectors."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Everything, beside text and seed, that decides what is learnt."""

    @abstractmethod
    def learn(self, texts: Ragged, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """int64[N] token numbers and float32[N, d] vectors, from texts alone, never from labels."""

    def of(self, cache: Path, source: dict[str, Any], texts: Ragged, seed: int) -> WordVectors:
        """The vectors of `texts`: read where they were learnt before, else learnt and kept.

        Args:
            cache: folder of all vectors; the second of two processes waits for the first.
            source: what identifies `texts`.
            texts: rows of token numbers.
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
                    tokens, values = self.learn(texts, seed)
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


class Word2Vec(Vectors):
    """word2vec (Mikolov et al. 2013), learnt by gensim from the rows that are learnt from.

    `cbow` predicts a word from the mean of those around it, `skip-gram` those around from a word.
    With one worker the same text, settings and seed give the same vectors on one machine.

    Args:
        dim: d, width of a vector.
        architecture: which of the two.
        output: `negative-sampling`, against words drawn by chance, or `hierarchical-softmax`, along
            a Huffman tree.
        window: largest distance between two words of a pair.
        negative: words drawn for each pair under `negative-sampling`.
        min_count: a word seen less often gets no vector.
        sample: words more frequent than this share are left out at random, the more often the more
            frequent they are.
        epochs: passes over the texts.
        workers: threads; more than one is faster, and never twice the same.

    Raises:
        ValueError: a size below 1.
    """

    def __init__(
        self,
        dim: int = 128,
        architecture: Literal["cbow", "skip-gram"] = "skip-gram",
        output: Literal["negative-sampling", "hierarchical-softmax"] = "negative-sampling",
        window: int = 5,
        negative: int = 5,
        min_count: int = 5,
        sample: float = 1e-4,
        epochs: int = 5,
        workers: int = 1,
    ) -> None:
        sizes = {"dim": dim, "window": window, "negative": negative, "min_count": min_count}
        for name, value in (sizes | {"epochs": epochs, "workers": workers}).items():
            if value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1")
        self.dim, self.architecture, self.output = dim, architecture, output
        self.window, self.negative, self.min_count = window, negative, min_count
        self.sample, self.epochs, self.workers = sample, epochs, workers

    def settings(self) -> dict[str, Any]:
        """Every argument."""
        return {"class": "Word2Vec", **vars(self)}

    def learn(self, texts: Ragged, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """int64[N] token numbers and float32[N, d] vectors.

        Raises:
            DataError: no word is frequent enough.
        """
        # It takes a second, which only those who want vectors should wait for.
        from gensim.models import Word2Vec as Gensim

        hierarchical = self.output == "hierarchical-softmax"
        model = Gensim(
            vector_size=self.dim,
            sg=int(self.architecture == "skip-gram"),
            hs=int(hierarchical),
            negative=0 if hierarchical else self.negative,
            window=self.window,
            min_count=self.min_count,
            sample=self.sample,
            epochs=self.epochs,
            workers=self.workers,
            seed=seed,
        )
        rows = _Rows(texts)
        model.build_vocab(rows)
        if not model.wv.index_to_key:
            raise DataError(
                f"no word stands {self.min_count} times in the {len(texts)} texts that vectors are "
                "learnt from; lower min_count, or set --data.vectors null"
            )
        model.train(rows, total_examples=model.corpus_count, epochs=self.epochs)
        tokens = np.array([int(key) for key in model.wv.index_to_key], dtype=np.int64)
        return tokens, np.ascontiguousarray(model.wv.vectors, dtype=np.float32)


class _Rows:
    """Rows as gensim wants them: again with each pass, their words as strings."""

    def __init__(self, texts: Ragged) -> None:
        self.texts = texts

    def __iter__(self) -> Iterator[list[str]]:
        values, offsets = self.texts
        for row in range(len(self.texts)):
            yield [str(token) for token in values[offsets[row] : offsets[row + 1]].tolist()]
