"""Capsules with routing by agreement, and the margin loss (Sabour et al. 2017)."""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_models.layers.masking import mask_of, zero_padding

Loss = Literal["margin", "cross_entropy"]
"""Loss of a network of capsules."""

_TINY = 1e-12  # added under a square root, whose derivative at zero is infinite


class Capsules(nn.Module):
    """Dynamic routing from the capsules of a text's words to a few output capsules.

    With u_i the capsule of word i and a matrix W_j for each output capsule, shared by all words:
        û_ij = W_j u_i;  b_ij = 0;  then, `routing_iterations` times:
        c_ij = exp(b_ij) / Σ_k exp(b_ik);  s_j = Σ_i c_ij û_ij;  v_j = squash(s_j);
        b_ij ← b_ij + û_ij · v_j
    Sums run over the words of the text, without padding. The û_ij, a tensor [B, J, T, D], are not
    computed: Σ_i c_ij W_j u_i = W_j Σ_i c_ij u_i and W_j u_i · v_j = u_i · W_jᵀ v_j, so that an
    iteration costs as much as two attention poolings for each output capsule.

    Args:
        input_size: P, width of a word's capsule.
        num_capsules: J, number of output capsules.
        capsule_size: D, their width.
        routing_iterations: rounds of routing.
        keras_faults: every v_j of length 1 (`to_unit_length`) and b_ij ← û_ij · v_j, which discards
            the rounds before; for `lit_models.keras.capsule`.
    """

    def __init__(
        self,
        input_size: int,
        num_capsules: int,
        capsule_size: int,
        routing_iterations: int,
        keras_faults: bool = False,
    ) -> None:
        super().__init__()
        check_iterations(routing_iterations)
        self.routing_iterations, self.keras_faults = routing_iterations, keras_faults
        self.transform = nn.Parameter(torch.empty(num_capsules, input_size, capsule_size))
        for matrix in self.transform.data:
            nn.init.xavier_uniform_(matrix)

    def forward(self, inputs: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """[B, J, D] output capsules and [B, T, J] couplings of the last iteration, 0 on padding.

        Args:
            inputs: [B, T, P], any values past a row's length.
            lengths: int64[B].
        """
        mask = mask_of(lengths, inputs.shape[1])[:, None]  # [B, 1, T]
        inputs = zero_padding(inputs, lengths)
        logits = inputs.new_zeros(
            inputs.shape[0], len(self.transform), inputs.shape[1]
        )  # [B, J, T]
        for number in range(self.routing_iterations):
            coupling = logits.softmax(dim=1).masked_fill(~mask, 0.0)  # [B, J, T]
            gathered = coupling @ inputs  # [B, J, P]
            sums = torch.einsum("bjp,jpd->bjd", gathered, self.transform)
            outputs = to_unit_length(sums) if self.keras_faults else squash(sums)  # [B, J, D]
            if number + 1 < self.routing_iterations:
                projected = torch.einsum("bjd,jpd->bjp", outputs, self.transform)
                agreement = projected @ inputs.transpose(1, 2)  # [B, J, T]
                logits = agreement if self.keras_faults else logits + agreement
        return outputs, coupling.transpose(1, 2)


class LeakyCapsules(nn.Module):
    """Routing in which children need not take part (Zhao et al. 2018).

    With u_i the capsule of child i, and a matrix W_j and a bias b_j for each parent, shared by all
    children:
        û_ij = W_j u_i + b_j;  g_ij = 0;  then, `routing_iterations` times:
        c_ij = |u_i| · exp(g_ij) / (1 + Σ_k exp(g_ik));  s_j = Σ_i c_ij û_ij;  v_j = squash(s_j);
        g_ij ← g_ij + û_ij · v_j
    The 1 is a further parent with the logit 0 that is thrown away (leaky softmax), and |u_i| is the
    probability that the child is there. As in `Capsules` the û_ij are not computed.

    Args:
        input_size: P, width of a child.
        num_capsules: J, number of parents.
        capsule_size: D, their width.
        routing_iterations: rounds of routing.
        num_children: usual number of children, by which the W_j start so large that |s_j| ≈ 1 where
            the lengths of children are about 1/2. Squashed capsules are otherwise so short after
            two layers that nothing is learnt for a long time.

    Raises:
        ValueError: no round of routing.
    """

    def __init__(
        self,
        input_size: int,
        num_capsules: int,
        capsule_size: int,
        routing_iterations: int,
        num_children: int,
    ) -> None:
        super().__init__()
        check_iterations(routing_iterations)
        self.routing_iterations = routing_iterations
        self.transform = nn.Parameter(torch.empty(num_capsules, input_size, capsule_size))
        self.bias = nn.Parameter(torch.zeros(num_capsules, capsule_size))
        gain = 4 * (num_capsules + 1) / num_children**0.5  # each c_ij is 1/2 / (J + 1) at first
        for matrix in self.transform.data:
            nn.init.xavier_uniform_(matrix, gain)

    def forward(self, children: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """[R, J, D] parents and [R, I, J] couplings of the last iteration, 0 for absent children.

        Args:
            children: [R, I, P], finite also where absent.
            mask: bool[R, I], true where there is a child.
        """
        present = length_of(children).masked_fill(~mask, 0.0)[:, :, None]  # [R, I, 1]
        shape = children.shape[0], children.shape[1], self.transform.shape[0]
        logits = children.new_zeros(shape)  # [R, I, J]
        for number in range(self.routing_iterations):
            leaky = F.pad(logits, (0, 1)).softmax(dim=2)[:, :, :-1]
            coupling = present * leaky  # [R, I, J]
            gathered = coupling.transpose(1, 2) @ children  # [R, J, P]
            sums = torch.einsum("rjp,jpd->rjd", gathered, self.transform)
            outputs = squash(sums + coupling.sum(dim=1)[:, :, None] * self.bias)  # [R, J, D]
            if number + 1 < self.routing_iterations:
                projected = torch.einsum("rjd,jpd->rjp", outputs, self.transform)
                agreement = children @ projected.transpose(1, 2)  # [R, I, J]
                logits = logits + agreement + (outputs * self.bias).sum(dim=2)[:, None]
        return outputs, coupling


def check_iterations(routing_iterations: int) -> None:
    """Raise a ValueError for a number of rounds of routing below 1."""
    if routing_iterations < 1:
        raise ValueError(
            f"routing_iterations is {routing_iterations}; routing takes at least 1 round"
        )


def squash(sums: Tensor) -> Tensor:
    """v = |s|² / (1 + |s|²) · s / |s|: same direction, length below 1."""
    square = sums.square().sum(dim=-1, keepdim=True)
    return sums * ((square + _TINY).sqrt() / (1 + square))


def to_unit_length(sums: Tensor) -> Tensor:
    """v = s / |s|, the squash of `lit_models.keras.capsule`, after which a length says nothing."""
    return sums / (sums.square().sum(dim=-1, keepdim=True) + _TINY).sqrt()


def length_of(capsules: Tensor) -> Tensor:
    """[…] lengths of […, D] vectors, differentiable also at zero."""
    return (capsules.square().sum(dim=-1) + _TINY).sqrt()


def is_margin(loss: Loss, label_smoothing: float, multi_label: bool = False) -> bool:
    """True for the margin loss, False for cross-entropy.

    Raises:
        ValueError: another loss, or label smoothing or several labels with the margin loss.
    """
    if loss not in get_args(Loss):
        raise ValueError(f"loss is {loss!r}; choose one of {get_args(Loss)}")
    if loss == "margin" and label_smoothing:
        raise ValueError(
            f"label_smoothing is {label_smoothing}, and the margin loss has no target to smooth; "
            "set it to 0, or choose loss 'cross_entropy'"
        )
    if loss == "margin" and multi_label:
        raise ValueError(
            "loss is 'margin', by which the capsules share the probability of one class, and the "
            "corpus has several labels a text; set --model.loss cross_entropy"
        )
    return loss == "margin"


def margin_loss(lengths: Tensor, labels: Tensor, reduction: str = "mean") -> Tensor:
    """Σ_j T_j max(0, 0.9 - |v_j|)² + 0.5 (1 - T_j) max(0, |v_j| - 0.1)² of each row.

    T_j is 1 for the row's class and 0 for the others.

    Args:
        lengths: [B, C], |v_j|.
        labels: int64[B].
        reduction: `mean` over the rows, or `none`.
    """
    target = nn.functional.one_hot(labels, lengths.shape[1]).bool()
    present = (0.9 - lengths).clamp(min=0).square()
    absent = 0.5 * (lengths - 0.1).clamp(min=0).square()
    losses = torch.where(target, present, absent).sum(dim=1)
    return losses if reduction == "none" else losses.mean()
