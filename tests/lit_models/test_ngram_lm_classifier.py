"""The classifier of n-gram language models: Bayes' rule, shares, and what it keeps."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from datamodules.errors import DataError
from datamodules.store.ragged import Ragged, rows_of
from lit_models.language.backoff import Backoff
from lit_models.language.ngram_counts import Symbols
from lit_models.ngram_lm_classifier import NgramLMClassifier
from tests.batches import make_view, random_rows

VOCAB = 30


@pytest.mark.parametrize("smoothing", ["modified_kneser_ney", "add_delta"])
def test_it_is_bayes_rule_over_the_class_models(smoothing: str) -> None:
    rows = random_rows([8] * 90, VOCAB, seed=0)
    labels = [0] * 50 + [1] * 30 + [2] * 10
    view = make_view(rows, labels, VOCAB)
    model = NgramLMClassifier(num_classes=3, order=2, smoothing=smoothing, delta=0.5)
    model.prepare(view)
    new = make_view(random_rows([1, 6, 9], VOCAB, seed=1), [0] * 3, VOCAB).tokens
    joint = np.zeros((3, 3))
    for label, share in enumerate((50 / 90, 30 / 90, 10 / 90)):
        of_class = rows_of(view.tokens, np.flatnonzero(view.labels == label))
        scores = Backoff.fit(of_class, 2, Symbols(VOCAB), smoothing, 0.5).score(new)  # type: ignore[arg-type]
        for text in range(3):
            found = scores.values[scores.offsets[text] : scores.offsets[text + 1]]
            joint[text, label] = found.sum() + np.log(share)
    assert np.allclose(model.predict_proba(new), softmax(joint, axis=1), atol=1e-12)


def test_order_of_words_tells_classes_apart() -> None:
    rows = [[3, 4, 5, 6] if n % 2 else [6, 5, 4, 3] for n in range(40)]
    view = make_view(rows, [n % 2 for n in range(40)], VOCAB)
    found = {}
    for order in (1, 2):
        model = NgramLMClassifier(num_classes=2, order=order)
        model.prepare(view)
        found[order] = model.predict_proba(Ragged(np.array([3, 4, 5], np.int32), np.array([0, 3])))
    assert found[1] == pytest.approx(0.5) and found[2][0, 1] > 0.9


def test_a_class_without_texts_is_never_predicted() -> None:
    view = make_view(random_rows([5] * 20, VOCAB, seed=2), [n % 2 for n in range(20)], VOCAB)
    model = NgramLMClassifier(num_classes=2)
    model.prepare(view)
    wide = make_view(random_rows([5] * 20, VOCAB, seed=2), [2 * (n % 2) for n in range(20)], VOCAB)
    three = NgramLMClassifier(num_classes=3)
    three.prepare(wide)
    found = three.predict_proba(view.tokens)
    assert (found[:, 1] < 1e-9).all() and (found.argmax(axis=1) != 1).all()
    assert np.allclose(found[:, [0, 2]], model.predict_proba(view.tokens), atol=1e-9)


def test_bad_settings_are_named() -> None:
    with pytest.raises(ValueError, match="model.order is 0; it must be at least 1"):
        NgramLMClassifier(num_classes=2, order=0)
    with pytest.raises(ValueError, match="model.delta is 0; it must be a number above 0"):
        NgramLMClassifier(num_classes=2, delta=0)
    with pytest.raises(ValueError, match="model.delta is nan; it must be a number above 0"):
        NgramLMClassifier(num_classes=2, delta=float("nan"))
    with pytest.raises(ValueError, match="model.smoothing is 'maximum_likelihood'"):
        NgramLMClassifier(num_classes=2, smoothing="maximum_likelihood")


def test_language_models_of_other_classes_are_refused() -> None:
    view = make_view(random_rows([5] * 20, VOCAB, seed=3), [n % 2 for n in range(20)], VOCAB)
    model = NgramLMClassifier(num_classes=2)
    model.prepare(view)
    stray = {"2.sizes": np.zeros(4, int)}
    with pytest.raises(ValueError, match="2.sizes belongs to none of 2 classes"):
        model.load_arrays(model.arrays() | stray)
    with pytest.raises(ValueError, match="sizes is not an array of 4 integers"):
        NgramLMClassifier(num_classes=3).load_arrays(model.arrays())
    other = {
        f"1.{k}": a for k, a in Backoff.fit(view.tokens, 3, Symbols(VOCAB + 1)).arrays().items()
    }
    with pytest.raises(ValueError, match="have different vocabularies"):
        model.load_arrays(model.arrays() | other)
    wide = make_view([[VOCAB + 4]], [0], VOCAB + 5).tokens
    with pytest.raises(DataError, match="token 34 .* knows 30 tokens; .* fit it again"):
        model.predict_proba(wide)
