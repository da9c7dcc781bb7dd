"""Parts of a fitted scikit-learn estimator, and their number of fitted values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

_ARRAYS = ("coef_", "intercept_", "idf_", "feature_log_prob_", "class_log_prior_", "a_", "b_")


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
