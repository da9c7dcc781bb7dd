"""Perturbations of word vectors: their direction, norm and place, and the losses they make."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from datamodules.store.batching import TextBatch
from datamodules.store.mixed import MixedBatch
from lit_models.attention_lstm import AttentionLSTM
from lit_models.bag import Bag
from lit_models.base.adversarial import (
    Perturbations,
    _Pass,
    divergence,
    embedding_of,
    perturbed,
    unit,
)
from lit_models.bidirectional_lstm import BidirectionalLSTM
from lit_models.capsule import Capsule
from lit_models.class_lm import ClassLM
from lit_models.cnn import CNN
from lit_models.hierarchical_attention import HierarchicalAttention
from lit_models.nb_logreg import NBLogReg
from lit_models.transformer import Transformer
from tests.batches import make_batch, make_view, random_rows

VOCAB = 40
NETS = [CNN, BidirectionalLSTM, AttentionLSTM, Capsule, HierarchicalAttention, Transformer]
SMALL = {"vocab_size": VOCAB, "embedding_dim": 8}


def make(kind: Any = BidirectionalLSTM, **settings: Any) -> Any:
    torch.manual_seed(0)
    model = kind(**SMALL, **settings).train()
    rows = random_rows([9] * 6, VOCAB)
    model._learn(make_view(rows, [0, 1] * 3, VOCAB))
    return model


def mixed(rows: list[list[int]], unlabelled: int) -> MixedBatch:
    batch = make_batch(rows)
    batch.labels[len(rows) - unlabelled :] = -1
    return MixedBatch(*batch, None, unlabelled)


def loss_of(model: Any, batch: Any) -> Tensor:
    torch.manual_seed(1)
    loss: Tensor = model.training_step(batch, 0)
    return loss


@pytest.mark.parametrize("kind", NETS)
def test_without_any_the_loss_is_the_plain_one(kind: Any) -> None:
    batch = make_batch(random_rows([5, 9, 3], VOCAB))
    plain = loss_of(make(kind), batch)
    zero = make(kind, adversarial=0.0, virtual_adversarial=0.0, entropy=0.0)
    assert torch.equal(loss_of(zero, batch), plain)
    beside = mixed([*random_rows([5, 9, 3], VOCAB), [4, 5]], 1)
    assert math.isfinite(loss_of(zero, beside))


@pytest.mark.parametrize("kind", NETS)
def test_every_network_over_words_learns_from_all_three(kind: Any) -> None:
    model = make(kind, adversarial=1.0, virtual_adversarial=1.0, entropy=0.5)
    batch = mixed(random_rows([7, 12, 3, 9], VOCAB), 2)
    plain = loss_of(make(kind), make_batch(random_rows([7, 12, 3, 9], VOCAB)[:2]))
    loss = loss_of(model, batch)
    loss.backward()
    assert loss > plain
    slopes = [p.grad for p in model.parameters() if p.grad is not None]
    assert slopes and all(bool(slope.isfinite().all()) for slope in slopes)


def test_perturbations_have_their_norm_and_padding_has_none() -> None:
    rows = random_rows([3, 12, 7], VOCAB)
    model, batch = make(adversarial=2.5, virtual_adversarial=4.0), make_batch(rows)
    layer, added = embedding_of(model), list[Tensor]()
    scale = model.perturbations._deviations(layer)

    def note(module: Any, given: Any, words: Tensor) -> None:
        added.append(words.detach().clone())

    layer.register_forward_hook(note)  # runs before the hook that adds
    after = list[Tensor]()
    model.net.recurrent.register_forward_pre_hook(lambda m, given: after.append(given[0].detach()))
    loss_of(model, batch)
    norms = []
    for clean, moved in zip(added, after, strict=True):
        assert torch.equal(clean, added[0])  # the same dropout masks
        r = (moved - clean) / scale
        norms.append(r.square().sum(dim=(1, 2)).sqrt())
        for row, length in enumerate(batch.lengths.tolist()):
            assert (r[row, length:] == 0).all()
            assert norms[-1][row] == 0 or (r[row, :length] != 0).any(dim=1).all()
    for norm, expected in zip(norms, (0.0, 2.5, 0.1, 4.0), strict=True):
        assert torch.allclose(norm, torch.full((3,), expected), rtol=1e-3)


def test_units_are_of_each_text_at_any_size() -> None:
    vectors = torch.randn(3, 4, 5) * torch.tensor([1e-30, 1.0, 0.0])[:, None, None]
    norms = unit(vectors).square().sum(dim=(1, 2)).sqrt()
    assert torch.allclose(norms, torch.tensor([1.0, 1.0, 0.0]))


def test_a_step_of_power_iteration_is_a_product_with_the_hessian() -> None:
    """g ∝ H d, with H by finite differences of the divergence at r = 0."""
    smooth = {"hidden_size": 4, "pooling": "mean", "word_dropout": 0.0, "embedding_dropout": 0.0}
    model = make(dropout=0.0, **smooth).double()
    batch = make_batch(random_rows([2], VOCAB))
    layer, shape = embedding_of(model), (1, 2, 8)
    with torch.no_grad():
        log_p = model(batch).log_softmax(dim=1)

    def distance(r: Tensor) -> Tensor:
        with perturbed(layer, batch, r.view(shape)):
            return divergence(log_p, model(batch)).sum()

    def slope(direction: Tensor, size: float) -> Tensor:
        r = (size * direction / direction.norm()).requires_grad_()
        return torch.autograd.grad(distance(r), r)[0]

    h, units = 1e-3, torch.eye(16, dtype=torch.float64)
    with torch.no_grad():
        single = [distance(h * one) for one in units]
        rows = [
            [distance(h * (a + b)) - single[i] - single[j] for j, b in enumerate(units)]
            for i, a in enumerate(units)
        ]
    hessian = torch.tensor(rows, dtype=torch.float64) / h**2
    d = torch.randn(16, dtype=torch.float64)
    found, product = slope(d, 1e-4) * d.norm() / 1e-4, hessian @ d
    assert float((found - product).norm() / product.norm()) < 1e-2
    direction = d
    for _ in range(20):  # repeated, it finds where the prediction changes most
        direction = slope(direction, 1e-4)
    top = torch.linalg.eigh((hessian + hessian.T) / 2).eigenvectors[:, -1]
    assert abs(float(direction / direction.norm() @ top)) > 0.999


def test_the_adversarial_direction_raises_the_loss_most() -> None:
    model = make(CNN, word_dropout=0.0, embedding_dropout=0.0, dropout=0.0)
    batch = make_batch(random_rows([6, 6], VOCAB))
    layer, scale = embedding_of(model), None
    model.perturbations = Perturbations(1e-2, 0.0, 0.0)
    model.perturbations.learn(model, make_view(random_rows([9] * 6, VOCAB), [0, 1] * 3, VOCAB))
    scale = model.perturbations._deviations(layer)
    plain = model._labelled_loss(model(batch), batch)
    worst = float(loss_of(model, batch) - 2 * plain)  # loss at the worst r, less the plain one
    for seed in range(20):
        r = 1e-2 * unit(torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(seed)))
        with perturbed(layer, batch, r * scale):
            assert float(model._labelled_loss(model(batch), batch) - plain) < worst


def test_the_entropy_is_that_of_the_predictions() -> None:
    model = make(Transformer, entropy=0.3)
    batch = mixed(random_rows([6, 4, 8], VOCAB), 2)
    torch.manual_seed(1)
    logits = model(batch)
    p = logits.softmax(dim=1)
    expected = model.loss(logits[:1], batch.labels[:1]) - 0.3 * (p * p.log()).sum(dim=1).mean()
    assert torch.allclose(loss_of(model, batch), expected)


def test_the_virtual_loss_needs_no_labels() -> None:
    model = make(CNN, virtual_adversarial=2.0)
    batch = mixed(random_rows([6, 4, 8, 5], VOCAB), 3)
    for label in range(2):
        batch.labels[0] = label
        own = loss_of(make(CNN), TextBatch(*(part[:1] for part in batch[:4])))
        assert own > 0
    others = [loss_of(model, batch._replace(labels=batch.labels.clone().fill_(1))) for _ in "ab"]
    assert torch.equal(*others)


def test_deviations_are_those_of_the_running_words() -> None:
    rows = [[2, 2, 2, 3], [3, 4]]
    model = make(CNN, adversarial=1.0)
    view = make_view(rows, [0, 1], VOCAB)
    model.perturbations.learn(model, view)
    table = model.net.embedding.table.weight.detach()
    words = table[torch.tensor([word for row in rows for word in row])].numpy()
    found = model.perturbations._deviations(model.net.embedding)
    assert np.allclose(found.numpy(), words.std(axis=0), atol=1e-6)


def test_a_step_leaves_the_generator_where_dropout_alone_would_not_notice() -> None:
    """Without dropout, passes draw nothing: only d is drawn."""
    model = make(CNN, adversarial=1.0, word_dropout=0.0, embedding_dropout=0.0, dropout=0.0)
    torch.manual_seed(7)
    model.training_step(make_batch([[2, 3, 4], [5, 6]]), 0)
    drawn = torch.rand(1)
    torch.manual_seed(7)
    assert torch.equal(drawn, torch.rand(1))


@pytest.mark.parametrize(
    ("kind", "settings", "reason"),
    [
        (ClassLM, {}, "has training steps of its own"),
        (Bag, {}, "has no embeddings of words"),
        (CNN, {"compile": True}, "model.compile is true"),
        (NBLogReg, {}, "has no embeddings of words"),
    ],
)
def test_models_that_it_does_not_go_with_are_refused(
    kind: Any, settings: dict[str, Any], reason: str
) -> None:
    model = kind(adversarial=1.0, **settings)
    with pytest.raises(ValueError, match=reason):
        model._learn(make_view([[2, 3]], [0], VOCAB))


@pytest.mark.parametrize("name", ["adversarial", "virtual_adversarial", "entropy"])
def test_a_negative_size_is_refused(name: str) -> None:
    for value in (-1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match=f"{name} is {value}; it must be 0 or more"):
            CNN(**{name: value})


def test_nothing_is_left_on_the_network() -> None:
    model = make(virtual_adversarial=1.0)
    loss_of(model, make_batch([[2, 3, 4], [5, 6]]))
    assert not embedding_of(model)._forward_hooks
    with pytest.raises(RuntimeError), perturbed(embedding_of(model), make_batch([[2]])):
        raise RuntimeError
    assert not embedding_of(model)._forward_hooks


def test_padding_is_left_out_of_a_direction() -> None:
    inside = _Pass(torch.tensor([1, 3])).inside(torch.full((2, 3, 2), torch.inf))
    assert inside.isinf().sum(dim=(1, 2)).tolist() == [2, 6]
    assert (inside[0, 1:] == 0).all()
