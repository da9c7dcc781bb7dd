"""Class weights: rows of rare classes count more in training."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Literal, Self, TypeAlias, get_args

import numpy as np
import torch
from torch import Tensor

ClassWeights: TypeAlias = Literal["balanced"]


def balanced_weights(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """float64[C] N / (K · N_c), as scikit-learn's `compute_class_weight("balanced", …)`.

    Over all N rows the weights of the rows have the mean 1. K counts the classes that have rows;
    the weight of a class without any is 0.

    Args:
        labels: int64[N], labels of the training rows.
        num_classes: C.
    """
    counts = np.bincount(labels, minlength=num_classes)
    weights = len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return np.where(counts > 0, weights, 0.0)


class ClassWeighting:
    """Balanced weights of the classes, times the losses of the rows of a batch.

    A batch's loss is the mean over its rows, not over their weights: whatever rows share a batch,
    an accumulated step or a process, each has the same effect, and over all training rows the
    weights have the mean 1 by themselves.

    Args:
        num_classes: C.

    Attributes:
        weights: float[C]; None before the training rows are known.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.weights: Tensor | None = None

    @classmethod
    def of(
        cls, setting: ClassWeights | None, num_classes: int, loss: Callable[..., Tensor]
    ) -> Self | None:
        """The weighting that a setting asks for; None for none.

        Args:
            setting: `balanced`, or None.
            num_classes: C.
            loss: `LitClassifier.loss` of the model.

        Raises:
            ValueError: another setting, or a `loss` that cannot give the loss of each row.
        """
        if setting is None:
            return None
        if setting not in get_args(ClassWeights):
            raise ValueError(f"model.class_weights is {setting!r}; it must be 'balanced', or null")
        if "reduction" not in inspect.signature(loss).parameters:
            raise ValueError(
                f"model.class_weights is 'balanced', and {loss.__qualname__} takes no `reduction`, "
                'so that the loss of a row is not known; give it `reduction: str = "mean"`, as '
                "LitClassifier.loss has, or set --model.class_weights null"
            )
        return cls(num_classes)

    def learn(self, labels: np.ndarray) -> None:
        """Learn the weights from int64[N], the labels of the training rows."""
        self.weights = torch.from_numpy(balanced_weights(labels, self.num_classes)).float()

    def __call__(self, losses: Tensor, labels: Tensor) -> Tensor:
        """float[B] losses, each times the weight of its int64[B] label."""
        assert self.weights is not None, "the training rows are not known yet"
        self.weights = self.weights.to(losses.device)
        return losses * self.weights[labels]
