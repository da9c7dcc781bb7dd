"""N-gram language models: counts and smoothing by hand and against others, and sums to one."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from math import log
from typing import get_args

import numpy as np
import pytest
from nltk.lm import Laplace, Lidstone
from nltk.lm.models import MLE

from datamodules.store.ragged import Ragged
from lit_models.language.backoff import Backoff
from lit_models.language.ngram_counts import Symbols, count_ngrams
from lit_models.language.smoothing import Smoothing, good_turing, modified_discounts
from tests.batches import random_rows

TOKENS = 9
SYMBOLS = Symbols(TOKENS)
END, START = SYMBOLS.end, SYMBOLS.start
SMOOTHINGS = get_args(Smoothing)


def ragged(rows: list[list[int]]) -> Ragged:
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    return Ragged(np.array([t for row in rows for t in row], dtype=np.int32), offsets)


def zipfian(count: int, seed: int) -> list[list[int]]:
    """Rows of tokens 1 … TOKENS - 1, the first ones frequent: counts from 1 on occur."""
    rng = np.random.default_rng(seed)
    shares = 1 / np.arange(1, TOKENS) ** 2
    return [
        rng.choice(np.arange(1, TOKENS), size=rng.integers(0, 9), p=shares / shares.sum()).tolist()
        for _ in range(count)
    ]


def windows(rows: list[list[int]], order: int) -> Counter[tuple[int, ...]]:
    """N-grams of an order as a dictionary, none of them ending in the symbol of the start."""
    counts: Counter[tuple[int, ...]] = Counter()
    for row in rows:
        symbols = [START, *row, END]
        counts.update(
            tuple(symbols[i : i + order])
            for i in range(len(symbols) - order + 1)
            if i + order > 1 or order > 1
        )
    return Counter({gram: count for gram, count in counts.items() if gram[-1] != START})


def test_counts_are_those_of_a_dictionary() -> None:
    rows = zipfian(60, seed=1)
    orders = count_ngrams(ragged(rows), 4, SYMBOLS)
    grams: list[list[tuple[int, ...]]] = [[(symbol,) for symbol in range(SYMBOLS.count)]]
    for order, found in enumerate(orders, 1):
        if order > 1:
            contexts, last = found.keys // SYMBOLS.count, found.keys % SYMBOLS.count
            pairs = zip(contexts, last, strict=True)
            grams.append([(*grams[-1][context], int(symbol)) for context, symbol in pairs])
        counts = {g: c for g, c in zip(grams[-1], found.counts.tolist(), strict=True) if c}
        assert counts == windows(rows, order)
        if order > 1:
            assert [grams[-2][at] for at in found.suffixes] == [gram[1:] for gram in grams[-1]]
            assert found.initial.tolist() == [gram[0] == START for gram in grams[-1]]


def contexts_of(rows: list[list[int]], longest: int) -> list[list[int]]:
    """Contexts that occur, that do not, and that are shorter or longer than the model's."""
    seen = [[START, *row][: n + 1] for row in rows[:15] for n in range(len(row))]
    return [[], [START], [START, 3, 3, 3, 3], [8, 8], [END - 1] * longest, *seen]


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
@pytest.mark.parametrize("longest", [1, 2, 5])
def test_probabilities_sum_to_one_in_any_context(smoothing: Smoothing, longest: int) -> None:
    rows = zipfian(80, seed=2)
    model = Backoff.fit(ragged(rows), longest, SYMBOLS, smoothing)
    for context in contexts_of(zipfian(30, seed=3), longest):
        found = model.distribution(context)
        assert found.sum() == pytest.approx(1, abs=1e-5)
        assert found[START] == found[SYMBOLS.pad_id] == 0
        if smoothing != "maximum_likelihood":
            assert (np.delete(found, [START, SYMBOLS.pad_id]) > 0).all()


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
def test_texts_are_scored_by_the_distribution_after_each_symbol(smoothing: Smoothing) -> None:
    model = Backoff.fit(ragged(zipfian(80, seed=4)), 4, SYMBOLS, smoothing)
    rows = [*zipfian(20, seed=5), [], [8, 8, 8, 1]]
    scores = model.score(ragged(rows))
    with np.errstate(divide="ignore"):
        for row, start, end in zip(rows, *_ends(scores), strict=True):
            symbols = [START, *row, END]
            each = [
                np.log(model.distribution(symbols[:at])[symbols[at]])
                for at in range(1, len(symbols))
            ]
            assert scores.values[start:end] == pytest.approx(each, abs=1e-5)


def _ends(scores: Ragged) -> tuple[np.ndarray, np.ndarray]:
    return scores.offsets[:-1], scores.offsets[1:]


def reference(
    rows: list[list[int]], longest: int
) -> tuple[dict[int, Counter[tuple[int, ...]]], list[np.ndarray]]:
    """Modified Kneser-Ney counts and discounts of each order, from dictionaries."""
    counts = {order: windows(rows, order) for order in range(1, longest + 1)}
    adjusted = dict(counts)
    for order in range(1, longest):
        left = Counter(gram[1:] for gram in counts[order + 1])
        adjusted[order] = Counter(
            {g: c if order > 1 and g[0] == START else left[g] for g, c in counts[order].items()}
        )
    found = [modified_discounts(np.array(list(adjusted[n].values()))) for n in adjusted]
    return adjusted, found


