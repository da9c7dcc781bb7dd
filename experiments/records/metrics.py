"""Quality metrics of the tables, computed from labels and probabilities alone."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ECE_BINS = 15
MATRIX_CLASSES = 30  # most classes of which a row has the confusion matrix: it grows by the square
# Half a step of the probabilities that older published rows were rounded to (evidence format 1), so
# that a certain error costs the same, at most 11.78 nats, in rows of all ages.
LOG_LOSS_FLOOR = 0.5 / 65535
ROW_SUM_TOLERANCE = 1e-3
Score = Callable[[NDArray[np.floating], int], NDArray[np.floating]]


@dataclass(frozen=True)
class ClassMetrics:
    """Quality of the predictions of one class.

    Attributes:
        precision: Share of the rows predicted as this class that are of it, in 0..1; 0 where none
            is predicted as it.
        recall: Share of the rows of this class that are predicted as it, in 0..1; 0 where there
            are none.
        f1: Harmonic mean of both; 0 where both are 0.
        support: Number of rows of this class.
    """

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Metrics:
    """Quality of one split's predictions.

    Accuracy, F1, balanced accuracy and the figures of classes follow from the predicted classes
    (`predicted_classes`), the others from the probabilities alone.

    Attributes:
        accuracy: Share of rows whose predicted class is the label, in 0..1. Without a threshold
            the most probable class is predicted, of classes that tie the lower one.
        f1: F1 averaged over classes with equal weight, in 0..1. A class that is neither a label
            nor predicted is left out.
        auroc: Area under the ROC curve, one class against the rest, averaged over classes with
            equal weight, in 0..1. None where a class is absent from the labels: undefined.
        log_loss: Mean of -ln p(label), in nats; p is clipped from below at 1/131070.
        ece: Expected calibration error of the top class in 15 bins of equal mass, in 0..1.
        n: Number of rows.
        balanced_accuracy: Recall averaged over the classes that have rows, in 0..1. None, like the
            following, in rows older than these figures.
        per_class: Figures of each of the C classes.
        confusion: int[C][C], number of rows by label and predicted class. None above
            `MATRIX_CLASSES` classes too: the predictions beside the row have it.
        mae: Mean absolute error of the values of a regression, in their unit
            (`experiments.records.problems.regressions`). None for all other models.
    """

    accuracy: float
    f1: float
    auroc: float | None
    log_loss: float
    ece: float
    n: int
    balanced_accuracy: float | None = None
    per_class: list[ClassMetrics] | None = None
    confusion: list[list[int]] | None = None
    mae: float | None = None

    @property
    def scores(self) -> dict[str, float | None]:
        """Figures of all classes together, by name."""
        left_out = ("per_class", "confusion", *(["mae"] if self.mae is None else []))
        return {name: value for name, value in vars(self).items() if name not in left_out}

    @property
    def headline(self) -> str:
        """The main figure in words."""
        return f"accuracy {self.accuracy:.2%}"

    @property
    def unbalanced(self) -> bool:
        """True if the largest class has more than twice as many rows as the smallest."""
        supports = [one.support for one in self.per_class or []]
        return bool(supports) and max(supports) > 2 * min(supports)


def predicted_classes(
    probabilities: NDArray[np.floating], threshold: float | None = None
) -> NDArray[np.int64]:
    """Predicted class of each row.

    Args:
        probabilities: float[…, C].
        threshold: Least probability of class 1, of two, to predict it. None: the most probable
            class, of equally probable ones the lower.

    Returns:
        int64[…].
    """
    if threshold is None:
        return probabilities.argmax(axis=-1)
    return (probabilities[..., 1].astype(np.float64) >= threshold).astype(np.int64)


def evaluate(
    labels: NDArray[np.integer],
    probabilities: NDArray[np.floating],
    threshold: float | None = None,
) -> Metrics:
    """Measure predictions against labels.

    Args:
        labels: int[N], each in 0..C-1.
        probabilities: float[N, C]; each row sums to 1 within 1e-3. Not renormalised.
        threshold: See `predicted_classes`.

    Returns:
        The metrics; the order of the rows does not matter.

    Raises:
        ValueError: Shapes that do not fit, no rows, NaN, a probability outside 0..1, a row that
            does not sum to 1, a label outside 0..C-1.
    """
    # Here, since importing scikit-learn takes 2 s.
    from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support

    labels = np.asarray(labels)
    probabilities = np.asarray(probabilities)
    _check(labels, probabilities)
    probabilities = probabilities.astype(np.float64)
    predicted = predicted_classes(probabilities, threshold)
    likeliest = predicted_classes(probabilities)
    classes = np.arange(probabilities.shape[1])
    counts = confusion_matrix(labels, predicted, labels=classes)
    figures = precision_recall_fscore_support(labels, predicted, labels=classes, zero_division=0)
    columns = zip(*(column.tolist() for column in figures), strict=True)
    per_class = [ClassMetrics(*of_class) for of_class in columns]
    of_label = probabilities[np.arange(len(labels)), labels]
    return Metrics(
        accuracy=float(np.mean(predicted == labels)),
        f1=float(f1_score(labels, predicted, average="macro", zero_division=0)),
        auroc=_auroc(labels, probabilities, _logit),
        log_loss=float(-np.log(np.maximum(of_label, LOG_LOSS_FLOOR)).mean()),
        ece=calibration_error(probabilities.max(axis=1), likeliest == labels),
        n=len(labels),
        balanced_accuracy=float(np.mean([one.recall for one in per_class if one.support])),
        per_class=per_class,
        confusion=counts.tolist() if len(classes) <= MATRIX_CLASSES else None,
    )


def largest_class(labels: NDArray[np.integer]) -> float:
    """Share of the most frequent label, in 0..1: the accuracy of always naming it."""
    return float(np.bincount(labels).max() / len(labels))


def is_chance(metrics: Metrics, labels: NDArray[np.integer]) -> bool:
    """True if an accuracy is not above the share of the largest class by more than chance.

    The limit is that of a one-sided test at 5%, by the normal approximation.
    """
    share = largest_class(labels)
    return metrics.accuracy <= share + 1.645 * (share * (1 - share) / metrics.n) ** 0.5


def calibration_error(
    confidence: NDArray[np.floating], correct: NDArray[np.bool_], bins: int = ECE_BINS
) -> float:
    """Expected calibration error with bins of equal mass.

    Rows are sorted by confidence and cut into `bins` parts whose sizes differ by at most one
    (fewer parts when there are fewer rows). The error is the mean over rows of their part's
    |share correct - mean confidence|. Rows of equal confidence each count with their mean
    correctness, so that a cut between them does not make the result depend on their order.

    Args:
        confidence: float[N], probability of the predicted class.
        correct: bool[N], whether the predicted class is the label.
        bins: Number of parts.

    Returns:
        The error in 0..1.
    """
    values, group = np.unique(confidence, return_inverse=True)
    share = np.bincount(group, weights=correct) / np.bincount(group)
    order = np.sort(group)
    gaps = share[order] - values[order]
    parts = np.array_split(gaps, min(bins, len(gaps)))
    return float(sum(abs(part.sum()) for part in parts) / len(gaps))


def _auroc(
    labels: NDArray[np.integer], probabilities: NDArray[np.floating], score: Score
) -> float | None:
    from sklearn.metrics import roc_auc_score

    classes = probabilities.shape[1]
    if len(np.unique(labels)) < classes:
        return None
    # With two classes both curves have the same area: class 1 is enough.
    chosen = [1] if classes == 2 else range(classes)
    areas = [roc_auc_score(labels == label, score(probabilities, label)) for label in chosen]
    return float(np.mean(areas))


def older_auroc(labels: NDArray[np.integer], probabilities: NDArray[np.floating]) -> float | None:
    """AUROC as older rows have it: probabilities near 1, rounded to the same number, were ties."""
    return _auroc(labels, probabilities, lambda values, label: values[:, label])


def _logit(probabilities: NDArray[np.floating], label: int) -> NDArray[np.floating]:
    """Log-odds of a class: they order what probabilities near 1, as rounded, do not."""
    least = np.finfo(np.float64).tiny
    others = np.delete(probabilities, label, axis=1).sum(axis=1)
    odds: NDArray[np.floating] = np.log(np.maximum(probabilities[:, label], least))
    return odds - np.log(np.maximum(others, least))


def _check(labels: NDArray[np.integer], probabilities: NDArray[np.floating]) -> None:
    if probabilities.ndim != 2 or probabilities.shape[1] < 2:
        raise ValueError(
            f"probabilities have shape {probabilities.shape}; they must be [rows, classes] with "
            "at least 2 classes (of a two-class model give both columns)"
        )
    if labels.shape != probabilities.shape[:1]:
        raise ValueError(
            f"labels have shape {labels.shape} and probabilities {probabilities.shape}; "
            "give one label for each row of probabilities"
        )
    if len(labels) == 0:
        raise ValueError("0 rows were given; metrics need at least 1")
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"labels have dtype {labels.dtype}; they must be integers, 0..classes-1")
    classes = probabilities.shape[1]
    outside = (labels < 0) | (labels >= classes)
    if outside.any():
        row = int(outside.argmax())
        raise ValueError(
            f"the label of row {row} is {labels[row]}; {classes} columns of probabilities allow "
            f"labels 0..{classes - 1}"
        )
    wrong = ~((probabilities >= 0) & (probabilities <= 1 + ROW_SUM_TOLERANCE)).all(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"row {row} holds {probabilities[row].tolist()}; probabilities must be in 0..1 and "
            "not be NaN (did training diverge, or were logits given?)"
        )
    sums = probabilities.sum(axis=1, dtype=np.float64)
    off = np.abs(sums - 1) > ROW_SUM_TOLERANCE
    if off.any():
        row = int(off.argmax())
        raise ValueError(
            f"row {row} sums to {sums[row]:.6g}; the probabilities of a row must sum to 1 within "
            f"{ROW_SUM_TOLERANCE} (apply softmax to the logits in float32)"
        )
