"""n-grams counted in parts: the same as all at once, in bounded memory."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from datamodules.store.ragged import Ragged
from datamodules.store.truncation import TokenTruncation
from lit_models.base.ngrams import NgramCounter, class_documents
from lit_models.classics import ngram_estimator, ngrams_in_parts
from lit_models.classics.ngrams_in_parts import fit_in_parts
from lit_models.nb_logreg import NBLogReg
from lit_models.tfidf_logreg import TfidfLogReg
from tests.batches import make_view, random_rows

ROWS = random_rows([1, 4, 9, 30, 2, 17, 25, 8] * 5, 12, seed=1)
LABELS = [row % 2 for row in range(len(ROWS))]


@pytest.fixture(params=[2**23, 10])
def waiting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(ngrams_in_parts, "_WAITING", request.param)
    monkeypatch.setattr(ngrams_in_parts, "_ROWS", 7)
    return int(request.param)


@pytest.mark.parametrize("base", [21, 2_000_000_000])  # of the greater, keys are hashes
@pytest.mark.parametrize("last_words", [0, 5])
@pytest.mark.parametrize(("min_df", "most"), [(1, None), (3, None), (2, 40), (1, 1)])
def test_parts_are_the_whole(
    waiting: int, base: int, last_words: int, min_df: int, most: int | None
) -> None:
    tokens = make_view(ROWS, LABELS, 20).tokens
    whole, parts = (NgramCounter(3, min_df, base, last_words) for _ in range(2))
    expected, found = whole.fit(tokens, most), fit_in_parts(parts, tokens, most or 2**20)
    if most is None or not whole.hashed:  # of equally frequent hashes any may go first
        assert parts.keys.tolist() == whole.keys.tolist()
        assert np.array_equal(found.toarray(), expected.toarray())
    assert found.shape == expected.shape
    assert found.dtype == np.float32 and found.indices.dtype == np.int32


def test_rows_and_ngrams_that_do_not_fit_into_63_bits_are_sorted_fewer_at_once() -> None:
    tokens = make_view(ROWS, LABELS, 20).tokens
    whole, parts = (NgramCounter(2, 2, 2**58) for _ in range(2))
    expected, found = whole.fit(tokens), fit_in_parts(parts, tokens, 2**20)
    assert parts.keys.tolist() == whole.keys.tolist()
    assert np.array_equal(found.toarray(), expected.toarray())


def test_rare_ngrams_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngrams_in_parts, "_ROWS", 100)
    monkeypatch.setattr(ngrams_in_parts, "_WAITING", 2**14)
    numbers = np.random.default_rng(0).zipf(1.3, 300_000) % 10_000
    tokens = Ragged(numbers.astype(np.int32), np.arange(0, 300_001, 100))
    peaks, counters = [], [NgramCounter(4, 2, 10_001) for _ in range(2)]
    for counter in counters:
        tracemalloc.start()
        try:
            if peaks:
                fit_in_parts(counter, tokens, 500)
            else:
                counter.fit(tokens, 500)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert counters[0].keys.tolist() == counters[1].keys.tolist()
    assert peaks[1] < 10e6 < peaks[0] / 2, peaks


def test_an_ngram_counts_only_where_it_begins_and_ends_with_frequent_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    added, add = [], ngrams_in_parts._Sums.add
    monkeypatch.setattr(
        ngrams_in_parts._Sums, "add", lambda *args: (added.append(len(args[1])), add(*args))
    )
    fit_in_parts(NgramCounter(2, 3, 21), make_view(ROWS, LABELS, 20).tokens, 6)
    words = Counter(word for row in ROWS for word in row)
    frequent = {word for word in words if words[word] >= sorted(words.values())[-6]}
    assert len(frequent) < len(words)
    assert added == [
        sum(map(len, ROWS)),
        sum({*pair} <= frequent for row in ROWS for pair in pairwise(row)),
    ]


def test_equal_ngrams_of_blocks_are_added_up_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngrams_in_parts, "_WAITING", 2000)
    sums = ngrams_in_parts._Sums()
    for _ in range(50):
        sums.add(np.repeat(np.arange(1000), 3) * 2 + np.tile([0, 1, 1], 1000), 2)
        assert sum(len(codes) for codes, *_ in sums._waiting) <= 2000 + 2 * 1000
    codes, documents, totals = sums.result()
    assert codes.tolist() == list(range(1000))
    assert set(documents.tolist()) == {100} and set(totals.tolist()) == {150}


def test_no_frequent_ngram_is_an_error(waiting: int) -> None:
    with pytest.raises(ValueError, match="min_df 99 leaves no n-gram of the 40 texts"):
        fit_in_parts(NgramCounter(2, 99, 21), make_view(ROWS, LABELS, 20).tokens, 10)


@pytest.mark.parametrize("model_class", [TfidfLogReg, NBLogReg])
def test_a_model_of_parts_predicts_as_one_of_the_whole(
    model_class: Any, waiting: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    view, models = make_view(ROWS, LABELS, 20), []
    for limit in (2**28, 0):
        monkeypatch.setattr(ngram_estimator, "IN_MEMORY", limit)
        models.append(model_class(num_classes=2, ngrams=2, min_df=1))
        models[-1].prepare(view)
    whole, parts = (model.predict_proba(view.tokens) for model in models)
    assert np.allclose(whole, parts, atol=1e-3)
    assert models[0].notes == models[1].notes == ()


def test_a_model_says_which_ngrams_it_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngram_estimator, "IN_MEMORY", 100)
    monkeypatch.setattr(ngram_estimator, "MOST_IN_PARTS", 10)
    view = make_view(ROWS, LABELS, 20)
    model = TfidfLogReg(num_classes=2, ngrams=2, min_df=1)
    model.prepare(view)
    assert len(model.counter.keys) == 10
    assert "the 10 most frequent are features (--model.max_features sets another" in model.notes[0]
    model = TfidfLogReg(num_classes=2, ngrams=2, min_df=1, max_features=12)
    model.prepare(view)
    assert len(model.counter.keys) == 12 and model.notes == ()


def test_documents_of_blocks_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = NgramCounter(2, 1, 21).fit(make_view(ROWS, LABELS, 20).tokens)
    monkeypatch.setattr("lit_models.base.ngrams._ROWS", 7)
    documents = class_documents(counts, np.array(LABELS), 2)
    expected = [(counts[label::2].toarray() > 0).sum(axis=0) for label in (0, 1)]
    assert documents.tolist() == np.stack(expected).tolist()


def test_truncated_rows_take_the_memory_of_their_tokens() -> None:
    lengths = np.full(50_000, 40)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    tokens = Ragged(np.arange(offsets[-1], dtype=np.int32) % 300, offsets)
    rows = np.arange(1, len(lengths))
    tracemalloc.start()
    try:
        cut = TokenTruncation(200, 30, "head+tail", 0, 1).ragged(tokens, rows)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(cut.values) == 30 * len(rows)
    assert peak < 4 * len(cut.values) + 20e6, f"{peak / 1e6:.0f} MB"
    expected, _ = TokenTruncation(200, 30, "head+tail", 0, 1).rows(tokens, rows[-5:])
    assert cut.values[-150:].tolist() == expected.ravel().tolist()
