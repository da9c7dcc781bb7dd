"""Losses and metrics over an epoch and several processes, and the loss to minimise on each."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassAUROC, MulticlassF1Score
from torchmetrics.utilities.data import dim_zero_cat


class MeanOverRows(Metric):
    """Mean of a loss over the rows of an epoch, on all processes.

    torchmetrics' own `MeanMetric` (1.9) either searches each update for NaN, which makes a GPU
    wait, or ignores the weights. A number logged with `sync_dist` is divided by the mean of the
    processes' rows, rounded down.
    """

    full_state_update = False
    total: Tensor
    rows: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros(()), dist_reduce_fx="sum")
        self.add_state("rows", torch.zeros(()), dist_reduce_fx="sum")

    def update(self, mean: Tensor, rows: Tensor | int) -> None:
        """Add the mean loss of some rows."""
        self.total += mean * rows
        self.rows += rows

    def compute(self) -> Tensor:
        """Mean so far."""
        return self.total / self.rows


class MacroAUROC(MulticlassAUROC):
    """Area under the ROC curve, one class against the rest, the mean over the classes.

    NaN where a class is absent from the labels, as `experiments.records.metrics` has none then;
    torchmetrics counts such a class as 0.

    Args:
        num_classes: C.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes, average="macro", validate_args=False)

    def compute(self) -> Tensor:  # type: ignore[override]  # as its base has it
        """Area so far."""
        labels = dim_zero_cat(self.target)
        if len(labels.unique()) < self.num_classes:
            return torch.full((), torch.nan, device=labels.device)
        area: Tensor = super().compute()
        return area


def evaluation_metrics(num_classes: int, prefix: str) -> MetricCollection:
    """Accuracy, macro F1 and macro AUROC of a split, named with a prefix such as `val/`."""
    return MetricCollection(
        {
            "accuracy": MulticlassAccuracy(num_classes, average="micro", validate_args=False),
            "f1": MulticlassF1Score(num_classes, average="macro", validate_args=False),
            "auroc": MacroAUROC(num_classes),
        },
        prefix=prefix,
    )


def reduce_loss(
    loss: Tensor, rows: int, world: int, is_sum: bool
) -> tuple[Tensor, Tensor, Tensor | int]:
    """Weight this process's loss so that averaged gradients are those of the whole batch.

    DDP and FSDP average gradients over processes, whose numbers of rows n_r may differ in the last
    batch. A mean over n_r rows is therefore weighted by n_r · world / Σ n_r, and a sum by world.

    Args:
        loss: loss of the rows of this process.
        rows: number of those rows.
        world: number of processes.
        is_sum: the loss is a sum over rows, not their mean.

    Returns:
        Weighted loss of this process; mean of the whole batch over its rows, detached; these rows.
    """
    if world == 1:
        return loss, loss.detach() / (rows if is_sum else 1), rows
    sums = torch.stack([loss.detach() * (1 if is_sum else rows), loss.new_tensor(rows)])
    dist.all_reduce(sums)
    total, all_rows = sums
    if is_sum:
        return loss * world, total / all_rows, all_rows
    return loss * (rows * world / all_rows), total / all_rows, all_rows
