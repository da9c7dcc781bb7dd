"""Word vectors, and the base class of everything that trains or reads them."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from datamodules.errors import DataError
from datamodules.halts import RunningClock
from datamodules.store.cache import digest, locked, new_folder
from datamodules.store.encoder import Encoder
from datamodules.store.ragged import Ragged, concat_ragged, drop_token
from datamodules.store.token_store import TokenStore

Text = Literal["train", "train+unlabelled"]
"""Texts to train on: those of the training rows, or also those without labels."""

_FORMAT = 1
_ARRAYS, _META = "vectors.safetensors", "meta.json"


class Coverage(NamedTuple):
    """Shares of a text that have word vectors.

    Attributes:
        words: share of the vocabulary, specials left out.
        running: share of all words of the text, repeated ones counted each time.
    """

    words: float
    running: float

    def __str__(self) -> str:
        return f"{self.words:.1%} of the vocabulary, {self.running:.1%} of the running words"


class WordVectors(NamedTuple):
    """Vectors of some tokens.

    Attributes:
        tokens: int64[N], token ids.
        values: float32[N, d], their vectors.
        seconds: training time, without halts, on the machine that trained them.
    """

    tokens: np.ndarray
    values: np.ndarray
    seconds: float

    def matrix(self, vocab_size: int) -> np.ndarray:
        """Vectors by token id, float32[vocab_size, d]; zeros where a token has none."""
        matrix = np.zeros((vocab_size, self.values.shape[1]), dtype=np.float32)
        is_inside = self.tokens < vocab_size
        matrix[self.tokens[is_inside]] = self.values[is_inside]
        return matrix

    def coverage(self, counts: np.ndarray, specials: Sequence[int] = (0, 1)) -> Coverage:
        """Shares of a text that have a vector.

        Args:
            counts: int64[V], count of each token in the text.
            specials: token ids that are no words.

        Raises:
            DataError: no word of the text has a vector.
        """
        counts = counts.copy()
        counts[list(specials)] = 0
        words = int((counts > 0).sum())
        has_vector = np.zeros(len(counts), dtype=bool)
        has_vector[self.tokens[self.tokens < len(counts)]] = True
        is_covered = has_vector & (counts > 0)
        if not is_covered.any():
            raise DataError(
                f"none of the {words:,} words of the text has one of the {len(self.tokens):,} word "
                "vectors; choose vectors of its language and case, or set --data.vectors null"
            )
        running = int(counts[is_covered].sum()) / int(counts.sum())
        return Coverage(int(is_covered.sum()) / words, running)


class Vectors(ABC):
    """Method to obtain word vectors.

    Args:
        text: texts to train on: `train`, those of the training rows, or `train+unlabelled`, also
            those without labels where the corpus has any.

    Raises:
        ValueError: `text` is another word.
    """

    def __init__(self, text: Text = "train") -> None:
        if text not in get_args(Text):
            raise ValueError(f"text is {text!r}; choose one of {get_args(Text)}")
        self.text = text

    def settings(self) -> dict[str, Any]:
        """Every constructor argument except `text`; part of the cache key."""
        arguments = {name: value for name, value in vars(self).items() if name != "text"}
        return {"class": type(self).__name__, **arguments}

    def note(self, splits: Collection[str]) -> str | None:
        """Remark for readers of results; None where only training rows were used.

        Args:
            splits: names of the splits of the corpus.
        """
        if self.part(splits) == "train":
            return None
        return "word vectors learnt from train and unlabelled texts"

    def part(self, splits: Collection[str]) -> Text:
        """Texts to train on in a corpus with these splits."""
        return self.text if "unlabelled" in splits else "train"

    @abstractmethod
    def learn(
        self, texts: Ragged, vocabulary: Sequence[str], seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Trains or reads the vectors.

        Args:
            texts: rows of token ids.
            vocabulary: words by token id.
            seed: random seed.

        Returns:
            int64[N] token ids and float32[N, d] vectors.
        """

    def load_or_learn(
        self,
        cache: Path,
        source: dict[str, Any],
        texts: Ragged,
        vocabulary: Sequence[str],
        seed: int,
    ) -> WordVectors:
        """Vectors of `texts` from the cache, which `learn` fills on the first call.

        Args:
            cache: folder of all cached vectors; a second process waits for the first.
            source: identity of `texts` and `vocabulary`, part of the cache key.
            texts: rows of token ids.
            vocabulary: words by token id.
            seed: random seed.

        Raises:
            DataError: cached vectors cannot be read, or new ones cannot be written.
        """
        key = {"source": source, "settings": self.settings(), "seed": seed, "format": _FORMAT}
        folder = cache / digest(key)
        if not folder.exists():
            with locked(folder):
                if not folder.exists():  # a process before us may have made it
                    with RunningClock() as clock:
                        tokens, values = self.learn(texts, vocabulary, seed)
                        seconds = clock.elapsed()
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
                f"{folder}: these word vectors cannot be read ({error}); delete the folder and run "
                "again, which trains them anew"
            ) from error


