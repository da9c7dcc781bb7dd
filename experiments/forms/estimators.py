"""Portable forms of estimators of scikit-learn over bags of n-grams and words."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import nn

from experiments.forms.bags import Features, one_block
from experiments.forms.inferred import CosineVector
from experiments.forms.portable import NotExportable, Portable
from experiments.forms.sums import (
    Dense,
    Forest,
    Linear,
    OneAgainstRest,
    Sigmoids,
    TfidfRows,
    TwoClasses,
    WeightedSum,
    Weights,
)
from lit_models.base.ngrams import HASH_MASK, NgramCounter
from lit_models.centroids_logreg import CentroidsLogReg
from lit_models.classics.centroids import Centroids
from lit_models.classics.ngram_estimator import NgramEstimator
from lit_models.classics.vector_average import VectorAverage
from lit_models.dv_ngrams import DVNgrams
from lit_models.linear_svm import LinearSVM
from lit_models.lsa_logreg import LSALogReg
from lit_models.naive_bayes import NaiveBayes
from lit_models.nb_logreg import NBLogReg
from lit_models.tfidf_forest import TfidfForest
from lit_models.tfidf_logreg import TfidfLogReg


def _counter(
    counter: NgramCounter, kind: str = "ngrams"
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    settings = {
        "kind": kind,
        "orders": counter.orders,
        "base": counter.multiplier,
        "last_words": counter.last_words,
    }
    if counter.hashed:
        settings["mask"] = HASH_MASK
    return settings, {"keys": counter.keys}


def _logits(scores: int) -> nn.Module:
    return TwoClasses() if scores == 1 else nn.Identity()


def _linear(estimator: Any) -> tuple[np.ndarray, np.ndarray]:
    """float64[K, F] and float64[K] of a regression, perhaps over scaled features."""
    coefficients, intercepts, steps = 1.0, 0.0, [estimator]
    if hasattr(estimator, "steps"):
        steps = [step for _, step in estimator.steps]
    regression = steps[-1]
    if not isinstance(regression, LogisticRegression):
        raise NotExportable(f"{type(regression).__name__} has no portable form")
    coefficients, intercepts = regression.coef_, regression.intercept_
    for scaler in steps[:-1]:
        if isinstance(scaler, StandardScaler):
            coefficients = coefficients / scaler.scale_
            intercepts = intercepts - coefficients @ scaler.mean_
    return coefficients, intercepts


def _float(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32)


def tfidf_logreg(model: TfidfLogReg) -> Portable:
    """TF-IDF weights of one block of n-grams or two, into a logistic regression.

    Raises:
        NotExportable: Character n-grams of words, whose counts are those of a whole vocabulary.
    """
    if model.characters is not None:
        raise NotExportable(
            "character n-grams of whole words (model.char_ngrams) have no portable form; fit with "
            "datamodules.tokenizers.CharacterTokenizer and model.word_ngrams, as tfidf_char_logreg"
        )
    coefficients, intercepts = _linear(model.estimator)
    parts = [_counter(model.counter)]
    scales = [1.0]
    if model.words is not None:
        settings, arrays = _counter(model.words.counter, "words of characters")
        more = {"kinds": model.words.kinds, "hashes": model.words.hashes}
        parts.insert(0, (settings, arrays | more))
        scales.append(model.char_weight)
    features, start = Features(), 0
    for (settings, arrays), weight, scale in zip(parts, model.weights, scales, strict=True):
        stop = start + len(arrays["keys"])
        table = _float(scale * coefficients[:, start:stop].T)
        bias = np.zeros(len(intercepts)) if start else intercepts
        weights = Weights(_float(weight.idf_), "sublinear", "length")
        features.add(settings, arrays, WeightedSum(weights, table, bias))
        start = stop
    return features.portable(_logits(len(intercepts)), precise=True)


def lsa_logreg(model: LSALogReg) -> Portable:
    """TF-IDF weights into a logistic regression, whose weights are those of components times V."""
    coefficients, intercepts = _linear(model.estimator)
    table = model.vectors.astype(np.float64) @ coefficients.T
    weights = Weights(_float(model.idf.idf_), "sublinear", "length")
    module = WeightedSum(weights, _float(table), intercepts)
    return one_block(*_counter(model.counter), module, _logits(len(intercepts)), precise=True)


def nb_logreg(model: NBLogReg) -> Portable:
    """Ratios of distinct n-grams: of two classes, or of each class against the rest.

    Earlier versions fitted several classes at once, with one block of features for each.
    """
    coefficients, intercepts = _linear(model.estimator)
    if coefficients.shape == model.ratios.shape and len(model.ratios) > 1:
        products, squares = _float((coefficients * model.ratios).T), _float(model.ratios.T**2)
        rest = OneAgainstRest(products, squares if model.normalized else None, intercepts)
        return one_block(*_counter(model.counter), rest, nn.Identity(), precise=True)
    module = _joint_ratios(model, coefficients, intercepts)
    return one_block(*_counter(model.counter), module, _logits(len(intercepts)), precise=True)


def dv_ngrams(model: DVNgrams) -> Portable:
    """Ratios of distinct n-grams, and the vector of the text, inferred from n-grams of its own."""
    coefficients, intercepts = _linear(model.estimator)
    of_vector, of_ngrams = np.split(coefficients, [model.vectors.dim], axis=1)
    features = Features()
    features.add(*_counter(model.counter), _joint_ratios(model, of_ngrams, intercepts))
    vector = CosineVector(model.vectors, model.vector_scale * of_vector)
    features.add(*_counter(model.vector_counter), vector)
    return features.portable(_logits(len(intercepts)), precise=True)


def _joint_ratios(model: NBLogReg, coefficients: np.ndarray, intercepts: np.ndarray) -> WeightedSum:
    """Scores of one regression over the ratios of all classes, float64[K, R F] and float64[K]."""
    blocks = coefficients.reshape(len(coefficients), *model.ratios.shape)  # [K, R, F]
    table = _float(np.einsum("krf,rf->fk", blocks, model.ratios))
    squares = _float((model.ratios**2).sum(axis=0))
    scaling: Any = "length" if model.normalized else "none"
    weights = Weights(None, "distinct", scaling, squares if model.normalized else None)
    return WeightedSum(weights, table, intercepts)


def naive_bayes(model: NaiveBayes) -> Portable:
    """Logarithms of the probabilities of n-grams."""
    estimator: Any = model.estimator
    weights = Weights(None, "distinct" if model.binary else "all")
    # Their mean over the classes changes no probability, and takes most of the digits.
    table = estimator.feature_log_prob_ - estimator.feature_log_prob_.mean(axis=0)
    module = WeightedSum(weights, _float(table.T), estimator.class_log_prior_)
    return one_block(*_counter(model.counter), module, nn.Identity(), precise=True)


def linear_svm(model: LinearSVM) -> Portable:
    """TF-IDF weights into a support vector machine with Platt's sigmoids."""
    tfidf, calibration = (step for _, step in model.estimator.steps)
    (fitted,) = calibration.calibrated_classifiers_
    svm, sigmoids = fitted.estimator, fitted.calibrators
    weights = Weights(_float(tfidf.idf_), "sublinear", "length")
    module = WeightedSum(weights, _float(svm.coef_.T), svm.intercept_)
    slopes, offsets = (np.array([getattr(s, name) for s in sigmoids]) for name in ("a_", "b_"))
    return one_block(*_counter(model.counter), module, Sigmoids(slopes, offsets), precise=True)


