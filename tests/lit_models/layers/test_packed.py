"""Unpadded rows: the same logits and gradients as padded ones, and the fast kernel's wiring."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lit_models.bert import BERT
from lit_models.layers import packed as module
from lit_models.layers.packed import PACKABLE, block_mask, pack, packs_fast, unpack
from tests.batches import make_batch, random_rows
from tests.tiny_encoders import TINY, tiny

LENGTHS = [1, 30, 2, 17, 9]
ROWS = random_rows(LENGTHS, 700)
KINDS = [kind for kind in TINY if kind in PACKABLE]


def make_pair(kind: str, **options: Any) -> tuple[BERT, BERT]:
    """The same net, padded and packed."""
    models = []
    for packing in ("never", "always"):
        torch.manual_seed(0)
        values = {"pooling": "mean", "dropout": 0.0, "head_dropout": 0.0} | options
        models.append(BERT(config=tiny(kind), packing=packing, **values))  # type: ignore[arg-type]
    with torch.no_grad():
        for one, other in zip(*(m.parameters() for m in models), strict=True):
            one.add_(0.1 * torch.randn_like(one))  # far from their start: attention must matter
            other.copy_(one)
    return models[0], models[1]


def results(model: BERT) -> tuple[Tensor, dict[str, Tensor]]:
    batch = make_batch(ROWS, width=40)
    logits = model(batch)
    model.loss(logits, batch.labels).backward()
    gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    return logits, gradients


def assert_same(one: BERT, other: BERT) -> None:
    expected, gradients = results(one)
    found, others = results(other)
    assert torch.allclose(found, expected, rtol=0, atol=1e-5)
    assert gradients.keys() == others.keys() == dict(one.named_parameters()).keys()
    for name, gradient in gradients.items():
        assert torch.allclose(others[name], gradient, rtol=0, atol=1e-5), name


def test_a_batch_is_taken_apart_and_put_together() -> None:
    batch = make_batch(ROWS, width=40)
    packed = pack(batch.tokens, batch.lengths)
    assert packed.tokens[0].tolist() == [token for row in ROWS for token in row]
    assert packed.positions[0].tolist() == [t for n in LENGTHS for t in range(n)]
    assert packed.edges.tolist() == [0, 1, 31, 33, 50, 59]
    states = packed.tokens[..., None].float()
    back = unpack(states, packed, len(ROWS))[..., 0]
    for row, line in zip(ROWS, back, strict=True):
        assert line[: len(row)].tolist() == row and not line[len(row) :].any()
    mask = block_mask(packed)[0, 0]
    assert mask.sum() == sum(n * n for n in LENGTHS) and torch.equal(mask, mask.T)


@pytest.mark.parametrize("kind", KINDS)
def test_packed_rows_equal_padded_ones_gradients_included(kind: str) -> None:
    assert_same(*make_pair(kind))


def test_packed_rows_equal_padded_ones_over_several_layers() -> None:
    assert_same(*make_pair("bert", pooled_layers=2))


def test_types_whose_attention_cannot_be_packed_say_so() -> None:
    model = BERT(config=tiny("deberta-v2"), packing="always")
    with pytest.raises(ValueError, match="rows of a 'deberta-v2' cannot be packed, only those of"):
        model(make_batch(ROWS))


def by_row(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    edges: Tensor,
    _: Tensor,
    longest: int,
    *more: int,
    scale: float,
) -> Tensor:
    """What `varlen_attn` computes, for a machine without it: [N, H, d]."""
    assert edges.dtype == torch.int32 and int(edges.diff().max()) <= longest
    parts = []
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        one, two, three = (x[start:end].transpose(0, 1) for x in (q, k, v))
        parts.append(F.scaled_dot_product_attention(one, two, three, scale=scale).transpose(0, 1))
    return torch.cat(parts)


@pytest.mark.parametrize("kind", KINDS)
def test_the_fast_kernel_is_given_what_it_needs(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def kernel(*arguments: Any, **options: Any) -> Tensor:
        calls.append(arguments[0].shape)
        return by_row(*arguments, **options)

    padded, packed = make_pair(kind)
    monkeypatch.setattr(module, "_kernel", lambda: kernel)
    monkeypatch.setattr("lit_models.bert.packs_fast", lambda encoder, tokens: True)
    assert_same(padded, packed)
    assert calls == [(sum(LENGTHS), 2, 16)] * 2  # once a layer: [N, H, d], no padding among N
    config: Any = packed.net.encoder.config
    assert config._attn_implementation == "sdpa", "as it was"
    monkeypatch.undo()
    with torch.no_grad():
        batch = make_batch(ROWS)
        assert torch.allclose(padded(batch), packed(batch), atol=1e-5)


def test_the_fast_kernel_has_no_dropout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_kernel", lambda: by_row)
    monkeypatch.setattr("lit_models.bert.packs_fast", lambda encoder, tokens: True)
    model = BERT(config=tiny("bert"), attention_dropout=0.1)
    with pytest.raises(ValueError, match="attention_dropout is 0.1 and the kernel of packed rows"):
        model(make_batch(ROWS))


def test_a_cpu_pads() -> None:
    model = BERT(config=tiny("bert"))
    assert not packs_fast(model.net.encoder, make_batch(ROWS).tokens)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="varlen_attn has no CPU kernel")
def test_on_a_card_the_fast_path_is_as_near_as_the_padded_one() -> None:
    padded, _ = make_pair("bert")
    _, packed = make_pair("bert")
    padded, packed = padded.cuda().eval(), packed.cuda().eval()
    packed.net.packing = "auto"
    batch = make_batch(random_rows([n % 400 + 3 for n in range(0, 8000, 8)], 700))
    tokens, lengths = batch.tokens.cuda(), batch.lengths.cuda()
    with torch.no_grad():
        exact = padded.net(tokens, lengths)
        with torch.autocast("cuda", torch.bfloat16):
            assert packs_fast(packed.net.encoder, tokens)
            plain, fast = padded.net(tokens, lengths).float(), packed.net(tokens, lengths).float()
    assert (fast - exact).abs().max() <= 1.5 * (plain - exact).abs().max()
    assert (fast.argmax(1) == exact.argmax(1)).float().mean() >= 0.998
