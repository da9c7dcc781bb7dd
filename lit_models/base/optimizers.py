"""An Adam that leaves alone what a batch did not use, and the clipping of gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from lit_models.base.sharded_tensors import full_tensor


def clip_gradients(parameters: Iterable[nn.Parameter], limit: float) -> None:
    """Scales all gradients down together where their norm as one vector is above `limit`.

    As `nn.utils.clip_grad_norm_`, which multiplies by 1 where it is not: a CPU saves that pass over
    all gradients. Asking a GPU for the norm would make it wait, so there they are multiplied.
    """
    parameters = [p for p in parameters if p.grad is not None]
    norm = full_tensor(nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None]))
    if norm.device.type != "cpu" or not norm <= limit:  # not: a NaN spreads, to be found
        nn.utils.clip_grads_with_norm_(parameters, limit, norm)


class SparseAdam(Optimizer):
    """Adam (Kingma & Ba 2015) that touches only the rows with a gradient.

    m ← β1 m + (1 - β1) g;  v ← β2 v + (1 - β2) g²;
    w ← (1 - lr · decay) w - lr · (m / (1 - β1^t)) / (√(v / (1 - β2^t)) + ε)

    With a sparse gradient, m, v and w change in the rows used alone, as in `torch.optim.SparseAdam`
    (the moments of a row stand still while it is not used), and so does the decay. With a dense
    gradient it is `torch.optim.AdamW`. One class for both kinds, so that a model with both needs
    one optimiser.

    Args:
        params: parameters, or groups of them with settings of their own.
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
        """One step; calls the closure first, if there is one, and returns what it gives."""
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
        whole = weight, state["mean"], state["square"]
        if gradient.is_sparse:
            gradient = gradient.coalesce()
            rows, gradient = gradient.indices()[0], gradient.values()
        value, mean, square = (t if rows is None else t.index_select(0, rows) for t in whole)
        beta1, beta2 = group["betas"]
        mean.lerp_(gradient, 1 - beta1)
        square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        root = (square / (1 - beta2 ** state["step"])).sqrt_().add_(group["eps"])
        value.mul_(1 - group["lr"] * group["weight_decay"])
        value.addcdiv_(mean, root, value=-group["lr"] / (1 - beta1 ** state["step"]))
        if rows is not None:
            for tensor, part in zip(whole, (value, mean, square), strict=True):
                tensor.index_copy_(0, rows, part)
