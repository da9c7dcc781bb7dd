"""`class_weights balanced`: scikit-learn's weights, for every architecture and its own loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor

from experiments.config.registry import Registry
from lit_models.bag import Bag
from lit_models.base.classifier import LitClassifier
from lit_models.base.estimator import LitEstimator, fit_weighted
from lit_models.base.word_vectors import WordVectorEstimator
from lit_models.class_lm import ClassLM
from lit_models.layers.class_weights import ClassWeighting, balanced_weights
from lit_models.naive_bayes import NaiveBayes
from lit_models.ngram_lm_classifier import NgramLMClassifier
from lit_models.tfidf_logreg import TfidfLogReg
from tests.batches import make_batch, make_view, random_rows
from tests.lit_models.contracts import CLASSES, ROWS, VOCAB
from tests.lit_models.test_contracts import build

RARE = np.repeat([0, 1, 2], [40, 15, 5])
TEXTS = random_rows([20] * len(RARE), VOCAB, seed=3)


def test_weights_are_those_of_scikit_learn() -> None:
    labels = np.repeat([2, 0, 1], [3, 50, 7])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    assert balanced_weights(labels, 3) == pytest.approx(expected)
    assert balanced_weights(labels, 3)[labels].mean() == pytest.approx(1)
    some = labels[labels != 1]  # a class without rows has no weight, and is not counted
    expected = compute_class_weight("balanced", classes=np.array([0, 2]), y=some)
    assert balanced_weights(some, 3) == pytest.approx([expected[0], 0, expected[1]])


def test_every_architecture_weights_rows(registry: Registry, experiment: str) -> None:
    model = build(registry, experiment)
    if isinstance(model, LitEstimator):
        characters = "CharacterTokenizer" in str(registry.settings(experiment)["data"])
        check_estimator(model, characters)
    elif isinstance(model, ClassLM):
        check_language_model(model)
    else:
        check_network(model)


def check_network(model: LitClassifier) -> None:
    """Each row's loss, whatever the architecture's loss is, has the weight of the row's class."""
    batch, logits = make_batch(ROWS, classes=CLASSES), torch.rand(len(ROWS), CLASSES).log()
    model.forward = lambda batch: logits  # type: ignore[method-assign]
    with torch.no_grad():
        plain = model.training_step(batch, 0)
        rows = [model.loss(logits[n : n + 1], batch.labels[n : n + 1]) for n in range(len(ROWS))]
        model.class_weighting = ClassWeighting(CLASSES)
        model.class_weighting.learn(RARE)
        weighted = model.training_step(batch, 0)
    weights = torch.from_numpy(balanced_weights(RARE, CLASSES)).float()[batch.labels]
    losses, size = torch.stack(rows), 1 if model.loss_is_sum else len(ROWS)
    torch.testing.assert_close(plain, losses.sum() / size)
    torch.testing.assert_close(weighted, (weights * losses).sum() / size)
    assert not torch.isclose(plain, weighted, rtol=1e-3)


@torch.no_grad()
def check_language_model(model: ClassLM) -> None:
    """The loss of each symbol has the weight of the text's class."""
    batch = make_batch(ROWS, classes=CLASSES)
    losses, rows = model.net.losses(batch.tokens, batch.lengths, batch.labels)
    torch.testing.assert_close(model.training_step(batch, 0), losses.mean())
    model.class_weighting = ClassWeighting(CLASSES)
    model.class_weighting.learn(RARE)
    weights = torch.from_numpy(balanced_weights(RARE, CLASSES)).float()[batch.labels[rows]]
    torch.testing.assert_close(model.training_step(batch, 0), (weights * losses).mean())
    assert weights.std() > 0.1


