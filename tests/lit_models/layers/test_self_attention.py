"""Self-attention against its equations, written out for one text."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import elu
from torch.utils.flop_counter import FlopCounterMode

from lit_models.layers.masking import mask_of
from lit_models.layers.positions import rotate, rotation
from lit_models.layers.self_attention import (
    Kernel,
    SelfAttention,
    linear_attention,
    positive,
    softmax_attention,
)

LENGTHS = torch.tensor([1, 4, 7])


def heads_of(rows: int = 3, heads: int = 2, length: int = 7, size: int = 4) -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.randn(rows, heads, length, size).double() for _ in range(3)]


def test_softmax_attention_of_two_words_by_hand() -> None:
    # Scores q · k: word 0 sees (0, ln 3), word 1 sees (0, 0); weights (1/4, 3/4) and (1/2, 1/2).
    queries = torch.tensor([1.0, 0.0]).view(1, 1, 2, 1)
    keys = torch.tensor([0.0, 1.0]).view(1, 1, 2, 1) * torch.tensor(3.0).log()
    values = torch.tensor([8.0, 16.0]).view(1, 1, 2, 1)
    found = softmax_attention(queries, keys, values, torch.ones(1, 2, dtype=torch.bool))
    assert found.flatten().tolist() == pytest.approx([14.0, 12.0])


def test_linear_attention_of_two_words_by_hand() -> None:
    # φ(0) = 1, φ(2) = 3: word 0 (φ = 1) sees (1, 3), word 1 (φ = 3) sees (3, 9): 1/4 and 3/4 both.
    queries = keys = torch.tensor([0.0, 2.0]).view(1, 1, 2, 1)
    values = torch.tensor([8.0, 16.0]).view(1, 1, 2, 1)
    found = linear_attention(queries, keys, values, torch.ones(1, 2, dtype=torch.bool))
    assert found.flatten().tolist() == pytest.approx([14.0, 14.0])


@pytest.mark.parametrize("rotary", [False, True])
@pytest.mark.parametrize("kernel", ["softmax", "linear"])
def test_attention_is_the_explicit_sum_over_a_texts_own_words(kernel: Kernel, rotary: bool) -> None:
    queries, keys, values = heads_of()
    turns = rotation(7, 4, queries) if rotary else None
    attend = linear_attention if kernel == "linear" else softmax_attention
    found = attend(queries, keys, values, mask_of(LENGTHS, 7), turns)
    for row, length in enumerate(LENGTHS.tolist()):
        q, k, v = (part[row, :, :length] for part in (queries, keys, values))  # [H, t, d]
        if kernel == "linear":
            q, k = elu(q) + 1, elu(k) + 1
            below = (q @ k.transpose(1, 2)).sum(dim=2, keepdim=True)
            if turns is not None:
                own = turns[0][:length], turns[1][:length]
                q, k = rotate(q, own), rotate(k, own)
            weights = (q @ k.transpose(1, 2)) / below  # [H, t, t]
        else:
            if turns is not None:
                own = turns[0][:length], turns[1][:length]
                q, k = rotate(q, own), rotate(k, own)
            weights = (q @ k.transpose(1, 2) / 2.0).softmax(dim=2)
        if not rotary:
            assert torch.allclose(weights.sum(dim=2), torch.ones(2, length).double())
        assert torch.allclose(found[row, :, :length], weights @ v, atol=1e-12)


@pytest.mark.parametrize("kernel", ["softmax", "linear"])
def test_heads_read_their_own_part_of_the_projections(kernel: Kernel) -> None:
    torch.manual_seed(0)
    layer = SelfAttention(6, 2, kernel).double()
    states = torch.randn(2, 5, 6).double()
    mask = mask_of(torch.tensor([5, 3]), 5)
    attend = linear_attention if kernel == "linear" else softmax_attention
    w_q, w_k, w_v = layer.project.weight.split(6)
    heads = []
    for number in range(2):
        own = slice(3 * number, 3 * number + 3)
        parts = [(states @ w[own].T)[:, None] for w in (w_q, w_k, w_v)]  # [B, 1, T, 3]
        heads.append(attend(*parts, mask)[:, 0])
    expected = torch.cat(heads, dim=2) @ layer.output.weight.T
    assert torch.allclose(layer(states, mask), expected, atol=1e-12)


def test_the_features_of_linear_attention_are_positive_exact_and_smooth() -> None:
    states = torch.tensor([-80.0, -30.0, -1.0, 0.0, 2.0], requires_grad=True)
    features = positive(states)
    assert (features > 0).all()  # elu(-30) + 1 is 0 in single precision
    assert torch.allclose(features[2:], elu(states[2:]) + 1)
    features.sum().backward()
    assert states.grad is not None
    assert torch.allclose(states.grad, torch.tensor([-80.0, -30.0, -1.0, 0.0, 0.0]).exp())


def test_queries_whose_features_vanish_give_no_nan() -> None:
    queries = torch.full((1, 1, 2, 4), -1e4, requires_grad=True)
    keys, values = torch.zeros(1, 1, 2, 4), torch.ones(1, 1, 2, 4)
    found = linear_attention(queries, keys, values, torch.ones(1, 2, dtype=torch.bool))
    found.sum().backward()
    assert found.isfinite().all() and queries.grad is not None and queries.grad.isfinite().all()


def operations(kernel: Kernel, length: int) -> int:
    """Multiplications and additions of the matrix products of one layer's forward pass."""
    layer = SelfAttention(16, 2, kernel).eval()
    mask = torch.ones(1, length, dtype=torch.bool)
    counter = FlopCounterMode(display=False)
    # Without the fused kernel the counter sees the products inside it.
    with counter, torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        layer(torch.randn(1, length, 16), mask)
    return counter.get_total_flops()


def test_linear_attention_costs_twice_as_much_for_twice_the_words_and_softmax_more() -> None:
    counts = {k: [operations(k, n) for n in (64, 128, 256)] for k in ("softmax", "linear")}
    # 4 projections of 16 × 16, then per head of d = 8: keysᵀ values, queries × sum, the weight.
    assert counts["linear"][0] == 2 * 64 * (4 * 16 * 16 + 2 * (8 * 8 + 8 * 8 + 8))
    assert counts["linear"][1:] == [2 * counts["linear"][0], 4 * counts["linear"][0]]
    for n, count in zip((64, 128, 256), counts["softmax"], strict=True):
        assert count == 2 * n * (4 * 16 * 16 + 2 * (2 * n * 8))


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="embedding_dim 10 cannot be shared by 4 heads"):
        SelfAttention(10, 4)
    with pytest.raises(ValueError, match="linear attention has no weights"):
        SelfAttention(8, 2, "linear", dropout=0.1)


def test_attention_dropout_is_refused_where_a_cpu_trains() -> None:
    layer, mask = SelfAttention(8, 2, dropout=0.1), torch.ones(1, 3, dtype=torch.bool)
    with pytest.raises(ValueError, match="attention_dropout is 0.1 and training runs on a CPU"):
        layer.train()(torch.randn(1, 3, 8), mask)
    layer.eval()(torch.randn(1, 3, 8), mask)  # it predicts anywhere
