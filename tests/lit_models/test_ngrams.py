"""n-gram counts against scikit-learn's own."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from datamodules.batching import Ragged
from lit_models.ngrams import NgramCounter
from lit_models.tfidf_logreg import TfidfLogReg
from tests.batches import make_view, random_rows

TRAIN = random_rows([1, 4, 9, 30, 2, 17, 25, 8], 12, seed=1)
OTHER = random_rows([3, 1, 40, 6], 16, seed=2)  # with words never seen in train


def ragged(rows: list[list[int]]) -> Ragged:
    return make_view(rows, [0] * len(rows), 20).tokens


def texts(rows: list[list[int]]) -> list[str]:
    return [" ".join(f"w{token}" for token in row) for row in rows]


@pytest.mark.parametrize("orders", [1, 2, 3])
@pytest.mark.parametrize("min_documents", [1, 2])
def test_counts_are_those_of_count_vectorizer(orders: int, min_documents: int) -> None:
    theirs = CountVectorizer(
        ngram_range=(1, orders), min_df=min_documents, token_pattern=r"\S+"
    ).fit(texts(TRAIN))
    ours = NgramCounter(orders, min_documents, base=21)
    columns = {}
    for ngram, column in theirs.vocabulary_.items():
        key = 0
        for word in ngram.split():
            key = key * 21 + int(word[1:]) + 1
        columns[key] = column
    for found, expected in (
        (ours.fit(ragged(TRAIN)), theirs.transform(texts(TRAIN))),
        (ours.count(ragged(OTHER)), theirs.transform(texts(OTHER))),
    ):
        order = [columns[key] for key in ours.keys.tolist()]
        assert sorted(order) == list(range(expected.shape[1]))
        assert np.array_equal(found.toarray(), expected.toarray()[:, order])


def test_tfidf_is_that_of_tfidf_vectorizer() -> None:
    labels = [0, 1] * 4
    model = TfidfLogReg(ngrams=2, min_documents=1)
    model.prepare(make_view(TRAIN, labels, 20))
    weight = model.estimator.steps[0][1]
    theirs = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+").fit(
        texts(TRAIN)
    )
    found = weight.transform(model.features(ragged(OTHER)))
    expected = theirs.transform(texts(OTHER))
    # Columns stand in another order: rows agree in every sum and in their scalar products.
    assert np.allclose(np.sort(found.toarray()), np.sort(expected.toarray()), atol=1e-12)
    assert np.allclose((found @ found.T).toarray(), (expected @ expected.T).toarray(), atol=1e-12)


def test_no_ngram_left_is_an_error_with_the_number() -> None:
    with pytest.raises(ValueError, match="min_documents 99 leaves no n-gram"):
        NgramCounter(1, 99, base=21).fit(ragged(TRAIN))


def test_ngrams_that_do_not_fit_are_an_error_with_the_order() -> None:
    with pytest.raises(ValueError, match="5-grams over 100000 token ids do not fit into 63 bits"):
        NgramCounter(5, 1, base=100_000)
