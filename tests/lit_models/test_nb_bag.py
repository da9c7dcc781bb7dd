"""NB bag: ratios by hand and against scikit-learn, and the sum written out."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
import torch
from sklearn.naive_bayes import MultinomialNB

from lit_models.base.ngrams import log_count_ratios
from lit_models.nb_bag import NBBag, NBBagNet
from lit_models.nb_logreg import NBLogReg
from tests.batches import make_batch, make_view, random_rows


def net_of(rows: list[list[int]], labels: list[int], ngrams: int, size: int = 400) -> NBBagNet:
    net = NBBagNet(
        num_classes=max(labels) + 1,
        ngrams=ngrams,
        max_features=size,
        min_df=1,
        smoothing=1.0,
        initial_weight=0.5,
        ngram_dropout=0.9,
    )
    net.double().eval()
    net.learn(make_view(rows, labels, 12))
    return net


def test_ratios_of_a_hand_worked_case() -> None:
    # Class 0: "2 3 2"; class 1: "2 4" and "4". Texts that have the words 2, 3, 4, plus 1:
    # class 0: 2, 2, 1 of 5; class 1: 2, 1, 3 of 6.
    net = net_of([[2, 3, 2], [2, 4], [4]], [0, 1, 1], ngrams=1, size=4)
    expected = [log((2 / 6) / (2 / 5)), log((1 / 6) / (2 / 5)), log((3 / 6) / (1 / 5)), 0.0]
    assert net.ratios.squeeze(1).tolist() == pytest.approx(expected)
    batch = make_batch([[4, 3, 4]], width=6, pad=2)
    score = 0.5 * (expected[2] + expected[1])  # 4 counts once; every weight is 0.5
    assert net(batch.tokens, batch.lengths)[0].tolist() == pytest.approx([-score / 2, score / 2])


@pytest.mark.parametrize("classes", [2, 3])
def test_ratios_are_the_difference_of_two_naive_bayes_models(classes: int) -> None:
    rng = np.random.default_rng(0)
    texts = rng.integers(0, 2, (40, 7))
    labels = np.arange(40) % classes
    documents = np.stack([texts[labels == label].sum(axis=0) for label in range(classes)])
    found = log_count_ratios(documents, 1.0)
    for label in range(classes):
        model = MultinomialNB(alpha=1.0).fit(texts, labels == label)
        expected = model.feature_log_prob_[1] - model.feature_log_prob_[0]
        assert np.allclose(found[label], expected, atol=1e-12)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("last_words", [1, 7])
def test_it_has_the_ratios_of_nb_logreg(classes: int, last_words: int) -> None:
    rows, labels = random_rows([5, 9, 14, 20, 8, 11], 9, seed=3), [n % classes for n in range(6)]
    settings = {"num_classes": classes, "ngrams": 2, "min_df": 1, "last_words": last_words}
    view = make_view(rows, labels, 12)
    logreg, bag = NBLogReg(**settings), NBBag(**settings, max_features=500)
    logreg.prepare(view)
    bag.prepare(view)
    known = len(logreg.counter.keys)
    assert bag.net.vocabulary.keys[:known].tolist() == logreg.counter.keys.tolist()
    assert np.allclose(bag.net.ratios[:known].T, logreg.ratios)


@pytest.mark.parametrize("classes", [2, 3])
def test_logits_sum_each_ngram_of_a_text_once(classes: int) -> None:
    torch.manual_seed(0)
    rows = random_rows([5, 9, 14, 20, 8, 11], 9, seed=3)
    net = net_of(rows, [number % classes for number in range(6)], ngrams=3)
    torch.nn.init.normal_(net.weights.weight)
    torch.nn.init.normal_(net.bias)
    keys = net.vocabulary.keys.tolist()
    others = [*random_rows([1, 2, 30], 12, seed=4), rows[2]]
    batch = make_batch(others, width=40, pad=3)
    for row, logits in zip(others, net(batch.tokens, batch.lengths), strict=True):
        ngrams = {tuple(row[i : i + n]) for n in (1, 2, 3) for i in range(len(row) - n + 1)}
        score = net.bias.detach().clone()
        for ngram in ngrams:
            key = 0
            for token in ngram:
                key = key * 13 + token + 1
            if key in keys:
                place = keys.index(key)
                score += net.ratios[place] * net.weights.weight[place]
        expected = score if classes == 3 else torch.cat([-score / 2, score / 2])
        assert torch.allclose(logits, expected, atol=1e-12)


def test_more_classes_have_tables_of_the_ngrams_that_there_are() -> None:
    rows = random_rows([9] * 40, 12, seed=5)
    view = make_view(rows, [row % 20 for row in range(40)], 12)
    model = NBBag(num_classes=20, ngrams=2, max_features=1_000_000, min_df=2)
    model.prepare(view)
    learnt = len(model.net.vocabulary.keys)
    assert 10 < learnt < 150
    assert model.net.ratios.shape == (learnt, 20)
    assert model.parameter_count == learnt + 20
    trained = model.net.state_dict()
    again = NBBag(num_classes=20, ngrams=2, max_features=1_000_000, min_df=2)
    again.net.load_state_dict(trained)
    batch = make_batch(rows[:5])
    assert torch.equal(again.eval()(batch), model.eval()(batch))


def test_weights_of_each_class_are_still_read() -> None:
    rows = random_rows([9] * 40, 12, seed=5)
    model = NBBag(num_classes=4, ngrams=2, max_features=1_000, min_df=2)
    model.prepare(make_view(rows, [row % 4 for row in range(40)], 12))
    batch = make_batch(rows[:5])
    logits = model.eval()(batch)
    old = model.net.state_dict()
    scale = torch.tensor([1.0, 2.0, -1.0, 0.0])
    old["weights.weight"] = old["weights.weight"] * scale
    again = NBBag(num_classes=4, ngrams=2, max_features=1_000, min_df=2)
    again.net.load_state_dict(old)
    assert torch.allclose(again.eval()(batch), logits * scale, atol=1e-5)


def test_weights_of_other_classes_are_refused() -> None:
    rows = random_rows([9] * 40, 12, seed=5)
    model = NBBag(num_classes=4, ngrams=2, max_features=1_000, min_df=2)
    model.prepare(make_view(rows, [row % 4 for row in range(40)], 12))
    learnt = len(model.net.ratios)
    for shape in [(learnt, 3), (learnt,), (learnt, 10**9)]:  # the last takes no place in a file
        old = model.net.state_dict() | {"weights.weight": torch.zeros(1).expand(*shape)}
        again = NBBag(num_classes=4, ngrams=2, max_features=1_000, min_df=2)
        with pytest.raises(RuntimeError, match="size mismatch for weights.weight"):
            again.net.load_state_dict(old)


def test_150_classes_have_no_more_ratios_than_16() -> None:
    rows = random_rows([12] * 300, 30, seed=6)
    model = NBBag(num_classes=150, ngrams=3, max_features=64, min_df=1)
    model.prepare(make_view(rows, [row % 150 for row in range(300)], 30))
    assert model.net.ratios.shape == (64 * 16 // 150, 150)
    assert model.net.weights.weight.shape == (64 * 16 // 150, 1)