def test_modified_kneser_ney_is_that_of_a_plain_recursion() -> None:
    rows, longest = zipfian(200, seed=6), 3
    adjusted, discounts = reference(rows, longest)
    assert sum(not np.array_equal(d, [0, 0.5, 1, 1.5]) for d in discounts) >= 2

    def probability(context: tuple[int, ...], symbol: int) -> float:
        order = len(context) + 1
        lower = probability(context[1:], symbol) if context else 1 / SYMBOLS.predicted
        after = {g[-1]: c for g, c in adjusted[order].items() if g[:-1] == context}
        if not after:
            return lower
        taken = {w: float(discounts[order - 1][min(c, 3)]) for w, c in after.items()}
        total = sum(after.values())
        own = after.get(symbol, 0) - taken.get(symbol, 0.0)
        return (own + sum(taken.values()) * lower) / total

    model = Backoff.fit(ragged(rows), longest, SYMBOLS)
    for row in rows[:20]:
        for context in pairwise([START, *row]):
            expected = [probability(context, w) for w in (*range(1, TOKENS), END)]
            found = model.distribution(context)
            assert found[[*range(1, TOKENS), END]] == pytest.approx(expected, abs=1e-6)


def test_a_hand_worked_case() -> None:
    # "1 2", "1 3", "1 2": after the start always 1; after 1 twice 2 and once 3.
    texts = ragged([[1, 2], [1, 3], [1, 2]])
    symbols = Symbols(4)
    likely = Backoff.fit(texts, 2, symbols, "maximum_likelihood")
    assert likely.distribution([1]) == pytest.approx([0, 0, 2 / 3, 1 / 3, 0, 0])
    one = Backoff.fit(texts, 2, symbols, "add_one")  # 1, 2, 3 and the end: N = 4
    assert one.distribution([1]) == pytest.approx([0, 1 / 7, 3 / 7, 2 / 7, 1 / 7, 0])
    assert one.distribution([3]) == pytest.approx([0, 1 / 5, 1 / 5, 1 / 5, 2 / 5, 0])
    # Absolute discounting. 2-grams: (start 1) 3, (1 2) 2, (1 3) 1, (2 end) 2, (3 end) 1, so that
    # D = 2 / (2 + 2 · 2) = 1/3; 1-grams: 3, 2, 1 and the end 3, D = 1 / (1 + 2 · 1) = 1/3.
    model = Backoff.fit(texts, 2, symbols, "absolute_discounting")
    single = [(count - 1 / 3 + 4 / 3 / 4) / 9 for count in (3, 2, 1, 3)]
    assert model.distribution([]) == pytest.approx([0, *single, 0])
    passed = 2 / 3 / 3  # D · 2 kinds / 3
    expected = [
        passed * single[0],
        (2 - 1 / 3) / 3 + passed * single[1],
        (1 - 1 / 3) / 3 + passed * single[2],
        passed * single[3],
    ]
    assert model.distribution([1]) == pytest.approx([0, *expected, 0])
    # Continuation counts: before 1 the start alone, before 2 and 3 the 1, before the end 2 and 3.
    assert np.exp(Backoff.fit(texts, 2, symbols).log_probabilities[0][4]) == pytest.approx(
        (2 - 1 + (3 * 0.5 + 1) / 4) / 5  # discounts ½ and 1, since no symbol has 3 or 4
    )


@pytest.mark.parametrize(
    ("smoothing", "peer"),
    [
        ("maximum_likelihood", lambda: MLE(3)),
        ("add_one", lambda: Laplace(3)),
        ("add_delta", lambda: Lidstone(0.1, 3)),
    ],
)
def test_against_nltk(smoothing: Smoothing, peer: type) -> None:
    rows = zipfian(60, seed=7)
    texts = [["s", *map(str, row), "e"] for row in rows]
    other = peer()
    grams = [[tuple(t[i : i + n]) for t in texts for i in range(len(t) - n + 1)] for n in (1, 2, 3)]
    other.fit(grams, vocabulary_text=[*map(str, range(1, TOKENS)), "e"])
    model = Backoff.fit(ragged(rows), 3, SYMBOLS, smoothing)
    # Its vocabulary has a word for the unknown, too, which ours has among the tokens.
    ratio = 1.0 if smoothing == "maximum_likelihood" else None
    checked = 0
    for gram, count in Counter(grams[2]).items():
        context = [START if gram[0] == "s" else int(gram[0]), int(gram[1])]
        symbol = END if gram[2] == "e" else int(gram[2])
        total = sum(c for g, c in Counter(grams[2]).items() if g[:2] == gram[:2])
        found, expected = model.distribution(context)[symbol], other.score(gram[2], gram[:2])
        if ratio is None:
            added = 1.0 if smoothing == "add_one" else 0.1
            expected *= (total + added * (TOKENS + 1)) / (total + added * TOKENS)
        assert found == pytest.approx(expected, rel=1e-5), (gram, count)
        checked += 1
    assert checked > 40


