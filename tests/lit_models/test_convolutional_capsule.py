"""ConvolutionalCapsule: the layers put together by loops over regions, and its settings."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lit_models.convolutional_capsule import CapsuleBranch, ConvolutionalCapsule
from lit_models.layers.capsule import LeakyCapsules, length_of, margin_loss, squash
from tests.batches import make_batch, random_rows

ROWS = random_rows([1, 2, 7], 30)
SMALL: dict[str, Any] = {
    "vocab_size": 30,
    "embedding_dim": 5,
    "filter_sizes": [2, 3],
    "num_filters": 6,
    "num_capsules": 4,
    "capsule_size": 3,
    "region_size": 2,
}


def small(**settings: Any) -> ConvolutionalCapsule:
    torch.manual_seed(0)
    model = ConvolutionalCapsule(**(SMALL | settings))
    for parameter in model.parameters():  # biases too
        torch.nn.init.normal_(parameter)
    return model.double().eval()


def parents(layer: LeakyCapsules, children: list[Tensor]) -> Tensor:
    """[J, D] parents of [P] children, all there."""
    stacked = torch.stack(children)[None]
    return layer(stacked, torch.ones(1, len(children), dtype=torch.bool))[0][0]


def by_loops(branch: CapsuleBranch, words: Tensor, region_size: int) -> Tensor:
    """[C, D] capsules of the classes of one text, float[T, E]."""
    weight = branch.convolution.weight[:, :, 0]  # [F, E, k]
    padded = F.pad(words, (0, 0, 0, weight.shape[2] - 1))
    ngrams = F.conv1d(padded.T, weight, branch.convolution.bias).T.relu()  # [T, F]
    primary = [squash(branch.primary(one).view(-1, 3)) for one in ngrams]  # [N, D] each
    regions: list[Tensor] = []
    for t in range(len(primary)):
        children = [u for capsules in primary[t : t + region_size] for u in capsules]
        regions += list(parents(branch.regions, children))
    return parents(branch.classes, regions)[:-1]  # without the orphan


@pytest.mark.parametrize("loss", ["margin", "cross_entropy"])
def test_a_text_by_loops_over_its_regions(loss: str) -> None:
    model = small(loss=loss, num_classes=3)
    net, batch = model.net, make_batch(ROWS, width=11, pad=9)
    found = net(batch.tokens, batch.lengths)
    for row, logits in zip(ROWS, found, strict=True):
        words = net.embedding.table.weight[torch.tensor(row)]
        both = [by_loops(branch, words, 2) for branch in net.branches]  # type: ignore[arg-type]
        capsules = (both[0] + both[1]) / 2
        assert capsules.shape == (3, 3)
        expected = length_of(capsules).log()
        if net.output is not None:
            expected = net.output(capsules.flatten())
        assert torch.allclose(logits, expected, atol=1e-9)


def test_probabilities_are_the_shares_of_the_lengths_under_the_margin_loss() -> None:
    model, batch = small(loss="margin", num_classes=3), make_batch(ROWS, classes=3)
    lengths = length_of(model.net.route(batch.tokens, batch.lengths)[0])
    probabilities = model.predict_step(batch).probabilities.double()
    assert torch.allclose(probabilities, lengths / lengths.sum(dim=1, keepdim=True), atol=1e-6)
    loss = model.loss(model(batch), batch.labels)
    assert torch.allclose(loss, margin_loss(lengths, batch.labels), atol=1e-9)


def test_couplings_to_the_class_are_shown_for_each_word() -> None:
    marks = small().shown(make_batch([ROWS[2]]), 1)["coupling to the capsule of the class"]
    assert len(marks.weights) == 7 and (marks.weights > 0).all()


def test_a_new_model_has_capsules_that_are_neither_gone_nor_saturated() -> None:
    torch.manual_seed(0)
    net = ConvolutionalCapsule(vocab_size=500).eval().net
    torch.nn.init.normal_(net.embedding.table.weight, std=0.3)  # as given word vectors
    batch = make_batch(random_rows([200, 200], 500))
    lengths = length_of(net.route(batch.tokens, batch.lengths)[0])
    assert ((lengths > 0.02) & (lengths < 0.999)).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "hinge"}, "loss is 'hinge'; choose one of"),
        ({"loss": "margin", "label_smoothing": 0.1}, r"label_smoothing is 0\.1, and the margin"),
        ({"filter_sizes": []}, r"filter_sizes is \[\]; give at least one"),
        ({"filter_sizes": [0]}, "a filter of 0 words is empty"),
        ({"routing_iterations": 0}, "routing_iterations is 0; routing takes at least 1 round"),
        ({"region_size": 0}, "region_size is 0; it must be at least 1"),
        ({"num_capsules": -1}, "num_capsules is -1; it must be at least 1"),
    ],
)
def test_bad_settings_are_errors_with_their_value(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**settings)


def test_parameter_counts_are_those_in_the_docstring() -> None:
    count = ConvolutionalCapsule().parameter_count
    assert f"{count:,} parameters" in (ConvolutionalCapsule.__doc__ or "")