def check_estimator(model: LitEstimator, characters: bool) -> None:
    """Without weights the frequent class is more likely: the texts are of random words."""
    vectors = np.random.default_rng(2).normal(size=(VOCAB, 8)).astype(np.float32)
    given = vectors if isinstance(model, WordVectorEstimator) else None
    view = make_view(TEXTS, RARE.tolist(), VOCAB, given, characters)
    others = make_view(random_rows([20] * 50, VOCAB, seed=4), [0] * 50, VOCAB).tokens
    arguments = {k: v for k, v in model.hparams.items() if not k.startswith("_")}
    small = {"min_df": 1, "n_estimators": 20}
    arguments |= {name: value for name, value in small.items() if name in arguments}
    shares = []
    for setting in (None, "balanced"):
        torch.manual_seed(0)
        np.random.seed(0)
        again = type(model)(**(arguments | {"class_weights": setting}))
        again.prepare(view)
        shares.append(again.predict_proba(others)[:, 0].mean())
    if isinstance(again, NgramLMClassifier):  # too sure of every text to change its mind
        assert np.allclose(again.shares, 1 / CLASSES) and shares[1] < shares[0]
        return
    assert shares[1] < shares[0] - 0.02


def same_as_repeated(estimator: Any) -> None:
    """Weights 1.5 and 0.75 are those of rows that occur six and three times."""
    labels = np.repeat([0, 1], [20, 10])
    features = np.random.default_rng(0).poisson(1.0, (30, 4)) + 0.5 * labels[:, None]
    weighted = fit_weighted(estimator(), features, labels, balanced_weights(labels, 2)[labels])
    times = np.where(labels == 1, 2, 1)
    repeated = estimator().fit(np.repeat(features, times, axis=0), np.repeat(labels, times))
    # Weights of 20 + 2 · 10 repeated rows are 3/4 of these: what else is in the sum counts less.
    assert np.allclose(
        weighted.predict_proba(features), repeated.predict_proba(features), atol=0.02
    )


def test_weights_count_as_repeated_rows() -> None:
    same_as_repeated(lambda: MultinomialNB(alpha=1e-9))
    same_as_repeated(lambda: LogisticRegression(C=1e6, tol=1e-8, max_iter=1000))


def test_a_logistic_regression_is_that_of_class_weight_balanced() -> None:
    model = TfidfLogReg(num_classes=3, class_weights="balanced", min_df=1)
    view = make_view(TEXTS, RARE.tolist(), VOCAB)
    features = model.learn_features(view)
    theirs = LogisticRegression(C=model.C, max_iter=200, class_weight="balanced")
    expected = theirs.fit(features, RARE).predict_proba(features)
    model.prepare(view)
    assert np.allclose(model.predict_proba(view.tokens), expected, atol=1e-5)


def test_naive_bayes_has_equal_priors() -> None:
    model = NaiveBayes(num_classes=3, class_weights="balanced")
    model.prepare(make_view(TEXTS, RARE.tolist(), VOCAB))
    assert np.exp(model.estimator.class_log_prior_) == pytest.approx([1 / 3] * 3)


def test_label_smoothing_is_weighted_by_the_row() -> None:
    model = Bag(vocab_size=VOCAB, num_classes=3, label_smoothing=0.1)
    logits, labels = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 0, 1])
    smooth = 0.9 * torch.eye(3)[labels] + 0.1 / 3
    expected = -(smooth * logits.log_softmax(dim=1)).sum(dim=1)
    torch.testing.assert_close(model.loss(logits, labels, reduction="none"), expected)


def test_the_parts_of_a_batch_add_up_to_the_whole() -> None:
    """So that accumulated gradients, and those of several processes, are those of one batch."""
    weighting = ClassWeighting(3)
    weighting.learn(RARE)
    losses, labels = torch.rand(8), torch.tensor([0, 0, 0, 2, 1, 0, 2, 0])
    whole = weighting(losses, labels).mean()
    parts = [weighting(losses[n : n + 4], labels[n : n + 4]).mean() for n in (0, 4)]
    torch.testing.assert_close(whole, (parts[0] + parts[1]) / 2)


def test_what_takes_no_weights_is_refused() -> None:
    class Whole(LitClassifier):
        def loss(self, logits: Tensor, labels: Tensor) -> Tensor:  # type: ignore[override]
            return logits.mean()

    Whole()
    with pytest.raises(ValueError, match=r"'balanced', and .*Whole\.loss takes no `reduction`"):
        Whole(class_weights="balanced")
    with pytest.raises(ValueError, match="class_weights is 'even'; it must be 'balanced', or null"):
        Bag(class_weights="even")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="KNeighborsClassifier takes no weights of rows"):
        fit_weighted(KNeighborsClassifier(), np.eye(4), np.arange(4) % 2, np.ones(4))
