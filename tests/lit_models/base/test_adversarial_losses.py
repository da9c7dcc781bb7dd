"""The losses of perturbations against their equations, and what is drawn for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from datamodules.store.mixed import MixedBatch
from lit_models.base.adversarial import embedding_of
from lit_models.bidirectional_lstm import BidirectionalLSTM
from lit_models.cnn import CNN
from tests.batches import make_batch, make_view, random_rows

VOCAB, XI = 40, 0.1
TRAIN, UNLABELLED = random_rows([9] * 6, VOCAB), random_rows([30], VOCAB // 4, seed=3)
CALM = {"word_dropout": 0.0, "embedding_dropout": 0.0, "dropout": 0.0}


def make(kind: Any = CNN, **settings: Any) -> Any:
    torch.manual_seed(0)
    model = kind(vocab_size=VOCAB, embedding_dim=8, **settings).train()
    with torch.no_grad():  # dimensions that differ in size
        embedding_of(model).table.weight.mul_(torch.linspace(0.2, 5, 8))
    others = make_view(UNLABELLED, [0], VOCAB).tokens
    model._learn(replace(make_view(TRAIN, [0, 1] * 3, VOCAB), unlabelled=others))
    return model


def mixed() -> MixedBatch:
    """Two rows with labels and two without."""
    batch = make_batch(random_rows([6, 3, 8, 5], VOCAB, seed=1), width=10)
    batch.labels[2:] = -1
    return MixedBatch(*batch, None, 2)


def equations(model: Any, batch: MixedBatch, epsilon: float, virtual: float) -> Tensor:
    """Sum of the losses of a network without dropout, as the class's docstring has them."""
    layer = embedding_of(model)
    table, inside = layer.table.weight, torch.arange(10) < batch.lengths[:, None]
    running = torch.tensor(sum(TRAIN + UNLABELLED, []))
    scale = table.detach()[running].std(dim=0, correction=0)
    words = table[batch.tokens]

    def logits(r: Tensor) -> Tensor:
        handle = layer.register_forward_hook(lambda module, given, found: words + r * scale)
        found: Tensor = model(batch)
        handle.remove()
        return found

    def cross_entropy(z: Tensor) -> Tensor:
        return F.cross_entropy(z[:2], batch.labels[:2])

    def divergence(z: Tensor) -> Tensor:
        return F.kl_div(z.log_softmax(1), p, reduction="none").sum(dim=1)

    def slope(loss: Any, r: Tensor) -> Tensor:
        r = r.detach().requires_grad_()
        return unit(torch.autograd.grad(loss(logits(r)).sum(), r)[0])

    def unit(r: Tensor) -> Tensor:
        rows = [row / max(float(row.norm()), 1e-300) for row in r]
        return torch.stack(rows)

    zero = torch.zeros_like(words)
    clean = logits(zero)
    p, total = clean.detach().softmax(dim=1), cross_entropy(clean)
    if epsilon:
        total = total + cross_entropy(logits(epsilon * slope(cross_entropy, zero)))
    if virtual:
        d = torch.where(inside[:, :, None], torch.randn_like(words), 0)
        worst = virtual * slope(divergence, XI * unit(d))
        total = total + divergence(logits(worst)).mean()
    return total


@pytest.mark.parametrize("sizes", [(1.5, 0.0), (0.0, 2.5), (1.5, 2.5)])
def test_losses_and_their_gradients_are_those_of_the_equations(sizes: tuple[float, float]) -> None:
    model = make(adversarial=sizes[0], virtual_adversarial=sizes[1], **CALM).double()
    weights, found = list(model.net.parameters()), list[Any]()
    for loss_of in (lambda b: model.training_step(b, 0), lambda b: equations(model, b, *sizes)):
        torch.manual_seed(1)
        loss = loss_of(mixed())
        found.append((loss.detach(), torch.autograd.grad(loss, weights)))
    (loss, gradients), (expected, slopes) = found
    assert float(loss) == pytest.approx(float(expected), rel=1e-6)
    for one, other in zip(gradients, slopes, strict=True):
        assert torch.allclose(one, other, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("adversarial", [0.0, 1.0])
def test_the_next_step_draws_what_no_part_of_this_one_drew(adversarial: float) -> None:
    """A step draws the masks of one pass and d, in this order."""
    model = make(BidirectionalLSTM, adversarial=adversarial, virtual_adversarial=1.0)
    torch.manual_seed(7)
    model.training_step(mixed(), 0)
    after = torch.rand(3)
    torch.manual_seed(7)
    model(mixed())
    torch.randn(4, 10, 8)
    assert torch.equal(after, torch.rand(3))
