"""Seq2Seq: letters in reverse, the last state, and the decoder's equations."""

from __future__ import annotations

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from lit_models.seq2seq import LastStates
from tests.lit_models.sequences.pairs import STRINGS, TEXTS, build, make_pairs

BATCH = make_pairs(TEXTS, STRINGS)


@torch.no_grad()
def test_predictions_follow_the_equations() -> None:
    net = build("seq2seq").net
    found = net(BATCH.tokens, BATCH.lengths, BATCH.targets)
    for row, (text, string) in enumerate(zip(TEXTS, STRINGS, strict=True)):
        letters = net.embedding.table.weight[text[::-1]][None]
        states = net.symbols.table.weight[[0, *string]][None]
        for reader, writer in zip(net.encoder.layers, net.decoder.layers, strict=True):
            letters, last = reader.core(letters)
            states, _ = writer.core(states, last)
        expected = (states[0] @ net.output.weight.T + net.output.bias).log_softmax(dim=1)
        assert torch.allclose(found[row, : len(string) + 1], expected, rtol=0, atol=1e-9)


def test_dropout_between_layers_has_one_mask_for_a_row() -> None:
    torch.manual_seed(0)
    reader = LastStates("lstm", 4, 50, 2, 0.5, weight_drop=0.0)
    lengths = torch.tensor([2, 5, 1, 4])
    ones = pack_padded_sequence(
        torch.ones(4, 5, 50), lengths, batch_first=True, enforce_sorted=False
    )
    rows, _ = pad_packed_sequence(reader._dropped(ones, 4), batch_first=True)
    masks = rows[:, 0]
    assert set(masks.unique().tolist()) == {0.0, 2.0}
    assert len(masks.unique(dim=0)) == 4
    for row, mask, length in zip(rows, masks, lengths, strict=True):
        assert (row[:length] == mask).all() and (row[length:] == 0).all()


def test_a_text_is_one_state_of_each_layer() -> None:
    net = build("seq2seq").net
    state = net.encode(BATCH.tokens, BATCH.lengths)
    assert [tuple(part.shape) for part in state] == [(len(TEXTS), 8)] * 4  # h and c of two layers


@pytest.mark.parametrize("length", [1, 3])
def test_states_after_the_last_symbol_are_those_of_carrying(length: int) -> None:
    torch.manual_seed(0)
    reader = LastStates("lstm", 4, 6, 2, 0.0, weight_drop=0.0).double()
    words = torch.randn(3, 5, 4, dtype=torch.float64)
    found = reader.last_states(words, torch.tensor([5, length, 2]))
    row = words[1:2, :length]
    _, expected = reader(row, reader.begin(row, 1))
    for part, other in zip(found, expected, strict=True):
        assert torch.allclose(part[1:2], other, rtol=0, atol=1e-12)
