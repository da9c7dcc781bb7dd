"""Targets of a classifier: what its logits mean, their loss, probabilities and figures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MultilabelAUROC,
    MultilabelExactMatch,
    MultilabelF1Score,
)
from torchmetrics.utilities.data import dim_zero_cat

from lit_models.base.processes import evaluation_metrics


class Targets(ABC):
    """Kind of targets.

    Args:
        num_classes: C.
    """

    problem: ClassVar[str]
    """Kind of problem, a key of `datamodules.language.READERS`."""

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes

    @abstractmethod
    def loss(
        self, logits: Tensor, labels: Tensor, reduction: str = "mean", smoothing: float = 0.0
    ) -> Tensor:
        """Loss of float[B, C] logits; with the reduction `none` float[B].

        Args:
            logits: of a batch.
            labels: those of the batch.
            reduction: as in PyTorch.
            smoothing: part of each target that is spread.
        """

    @abstractmethod
    def probabilities(self, logits: Tensor) -> Tensor:
        """float[B, C] from float[B, C] logits."""

    @abstractmethod
    def logits(self, probabilities: Tensor) -> Tensor:
        """float[B, C] logits that have these probabilities."""

    @abstractmethod
    def accuracy(self) -> Metric:
        """Share of texts of which all labels are right."""

    @abstractmethod
    def metrics(self, prefix: str) -> MetricCollection:
        """Figures of a split, named with a prefix such as `val/`."""


class OneLabel(Targets):
    """One class a text: int64[B], softmax and cross-entropy."""

    problem = "classification"

    def loss(
        self, logits: Tensor, labels: Tensor, reduction: str = "mean", smoothing: float = 0.0
    ) -> Tensor:
        return F.cross_entropy(logits, labels, reduction=reduction, label_smoothing=smoothing)

    def probabilities(self, logits: Tensor) -> Tensor:
        return logits.softmax(dim=1)

    def logits(self, probabilities: Tensor) -> Tensor:
        return probabilities.clamp(min=torch.finfo(probabilities.dtype).tiny).log()

    def accuracy(self) -> Metric:
        return MulticlassAccuracy(self.num_classes, average="micro", validate_args=False)

    def metrics(self, prefix: str) -> MetricCollection:
        return evaluation_metrics(self.num_classes, prefix)


class SeveralLabels(Targets):
    """Any number of labels a text, each learnt for itself: multi-hot int64[B, C], a sigmoid each.

    The loss is the binary cross-entropy, the mean over the labels. Smoothing by s gives them the
    targets 1 - s/2 and s/2.
    """

    problem = "multi-label classification"

    def loss(
        self, logits: Tensor, labels: Tensor, reduction: str = "mean", smoothing: float = 0.0
    ) -> Tensor:
        targets = labels.to(logits.dtype)
        if smoothing:
            targets = targets * (1 - smoothing) + smoothing / 2
        losses = F.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(dim=1)
        if reduction == "none":
            return losses
        return losses.sum() if reduction == "sum" else losses.mean()

    def probabilities(self, logits: Tensor) -> Tensor:
        return logits.sigmoid()

    def logits(self, probabilities: Tensor) -> Tensor:
        return probabilities.logit(eps=torch.finfo(probabilities.dtype).eps)

    def accuracy(self) -> Metric:
        return MultilabelExactMatch(self.num_classes, validate_args=False)

    def metrics(self, prefix: str) -> MetricCollection:
        classes = self.num_classes
        return MetricCollection(
            {
                "accuracy": MultilabelExactMatch(classes, validate_args=False),
                "micro_f1": MultilabelF1Score(classes, average="micro", validate_args=False),
                "f1": MultilabelF1Score(classes, average="macro", validate_args=False),
                "auroc": MeanAUROC(classes),
            },
            prefix=prefix,
            compute_groups=False,
        )


class MeanAUROC(MultilabelAUROC):
    """Area under the ROC curve of each label, the mean over those that have one.

    A label has none if all texts have it, or none does; torchmetrics counts it as 0.

    Args:
        num_classes: C.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes, average="none", validate_args=False)

    def compute(self) -> Tensor:  # type: ignore[override]  # as its base has it
        """Area so far; NaN where no label has one."""
        labels = dim_zero_cat(self.target)
        known = (labels == 1).any(dim=0) & (labels == 0).any(dim=0)
        areas: Tensor = super().compute()
        return areas[known].mean()


def targets_of(multi_label: bool, num_classes: int) -> Targets:
    """Targets of a classifier.

    Args:
        multi_label: whether a text may have several labels.
        num_classes: C.
    """
    return SeveralLabels(num_classes) if multi_label else OneLabel(num_classes)


def check_several_labels(
    name: str, able: bool, class_weights: str | None, virtual_adversarial: float, entropy: float
) -> None:
    """Refuse what is made for one label a text.

    Args:
        name: of the model's class.
        able: whether that learns several labels.
        class_weights: setting of the model, as the following.
        virtual_adversarial: see `base.adversarial`.
        entropy: the same.

    Raises:
        ValueError: the model or a setting is.
    """
    several = "the corpus has several labels a text"
    if not able:
        raise ValueError(
            f"{several}, and {name} has a loss or a way to predict of its own, which is for one; "
            "choose another model, such as tfidf_logreg, nb_bag or cnn, or let "
            f"{name}.takes_several_labels return True"
        )
    if class_weights is not None:
        raise ValueError(
            f"model.class_weights is {class_weights!r}, which weighs a text by its class, and "
            f"{several}; leave it out, and choose the threshold with --run.threshold f1"
        )
    for setting, value in (("virtual_adversarial", virtual_adversarial), ("entropy", entropy)):
        if value:
            raise ValueError(
                f"model.{setting} is {value}, a loss of the one class of a text, and {several}; "
                f"set --model.{setting} 0"
            )
