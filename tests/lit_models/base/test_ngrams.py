"""n-gram counts against scikit-learn's own."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from datamodules.store.ragged import Ragged
from lit_models.base.ngrams import NgramCounter, _stable_sort
from lit_models.tfidf_logreg import TfidfLogReg
from tests.batches import make_view, random_rows

TRAIN = random_rows([1, 4, 9, 30, 2, 17, 25, 8], 12, seed=1)
OTHER = random_rows([3, 1, 40, 6], 16, seed=2)  # with words never seen in train


def ragged(rows: list[list[int]]) -> Ragged:
    return make_view(rows, [0] * len(rows), 20).tokens


def texts(rows: list[list[int]]) -> list[str]:
    return [" ".join(f"w{token}" for token in row) for row in rows]


def cut(rows: list[list[int]], last: int) -> list[list[int]]:
    return [row[-last:] for row in rows]


@pytest.mark.parametrize("orders", [1, 2, 3])
@pytest.mark.parametrize("min_df", [1, 2, 4])
@pytest.mark.parametrize("base", [21, 2_000_000])  # of the greater, codes and places need 64 bits
def test_counts_are_those_of_count_vectorizer(orders: int, min_df: int, base: int) -> None:
    theirs = CountVectorizer(ngram_range=(1, orders), min_df=min_df, token_pattern=r"\S+").fit(
        texts(TRAIN)
    )
    ours = NgramCounter(orders, min_df, base)
    columns = {}
    for ngram, column in theirs.vocabulary_.items():
        key = 0
        for word in ngram.split():
            key = key * base + int(word[1:]) + 1
        columns[key] = column
    for found, expected in (
        (ours.fit(ragged(TRAIN)), theirs.transform(texts(TRAIN))),
        (ours.count(ragged(OTHER)), theirs.transform(texts(OTHER))),
    ):
        assert (np.diff(ours.keys) > 0).all()
        order = [columns[key] for key in ours.keys.tolist()]
        assert sorted(order) == list(range(expected.shape[1]))
        assert np.array_equal(found.toarray(), expected.toarray()[:, order])


@pytest.mark.parametrize(("codes", "bound"), [([], 5), ([3, 0, 3, 1, 0], 4), ([7, 2, 7], 2**62)])
def test_sorting_keeps_the_order_of_equal_codes(codes: list[int], bound: int) -> None:
    values, positions = _stable_sort(np.array(codes, dtype=np.int64), bound)
    expected = sorted(range(len(codes)), key=lambda place: codes[place])
    assert positions.tolist() == expected
    assert values.tolist() == [codes[place] for place in expected]


def test_the_most_frequent_ngrams_stay() -> None:
    rows = [[2, 2, 2, 3, 4], [5, 3, 4], [5, 6, 6]]
    counter = NgramCounter(2, 1, base=21)
    counts = counter.fit(ragged(rows), 4)
    # 2 stands three times; 3, 4, 5, 6, "2 2" and "3 4" twice: the first words of the tie stay.
    assert counter.keys.tolist() == [3, 4, 5, 6]
    assert counts.toarray().tolist() == [[3, 1, 1, 0], [0, 1, 1, 1], [0, 0, 0, 1]]
    assert np.array_equal(counter.count(ragged(rows)).toarray(), counts.toarray())


@pytest.mark.parametrize("last_words", [1, 3, 99])
def test_the_ends_of_rows_are_counted_in_columns_of_their_own(last_words: int) -> None:
    ours = NgramCounter(2, 2, base=21, last_words=last_words)
    parts = [(NgramCounter(2, 2, base=21), TRAIN, OTHER)]
    parts.insert(0, (NgramCounter(2, 2, base=21), *(cut(r, last_words) for r in (TRAIN, OTHER))))
    expected = [counter.fit(ragged(train)).toarray() for counter, train, _ in parts]
    assert np.array_equal(ours.fit(ragged(TRAIN)).toarray(), np.hstack(expected))
    others = [counter.count(ragged(other)).toarray() for counter, _, other in parts]
    assert np.array_equal(ours.count(ragged(OTHER)).toarray(), np.hstack(others))
    assert (np.diff(ours.keys.astype(object)) > 0).all()
    assert ours.keys[ours.keys > 0].tolist() == parts[1][0].keys.tolist()


def test_tfidf_is_that_of_tfidf_vectorizer() -> None:
    labels = [0, 1] * 4
    model = TfidfLogReg(ngrams=2, min_df=1)
    model.prepare(make_view(TRAIN, labels, 20))
    theirs = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+").fit(
        texts(TRAIN)
    )
    found = model.features(ragged(OTHER))
    expected = theirs.transform(texts(OTHER))
    # Columns stand in another order: rows agree in every sum and in their scalar products.
    assert np.allclose(np.sort(found.toarray()), np.sort(expected.toarray()), atol=1e-12)
    assert np.allclose((found @ found.T).toarray(), (expected @ expected.T).toarray(), atol=1e-12)


def test_no_ngram_left_is_an_error_with_the_number() -> None:
    with pytest.raises(ValueError, match="min_df 99 leaves no n-gram"):
        NgramCounter(1, 99, base=21).fit(ragged(TRAIN))


def test_ngrams_that_do_not_fit_into_63_bits_are_counted_alike() -> None:
    exact, hashed = NgramCounter(5, 2, base=21), NgramCounter(5, 2, base=100_000_000)
    learnt, again = exact.fit(ragged(TRAIN)), hashed.fit(ragged(TRAIN))
    assert hashed.hashed and not exact.hashed and (np.diff(hashed.keys) > 0).all()
    assert sorted(map(tuple, learnt.T.toarray())) == sorted(map(tuple, again.T.toarray()))
    assert np.array_equal(hashed.count(ragged(TRAIN)).toarray(), again.toarray())
    one, other = (counter.count(ragged(OTHER)).toarray() for counter in (exact, hashed))
    assert sorted(map(tuple, one.T)) == sorted(map(tuple, other.T))
    with pytest.raises(ValueError, match="the longest n-gram has 0 tokens"):
        NgramCounter(0, 1, base=21)


@pytest.mark.parametrize("rows", [[[]], [[], []], [[3]]])
def test_fewer_tokens_than_an_ngram_has_leave_none(rows: list[list[int]]) -> None:
    tokens = Ragged(np.array(sum(rows, []), dtype=np.int32), np.cumsum([0, *map(len, rows)]))
    with pytest.raises(ValueError, match="min_df 2 leaves no n-gram of the"):
        NgramCounter(4, 2, 10, last_words=2).fit(tokens)
