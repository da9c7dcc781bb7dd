"""N-grams of texts with their contexts, as sorted arrays instead of dictionaries of tuples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datamodules.errors import DataError
from datamodules.store.ragged import Ragged


@dataclass(frozen=True)
class Symbols:
    """Tokens of texts, and a symbol at each end.

    Attributes:
        tokens: number V of token ids.
        pad_id: the token that no text has.
    """

    tokens: int
    pad_id: int = 0

    @property
    def end(self) -> int:
        """The symbol after the last token, which is predicted as tokens are."""
        return self.tokens

    @property
    def start(self) -> int:
        """The symbol before the first token, which is only ever a context."""
        return self.tokens + 1

    @property
    def count(self) -> int:
        """Number of symbols."""
        return self.tokens + 2

    @property
    def predicted(self) -> int:
        """Number N of symbols that have a probability: all but padding and the start."""
        return self.tokens

    def check(self, texts: Ragged) -> None:
        """Check that all tokens of texts are known.

        Raises:
            DataError: one is not.
        """
        if len(texts.values) and (most := int(texts.values.max())) >= self.tokens:
            raise DataError(
                f"the text has token {most} and the model knows {self.tokens} tokens; its encoder "
                "is that of another run: fit it again"
            )

    def uniform(self) -> np.ndarray:
        """float64[S] equal probabilities of what is predicted."""
        found = np.full(self.count, 1 / self.predicted)
        found[[self.pad_id, self.start]] = 0
        return found


@dataclass(frozen=True)
class Order:
    """The n-grams of one order that occur, sorted by context and then by last symbol.

    An n-gram has its place in the arrays as its number. Its key is the number of its context (the
    n-gram without its last symbol, one order lower) times the number of symbols, plus the last
    symbol. Every symbol is a 1-gram, numbered as it is, whether it occurs or not.

    Attributes:
        keys: int64[G], sorted.
        counts: int64[G], how often they occur.
        suffixes: int64[G], numbers of the n-grams without their first symbol, one order lower.
        initial: bool[G], whether they begin a text.
    """

    keys: np.ndarray
    counts: np.ndarray
    suffixes: np.ndarray
    initial: np.ndarray


@dataclass(frozen=True)
class Stream:
    """Texts one after the other, each between the two symbols of its ends.

    Attributes:
        words: int64[T].
        places: int64[T], position in the text, 0 for the start.
    """

    words: np.ndarray
    places: np.ndarray

    @classmethod
    def of(cls, texts: Ragged, symbols: Symbols) -> Stream:
        """Stream of rows of token ids."""
        lengths = texts.lengths + 2
        ends = np.cumsum(lengths)
        places = np.arange(lengths.sum()) - np.repeat(ends - lengths, lengths)
        words = np.full(len(places), symbols.end, dtype=np.int64)
        words[ends - lengths] = symbols.start
        inside = places > 0
        inside[ends - 1] = False
        words[inside] = texts.values[texts.offsets[0] : texts.offsets[-1]]
        return cls(words, places)


def count_ngrams(texts: Ragged, longest: int, symbols: Symbols) -> list[Order]:
    """N-grams of the orders 1 … `longest`, or as far as there are any; none extends from one text
    into another."""
    stream = Stream.of(texts, symbols)
    every = np.arange(symbols.count)
    counts = np.bincount(stream.words, minlength=symbols.count)
    counts[symbols.start] = 0  # it is never predicted
    nothing = np.zeros(symbols.count, dtype=np.int64)
    orders = [Order(every, counts, nothing, np.zeros(symbols.count, dtype=bool))]
    numbers = stream.words  # of the n-gram that ends at each position; -1: it begins too early
    for order in range(2, longest + 1):
        at = np.flatnonzero(stream.places >= order - 1)
        if not len(at):
            break
        keys = numbers[at - 1] * symbols.count + stream.words[at]
        keys, first, number, counts = np.unique(
            keys, return_index=True, return_inverse=True, return_counts=True
        )
        example = at[first]
        initial = stream.places[example] == order - 1
        orders.append(Order(keys, counts, numbers[example], initial))
        numbers = np.full(len(stream.words), -1, dtype=np.int64)
        numbers[at] = number
    return orders


def find(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """int64 numbers of the wanted keys among sorted ones; -1 where there is none."""
    if not len(keys):
        return np.full(wanted.shape, -1, dtype=np.int64)
    numbers = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    return np.where(keys[numbers] == wanted, numbers, -1)
