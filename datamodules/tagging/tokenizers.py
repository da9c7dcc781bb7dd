"""Tokenizers of texts whose words have tags: as many tokens as words, or pieces of each word."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Protocol, runtime_checkable

import numpy as np
import tokenizers as hf

from datamodules.subwords import SubwordTokenizer
from datamodules.tagging.marks import words_of
from datamodules.tokenizers import CHUNK, FittedTokenizer

MOST_PIECES = 16
"""Pieces of a word that are read; what is longer is no word of a language."""


@runtime_checkable
class SplitsWords(Protocol):
    """Tokenizer that says what the words of a text are, each of which has a tag."""

    def words(self, text: str) -> list[str]:
        """Words of a text; none has a space in it."""
        ...


class RestoresMarks:
    """Tokenizer of words in lower case without punctuation, whose tags put both back."""

    def words(self, text: str) -> list[str]:
        """Words of a text."""
        return words_of(text)


class _WordTokenizer(FittedTokenizer):
    """A token for each word; a text without words is one `<unk>`."""

    def __init__(self) -> None:
        self._hf = hf.Tokenizer(hf.models.WordLevel(vocab={}, unk_token="<unk>"))
        self._hf.pre_tokenizer = hf.pre_tokenizers.Split(" ", behavior="removed")
        self._hf.encode_special_tokens = True  # a text that says "<pad>" gets no padding

    @abstractmethod
    def words(self, text: str) -> list[str]:
        """Words of a text."""

    def settings(self) -> dict[str, Any]:
        return {"class": type(self).__name__, "version": 1}

    def fit(self, texts: Iterable[str], count: int) -> None:
        trainer = hf.trainers.WordLevelTrainer(
            vocab_size=2**31 - 1,  # no cap: TokenTruncation applies it
            min_frequency=0,
            special_tokens=list(self.SPECIALS),
            show_progress=False,
        )
        self._hf.train_from_iterator(map(self._joined, texts), trainer, length=count)

    def encode(self, texts: Iterable[str]) -> Iterator[np.ndarray]:
        return super().encode(map(self._joined, texts))

    def _joined(self, text: str) -> str:
        return " ".join(self.words(text))


class _PieceTokenizer(SubwordTokenizer):
    """Pieces of words by the tokenizer of a pretrained model, each word on its own.

    With V ids in its vocabulary, a piece that continues a word has its id plus V, so that a row
    alone shows where words begin.
    """

    @abstractmethod
    def words(self, text: str) -> list[str]:
        """Words of a text."""

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "class": type(self).__name__}

    @property
    def continued(self) -> int:  # type: ignore[override]
        """V: ids from here on are those of pieces that continue a word."""
        return len(super().vocabulary())

    def vocabulary(self) -> list[str]:
        return 2 * super().vocabulary()

    def encode(self, texts: Iterable[str]) -> Iterator[np.ndarray]:
        tokenizer, continued, texts = self._tokenizer(), self.continued, iter(texts)
        while chunk := [self.words(text) for text in islice(texts, CHUNK)]:
            found = tokenizer.encode_batch(chunk, is_pretokenized=True, add_special_tokens=True)
            for words, encoding in zip(chunk, found, strict=True):
                yield self._row(len(words), encoding, continued)

    def _row(self, words: int, encoding: hf.Encoding, continued: int) -> np.ndarray:
        ids = np.array(encoding.ids, dtype=np.int64)
        end = len(ids) - self.suffix
        of_word = np.array(encoding.word_ids[self.prefix : end], dtype=np.int64)
        pieces = ids[self.prefix : end]
        lost = np.setdiff1d(np.arange(max(words, 1)), of_word)  # such as control characters
        pieces = np.concatenate([pieces, np.full(len(lost), self.unk_id)])
        of_word = np.concatenate([of_word, lost])
        order = np.argsort(of_word, kind="stable")
        pieces, of_word = pieces[order], of_word[order]
        first = np.flatnonzero(np.diff(of_word, prepend=-1))
        place = np.arange(len(pieces)) - np.repeat(first, np.diff(first, append=len(pieces)))
        pieces = np.where(place > 0, pieces + continued, pieces)[place < MOST_PIECES]
        row = [ids[: self.prefix], pieces, ids[end:]]
        return np.concatenate(row).astype(np.int32)

    def spans(self, text: str) -> np.ndarray:
        return np.full((len(next(self.encode([text]))), 2), -1)


class PlainWordTokenizer(RestoresMarks, _WordTokenizer):
    """Words in lower case without punctuation (`datamodules.tagging.marks`)."""


class GivenWordTokenizer(_WordTokenizer):
    """Words as they are given, one a line."""

    def words(self, text: str) -> list[str]:
        """Words of a text."""
        return given_words(text)


class PlainPieceTokenizer(RestoresMarks, _PieceTokenizer):
    """Pieces of words in lower case without punctuation."""


class GivenPieceTokenizer(_PieceTokenizer):
    """Pieces of words as they are given, one a line."""

    def words(self, text: str) -> list[str]:
        """Words of a text."""
        return given_words(text)


def given_words(text: str) -> list[str]:
    """Words of a text with a word on each line; what follows a tab is its tag."""
    return [line.partition("\t")[0] for line in text.split("\n") if line]
