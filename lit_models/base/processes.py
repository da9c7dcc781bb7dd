"""One batch on several processes: the loss that each lowers, and means over all of them."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor
from torchmetrics import Metric


class MeanOverRows(Metric):
    """The mean of a loss over the rows of an epoch, those of all processes.

    torchmetrics' own `MeanMetric` either looks for NaN in each update, for which a card must wait,
    or leaves the weights aside (1.9). A number logged with `sync_dist` is divided by the mean of
    the processes' rows, rounded down.
    """

    full_state_update = False
    total: Tensor
    rows: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros(()), dist_reduce_fx="sum")
        self.add_state("rows", torch.zeros(()), dist_reduce_fx="sum")

    def update(self, mean: Tensor, rows: Tensor | int) -> None:
        """Adds the mean of some rows."""
        self.total += mean * rows
        self.rows += rows

    def compute(self) -> Tensor:
        """The mean so far."""
        return self.total / self.rows


def over_processes(
    loss: Tensor, rows: int, world: int, is_sum: bool
) -> tuple[Tensor, Tensor, Tensor | int]:
    """What one of them must lower so that all together lower the loss of the whole batch.

    The rest of a corpus need not come in equal parts: with a mean over n_r rows, the mean of the
    means is not that of the batch, so each is weighted by n_r · world / Σ n_r; a sum, by world.

    Args:
        loss: of the rows of this process.
        rows: how many those are.
        world: the number of processes.
        is_sum: the loss is a sum over rows, not their mean.

    Returns:
        This process's loss, weighted; that of the whole batch; the rows of the whole batch.
    """
    if world == 1:
        return loss, loss.detach(), rows
    sums = torch.stack([loss.detach() * (1 if is_sum else rows), loss.new_tensor(rows)])
    dist.all_reduce(sums)
    whole, all_rows = sums
    if is_sum:
        return loss * world, whole, all_rows
    return loss * (rows * world / all_rows), whole / all_rows, all_rows
