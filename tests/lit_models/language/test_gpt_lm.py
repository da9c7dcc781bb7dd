"""GPTLM: causal attention within its context, and the state that carries it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from lit_models.gpt_lm import GPTLM, CausalBlock
from tests.lit_models.language.streams import VOCAB, make_stream

SIZES: dict[str, Any] = {
    "vocab_size": VOCAB,
    "embedding_dim": 16,
    "num_heads": 2,
    "dim_feedforward": 24,
    "context": 5,
}


def build(**settings: Any) -> GPTLM:
    torch.manual_seed(0)
    model = GPTLM(**SIZES | settings).double().eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    model.log = lambda *_, **__: None  # type: ignore[method-assign]  # there is no trainer
    return model


@torch.no_grad()
def states(model: GPTLM, symbols: list[int]) -> torch.Tensor:
    found: torch.Tensor = model.net(torch.tensor([symbols]), model.begin(1))[0][0]
    return found


def test_a_block_computes_its_equations() -> None:
    torch.manual_seed(0)
    block = CausalBlock(8, 2, 12, 0.0).double()
    x = torch.randn(1, 3, 8, dtype=torch.float64)
    no_keys = x.new_zeros(1, 0, 8)
    mask = torch.ones(3, 3, dtype=torch.bool).tril()[None, None]
    none = torch.ones(3, 2, dtype=torch.float64), torch.zeros(3, 2, dtype=torch.float64)
    found, _, _ = block(x, no_keys, no_keys, mask, none)  # turned by 0
    norm = torch.nn.functional.layer_norm(x, (8,))[0]
    q, k, v = (norm @ block.project.weight.T + block.project.bias).split(8, dim=1)
    heads = []
    for head in (slice(0, 4), slice(4, 8)):
        products = (q[:, head] @ k[:, head].T / 2).masked_fill(~mask[0, 0], float("-inf"))
        heads.append(products.softmax(dim=1) @ v[:, head])
    after = x[0] + torch.cat(heads, dim=1) @ block.output.weight.T + block.output.bias
    inner = torch.nn.functional.layer_norm(after, (8,)) @ block.first.weight.T + block.first.bias
    gelu = inner * 0.5 * (1 + torch.erf(inner / 2**0.5))
    expected = after + gelu @ block.second.weight.T + block.second.bias
    assert torch.allclose(found[0], expected, rtol=0, atol=1e-12)


def test_no_word_is_seen_before_its_turn() -> None:
    model = build()
    one, other = states(model, [0, 3, 4, 5, 6]), states(model, [0, 3, 4, 9, 6])
    assert torch.equal(one[:3], other[:3]) and not torch.allclose(one[3], other[3])


def test_one_block_sees_its_context_and_nothing_before() -> None:
    model = build(num_layers=1, embedding_dropout=0.0)
    words = [0, 3, 4, 5, 6, 7]
    for place in range(6):
        other = [word + (at == place) for at, word in enumerate(words)]
        same = torch.equal(states(model, words)[5], states(model, other)[5])
        assert same == (place == 0)  # the context of the last are five symbols with itself


def test_only_distances_count() -> None:
    model = build(num_layers=1)
    late = states(model, [0, 0, 0, 3, 4, 5, 6, 7])
    early = states(model, [3, 4, 5, 6, 7])
    assert torch.allclose(late[-1], early[-1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("width", [1, 3, 10])
def test_it_reads_a_stream_as_in_one_pass(width: int) -> None:
    """In pieces shorter and longer than the context, through two blocks."""
    model = build().train()
    batches = make_stream(3, width, 30 // width)
    losses = [model.training_step(batch, n) for n, batch in enumerate(batches)]
    model.carried = None
    expected = model.training_step(make_stream(3, 30, 1)[0], 0).item()
    assert torch.stack(losses).mean().item() == pytest.approx(expected, abs=1e-12)


def test_the_order_of_words_matters() -> None:
    model = build(num_layers=1)
    assert not torch.allclose(states(model, [0, 3, 4, 5])[3], states(model, [0, 4, 3, 5])[3])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"context": 0}, "context is 0; it must be at least 1"),
        ({"num_layers": 0}, "num_layers is 0; it must be at least 1"),
        ({"num_heads": 16}, "embedding_dim is 16 and num_heads 16; .* even multiple"),
        ({"num_heads": 0}, "num_heads 0"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GPTLM(**SIZES | settings)
