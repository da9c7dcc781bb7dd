"""How many values a fitted scikit-learn estimator holds: what `parameters` counts in the table."""

from __future__ import annotations

from typing import Any

import numpy as np

_ARRAYS = ("coef_", "intercept_", "idf_", "feature_log_prob_", "class_log_prior_", "a_", "b_")


def fitted_values(estimator: Any) -> int:
    """The fitted values of an estimator and of all that it is made of.

    Of a tree they are a feature and a threshold at each fork, and a share for each class at each
    leaf.
    """
    if (tree := getattr(estimator, "tree_", None)) is not None:
        leaves, classes = int(tree.n_leaves), int(tree.max_n_classes)
        return 2 * (int(tree.node_count) - leaves) + classes * leaves
    own = sum(np.size(getattr(estimator, name)) for name in _ARRAYS if hasattr(estimator, name))
    return int(own) + sum(fitted_values(part) for part in _parts(estimator))


def _parts(estimator: Any) -> list[Any]:
    """The fitted parts of a pipeline, of a calibration, of a forest."""
    if hasattr(estimator, "steps"):
        return [part for _, part in estimator.steps]
    if hasattr(estimator, "calibrated_classifiers_"):
        pairs = estimator.calibrated_classifiers_
        return [part for pair in pairs for part in (pair.estimator, *pair.calibrators)]
    return list(getattr(estimator, "estimators_", []))
