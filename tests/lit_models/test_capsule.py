"""Capsule's distribution over the classes, and its loss."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lit_models.capsule import Capsule
from lit_models.layers.capsule import length_of, margin_loss, squash
from tests.batches import make_batch, random_rows

ROWS = random_rows([1, 3, 7], 30)
SMALL = {"vocab_size": 30, "embedding_dim": 5, "hidden_size": 4, "primary_size": 3}


def test_probabilities_are_the_shares_of_the_lengths() -> None:
    torch.manual_seed(0)
    model = Capsule(**SMALL, num_classes=3).eval()
    net, batch = model.net, make_batch(ROWS, width=11, classes=3)
    lengths = []
    for row in ROWS:  # alone: no padding at all
        own = torch.tensor([len(row)])
        primary = squash(net.primary(net.gru(net.embedding(torch.tensor([row])), own)))
        lengths.append(length_of(net.capsules(primary, own)[0])[0])
    expected = torch.stack(lengths)
    assert expected.shape == (3, 3) and (expected < 1).all()
    found = model.predict_step(batch).probabilities
    assert torch.allclose(found, expected / expected.sum(dim=1, keepdim=True), atol=1e-5)
    loss = model.loss(model(batch), batch.labels)
    assert torch.allclose(loss, margin_loss(expected, batch.labels), atol=1e-5)


def test_cross_entropy_has_a_linear_layer_over_all_capsules() -> None:
    model = Capsule(**SMALL, loss="cross_entropy", num_capsules=4, label_smoothing=0.2).eval()
    assert model.net.output.weight.shape == (2, 4 * 16)
    logits, labels = torch.randn(5, 2), torch.tensor([0, 1, 1, 0, 1])
    expected = nn.functional.cross_entropy(logits, labels, label_smoothing=0.2)
    assert torch.equal(model.loss(logits, labels), expected)


def test_bad_settings_are_errors_with_their_value() -> None:
    with pytest.raises(ValueError, match=r"label_smoothing is 0\.1, and the margin loss"):
        Capsule(**SMALL, label_smoothing=0.1)
    with pytest.raises(ValueError, match="loss is 'hinge'"):
        Capsule(**SMALL, loss="hinge")  # type: ignore[arg-type]


def test_parameter_counts_are_those_in_the_docstring() -> None:
    assert f"{Capsule().parameter_count:,} parameters" in (Capsule.__doc__ or "")
