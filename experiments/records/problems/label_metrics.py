"""Metrics of classification with several labels a text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.records.metrics import LOG_LOSS_FLOOR, ClassMetrics

THRESHOLD = 0.5
"""Least probability at which a label is predicted, where a row has no other."""


@dataclass(frozen=True)
class MultiLabelMetrics:
    """Quality of the predictions of one split, whose texts have any number of labels.

    A label is predicted from a threshold on, 0.5 or the row's; AUROC and log loss do not depend on
    it.

    Attributes:
        accuracy: Share of texts of which exactly the right labels are predicted, in 0..1.
        micro_f1: F1 of all pairs of a text and a label, in 0..1; frequent labels count most. 0
            where no label is right.
        f1: F1 averaged over the labels with equal weight (macro F1), in 0..1. A label that no text
            has and none is predicted to have counts as 0, as in scikit-learn and torchmetrics.
        auroc: Area under the ROC curve of each label, averaged over those that some texts have and
            some lack, in 0..1. None where there is no such label.
        log_loss: Mean of the binary cross-entropy over texts and labels, in nats; probabilities of
            what is right are clipped from below at 1/131070.
        labels_per_text: Mean number of labels of a text.
        n: Number of texts.
        per_class: Figures of each of the C labels.
    """

    accuracy: float
    micro_f1: float
    f1: float
    auroc: float | None
    log_loss: float
    labels_per_text: float
    n: int
    per_class: list[ClassMetrics]

    @property
    def scores(self) -> dict[str, float | None]:
        """Figures of all labels together, by name."""
        return {name: value for name, value in vars(self).items() if name != "per_class"}

    @property
    def headline(self) -> str:
        """The main figures in words."""
        return f"micro F1 {self.micro_f1:.2%}, macro F1 {self.f1:.2%}"


def predicted_labels(
    probabilities: NDArray[np.floating], threshold: float | None = None
) -> NDArray[np.bool_]:
    """bool[…, C], whether each label is predicted.

    Args:
        probabilities: float[…, C].
        threshold: Least probability; None: 0.5.
    """
    least = THRESHOLD if threshold is None else threshold
    predicted: NDArray[np.bool_] = probabilities.astype(np.float64) >= least
    return predicted


def evaluate_labels(
    labels: NDArray[np.integer],
    probabilities: NDArray[np.floating],
    threshold: float | None = None,
) -> MultiLabelMetrics:
    """Measure predictions against labels.

    Args:
        labels: int[N, C], 0 or 1.
        probabilities: float[N, C].
        threshold: See `predicted_labels`.

    Raises:
        ValueError: No texts, or probabilities that are none.
    """
    # Here, since importing scikit-learn takes 2 s.
    from sklearn.metrics import f1_score, precision_recall_fscore_support, roc_auc_score

    if not len(labels):
        raise ValueError("0 texts were given; metrics need at least 1")
    probabilities = probabilities.astype(np.float64)
    wrong = ~((probabilities >= 0) & (probabilities <= 1)).all(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"row {row} holds {probabilities[row].tolist()}; probabilities must be in 0..1 and "
            "not be NaN (did training diverge, or were logits given?)"
        )
    predicted = predicted_labels(probabilities, threshold).astype(np.int64)
    figures = precision_recall_fscore_support(labels, predicted, average=None, zero_division=0)
    columns = zip(*(column.tolist() for column in figures), strict=True)
    per_class = [ClassMetrics(*of_class) for of_class in columns]
    texts = labels.sum(axis=0)
    known = np.flatnonzero((texts > 0) & (texts < len(labels)))
    areas = [roc_auc_score(labels[:, one], probabilities[:, one]) for one in known]
    right = np.where(labels == 1, probabilities, 1 - probabilities)
    return MultiLabelMetrics(
        accuracy=float((predicted == labels).all(axis=1).mean()),
        micro_f1=float(f1_score(labels, predicted, average="micro", zero_division=0)),
        f1=float(f1_score(labels, predicted, average="macro", zero_division=0)),
        auroc=float(np.mean(areas)) if areas else None,
        log_loss=float(-np.log(np.maximum(right, LOG_LOSS_FLOOR)).mean()),
        labels_per_text=float(texts.sum() / len(labels)),
        n=len(labels),
        per_class=per_class,
    )
