"""Backoff: n-gram language models, smoothed, with a probability for every symbol in any context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self, get_args

import numpy as np

from datamodules.store.ragged import Ragged, rows_of
from lit_models.language import smoothing as methods
from lit_models.language.ngram_counts import Order, Stream, Symbols, count_ngrams, find
from lit_models.language.saved import sizes_of
from lit_models.language.smoothing import Contexts, Smoothed, Smoothing

_HELD_OUT = 10  # every tenth text, for the weights of `jelinek_mercer`
_ROUNDS = 20  # of expectation maximisation


class Backoff:
    """p(w | c) of an n-gram that was seen, else γ(c) · p(w | c without its first symbol).

    This form, that of ARPA files, holds interpolated and back-off models alike. A text has a symbol
    at its start, which is a context alone, and one at its end, which is predicted. Contexts never
    reach back beyond the start.

    Args:
        symbols: the symbols.
        keys: int64[G] keys of the n-grams of each order from 2, sorted (`ngram_counts.Order`).
        log_probabilities: float32[G] ln p of the n-grams of each order.
        log_weights: float32[G] ln γ of the n-grams of each order but the last.
        flat: the order below is the uniform distribution, at every order (add-one and add-δ).
    """

    def __init__(
        self,
        symbols: Symbols,
        keys: Sequence[np.ndarray],
        log_probabilities: Sequence[np.ndarray],
        log_weights: Sequence[np.ndarray],
        flat: bool = False,
    ) -> None:
        self.symbols, self.flat = symbols, flat
        self.keys, self.log_probabilities = list(keys), list(log_probabilities)
        self.log_weights = list(log_weights)

    @property
    def longest(self) -> int:
        """Order of the model, at most that of the longest n-gram it was given."""
        return len(self.log_probabilities)

    @property
    def size(self) -> int:
        """Number of probabilities and weights of n-grams that occur."""
        return sum(int(np.isfinite(a).sum()) for a in (*self.log_probabilities, *self.log_weights))

    @classmethod
    def fit(
        cls,
        texts: Ragged,
        longest: int,
        symbols: Symbols,
        smoothing: Smoothing = "modified_kneser_ney",
        delta: float = 0.1,
    ) -> Self:
        """Learn from texts.

        Args:
            texts: int32 tokens of each text.
            longest: order of the model.
            symbols: the symbols.
            smoothing: the method.
            delta: δ of `add_delta`.

        Raises:
            ValueError: an order below 1, a δ that is not above 0, an unknown method, or no text.
        """
        if longest < 1:
            raise ValueError(f"the order is {longest}; it must be at least 1")
        if not len(texts):
            raise ValueError("there is no text to learn from; give at least one")
        orders = count_ngrams(texts, longest, symbols)
        mercer = smoothing == "jelinek_mercer"
        shares = interpolation_shares(texts, longest, symbols) if mercer else None
        return cls.smoothed(orders, symbols, smoothing, delta, shares)

    @classmethod
    def smoothed(
        cls,
        orders: Sequence[Order],
        symbols: Symbols,
        smoothing: Smoothing,
        delta: float = 0.1,
        shares: Sequence[np.ndarray] | None = None,
    ) -> Self:
        """Model of n-grams that are counted.

        Args:
            orders: the n-grams of each order.
            symbols: the symbols.
            smoothing: the method.
            delta: δ of `add_delta`.
            shares: what `interpolation_shares` gives, for `jelinek_mercer`.

        Raises:
            ValueError: a δ that is not above 0, or an unknown method.
        """
        if not 0 < delta < np.inf:
            raise ValueError(f"delta is {delta}; it must be a number above 0")
        if smoothing not in get_args(Smoothing):
            raise ValueError(
                f"smoothing is {smoothing!r}; it must be one of {', '.join(get_args(Smoothing))}"
            )
        flat = smoothing in ("add_one", "add_delta")
        levels: list[Smoothed] = []
        for at, (order, counts) in enumerate(zip(orders, _counts(orders, smoothing), strict=True)):
            uniform = symbols.uniform()[order.keys % symbols.count]
            lower = levels[-1].probabilities[order.suffixes] if at and not flat else uniform
            below = len(orders[at - 1].keys) if at else 1
            contexts = Contexts(order, counts, below, symbols)
            if flat:
                added = 1.0 if smoothing == "add_one" else delta
                levels.append(methods.add_delta(contexts, counts, added, uniform))
            elif smoothing == "katz":
                levels.append(methods.katz(contexts, counts, lower))
            else:
                share = None if shares is None else shares[at]
                kept = _kept(smoothing, contexts, counts, share)
                levels.append(methods.interpolated(contexts, counts, kept, lower))
        with np.errstate(divide="ignore"):  # the logarithm of 0
            logs = [[np.log(a).astype(np.float32) for a in level] for level in levels]
        return cls(
            symbols,
            [order.keys for order in orders[1:]],
            [probabilities for probabilities, _ in logs],
            [weights for _, weights in logs[1:]],
            flat,
        )

    def score(self, texts: Ragged) -> Ragged:
        """float64[T] ln p of each token of each text, followed by that of its end."""
        stream = Stream.of(texts, self.symbols)
        words, places = stream.words, stream.places
        numbers, found = words, self.log_probabilities[0][words].astype(np.float64)
        for order in range(2, self.longest + 1):
            at = np.flatnonzero(places >= order - 1)
            contexts = numbers[at - 1]
            known = contexts >= 0
            number = find(self.keys[order - 2], contexts * self.symbols.count + words[at])
            number[~known] = -1
            below = -np.log(self.symbols.predicted) if self.flat else found[at]
            passed = below + np.where(known, self.log_weights[order - 2][contexts], 0.0)
            seen = self.log_probabilities[order - 1][number] if len(number) else passed
            found[at] = np.where(number >= 0, seen, passed)
            numbers = np.full(len(words), -1, dtype=np.int64)
            numbers[at] = number
        offsets = np.concatenate([[0], np.cumsum(texts.lengths + 1)])
        return Ragged(found[places > 0], offsets)

    def score_texts(self, texts: Ragged) -> np.ndarray:
        """float64[N] ln p of each text and its end."""
        scores = self.score(texts)
        return np.add.reduceat(scores.values, scores.offsets[:-1])

    def distribution(self, context: Sequence[int]) -> np.ndarray:
        """float64[S] p of every symbol after a context; see `log_distribution`."""
        return np.exp(self.log_distribution(context))

    def log_distribution(self, context: Sequence[int]) -> np.ndarray:
        """float64[S] ln p of every symbol after these; a context at the start of a text begins
        with the symbol of the start. The n-grams of a context are one range of the sorted keys."""
        found = self.log_probabilities[0].astype(np.float64)
        for order in range(2, min(self.longest, len(context) + 1) + 1):
            number = self._number(context[len(context) - order + 1 :])
            if self.flat:
                with np.errstate(divide="ignore"):  # the logarithm of 0
                    found = np.log(self.symbols.uniform())
            if number < 0:
                continue
            keys, first = self.keys[order - 2], number * self.symbols.count
            low, high = np.searchsorted(keys, [first, first + self.symbols.count])
            found += self.log_weights[order - 2][number]
            found[keys[low:high] - first] = self.log_probabilities[order - 1][low:high]
        return found

    def _number(self, symbols: Sequence[int]) -> int:
        number = symbols[0]
        for keys, symbol in zip(self.keys, symbols[1:], strict=False):
            number = int(find(keys, np.array([number * self.symbols.count + symbol]))[0])
            if number < 0:
                break
        return number

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that the model consists of."""
        named = {
            "keys": self.keys,
            "log_probabilities": self.log_probabilities,
            "log_weights": self.log_weights,
        }
        arrays = {f"{name}.{at}": a for name, some in named.items() for at, a in enumerate(some)}
        sizes = [self.symbols.tokens, self.symbols.pad_id, self.longest, int(self.flat)]
        return arrays | {"sizes": np.array(sizes)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """Model of what `arrays` gave.

        Raises:
            ValueError: an array is missing, or does not fit the others.
        """
        tokens, pad_id, longest, flat = sizes_of(arrays)
        keys, probabilities, weights = (
            [arrays[f"{name}.{at}"] for at in range(count)]
            for name, count in [
                ("keys", longest - 1),
                ("log_probabilities", longest),
                ("log_weights", longest - 1),
            ]
        )
        return cls(Symbols(tokens, pad_id), keys, probabilities, weights, flat)


def _counts(orders: Sequence[Order], smoothing: Smoothing) -> list[np.ndarray]:
    if smoothing == "modified_kneser_ney":
        return methods.continuation_counts(orders)
    return [order.counts for order in orders]


def _kept(
    smoothing: Smoothing, contexts: Contexts, counts: np.ndarray, shares: np.ndarray | None
) -> np.ndarray:
    """float64[G] counts less their discounts."""
    if smoothing == "maximum_likelihood":
        return counts.astype(float)
    if shares is not None:
        kept: np.ndarray = counts * shares[methods.bucket(contexts.totals)][contexts.of]
        return kept
    single = smoothing == "absolute_discounting"
    discounts = methods.single_discount(counts) if single else methods.modified_discounts(counts)
    return counts - discounts[np.minimum(counts, 3)]


def interpolation_shares(texts: Ragged, longest: int, symbols: Symbols) -> list[np.ndarray]:
    """float64[BUCKETS] share λ that each order keeps, by bucket of its context.

    Jelinek & Mercer 1980: the shares under which held-out texts are most likely, found by
    expectation maximisation, one order after the other from the lowest.
    """
    held_out = np.arange(len(texts)) % _HELD_OUT == _HELD_OUT - 1
    if not held_out.any() or held_out.all():
        return [np.full(methods.BUCKETS, 0.5)] * longest
    rest, held = (rows_of(texts, np.flatnonzero(which)) for which in (~held_out, held_out))
    orders = count_ngrams(rest, longest, symbols)
    stream = Stream.of(held, symbols)
    words, places = stream.words, stream.places
    lower, numbers = symbols.uniform()[words], np.zeros(len(words), dtype=np.int64)
    shares = list[np.ndarray]()
    for at, order in enumerate(orders):
        below = len(orders[at - 1].keys) if at else 1
        totals = Contexts(order, order.counts, below, symbols).totals
        here = np.flatnonzero(places >= max(at, 1))
        contexts = numbers[here - 1]
        number = np.where(
            contexts >= 0, find(order.keys, contexts * symbols.count + words[here]), -1
        )
        known = (contexts >= 0) & (totals[contexts] > 0)
        own = np.where(number >= 0, order.counts[number], 0)[known] / totals[contexts[known]]
        of, rest_of = methods.bucket(totals[contexts[known]]), lower[here[known]]
        kept = np.full(methods.BUCKETS, 0.5)
        for _ in range(_ROUNDS):
            mixed = kept[of] * own
            responsible = mixed / (mixed + (1 - kept[of]) * rest_of)
            number_of = np.bincount(of, minlength=methods.BUCKETS)
            summed = np.bincount(of, weights=responsible, minlength=methods.BUCKETS)
            kept = np.where(number_of > 0, summed / np.maximum(number_of, 1), kept)
            kept = kept.clip(1e-6, 1 - 1e-6)  # a word never seen keeps some probability
        kept = _spread(kept, np.bincount(of, minlength=methods.BUCKETS) > 0)
        lower = lower.copy()
        lower[here[known]] = kept[of] * own + (1 - kept[of]) * rest_of
        numbers = np.full(len(words), -1, dtype=np.int64)
        numbers[here] = number
        if at == 0:
            numbers[places == 0] = symbols.start
        shares.append(kept)
    # All texts may have n-grams that are longer than those of the texts counted here.
    return shares + [np.full(methods.BUCKETS, 0.5)] * (longest - len(shares))


def _spread(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Give what is not known the value of the nearest known bucket, of two the lower one.

    All texts have more n-grams than those that are not held out, so that a context may be in a
    bucket in which none was.
    """
    if not known.any():
        return values
    places = np.flatnonzero(known)
    nearest = np.abs(np.arange(len(values))[:, None] - places).argmin(axis=1)
    return values[places[nearest]]
