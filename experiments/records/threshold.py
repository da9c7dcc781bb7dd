"""Threshold of the probability of the second of two classes, or of each of several labels.

It is chosen on validation.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from experiments.config.registry import ConfigError
from experiments.records.metrics import evaluate
from experiments.records.problems.class_predictions import Predictions
from experiments.records.problems.label_sets import LabelSets
from experiments.records.problems.outputs import Outputs

Rule = Literal["f1", "balanced"]
"""Figure that a threshold maximises on the validation rows: F1, averaged over both classes, or
balanced accuracy, the mean recall of both. Where a text may have several labels `f1` is micro F1,
that of all pairs of a text and a label."""
RULES: dict[Rule, str] = {"f1": "F1", "balanced": "balanced accuracy"}


def choose_threshold(
    labels: NDArray[np.integer], probabilities: NDArray[np.floating], rule: Rule
) -> float:
    """Choose the threshold that is best on some rows; of equally good ones that nearest to 0.5.

    Thresholds that make the same predictions of these rows count as one: 0.5 if it is among them,
    else the middle between two neighbouring probabilities.

    Args:
        labels: int[N], 0 or 1.
        probabilities: float[N, 2].
        rule: What to maximise.

    Returns:
        The threshold, in 0..1; 0.5 where all rows have the same probability.

    Raises:
        ConfigError: Rows of one class alone.
    """
    check_both_classes(labels)
    values, inverse = np.unique(probabilities[:, 1].astype(np.float64), return_inverse=True)
    if len(values) < 2:
        return 0.5
    ones, rows = np.bincount(inverse, weights=labels), np.bincount(inverse)
    # Of cut k the values 0..k are predicted as class 0, the others as class 1.
    missed, low = np.cumsum(ones)[:-1], np.cumsum(rows)[:-1]
    found, right = ones.sum() - missed, low - missed
    false = len(labels) - low - found
    if rule == "balanced":
        score = (found / ones.sum() + right / (len(labels) - ones.sum())) / 2
    else:
        wrong = missed + false
        score = found / (2 * found + wrong) + right / (2 * right + wrong)
    return _nearest_best(values, score)


def choose_label_threshold(
    labels: NDArray[np.integer], probabilities: NDArray[np.floating]
) -> float:
    """Choose the one threshold of all labels by which micro F1 is best on some rows.

    Of equally good ones it is that nearest to 0.5, as in `choose_threshold`.

    Args:
        labels: int[N, C], 0 or 1.
        probabilities: float[N, C].

    Returns:
        The threshold, in 0..1; 0.5 where all probabilities are the same.

    Raises:
        ConfigError: No row has a label.
    """
    check_both_classes(labels)
    values, inverse = np.unique(probabilities.astype(np.float64).ravel(), return_inverse=True)
    if len(values) < 2:
        return 0.5
    ones, pairs = np.bincount(inverse, weights=labels.ravel()), np.bincount(inverse)
    found = ones.sum() - np.cumsum(ones)[:-1]
    predicted = labels.size - np.cumsum(pairs)[:-1]
    return _nearest_best(values, 2 * found / (ones.sum() + predicted))


def _nearest_best(values: NDArray[np.floating], score: NDArray[np.floating]) -> float:
    """Of the cuts after values 0, 1, …, one with the highest score and nearest to 0.5."""
    below, above = values[:-1], values[1:]
    middle = np.maximum(below + (above - below) / 2, np.nextafter(below, 1))
    cuts = np.where((below < 0.5) & (above >= 0.5), 0.5, middle)
    best = cuts[score >= score.max() - 1e-12]
    return float(best[np.abs(best - 0.5).argmin()])


def check_both_classes(labels: NDArray[np.integer]) -> None:
    """Refuse rows of one class alone, on which any threshold is as good as another.

    Args:
        labels: int[N]; or int[N, C], 0 or 1, of which one must be 1.

    Raises:
        ConfigError: They are.
    """
    if labels.ndim == 2:
        if not labels.any():
            raise ConfigError(
                f"run.threshold is chosen on the validation rows, and none of the {len(labels)} "
                "has a label; validate on rows with labels, or leave --run.threshold out"
            )
        return
    if len(found := np.unique(labels)) < 2:
        raise ConfigError(
            f"run.threshold is chosen on the validation rows, and all {len(labels)} of them are of "
            f"class {', '.join(map(str, found))}; validate on rows of both classes, or leave "
            "--run.threshold out"
        )


def threshold_and_note(
    rule: Rule | None, predictions: Outputs, names: Sequence[str], seed: int
) -> tuple[float | None, list[str]]:
    """Choose the threshold of a run, and say what it changes.

    Args:
        rule: The setting `run.threshold`.
        predictions: Those of the validation rows, by the weights that were chosen on them.
        names: Names of both classes.
        seed: Seed of the run.

    Returns:
        The threshold, and a sentence for the notes of the row; None and none without a rule or
        classes.
    """
    if rule is not None and isinstance(predictions, LabelSets):
        threshold = choose_label_threshold(predictions.labels, predictions.probabilities)
        new_f1, old_f1 = (predictions.evaluate(t) for t in (threshold, None))
        return threshold, [
            f"seed {seed} predicts a label from a probability of {threshold:.4g} on, chosen for "
            f"micro F1 on the validation rows: micro F1 {new_f1.micro_f1:.1%} instead of "
            f"{old_f1.micro_f1:.1%}, macro F1 {new_f1.f1:.1%} instead of {old_f1.f1:.1%} there"
        ]
    if rule is None or not isinstance(predictions, Predictions):
        return None, []
    labels, probabilities = predictions.labels, predictions.probabilities
    threshold = choose_threshold(labels, probabilities, rule)
    after, before = evaluate(labels, probabilities, threshold), evaluate(labels, probabilities)
    changes = [
        f"{what} {100 * (new or 0):.1f}% instead of {100 * (old or 0):.1f}%"
        for what, new, old in (
            ("F1", after.f1, before.f1),
            ("balanced accuracy", after.balanced_accuracy, before.balanced_accuracy),
            ("accuracy", after.accuracy, before.accuracy),
        )
    ]
    return threshold, [
        f"seed {seed} predicts {names[1]!r} from a probability of {threshold:.4g} on, chosen for "
        f"its {RULES[rule]} on the validation rows: {', '.join(changes)} there"
    ]
