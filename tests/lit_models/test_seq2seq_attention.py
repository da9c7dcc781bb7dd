"""Seq2SeqAttention: its equations, and the weights that are shown."""

from __future__ import annotations

import pytest
import torch

from tests.lit_models.sequences.pairs import STRINGS, TEXTS, VOCAB, build, make_pairs

BATCH = make_pairs(TEXTS, STRINGS, width=20, pad=VOCAB - 1)
KINDS = ["additive", "multiplicative", "without input feeding", "additive of two layers"]


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_predictions_and_alignments_follow_the_equations(kind: str) -> None:
    model = build(kind)
    net = model.net
    found = net(BATCH.tokens, BATCH.lengths, BATCH.targets)
    alignments = model.alignments(BATCH.tokens, BATCH.lengths, BATCH.targets)
    assert alignments.shape == (*BATCH.targets.shape, BATCH.tokens.shape[1])
    for row, (text, string) in enumerate(zip(TEXTS, STRINGS, strict=True)):
        states = net.embedding.table.weight[text][None]
        for forward, backward in net.encoder.layers:
            ahead, back = forward.core(states)[0], backward.core(states.flip(1))[0].flip(1)
            states = torch.cat([ahead, back], dim=2)
        h_bar = states[0]  # [S, 2H]
        first = (
            net.first.weight @ torch.cat([h_bar[-1, :8], h_bar[0, 8:]]) + net.first.bias
        ).tanh()
        carried = [(h[None, None], torch.zeros(1, 1, 8).double()) for h in first.split(8)]
        attended = torch.zeros(8, dtype=torch.float64)
        for place, symbol in enumerate([0, *string]):
            query = net.symbols.table.weight[symbol]
            if kind != "without input feeding":
                query = torch.cat([query, attended])
            for number, layer in enumerate(net.decoder.layers):
                output, carried[number] = layer.core(query[None, None], carried[number])
                query = output[0, 0]
            attention = net.attention
            if kind == "multiplicative":
                scores = [query @ (attention.of_state.weight @ h) for h in h_bar]
            else:
                added = attention.of_query.weight @ query + attention.of_query.bias
                v = attention.score.weight[0]
                scores = [v @ (attention.of_state.weight @ h + added).tanh() for h in h_bar]
            weights = torch.stack(scores).softmax(dim=0)
            mixed = torch.cat([weights @ h_bar, query])
            attended = (net.mix.weight @ mixed + net.mix.bias).tanh()
            expected = (net.output.weight @ attended + net.output.bias).log_softmax(dim=0)
            assert torch.allclose(found[row, place], expected, rtol=0, atol=1e-9)
            shown = alignments[row, place]
            assert torch.allclose(shown[: len(text)], weights, rtol=0, atol=1e-9)
            assert (shown[len(text) :] == 0).all()


def test_the_symbols_before_a_symbol_decide_its_alignment() -> None:
    model = build("additive")
    one, other = [3, 1, 4, 0], [3, 1, 5, 2]
    tokens, lengths = torch.tensor([TEXTS[4]] * 2), torch.tensor([8, 8])
    first, second = model.alignments(tokens, lengths, torch.tensor([one, other]))
    assert torch.allclose(first[:3], second[:3], rtol=0, atol=1e-12)
    assert (first[3] - second[3]).abs().max() > 1e-6
    assert not first.requires_grad


def test_an_unknown_attention_is_refused() -> None:
    with pytest.raises(ValueError, match="attention is 'dot'; choose one of"):
        build("additive", attention="dot")
