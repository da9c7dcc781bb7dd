"""LitEstimator: scikit-learn estimators with the interface of the networks."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.multiclass import OneVsRestClassifier
from sklearn.utils.validation import has_fit_parameter

from datamodules.errors import DataError
from datamodules.store.batching import TextBatch
from datamodules.store.ragged import Ragged
from datamodules.store.train_view import TrainView
from lit_models.base.classifier import LitClassifier, Prediction
from lit_models.base.fitted_values import PREFIX, fitted_arrays, fitted_values, restore
from lit_models.base.hyperparameters import current_hyperparameters
from lit_models.base.without_steps import ARRAYS_FILE as ARRAYS_FILE
from lit_models.base.without_steps import WithoutSteps, write_whole
from lit_models.layers.class_weights import balanced_weights

ESTIMATOR_FILE = "model.skops"
ONE_VS_REST = ["sklearn.multiclass._ConstantPredictor"]
"""Types that `load` may build where a text may have several labels."""

Features: TypeAlias = sp.csr_matrix | np.ndarray


class LitEstimator(WithoutSteps, LitClassifier, ABC):
    """Fit once on the train side, without gradient steps; predict in batches like any network.

    A subclass defines the features of rows (`learn_features`, `features`), the arrays that these
    need (`arrays`, `load_arrays`) and the estimator over them (`make_estimator`). Optimiser
    settings are accepted and unused.

    Args:
        num_classes: C; linked to the corpus.
        **kwargs: arguments of `LitClassifier`.
    """

    trusted_types: ClassVar[list[str]] = []
    """Types that `load` may build besides those that skops trusts."""

    estimator: BaseEstimator

    @abstractmethod
    def learn_features(self, view: TrainView) -> Features:
        """Learn the features, and return float[N, F] those of the train rows."""

    @abstractmethod
    def make_estimator(self) -> BaseEstimator:
        """Unfitted scikit-learn estimator with `predict_proba`; called after `learn_features`."""

    @abstractmethod
    def features(self, tokens: Ragged) -> Features:
        """float[N, F] features of any rows."""

    @abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """Arrays from which `load_arrays` restores the features."""

    @abstractmethod
    def load_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        """Restore the features from `arrays`."""

    def prepare(self, view: TrainView) -> None:
        """Learn the features and fit the estimator.

        Raises:
            ValueError: more than one process, texts of a single class, or class weights that the
                estimator cannot take.
        """
        super().prepare(view)
        if not self.multi_label and len(classes := np.unique(view.labels)) < 2:
            raise ValueError(
                f"{type(self).__name__} was given {len(view.labels)} texts of class "
                f"{classes.tolist()} alone; a classifier needs at least two classes"
            )
        features = self.learn_features(view)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            weights = None
            if self.class_weighting is not None:
                weights = balanced_weights(view.labels, self.num_classes)[view.labels]
            self.estimator = self.fit_estimator(features, view.labels, weights)
        self._note_convergence(caught)

    def fit_estimator(
        self, features: Features, labels: np.ndarray, weights: np.ndarray | None
    ) -> BaseEstimator:
        """Estimator fitted to float[N, F] features, int64[N] labels, float[N] weights of rows.

        With several labels a text, int8[N, C], an estimator of its own for each label against the
        rest; a label that all texts have, or none, is predicted as it is.
        """
        if self.multi_label:
            with warnings.catch_warnings():  # of such a label
                warnings.filterwarnings("ignore", "Label .* is present in all training examples")
                warnings.filterwarnings("ignore", "Label not .* is present in all training")
                return OneVsRestClassifier(self.make_estimator()).fit(features, labels)
        return fit_weighted(self.make_estimator(), features, labels, weights)

    @classmethod
    def takes_several_labels(cls) -> bool:
        own = ("predict_step", "fit_estimator", "predict_proba")
        return all(getattr(cls, name) is getattr(LitEstimator, name) for name in own)

    def _note_convergence(self, caught: list[warnings.WarningMessage]) -> None:
        """Makes a note of a solver's warnings that it did not converge, and warns of all others."""
        for warning in caught:
            if not issubclass(warning.category, ConvergenceWarning):
                warnings.warn_explicit(
                    warning.message, warning.category, warning.filename, warning.lineno
                )
                continue
            reason = str(warning.message).splitlines()[0].rstrip(".:")
            remedy = "; raise --model.max_iter" if "max_iter" in self.hparams else ""
            note = f"the fit did not converge ({reason}){remedy}"
            if note not in self.notes:
                self.notes += (note,)

    def predict_proba(self, tokens: Ragged) -> np.ndarray:
        """float64[N, C] probabilities of any rows.

        Raises:
            DataError: The saved features and the saved estimator are of different sizes.
        """
        features = self.features(tokens)
        expected = getattr(self.estimator, "n_features_in_", features.shape[1])
        if features.shape[1] != expected:
            raise DataError(
                f"{type(self).__name__} has {features.shape[1]:,} features, and its estimator was "
                f"fitted to {expected:,}; restore the files of the run, or run it again"
            )
        probabilities: np.ndarray = self.estimator.predict_proba(features)
        return probabilities

    def forward(self, batch: TextBatch) -> torch.Tensor:
        """float32[B, C] logits: logarithms of the probabilities; of several labels log-odds."""
        return self.targets.logits(self.predict_step(batch).probabilities)

    def predict_step(self, batch: TextBatch, batch_idx: int = 0) -> Prediction:
        """Ids and class probabilities of one batch."""
        probabilities = torch.from_numpy(self.predict_proba(batch.ragged()))
        return Prediction(batch.ids.cpu(), probabilities.float())

    def save(self, folder: Path) -> None:
        """Write hyper-parameters and arrays as safetensors, and other estimators as skops.

        The arrays are those of the features, and of the estimator where these are all of it
        (`fitted_arrays`).
        """
        fitted = fitted_arrays(self.estimator)
        if fitted is None:
            import skops.io

            write_whole(folder / ESTIMATOR_FILE, lambda file: skops.io.dump(self.estimator, file))
        self.write_arrays(folder, self.arrays() | (fitted or {}))
        if fitted is not None:
            (folder / ESTIMATOR_FILE).unlink(missing_ok=True)  # of an earlier version

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a saved model; skops refuses types other than the trusted ones.

        Raises:
            DataError: Arrays of the estimator are missing, or are not its own.
        """
        saved, arrays = cls.read_arrays(folder)
        model = cls(**current_hyperparameters(cls, saved))
        fitted = {name: arrays.pop(name) for name in list(arrays) if name.startswith(PREFIX)}
        model.load_arrays(arrays)
        if fitted:
            source, sizes = folder / ARRAYS_FILE, (model.num_classes, model.multi_label)
            model.estimator = restore(model.make_estimator(), fitted, source, *sizes)
        else:
            import skops.io  # takes longer to import than all else here

            trusted = [*cls.trusted_types, *(ONE_VS_REST if model.multi_label else [])]
            model.estimator = skops.io.load(folder / ESTIMATOR_FILE, trusted=trusted)
        return model.eval()

    @property
    def parameter_count(self) -> int:
        """Number of fitted values in the estimator and its parts, feature weights included."""
        return fitted_values(self.estimator)

    @property
    def random_state(self) -> int:
        """Seed of the run for scikit-learn, independent of the numbers drawn so far."""
        return torch.initial_seed() % 2**32


def fit_weighted(
    estimator: Any, features: Any, labels: np.ndarray, weights: np.ndarray | None
) -> Any:
    """Fit a scikit-learn estimator to weighted rows, and return it.

    With balanced weights equal to `class_weight="balanced"` where an estimator has that, and
    elsewhere to training rows that are repeated as often as their weight says. Of a pipeline the
    last step is weighted, so features are scaled as without weights.

    Args:
        estimator: unfitted.
        features: float[N, F].
        labels: int64[N].
        weights: float[N]; None: rows count alike.

    Raises:
        ValueError: It takes no weights of rows.
    """
    if weights is None:
        return estimator.fit(features, labels)
    steps = getattr(estimator, "steps", None)
    name, last = steps[-1] if steps else ("", estimator)
    if not has_fit_parameter(last, "sample_weight"):
        raise ValueError(
            f"model.class_weights is 'balanced', and {type(last).__name__} takes no weights of "
            "rows (its `fit` has no sample_weight); set --model.class_weights null"
        )
    argument = f"{name}__sample_weight" if steps else "sample_weight"
    return estimator.fit(features, labels, **{argument: weights})
