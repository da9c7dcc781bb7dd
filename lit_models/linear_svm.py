"""LinearSVM: TF-IDF weighted n-grams into a support vector machine with probabilities."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from datamodules.store.train_view import TrainView
from lit_models.classics.ngram_estimator import NgramEstimator


class LinearSVM(NgramEstimator):
    """Joachims 1998, "Text Categorization with Support Vector Machines", linear kernel.

    s_c(d) = W_c w(d) + b_c over sublinear TF-IDF weights w of word n-grams, fitted one class
    against the rest with squared hinge loss and penalty ‖W‖² / 2C (LIBLINEAR, Fan et al. 2008);
    p(c | d) = 1 / (1 + exp(A_c s_c(d) + B_c)), scaled to sum 1 (Platt 1999).

    A and B are fitted to out-of-fold scores of the train rows. Folds are runs of neighbouring rows:
    the films of the reviews are not known here, but IMDB lists the reviews of a film next to each
    other, so that few films are in two folds.

    Args:
        ngrams: longest n-gram.
        min_df: n-grams in fewer train texts are left out.
        max_features: most n-grams, the most frequent of the train side; None keeps all.
        C: inverse strength of the penalty; larger fits closer.
        folds: of the calibration; fewer where a class has fewer rows.
        **kwargs: of `LitClassifier`.

    Raises:
        ValueError: fewer than two folds, or a class of a single row.
    """

    trusted_types: ClassVar[list[str]] = [
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
    ]

    def __init__(
        self,
        *,
        ngrams: int = 3,
        min_df: int = 2,
        max_features: int | None = None,
        C: float = 1.0,
        folds: int = 5,
        **kwargs: Any,
    ) -> None:
        super().__init__(ngrams=ngrams, min_df=min_df, max_features=max_features, **kwargs)
        if folds < 2:
            raise ValueError(f"model.folds is {folds}; it must be at least 2")
        self.C, self.folds = C, folds

    def learn_features(self, view: TrainView) -> sp.csr_matrix:
        least = _least(view.labels)
        if least < 2:
            raise ValueError(
                f"a class has {least} train text, and two or more are needed to calibrate "
                "probabilities; add texts of it, or use another model"
            )
        self.folds = min(self.folds, least)
        return super().learn_features(view)

    def make_estimator(self) -> BaseEstimator:
        svm = LinearSVC(C=self.C, random_state=self.random_state)
        return make_pipeline(
            TfidfTransformer(sublinear_tf=True),
            # Predicts by one SVM of all rows; those of the folds serve the calibration alone.
            CalibratedClassifierCV(svm, cv=self.folds, ensemble=False),
        )


def _least(labels: np.ndarray) -> int:
    """Texts of the smallest class; of several labels, of the smallest side of one that has two."""
    if labels.ndim == 1:
        return int(np.bincount(labels).min())
    texts = (labels == 1).sum(axis=0)
    sides = np.minimum(texts, len(labels) - texts)
    return int(sides[sides > 0].min(initial=len(labels)))
