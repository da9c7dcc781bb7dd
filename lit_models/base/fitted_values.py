"""Parts of a fitted scikit-learn estimator: their number of values, and their state as arrays.

An estimator whose state is a few arrays is saved as these, without skops: to import skops, which
imports all of scikit-learn, takes longer than to load such a model and predict. Nothing in a file
names a class then. The architecture makes its estimator from its hyper-parameters, and the arrays
are set on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from datamodules.errors import DataError

_ARRAYS = ("coef_", "intercept_", "idf_", "feature_log_prob_", "class_log_prior_", "a_", "b_")
C, F, R = "classes", "features", "rows"
STATE: dict[type, dict[str, tuple[str, ...]]] = {
    Pipeline: {},
    DummyClassifier: {"classes_": (C,), "class_prior_": (C,)},
    LogisticRegression: {"classes_": (C,), "coef_": (R, F), "intercept_": (R,)},
    MultinomialNB: {"classes_": (C,), "class_log_prior_": (C,), "feature_log_prob_": (C, F)},
    StandardScaler: {"mean_": (F,), "scale_": (F,)},
    TfidfTransformer: {"idf_": (F,)},
}
"""Arrays from which an estimator predicts, with the names of their dimensions."""
PREFIX = "estimator."


def parts(estimator: Any) -> Iterator[Any]:
    """The estimator itself and all fitted parts of a pipeline, calibration or forest."""
    yield estimator
    if hasattr(estimator, "steps"):
        children = [part for _, part in estimator.steps]
    elif hasattr(estimator, "calibrated_classifiers_"):
        pairs = estimator.calibrated_classifiers_
        children = [part for pair in pairs for part in (pair.estimator, *pair.calibrators)]
    else:
        children = list(getattr(estimator, "estimators_", []))
    for child in children:
        yield from parts(child)


def fitted_values(estimator: Any) -> int:
    """Number of fitted values of an estimator and its parts: `parameters` in the results.

    A tree has a feature and a threshold at each inner node, and a probability for each class at
    each leaf.
    """
    return sum(map(_values_of_part, parts(estimator)))


def _values_of_part(part: Any) -> int:
    if (tree := getattr(part, "tree_", None)) is not None:
        leaves, classes = int(tree.n_leaves), int(tree.max_n_classes)
        return 2 * (int(tree.node_count) - leaves) + classes * leaves
    return sum(int(np.size(getattr(part, name))) for name in _ARRAYS if hasattr(part, name))


def fitted_arrays(estimator: BaseEstimator) -> dict[str, np.ndarray] | None:
    """Arrays of a fitted estimator, by name; None: it has a part that is more than these."""
    steps = list(parts(estimator))
    if any(type(step) not in STATE for step in steps):
        return None
    return {
        f"{PREFIX}{number}.{name}": getattr(step, name)
        for number, step in enumerate(steps)
        for name in STATE[type(step)]
    }


def restore(
    estimator: BaseEstimator,
    arrays: dict[str, np.ndarray],
    source: Path,
    classes: int,
    one_vs_rest: bool = False,
) -> BaseEstimator:
    """Set the arrays of `fitted_arrays` on an unfitted estimator, and return it.

    Args:
        estimator: As the one that was fitted.
        arrays: Its arrays.
        source: Their file.
        classes: Number of classes of the model.
        one_vs_rest: Two classes have a row of coefficients each, too.

    Raises:
        DataError: An array is missing, has another shape or type, or is not of this estimator.
    """
    expected = {
        f"{PREFIX}{number}.{name}": (step, name, dimensions)
        for number, step in enumerate(parts(estimator))
        for name, dimensions in STATE.get(type(step), {}).items()
    }
    problems = [f"{name} is missing" for name in expected if name not in arrays]
    problems += [f"{name} belongs to no part of it" for name in arrays if name not in expected]
    sizes: dict[str, int] = {}
    for key, (step, name, dimensions) in expected.items() if not problems else ():
        array = arrays[key]
        known = tuple(map(sizes.setdefault, dimensions, array.shape))
        kind = "i" if name == "classes_" else "f"
        if array.dtype.kind != kind or array.ndim != len(dimensions) or known != array.shape:
            problems.append(f"{key} is {array.dtype} {list(array.shape)}")
        elif name == "classes_" and not _ascending(array, classes):
            problems.append(f"{key} is {array[:9].tolist()}, and the model has {classes} classes")
        setattr(step, name, array)
        step.n_features_in_ = sizes.get(F)
    single = sizes.get(C) == 2 and not one_vs_rest
    if not problems and R in sizes and sizes[R] != (rows := 1 if single else sizes[C]):
        problems.append(f"coef_ has {sizes[R]} rows, and {sizes[C]} classes need {rows}")
    if problems:
        raise DataError(
            f"{source}: {'; '.join(problems)}: not the arrays of a fitted "
            f"{type(estimator).__name__}; restore the file, or run the experiment again"
        )
    return estimator


def _ascending(labels: np.ndarray, classes: int) -> bool:
    """True for labels that are sorted, distinct and those of classes; some may be without texts."""
    inside = len(labels) > 0 and labels[0] >= 0 and labels[-1] < classes
    return bool(inside and (labels[:-1] < labels[1:]).all())
