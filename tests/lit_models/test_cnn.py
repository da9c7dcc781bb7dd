"""CNN against its equations, and k-max pooling over one layer and several."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from lit_models.cnn import CNN, CNNNet
from tests.batches import make_batch, random_rows

ROWS = random_rows([1, 2, 5, 11], 30)


def net(k_max: int, num_layers: int = 1, filter_sizes: tuple[int, ...] = (2, 3)) -> CNNNet:
    torch.manual_seed(0)
    model = CNN(
        vocab_size=30,
        embedding_dim=5,
        filter_sizes=list(filter_sizes),
        num_filters=4,
        k_max=k_max,
        num_layers=num_layers,
    )
    return model.net.double().eval()


def largest(states: torch.Tensor, k: int) -> torch.Tensor:
    """[min(k, T), F] largest values of each feature of [T, F], in their order."""
    places = states.topk(min(k, len(states)), dim=0).indices.sort(dim=0).values
    return states.gather(0, places)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_logits_follow_the_equations_in_the_docstring(k: int, num_layers: int) -> None:
    model = net(k, num_layers)
    batch = make_batch(ROWS, width=14, pad=9)
    computed = model(batch.tokens, batch.lengths)
    for row, logits in zip(ROWS, computed, strict=True):
        features = []
        for first, higher in zip(model.convolutions, model.higher, strict=True):
            states = model.embedding.table.weight[torch.tensor(row)]  # [T, E]
            for layer, convolution in enumerate([first, *higher], start=1):
                weight = convolution.weight[:, :, 0]
                padded = F.pad(states, (0, 0, 0, weight.shape[2] - 1))
                states = F.conv1d(padded.T, weight, convolution.bias).T
                share = math.ceil((1 - layer / num_layers) * len(row))
                states = largest(states, k if layer == num_layers else max(k, share)).relu()
            features.append(F.pad(states, (0, 0, 0, k - len(states))).flatten())
        assert torch.allclose(logits, model.output(torch.cat(features)), atol=1e-12)


def test_k_max_keeps_the_order_and_pads_never_win() -> None:
    model = net(3, filter_sizes=(1,))
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


@pytest.mark.parametrize("name", ["k_max", "num_layers"])
def test_a_count_below_one_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is 0"):
        CNN(vocab_size=9, **{name: 0})
