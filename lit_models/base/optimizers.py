"""SparseAdam, which updates only the rows that a batch used, groups of parameters, clipping."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from lit_models.base.sharded_tensors import full_tensor

# Least and largest value of a setting of training, and whether the ends are allowed themselves.
_RANGES = {
    "num_classes": (2, math.inf, True, False),
    "learning_rate": (0, math.inf, False, False),
    "weight_decay": (0, math.inf, True, False),
    "warmup_fraction": (0, 1, True, True),
    "label_smoothing": (0, 1, True, False),
    "adversarial": (0, math.inf, True, False),
    "virtual_adversarial": (0, math.inf, True, False),
    "entropy": (0, math.inf, True, False),
    "gradient_clip_norm": (0, math.inf, False, False),
    "weight_averaging_decay": (0, 1, True, True),
    "weight_averaging_start": (0, math.inf, True, False),
    "vectors_lr_scale": (0, math.inf, True, False),
    "vectors_frozen_epochs": (0, math.inf, True, False),
}


def check_training(settings: Mapping[str, Any]) -> None:
    """Check the settings of training that all models have.

    Args:
        settings: values by name; those of other names are ignored, and so is None.

    Raises:
        ValueError: a value outside the range of its setting, no number, or settings that exclude
            one another.
    """
    for name, (low, high, from_low, to_high) in _RANGES.items():
        value = settings.get(name)
        if value is None:
            continue
        if not (low < value < high or (from_low and value == low) or (to_high and value == high)):
            rule = f"{low} or more" if from_low else f"above {low}"
            rule += "" if high == math.inf else f" and {'at most' if to_high else 'below'} {high}"
            finite = "" if value != math.inf else " and finite"
            raise ValueError(f"{name} is {value}; it must be {rule}{finite}")
    clip = settings.get("gradient_clip_norm")
    if settings.get("optimizer") == "sparse_adam" and clip is not None:
        raise ValueError(
            f"gradient_clip_norm is {clip} and optimizer is 'sparse_adam', whose sparse gradients "
            "are not clipped; set --model.gradient_clip_norm null, or --model.optimizer adamw"
        )


def clip_gradients(parameters: Iterable[nn.Parameter], limit: float) -> None:
    """Scale all gradients so that their norm as one vector is at most `limit`.

    As `nn.utils.clip_grad_norm_`, but on a CPU without the multiplication by 1 where the norm is
    within the limit. On a GPU reading the norm would cause a synchronisation.
    """
    parameters = [p for p in parameters if p.grad is not None]
    norm = full_tensor(nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None]))
    if norm.device.type != "cpu" or not norm <= limit:  # `not <=`: NaN must propagate
        nn.utils.clip_grads_with_norm_(parameters, limit, norm)


def group_parameters(
    parameters: Iterable[nn.Parameter], given_vectors: Iterable[Tensor], vectors_lr: float
) -> list[dict[str, Any]]:
    """Trainable parameters as an optimiser's groups: matrices, given word vectors, vectors.

    Args:
        parameters: of a model; frozen ones are left out.
        given_vectors: those of them that are the corpus's word vectors.
        vectors_lr: learning rate of these.
    """
    weights = [p for p in parameters if p.requires_grad]
    given = {id(p) for p in given_vectors}
    matrices = [p for p in weights if p.ndim >= 2]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in matrices if id(p) not in given]},
        {"params": [p for p in matrices if id(p) in given], "lr": vectors_lr},
        {"params": [p for p in weights if p.ndim < 2], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


class SparseAdam(Optimizer):
    """Adam (Kingma & Ba 2015) that updates only the rows with a gradient.

    m ← β1 m + (1 - β1) g;  v ← β2 v + (1 - β2) g²;
    w ← (1 - lr · decay) w - lr · (m / (1 - β1^t)) / (√(v / (1 - β2^t)) + ε)

    With a sparse gradient m, v, w and the decay change only in the rows of the gradient, as in
    `torch.optim.SparseAdam`: the moments of other rows stay constant. With a dense gradient it is
    `torch.optim.AdamW`. One class serves both kinds, so that a model with both has one optimiser.

    Args:
        params: parameters, or groups of parameters with their settings.
        lr: learning rate.
        betas: β1 and β2.
        eps: ε.
        weight_decay: decoupled decay (Loshchilov & Hutter 2019).
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step; return the loss of the closure, which is called first, if given."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["step"] = 0
                    state["mean"] = torch.zeros_like(weight)
                    state["square"] = torch.zeros_like(weight)
                state["step"] += 1
                self._update(weight, state, group)
        return loss

    @staticmethod
    def _update(weight: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        gradient, rows = weight.grad, None
        assert gradient is not None
        tables = weight, state["mean"], state["square"]
        if gradient.is_sparse:
            gradient = gradient.coalesce()
            rows, gradient = gradient.indices()[0], gradient.values()
        value, mean, square = (t if rows is None else t.index_select(0, rows) for t in tables)
        beta1, beta2 = group["betas"]
        mean.lerp_(gradient, 1 - beta1)
        square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        root = (square / (1 - beta2 ** state["step"])).sqrt_().add_(group["eps"])
        value.mul_(1 - group["lr"] * group["weight_decay"])
        value.addcdiv_(mean, root, value=-group["lr"] / (1 - beta1 ** state["step"]))
        if rows is not None:
            for tensor, part in zip(tables, (value, mean, square), strict=True):
                tensor.index_copy_(0, rows, part)
