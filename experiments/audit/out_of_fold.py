"""Probabilities of train rows by models that did not learn from them."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from datamodules.errors import DataError
from datamodules.folds import grouped_folds
from datamodules.splits import merge_groups
from datamodules.store.train_view import TrainView
from datamodules.text import TextDataModule
from experiments.audit.parts import Rows
from experiments.config.registry import ConfigError
from lit_models.base.classifier import LitClassifier
from lit_models.base.estimator import LitEstimator

_ROWS = 4096  # predicted at once


def out_of_fold(
    model: LitClassifier,
    data: TextDataModule,
    rows: Rows,
    folds: int,
    seed: int = 0,
    tell: Callable[[str], None] = lambda step: None,
) -> NDArray[np.float64]:
    """Predict each train and validation row by a model that learnt from the other folds.

    The rows of a group and the copies of a text are in one fold.

    Args:
        model: A scikit-learn model, not fitted, whose features are learnt by counting.
        data: The corpus, set up with `refit`, so that its vocabulary is that of these rows.
        rows: Its rows.
        folds: Number of folds.
        seed: Random seed of the folds.
        tell: Called with what is done.

    Returns:
        float64[N, C] for the N rows of train; NaN for rows that are excluded, and where the other
        folds have no row of the class, or one class alone.

    Raises:
        ConfigError: The model is a network, or its settings do not suit so few rows.
        DataError: There are too few rows or groups for the folds, or no row can be judged.
    """
    if not isinstance(model, LitEstimator) or not model.any_vocabulary:
        raise ConfigError(
            f"{type(model).__name__} is not fitted in a few seconds by counting words; name a "
            "model such as tfidf_logreg, or fit it with --run.folds 5 and name the run with --run"
        )
    place = rows.of("train")
    known = rows.train_rows
    labels = rows.labels[place][known]
    groups = None if rows.groups is None else rows.groups[place]
    merged = merge_groups(groups, [rows.texts[row] for row in place.tolist()])[known]
    if (count := len(np.unique(merged))) < folds:
        raise DataError(
            f"{len(known):,} rows in {count:,} groups (such as movies, or copies of one text) are "
            f"too few for {folds} folds; give more rows, or set --folds lower"
        )
    numbers = grouped_folds(labels, merged, folds, seed)
    probabilities = np.full((len(place), model.num_classes), np.nan)
    tokens, truncation = data.store.tokens("train"), data.encoder.token_truncation
    for fold in range(folds):
        tell(f"fold {fold + 1} of {folds}")
        learnt, held_out = known[numbers != fold], known[numbers == fold]
        fitted = copy.deepcopy(model)
        if len(np.unique(labels[numbers != fold])) < 2:
            continue  # a model of one class judges nothing
        try:
            fitted.prepare(TrainView.build(data.store, data.encoder, learnt, None))
        except ValueError as error:
            raise ConfigError(
                f"{type(model).__name__} cannot be fitted to the {len(learnt):,} rows outside fold "
                f"{fold + 1} of {folds}: {error} (a setting is given as --model.NAME VALUE)"
            ) from error
        classes = np.asarray(fitted.estimator.classes_, dtype=np.int64)
        missing = np.setdiff1d(np.arange(model.num_classes), classes)
        for start in range(0, len(held_out), _ROWS):
            part = held_out[start : start + _ROWS]
            predicted = fitted.predict_proba(truncation.ragged(tokens, part))
            if predicted.shape[1] == model.num_classes:
                probabilities[part] = predicted
            else:
                probabilities[part] = 0.0
                probabilities[part[:, None], classes] = predicted
        unknown = held_out[np.isin(rows.labels[place][held_out], missing)]
        probabilities[unknown] = np.nan
    if np.isnan(probabilities).any(axis=1).all():
        raise DataError(
            "no label can be judged: without the fold of a row, no other row of its class is left, "
            f"or one class alone ({len(known):,} rows in {count:,} groups, {folds} folds); give "
            "more rows, or set --folds otherwise"
        )
    return probabilities
