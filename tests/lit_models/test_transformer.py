"""The encoder's layers against their equations, and all choices of the Transformer."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from lit_models.layers.masking import mask_of
from lit_models.layers.positions import sinusoidal
from lit_models.layers.transformer import Encoder, EncoderLayer, Norm
from lit_models.linear_transformer import LinearTransformer
from lit_models.transformer import Transformer, TransformerNet
from tests.batches import make_batch, make_view, random_rows

SIZES: dict[str, Any] = {
    "vocab_size": 30,
    "embedding_dim": 8,
    "num_layers": 2,
    "num_heads": 2,
    "dim_feedforward": 12,
}
POSITIONS = ["sinusoidal", "learned", "rotary", "none"]
POOLINGS = ["cls", "mean", "max", "mean+max"]


def make(kind: type = Transformer, **settings: Any) -> Any:
    torch.manual_seed(0)
    return kind(**SIZES | settings)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_layer_follows_its_equations(norm: Norm) -> None:
    torch.manual_seed(0)
    layer = EncoderLayer(8, 2, 12, norm, dropout=0.5).double().eval()
    for gain in (layer.attention_norm.weight, layer.feedforward_norm.weight):
        torch.nn.init.uniform_(gain)
    x, mask = torch.randn(2, 5, 8).double(), mask_of(torch.tensor([5, 3]), 5)

    def attention(states: Tensor) -> Tensor:
        return layer.attention(states, mask)

    def feedforward(states: Tensor) -> Tensor:
        first, second = layer.feedforward[0], layer.feedforward[3]
        return (states @ first.weight.T + first.bias).relu() @ second.weight.T + second.bias

    found = layer(x, mask)
    if norm == "post":
        x = layer.attention_norm(x + attention(x))
        x = layer.feedforward_norm(x + feedforward(x))
    else:
        x = x + attention(layer.attention_norm(x))
        x = x + feedforward(layer.feedforward_norm(x))
    assert torch.allclose(found, x, atol=1e-12)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_every_state_leaves_the_encoder_normalised(norm: Norm) -> None:
    encoder = Encoder(8, 2, 2, 12, norm).eval()
    states = encoder(3 * torch.randn(2, 5, 8), torch.tensor([5, 2]))
    assert torch.allclose(states.mean(dim=2), torch.zeros(2, 5), atol=1e-5)
    assert torch.allclose(states.square().mean(dim=2), torch.ones(2, 5), atol=1e-2)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_logits_follow_the_docstring(pooling: str) -> None:
    net: TransformerNet = make(pooling=pooling).net.double().eval()
    rows = random_rows([1, 6], 30)
    batch = make_batch(rows, width=9)
    found = net(batch.tokens, batch.lengths)
    for row, logits in zip(rows, found, strict=True):
        words = net.embedding.table.weight[row]
        if pooling == "cls":
            words = torch.cat([net.cls[None], words])
        states = math.sqrt(8) * words + sinusoidal(len(words), 8, words)
        states = net.encoder(states[None], torch.tensor([len(words)]))[0]
        parts = {"cls": states[0], "mean": states.mean(dim=0), "max": states.max(dim=0).values}
        summary = torch.cat([parts[part] for part in pooling.split("+")])
        assert torch.allclose(logits, net.output(summary), atol=1e-12)


@pytest.mark.parametrize("kind", [Transformer, LinearTransformer])
@pytest.mark.parametrize(("positions", "pooling"), list(product(POSITIONS, POOLINGS)))
def test_every_choice_trains_and_ignores_padding(kind: type, positions: str, pooling: str) -> None:
    model = make(kind, positions=positions, pooling=pooling, max_positions=12, norm="post")
    rows = random_rows([1, 2, 5, 11], 30)
    batch = make_batch(rows)
    model.net.train()(batch.tokens, batch.lengths).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
    net = model.net.double().eval()
    with torch.no_grad():
        net.embedding.table.weight[29] = math.inf
    rows = [[token % 29 for token in row] for row in rows]
    wide = make_batch(rows, width=33, pad=29)
    for row, logits in zip(rows, net(wide.tokens, wide.lengths), strict=True):
        alone = make_batch([row])
        assert torch.allclose(logits, net(alone.tokens, alone.lengths)[0], atol=1e-9)


@pytest.mark.parametrize("kind", [Transformer, LinearTransformer])
@pytest.mark.parametrize(("positions", "blind"), zip(POSITIONS, [False] * 3 + [True], strict=True))
def test_only_without_positions_the_order_of_words_means_nothing(
    kind: type, positions: str, blind: bool
) -> None:
    net = make(kind, positions=positions, pooling="mean").net.double().eval()
    row = random_rows([9], 30)[0]
    batch = make_batch([row, row[::-1]])
    forward, backward = net(batch.tokens, batch.lengths)
    assert torch.allclose(forward, backward, atol=1e-9) == blind


@pytest.mark.parametrize("kind", [Transformer, LinearTransformer])
def test_bfloat16_trains_without_nan(kind: type) -> None:
    model = make(kind, positions="rotary").train()
    batch = make_batch(random_rows([1, 7, 30], 30))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model(batch).square().sum()
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("kind", [Transformer, LinearTransformer])
def test_texts_beyond_the_learned_positions_are_refused_before_the_first_step(kind: type) -> None:
    view = make_view(random_rows([3, 12], 30), [0, 1], 30)
    make(kind, positions="learned", max_positions=12).prepare(view)
    make(kind, positions="rotary", max_positions=2).prepare(view)
    with pytest.raises(ValueError, match="a text takes 13 positions and 12 are learned"):
        make(kind, positions="learned", max_positions=12, pooling="cls").prepare(view)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"positions": "spiral"}, "positions is 'spiral'; choose one of sinusoidal, learned"),
        ({"pooling": "last"}, "pooling is 'last'; choose one of cls, mean"),
        ({"norm": "middle"}, "norm is 'middle'; choose 'pre' or 'post'"),
        ({"num_layers": 0}, "num_layers is 0"),
        ({"num_heads": 3}, "embedding_dim 8 cannot be shared by 3 heads"),
        ({"embedding_dim": 6, "positions": "rotary"}, "and 3 is odd"),
        ({"embedding_dim": 7, "num_heads": 1}, "and 7 is odd"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**settings)


@pytest.mark.parametrize("kind", [Transformer, LinearTransformer])
def test_the_documented_size_is_the_real_one(kind: type) -> None:
    assert f"{kind().parameter_count:,} parameters" in str(kind.__doc__)


def operations(kind: type[Transformer], words: int) -> int:
    """Multiplications and additions over one text of so many words, beyond the output layer."""
    net = kind(vocab_size=30, embedding_dim=8, dim_feedforward=8).net.eval()
    batch = make_batch(random_rows([words], 30))
    # Without the fused kernel the counter sees the products inside it.
    unfused = torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH)
    with torch.no_grad(), unfused, FlopCounterMode(display=False) as counter:
        net(batch.tokens, batch.lengths)
    return counter.get_total_flops() - 2 * 8 * 2


def test_twice_the_words_cost_the_linear_one_twice_and_the_other_more() -> None:
    once, twice, thrice = (operations(LinearTransformer, n) for n in (64, 128, 192))
    assert (twice, thrice) == (2 * once, 3 * once)
    once, twice, thrice = (operations(Transformer, n) for n in (64, 128, 192))
    assert twice > 2 * once and thrice - twice > twice - once
