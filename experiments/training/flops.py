"""FLOPs of a forward pass, counted by torch on real reviews."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from datamodules.text import TextDataModule
from lit_models.base.model import LitModel
from lit_models.base.without_steps import WithoutSteps
from lit_models.layers.linear import flop_formulas
from lit_models.layers.recurrent import Direction

_REVIEWS = 32
_TINY_DROPOUT = 1e-9  # a recurrent dropout that drops nothing but avoids the fused kernel


def count(
    model: LitModel, batches: Iterable[Any], forward: Callable[[Any], Any] | None = None
) -> int:
    """Multiplications and additions of the forward passes over some batches.

    Matrix products, convolutions and attention are counted; embedding look-ups, sums and
    element-wise operations are not. The counter sees nothing inside a fused kernel, so recurrent
    cells and attention run on their unfused paths.

    Args:
        model: fitted or not.
        batches: on the model's device.
        forward: the pass over one batch; None: `predict_step`.
    """
    forward = forward or model.predict_step
    unfused = torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH)
    counter = FlopCounterMode(display=False, custom_mapping=flop_formulas())
    eager = torch.compiler.set_stance("force_eager")
    with torch.no_grad(), _unfused_recurrence(model), eager, unfused, counter:
        for batch in batches:
            forward(batch)
    return int(counter.get_total_flops())


def flops_per_review(model: LitModel, data: TextDataModule) -> float | None:
    """Mean FLOPs of a validation review, each in a batch of its own and so without padding.

    Args:
        model: fitted or not, since the values of its weights do not matter.
        data: set up.

    Returns:
        Mean over 32 reviews at equal steps of the sorted lengths; None for models without steps,
        whose operations torch cannot count.
    """
    if isinstance(model, WithoutSteps):
        return None
    dataset = data.loader("val").dataset
    order = np.argsort(dataset.lengths, kind="stable")  # type: ignore[attr-defined]
    steps = np.linspace(0, len(order) - 1, min(_REVIEWS, len(order))).round().astype(int)
    batches = [
        model.transfer_batch_to_device(dataset[order[step : step + 1]], model.device, 0)
        for step in steps
    ]
    return count(model, batches) / len(batches) or None  # none that torch can count


@contextmanager
def _unfused_recurrence(model: nn.Module) -> Iterator[None]:
    """Evaluation mode in which recurrent layers run as a loop instead of fused kernels."""
    cells = [module for module in model.modules() if isinstance(module, Direction)]
    before, training = [cell.recurrent_dropout for cell in cells], model.training
    model.eval()
    for cell in cells:
        cell.recurrent_dropout = cell.recurrent_dropout or _TINY_DROPOUT
        cell.train()
    try:
        yield
    finally:
        for cell, dropout in zip(cells, before, strict=True):
            cell.recurrent_dropout = dropout
        model.train(training)