def too_rare(min_count: int, texts: int) -> DataError:
    """Error that no word of `texts` texts is frequent enough to have a vector."""
    return DataError(
        f"min_count is {min_count}, and no word occurs {min_count} times in the {texts} texts that "
        "vectors are trained on; lower min_count, or set --data.vectors null"
    )


def frequent_words(texts: Ragged, min_count: int) -> tuple[np.ndarray, Ragged]:
    """Words frequent enough to have a vector, and the texts made of them alone.

    Args:
        texts: rows of token ids.
        min_count: lowest count of a word.

    Returns:
        int64[N] token ids, ascending, and the rows with these numbered from 0; rarer words are left
        out, so that their neighbours are next to each other.

    Raises:
        DataError: no word occurs `min_count` times.
    """
    tokens = np.flatnonzero(np.bincount(texts.values) >= min_count)
    if not len(tokens):
        raise too_rare(min_count, len(texts))
    place = np.full(int(texts.values.max()) + 1, -1, dtype=np.int32)
    place[tokens] = np.arange(len(tokens))
    values = place[texts.values]
    before = np.concatenate([[0], np.cumsum(values >= 0)])
    return tokens.astype(np.int64), Ragged(values[values >= 0], before[texts.offsets])


class TokenRows:
    """Rows as gensim reads them: lists of strings, again in each pass.

    Args:
        texts: rows of token ids.
        names: strings by token id; None: the digits of the id.
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


def vectors_of_rows(
    vectors: Vectors,
    store: TokenStore,
    encoder: Encoder,
    rows: np.ndarray,
    cache: Path,
    name: str,
    seed: int,
) -> WordVectors:
    """Word vectors trained on some training rows, untruncated, or read from a file.

    Args:
        vectors: method to obtain them.
        store: token store of the corpus.
        encoder: tokenizer and truncation of the batches.
        rows: int64[N], numbers of the training rows.
        cache: folder of kept vectors.
        name: name of the store in the cache.
        seed: random seed.

    Raises:
        DataError: no word is frequent enough, or cached vectors cannot be read.
    """
    part = vectors.part(store.splits)
    unlabelled = store.tokens("unlabelled") if part == "train+unlabelled" else None
    texts = texts_of_rows(store, encoder, rows, unlabelled)
    source = {"store": name, "part": part}
    return vectors.load_or_learn(cache, source, texts, encoder.tokenizer.vocabulary(), seed)


def texts_of_rows(
    store: TokenStore, encoder: Encoder, rows: np.ndarray, unlabelled: Ragged | None
) -> Ragged:
    """Untruncated token ids of some training rows, and of texts without labels.

    Args:
        store: token store of the corpus.
        encoder: tokenizer and truncation of the batches.
        rows: int64[N], numbers of the training rows.
        unlabelled: token ids of texts without labels; None: of none.
    """
    untruncated = encoder.token_truncation._replace(vocab_size=None, max_length=None)
    texts = untruncated.ragged(store.tokens("train"), rows)
    if unlabelled is not None:
        # Words outside the vocabulary are left out, as gensim leaves out rare ones.
        texts = concat_ragged(texts, drop_token(unlabelled, encoder.tokenizer.unk_id))
    return texts
