"""N-gram numbers against the counter's, TF-IDF weights and the nets over them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer

from lit_models.base.ngrams import NgramCounter
from lit_models.layers.ngram_vocabulary import NgramVocabulary, TfidfBag
from lit_models.logistic import LogisticNet
from lit_models.mlp import MLPNet
from tests.batches import make_batch, make_view, random_rows

VOCAB = 14
TRAIN = random_rows([1, 4, 9, 30, 2, 17, 25, 8, 40, 3], 9, seed=1)
LABELS = [0, 1, 2, 0, 1, 2, 0, 1, 2, 2]
OTHER = random_rows([3, 1, 40, 6], VOCAB, seed=2)  # with words never seen in train
VIEW = make_view(TRAIN, LABELS, VOCAB)
SIZES = {"ngrams": 2, "max_features": 200, "min_df": 1}


def dense(vocabulary: NgramVocabulary, rows: list[list[int]]) -> np.ndarray:
    batch = make_batch(rows, width=50, pad=5)
    items = vocabulary(batch.tokens, batch.lengths)
    matrix = np.zeros((len(rows), vocabulary.size), dtype=np.int64)
    matrix[items.rows, items.values] = items.counts
    return matrix


@pytest.mark.parametrize("orders", [1, 2, 3])
@pytest.mark.parametrize("min_df", [1, 2])
@pytest.mark.parametrize("last_words", [0, 1, 6, 99])
def test_counts_are_those_of_the_counter(orders: int, min_df: int, last_words: int) -> None:
    counter = NgramCounter(orders, min_df, VOCAB + 1, last_words)
    expected = counter.fit(VIEW.tokens).toarray()
    known = len(counter.keys)
    vocabulary = NgramVocabulary(orders, known + 5, min_df, last_words=last_words)
    documents = vocabulary.learn(VIEW)
    assert vocabulary.keys[:known].tolist() == counter.keys.tolist()
    assert np.array_equal(dense(vocabulary, TRAIN)[:, :known], expected)
    other = counter.count(make_view(OTHER, [0] * 4, VOCAB).tokens).toarray()
    assert np.array_equal(dense(vocabulary, OTHER)[:, :known], other)
    for label in range(3):
        own = (expected[np.array(LABELS) == label] > 0).sum(axis=0)
        assert documents[label].tolist() == [*own.tolist(), 0, 0, 0, 0, 0]


def test_a_smaller_vocabulary_keeps_the_ngrams_of_most_texts() -> None:
    every = NgramCounter(2, 1, VOCAB + 1)
    documents = (every.fit(VIEW.tokens).toarray() > 0).sum(axis=0)
    order = sorted(range(len(documents)), key=lambda i: (-documents[i], every.keys[i]))
    vocabulary = NgramVocabulary(2, 20, min_df=1)
    vocabulary.learn(VIEW)
    assert vocabulary.keys.tolist() == sorted(every.keys[order[:20]].tolist())


def test_settings_that_cannot_be_are_errors_with_the_number() -> None:
    with pytest.raises(ValueError, match="max_features 0 .* at least 1"):
        NgramVocabulary(2, 0, 1)
    with pytest.raises(ValueError, match="min_df 99 leaves no n-gram"):
        NgramVocabulary(1, 10, 99).learn(VIEW)
    with pytest.raises(ValueError, match="model.last_words is -1; it must be at least 0"):
        NgramVocabulary(1, 10, 1, last_words=-1)
    with pytest.raises(ValueError, match="20-grams over 15 token ids do not fit"):
        NgramVocabulary(20, 10, 1).learn(VIEW)


@pytest.mark.parametrize("orders", [1, 2])
def test_weights_are_those_of_tfidf_vectorizer(orders: int) -> None:
    bag = TfidfBag(orders, 500, min_df=2, dropout=0.0).double().eval()
    bag.learn(VIEW)
    theirs = TfidfVectorizer(
        ngram_range=(1, orders), min_df=2, sublinear_tf=True, token_pattern=r"\S+"
    ).fit(" ".join(f"w{token}" for token in row) for row in TRAIN)
    keys = bag.vocabulary.keys.tolist()
    columns = {}
    for ngram, column in theirs.vocabulary_.items():
        key = 0
        for word in ngram.split():
            key = key * (VOCAB + 1) + int(word[1:]) + 1
        columns[keys.index(key)] = column
    batch = make_batch(OTHER, width=44, pad=7)
    numbers, starts, weights = bag(batch.tokens, batch.lengths)
    expected = theirs.transform(" ".join(f"w{token}" for token in row) for row in OTHER).toarray()
    ends = [*starts[1:].tolist(), len(numbers)]
    for row, (start, end) in enumerate(zip(starts.tolist(), ends, strict=True)):
        found = np.zeros(expected.shape[1])
        found[[columns[number] for number in numbers[start:end].tolist()]] = weights[start:end]
        assert np.allclose(found, expected[row], atol=1e-12)


def test_dropout_leaves_ngrams_out_and_keeps_the_length() -> None:
    torch.manual_seed(0)
    bag = TfidfBag(1, 3000, min_df=1, dropout=0.25).double().train()
    bag.learn(make_view([list(range(2, 2002))], [0], 2002))
    batch = make_batch([list(range(2, 2002))])
    numbers, _, weights = bag(batch.tokens, batch.lengths)
    assert len(numbers) / 2000 == pytest.approx(0.75, abs=0.03)
    assert weights.square().sum().item() == pytest.approx(1.0)
    assert len(bag.eval()(batch.tokens, batch.lengths)[0]) == 2000


def features(bag: TfidfBag, row: list[int]) -> torch.Tensor:
    batch = make_batch([row])
    numbers, _, weights = bag(batch.tokens, batch.lengths)
    return torch.zeros(len(bag.idf)).double().index_add_(0, numbers, weights)


def test_logistic_is_a_linear_map_of_the_features() -> None:
    net = LogisticNet(num_classes=3, **SIZES, ngram_dropout=0.5).double().eval()
    net.bag.learn(VIEW)
    torch.nn.init.normal_(net.weights.weight)
    torch.nn.init.normal_(net.bias)
    batch = make_batch(OTHER, width=50)
    for row, logits in zip(OTHER, net(batch.tokens, batch.lengths), strict=True):
        expected = features(net.bag, row) @ net.weights.weight + net.bias
        assert torch.allclose(logits, expected, atol=1e-12)


def test_mlp_has_one_hidden_layer_over_the_features() -> None:
    net = MLPNet(num_classes=3, hidden_size=5, **SIZES, ngram_dropout=0.5, dropout=0.5)
    net.double().eval()
    net.bag.learn(VIEW)
    torch.nn.init.normal_(net.bias)
    batch = make_batch(OTHER, width=50)
    for row, logits in zip(OTHER, net(batch.tokens, batch.lengths), strict=True):
        hidden = (features(net.bag, row) @ net.weights.weight + net.bias).clamp(min=0)
        expected = net.output.weight @ hidden + net.output.bias
        assert torch.allclose(logits, expected, atol=1e-12)