def test_katz_leaves_large_counts_whole_and_discounts_small_ones() -> None:
    counts = np.repeat([1, 2, 3, 4, 5, 6, 9], [100, 40, 22, 14, 9, 6, 5])
    kept = good_turing(counts)
    common = 6 * 6 / 100
    assert kept[1] == pytest.approx((2 * 40 / 100 - common) / (1 - common))
    assert kept[5] == pytest.approx((6 * 6 / 9 / 5 - common) / (1 - common))
    assert kept[0] == 1 and (kept[1:] < 1).all()


def test_katz_gives_a_frequent_word_its_share_of_the_text() -> None:
    counts = np.repeat([1, 2, 3, 4, 5, 6, 9], [100, 40, 22, 14, 9, 6, 5])
    row = np.repeat(np.arange(1, len(counts) + 1), counts).tolist()
    model = Backoff.fit(ragged([row]), 1, Symbols(300), "katz")
    found, total = model.distribution([]), len(row) + 1
    assert found[len(counts)] == pytest.approx(9 / total)
    assert 0 < found[1] < 1 / total


def test_modified_discounts_are_those_of_the_paper() -> None:
    counts = np.repeat([1, 2, 3, 4, 7], [100, 40, 20, 12, 3])
    share = 100 / (100 + 2 * 40)
    expected = [1 - 2 * share * 40 / 100, 2 - 3 * share * 20 / 40, 3 - 4 * share * 12 / 20]
    assert modified_discounts(counts) == pytest.approx([0, *expected])


def test_interpolation_weights_grow_with_the_count_of_the_context() -> None:
    rng = np.random.default_rng(8)
    follows = rng.integers(1, TOKENS, TOKENS)  # what mostly follows a token
    rows = []
    for _ in range(400):
        row = [int(rng.choice([1, 1, 1, 1, 2, 5]))]
        for _ in range(6):
            row.append(int(follows[row[-1]] if rng.random() < 0.8 else rng.integers(1, TOKENS)))
        rows.append(row)
    best = Backoff.fit(ragged(rows), 2, SYMBOLS, "jelinek_mercer").score(ragged(rows[:50]))
    plain = Backoff.fit(ragged(rows), 1, SYMBOLS, "jelinek_mercer").score(ragged(rows[:50]))
    assert best.values.mean() > plain.values.mean() + 0.3


def test_more_context_is_better_and_add_one_the_worst() -> None:
    rng = np.random.default_rng(9)
    chain: dict[tuple[int, int], np.ndarray] = defaultdict(lambda: rng.dirichlet([0.2] * 30))
    rows = []
    for _ in range(600):
        row = [1, 1]
        for _ in range(20):
            row.append(1 + int(rng.choice(30, p=chain[row[-2], row[-1]])))
        rows.append(row[2:])
    symbols, train, new = Symbols(31), ragged(rows[:500]), ragged(rows[500:])

    def loss(smoothing: Smoothing, longest: int = 3) -> float:
        return -float(Backoff.fit(train, longest, symbols, smoothing).score(new).values.mean())

    found = {smoothing: loss(smoothing) for smoothing in SMOOTHINGS}
    assert found.pop("maximum_likelihood") == np.inf
    assert found["add_one"] == max(found.values())
    assert found["modified_kneser_ney"] < loss("modified_kneser_ney", 2) < log(31)


def test_a_word_of_one_context_is_expected_in_no_other() -> None:
    rows = [[6, 7]] * 30 + [[1 + n % 5, 1 + n % 3, 8 - n % 2] for n in range(30)]  # 7 after 6 alone
    rows = [[t if t != 7 or r[0] == 6 else 5 for t in r] for r in rows]
    kneser_ney = Backoff.fit(ragged(rows), 2, SYMBOLS)
    absolute = Backoff.fit(ragged(rows), 2, SYMBOLS, "absolute_discounting")
    assert absolute.distribution([])[7] > 2 * kneser_ney.distribution([])[7]
    assert kneser_ney.distribution([6])[7] > 0.9


def test_bad_arguments_are_named() -> None:
    texts = ragged(random_rows([3], TOKENS, seed=0))
    with pytest.raises(ValueError, match="the order is 0; it must be at least 1"):
        Backoff.fit(texts, 0, SYMBOLS)
    with pytest.raises(ValueError, match="delta is 0; it must be a number above 0"):
        Backoff.fit(texts, 2, SYMBOLS, "add_delta", 0)
    with pytest.raises(
        ValueError, match="smoothing is 'good'; it must be one of maximum_likelihood"
    ):
        Backoff.fit(texts, 2, SYMBOLS, "good")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="there is no text to learn from"):
        Backoff.fit(ragged([]), 2, SYMBOLS)