def counted_forest(model: NgramEstimator) -> Portable:
    """Counts of n-grams, or their TF-IDF weights, into a forest."""
    forest, weights = model.estimator, Weights()
    if isinstance(model, TfidfForest):
        tfidf, forest = (step for _, step in model.estimator.steps)
        weights = Weights(tfidf.idf_, "all", "length")
    module = Dense(weights, np.arange(len(model.counter.keys)))
    return one_block(*_counter(model.counter), module, Forest(forest), precise=True)


def vector_average(model: VectorAverage) -> Portable:
    """Mean of word vectors into a regression or a forest."""
    weights = Weights(model.weights, model.counting, "total")
    module = WeightedSum(weights, model.vectors)
    return one_block(*_counter(model.counter), module, _dense_head(model), precise=True)


def centroids(model: Centroids) -> Portable:
    """Counts of clusters of words into a regression or a forest."""
    module = Dense(Weights(), model.clusters)
    return one_block(*_counter(model.counter), module, _dense_head(model), precise=True)


def _dense_head(model: VectorAverage | Centroids) -> nn.Module:
    if hasattr(model.estimator, "estimators_"):
        return Forest(model.estimator)
    steps: list[nn.Module] = []
    if isinstance(model, CentroidsLogReg):
        steps.append(TfidfRows(model.estimator.steps[0][1].idf_))
    coefficients, intercepts = _linear(model.estimator)
    return nn.Sequential(*steps, Linear(coefficients, intercepts), _logits(len(intercepts)))
