"""CNN against its equations, k-max pooling over one layer and two, and the forerunner's layers."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from lit_models.cnn import CNN, CNNNet, SeedCNNNet
from tests.batches import make_batch, random_rows

ROWS = random_rows([1, 2, 5, 11], 30)


def net(k: int, layers: int = 1, widths: tuple[int, ...] = (2, 3)) -> CNNNet:
    torch.manual_seed(0)
    made = CNNNet(30, 5, widths, 4, 2, 0.5, 0.5, 0.5, k=k, layers=layers)
    return made.double().eval()


def largest(states: torch.Tensor, k: int) -> torch.Tensor:
    """[min(k, T), F] largest values of each feature of [T, F], in their order."""
    places = states.topk(min(k, len(states)), dim=0).indices.sort(dim=0).values
    return states.gather(0, places)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_logits_follow_the_equations_in_the_docstring(k: int, layers: int) -> None:
    model = net(k, layers)
    batch = make_batch(ROWS, width=14, pad=9)
    found = model(batch.tokens, batch.lengths)
    for row, logits in zip(ROWS, found, strict=True):
        features = []
        for first, higher in zip(model.convolutions, model.higher, strict=True):
            states = model.embedding.table.weight[torch.tensor(row)]  # [T, E]
            for layer, convolution in enumerate([first, *higher], start=1):
                weight = convolution.weight[:, :, 0]
                padded = F.pad(states, (0, 0, 0, weight.shape[2] - 1))
                states = F.conv1d(padded.T, weight, convolution.bias).T
                kept = k if layer == layers else max(k, math.ceil((1 - layer / layers) * len(row)))
                states = largest(states, kept).relu()
            features.append(F.pad(states, (0, 0, 0, k - len(states))).flatten())
        assert torch.allclose(logits, model.output(torch.cat(features)), atol=1e-12)


def test_k_max_keeps_the_order_and_pads_never_win() -> None:
    model = net(3, widths=(1,))
    row = [3, 8, 4, 6, 2]
    alone = model(*make_batch([row])[:2])
    padded = model(*make_batch([row, list(range(2, 30))], pad=7)[:2])[:1]
    assert torch.allclose(alone, padded, atol=1e-12)
    turned = model(*make_batch([row[::-1]])[:2])
    assert not torch.allclose(alone, turned)


def test_the_default_has_the_parameters_of_its_docstring_alone() -> None:
    model = CNN()
    assert model.parameter_count == 3_994_502 and "3,994,502" in CNN.__doc__
    names = {name.partition(".")[0] for name, _ in model.net.named_parameters()}
    assert names == {"embedding", "convolutions", "output"}


@pytest.mark.parametrize("name", ["k_max", "layers"])
def test_a_count_below_one_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is 0"):
        CNN(vocab_size=9, **{name: 0})


def test_the_forerunners_layers_have_their_sizes() -> None:
    model = CNN(vocab_size=50, variant="seed", seed_length=20, k_max=4)
    sizes = {name: tuple(p.shape) for name, p in model.net.named_parameters()}
    assert sizes == {
        "embedding.table.weight": (50, 300),
        "convolution.weight": (60, 300, 1, 3),
        "convolution.bias": (60,),
        "dense.weight": (120, 540),  # 20 words, 18 windows of 3, 9 pairs of them
        "dense.bias": (120,),
        "output.weight": (2, 120),
        "output.bias": (2,),
    }
    assert model.net.dropout.p == 0.25


@pytest.mark.parametrize("positions", [4, 11, 12])
def test_the_forerunners_layers_follow_their_equations_whatever_the_padding(positions: int) -> None:
    torch.manual_seed(0)
    model = SeedCNNNet(30, 5, positions, 3).double().eval()
    rows = [row[:positions] for row in ROWS]
    expected = []
    for row in rows:
        words = model.embedding.table.weight[torch.tensor(row)]
        words = F.pad(words, (0, 0, 0, positions - len(row)))
        states = F.conv1d(words.T, model.convolution.weight[:, :, 0], model.convolution.bias).relu()
        pooled = F.max_pool1d(states[None], 2)[0].T  # [·, 60]
        expected.append(model.output(model.dense(pooled.flatten()).relu()))
    for width in (positions, 3 * positions):
        batch = make_batch(rows, width=width, pad=9)
        found = model(batch.tokens, batch.lengths)
        assert torch.allclose(found, torch.stack(expected), atol=1e-12)


def test_a_text_longer_than_the_forerunners_places_is_an_error_with_the_remedy() -> None:
    model = SeedCNNNet(30, 5, 10, 2)
    with pytest.raises(
        ValueError, match="11 tokens, more than seed_length 10; set data.max_length"
    ):
        model(*make_batch(ROWS)[:2])
    with pytest.raises(ValueError, match="seed_length is 3"):
        SeedCNNNet(30, 5, 3, 2)
