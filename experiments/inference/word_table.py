"""Word vectors of a run: neighbours, analogies, and the clusters of a bag of centroids."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Literal

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file

from datamodules.store.encoder import Encoder
from datamodules.tokenizers import WordTokenizer
from experiments.config.registry import ConfigError, nearest
from experiments.inference.predictor import Predictor, read_finished
from experiments.records.run_files import weights_folder
from lit_models.base.estimator import ARRAYS_FILE
from lit_models.base.model import WEIGHTS_FILE
from lit_models.classics.centroids import Centroids

_SHOWN = 10


@dataclass(frozen=True)
class WordTable:
    """Words and their vectors.

    Attributes:
        words: N words, the most frequent first.
        vectors: float32[N, d], none of them zero.
    """

    words: list[str]
    vectors: np.ndarray

    def neighbours(self, word: str, count: int = _SHOWN) -> list[tuple[str, float]]:
        """Find the words with the highest cosine similarity to a word, with the cosines."""
        return self._nearest(self._unit()[self._row(word)], {word}, count)

    def analogy(self, a: str, b: str, c: str, count: int = _SHOWN) -> list[tuple[str, float]]:
        """Find x such that a is to b as c is to x (Mikolov et al. 2013).

        The words nearest to b - a + c, of vectors of length 1, without the three words themselves.
        """
        unit = self._unit()
        target = unit[self._row(b)] - unit[self._row(a)] + unit[self._row(c)]
        return self._nearest(target / np.linalg.norm(target), {a, b, c}, count)

    def _nearest(
        self, target: np.ndarray, excluded: set[str], count: int
    ) -> list[tuple[str, float]]:
        cosines = self._unit() @ target
        order = np.argsort(-cosines, kind="stable")[: count + len(excluded)].tolist()
        words = [(self.words[row], float(cosines[row])) for row in order]
        return [(word, cosine) for word, cosine in words if word not in excluded][:count]

    def _unit(self) -> np.ndarray:
        return self.vectors / np.linalg.norm(self.vectors, axis=1, keepdims=True)

    def _row(self, word: str) -> int:
        if word not in self.words:
            raise ConfigError(
                f"{word!r} has no vector{nearest(word, self.words)}; {len(self.words):,} "
                "words have one, as the tokenizer writes them"
            )
        return self.words.index(word)


def answer_lines(
    what: Literal["neighbours", "analogy", "clusters"], place: Path, words: Sequence[str]
) -> list[str]:
    """Answer a question about word vectors, as lines of text.

    Args:
        what: The question.
        place: A run folder, or a folder of cached vectors.
        words: One or more; three for an analogy; for clusters any number, none for all clusters.

    Raises:
        ConfigError: There are no word vectors, or a word has none.
    """
    if what == "clusters":
        all_groups = clusters(place)
        groups = [group for group in all_groups if set(words) & set(group)] if words else all_groups
        return [" ".join(group) for group in groups]
    if what == "analogy" and len(words) != 3 or not words:
        rule = "three words, as in: man king woman" if what == "analogy" else "at least one word"
        raise ConfigError(f"{what} needs {rule}; got {len(words)}")
    table = read_table(place)
    if what == "analogy":
        return [
            f"{word}\t{cosine:.3f}" for word, cosine in table.analogy(words[0], words[1], words[2])
        ]
    return [
        f"{word}: " + ", ".join(f"{near} {cosine:.3f}" for near, cosine in table.neighbours(word))
        for word in words
    ]


def read_table(place: Path) -> WordTable:
    """Read the word vectors of a finished run, or of a folder in `vectors` of the cache.

    The model is not built: its weights are read alone.

    Raises:
        ConfigError: There are none, or they cannot be read.
        DataError: The encoder cannot be read.
    """
    if (place / "vectors.safetensors").is_file():
        return _read_cached(place)
    row = read_finished(place)
    fit = weights_folder(place, row)
    try:
        tokens, vectors = _read_weights(fit)
    except (OSError, ValueError, KeyError, RuntimeError, UnpicklingError, SafetensorError) as error:
        raise ConfigError(f"{place}: its weights cannot be read ({error}); fit it again") from error
    if not len(vectors):
        raise ConfigError(
            f"{place}: {row.architecture} has no word vectors; give a run of a network with "
            "word embeddings, a run of a vector average, or a folder in vectors/ of the cache"
        )
    vocabulary = Encoder.load(fit).tokenizer.vocabulary()
    known = tokens < len(vocabulary)
    return _table(vocabulary, tokens[known], vectors[known])


def clusters(place: Path) -> list[list[str]]:
    """Read the word clusters of a run with a bag of centroids.

    Raises:
        ConfigError: The run has none.
    """
    predictor = Predictor(place)
    if not isinstance(predictor.model, Centroids):
        raise ConfigError(
            f"{place}: {type(predictor.model).__name__} has no clusters; give a run of "
            "centroids_logreg or centroids_forest"
        )
    return predictor.model.word_lists(predictor.encoder.tokenizer.vocabulary())


def _read_weights(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Tokens and vectors of a `VectorAverage` or of a network's first `WordEmbedding`, or none."""
    if (folder / ARRAYS_FILE).is_file():
        arrays = load_file(folder / ARRAYS_FILE)
        if {"words", "vectors"} <= arrays.keys():
            return arrays["words"], arrays["vectors"]
    else:
        checkpoint = torch.load(
            folder / WEIGHTS_FILE, map_location="cpu", weights_only=True, mmap=True
        )
        for name, weight in checkpoint["state_dict"].items():
            if name.endswith(".table.weight"):
                table = weight.float().numpy()
                return np.arange(2, len(table)), table[2:]  # past <pad> and <unk>
    return np.empty(0, dtype=np.int64), np.empty((0, 0))


def _read_cached(folder: Path) -> WordTable:
    try:
        arrays = load_file(folder / "vectors.safetensors")
        if "words" in arrays:  # vectors of a whole file
            words = arrays["words"].tobytes().decode().split("\n")
            return _table(words, np.arange(len(words)), arrays["values"])
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        store = folder.parent.parent / "stores" / meta["source"]["store"]
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise ConfigError(f"{folder}: these word vectors cannot be read ({error})") from error
    tokenizer = WordTokenizer()
    tokenizer.load(store / "tokenizer.json")
    return _table(tokenizer.vocabulary(), arrays["tokens"], arrays["values"])


def _table(vocabulary: Sequence[str], tokens: np.ndarray, vectors: np.ndarray) -> WordTable:
    order = np.argsort(tokens, kind="stable")
    order = order[vectors[order].any(axis=1)]
    return WordTable([vocabulary[token] for token in tokens[order].tolist()], vectors[order])
