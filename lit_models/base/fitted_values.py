"""What a fitted scikit-learn estimator is made of, and how many values it holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

_ARRAYS = ("coef_", "intercept_", "idf_", "feature_log_prob_", "class_log_prior_", "a_", "b_")


def parts(estimator: Any) -> Iterator[Any]:
    """The estimator itself and all fitted parts of a pipeline, of a calibration, of a forest."""
    yield estimator
    if hasattr(estimator, "steps"):
        below = [part for _, part in estimator.steps]
    elif hasattr(estimator, "calibrated_classifiers_"):
        pairs = estimator.calibrated_classifiers_
        below = [part for pair in pairs for part in (pair.estimator, *pair.calibrators)]
    else:
        below = list(getattr(estimator, "estimators_", []))
    for part in below:
        yield from parts(part)


def fitted_values(estimator: Any) -> int:
    """The fitted values of an estimator and of all that it is made of: `parameters` of the table.

    Of a tree they are a feature and a threshold at each fork, and a share for each class at each
    leaf.
    """
    return sum(map(_own, parts(estimator)))


def _own(part: Any) -> int:
    if (tree := getattr(part, "tree_", None)) is not None:
        leaves, classes = int(tree.n_leaves), int(tree.max_n_classes)
        return 2 * (int(tree.node_count) - leaves) + classes * leaves
    return sum(int(np.size(getattr(part, name))) for name in _ARRAYS if hasattr(part, name))
