"""Softmax layers: normalised, equal where they should be, cheap in memory where they say so."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from lit_models.language.softmax import (
    AdaptiveSoftmax,
    FullSoftmax,
    LowRankSoftmax,
    Softmax,
    make_softmax,
)
from lit_models.layers import linear

WIDTH, WORDS = 16, 23


@pytest.fixture(params=["full", "tied full", "tied adaptive", "untied adaptive"])
def softmax(request: pytest.FixtureRequest) -> Softmax:
    torch.manual_seed(0)
    table = nn.Parameter(torch.randn(WORDS, WIDTH))
    layer = make_softmax(
        WIDTH,
        WORDS,
        None if "full" in request.param else [4, 11],
        table if request.param.startswith("tied") else None,
    )
    for parameter in layer.parameters():  # biases too
        nn.init.normal_(parameter)
    return layer.double()


def states(count: int = 50) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, WIDTH, generator=generator, dtype=torch.float64)


def test_probabilities_sum_to_one(softmax: Softmax) -> None:
    total = softmax.log_probabilities(10 * states()).logsumexp(dim=1)
    assert total.abs().max() < 1e-9


def test_losses_are_those_of_the_log_probabilities(softmax: Softmax) -> None:
    targets = torch.arange(50) % WORDS
    expected = -softmax.log_probabilities(states())[torch.arange(50), targets]
    assert torch.allclose(softmax.losses(states(), targets), expected, rtol=0, atol=1e-9)


def test_every_parameter_has_the_gradient_of_the_log_probabilities(softmax: Softmax) -> None:
    targets = torch.arange(50) % WORDS
    parameters = list(softmax.parameters())
    loss = softmax.losses(states(), targets).sum()
    expected = -softmax.log_probabilities(states())[torch.arange(50), targets].sum()
    pairs = zip(
        torch.autograd.grad(loss, parameters),
        torch.autograd.grad(expected, parameters),
        strict=True,
    )
    for one, other in pairs:
        assert one.abs().sum() > 0 and torch.allclose(one, other, rtol=0, atol=1e-9)


def test_adaptive_equals_full_where_a_cluster_has_the_mass_of_its_words() -> None:
    """With ln Σ exp(E_k s) as the outcome of cluster k: here all E_k are 0, of equal words."""
    table = nn.Parameter(torch.randn(WORDS, WIDTH, dtype=torch.float64))
    full = FullSoftmax(WIDTH, WORDS, table).double()
    nn.init.normal_(full.bias)
    adaptive = AdaptiveSoftmax(WIDTH, WORDS, [4, 11], table).double()
    with torch.no_grad():
        table[4:] = 0
        adaptive.clusters.zero_()
        adaptive.bias.copy_(full.bias)
        for number, words in enumerate((slice(4, 11), slice(11, WORDS))):
            adaptive.cluster_bias[number] = full.bias[words].logsumexp(dim=0)
    one, other = full.log_probabilities(states()), adaptive.log_probabilities(states())
    assert torch.allclose(one, other, rtol=0, atol=1e-9)


def test_adaptive_learns_the_distribution_that_full_learns() -> None:
    """Without states, both have a maximum at the frequencies of the words."""
    counts = torch.arange(WORDS, 0, -1)
    targets = torch.repeat_interleave(torch.arange(WORDS), counts)
    given = torch.zeros(len(targets), WIDTH)
    entropy = -sum(c / len(targets) * math.log(c / len(targets)) for c in counts.tolist())
    for cutoffs in (None, [4, 11]):
        layer = make_softmax(WIDTH, WORDS, cutoffs, nn.Parameter(torch.zeros(WORDS, WIDTH)))
        optimizer = torch.optim.Adam(layer.parameters(), lr=0.1)
        for _ in range(150):
            optimizer.zero_grad()
            loss = layer.losses(given, targets).mean()
            loss.backward()
            optimizer.step()
        assert loss.item() == pytest.approx(entropy, abs=1e-3)


def test_training_makes_no_logits_of_all_words_for_all_targets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of 200 states, those of frequent words meet the head alone."""
    monkeypatch.setattr(linear, "_LEAST", 1)  # as with a vocabulary of real size
    layer = AdaptiveSoftmax(WIDTH, 5_000, [10])
    targets = torch.zeros(200, dtype=torch.long)
    targets[0] = 4_000
    sizes = list[int]()
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: sizes.append(tensor.numel()) or tensor, lambda tensor: tensor
    ):
        layer.losses(torch.randn(200, WIDTH), targets)
    assert max(sizes) == 4_990 * WIDTH  # the matrix of the cluster


def test_tied_rows_are_those_of_the_table() -> None:
    table = nn.Parameter(torch.randn(WORDS, WIDTH))
    for cutoffs in (None, [4]):
        layer = make_softmax(WIDTH, WORDS, cutoffs, table)
        assert layer.weight is table
    assert isinstance(make_softmax(WIDTH, WORDS, [4], None), LowRankSoftmax)


def test_cutoffs_beyond_the_vocabulary_are_left_out() -> None:
    assert isinstance(make_softmax(WIDTH, WORDS, [WORDS, 100], None), FullSoftmax)
    layer = make_softmax(WIDTH, WORDS, [4, 100], nn.Parameter(torch.zeros(WORDS, WIDTH)))
    assert isinstance(layer, AdaptiveSoftmax) and layer.sizes == [4, WORDS - 4]


def test_a_width_of_which_no_dimension_is_left_is_refused() -> None:
    with pytest.raises(ValueError, match="width is 15 and .* 4 to the power 2"):
        make_softmax(15, WORDS, [4, 11], None)


@pytest.mark.parametrize("cutoffs", [[0, 4], [4, 4], [11, 4], [-3]])
def test_cutoffs_that_do_not_rise_are_refused(cutoffs: list[int]) -> None:
    with pytest.raises(ValueError, match=rf"cutoffs is \[{cutoffs[0]}.*must rise from 1"):
        make_softmax(WIDTH, WORDS, cutoffs, None)
