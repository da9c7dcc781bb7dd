"""Texts shown without a part of the vocabulary."""

from __future__ import annotations

import pytest
import torch

from lit_models.layers.dropout import leave_words_out
from lit_models.transformer import Transformer
from tests.batches import make_batch, random_rows


def test_words_are_left_out_of_all_texts_and_the_rest_closes_up_in_order() -> None:
    torch.manual_seed(0)
    batch = make_batch(random_rows([40, 60, 7], 30), width=64)
    tokens, lengths = leave_words_out(batch.tokens, batch.lengths, 30, 0.4)
    rows = [row[:n].tolist() for row, n in zip(batch.tokens, batch.lengths.tolist(), strict=True)]
    left = [row[:n].tolist() for row, n in zip(tokens, lengths.tolist(), strict=True)]
    kept = {word for row in left for word in row}
    assert left == [[word for word in row if word in kept] for row in rows]
    assert 0 < len(kept) < len({word for row in rows for word in row})
    assert tokens.shape[1] == max(len(row) for row in left)


def test_the_share_left_out_is_the_one_asked_for() -> None:
    torch.manual_seed(0)
    tokens, lengths = torch.arange(10_000)[None, :], torch.tensor([10_000])
    _, left = leave_words_out(tokens, lengths, 10_000, 0.25)
    assert left.item() / 10_000 == pytest.approx(0.75, abs=0.02)


def test_a_text_is_never_left_without_words_and_padding_never_comes_in() -> None:
    batch = make_batch([[3, 4], [5]], width=6, pad=29)
    tokens, lengths = leave_words_out(batch.tokens, batch.lengths, 30, 1.0)
    assert lengths.tolist() == [2, 1]
    assert tokens[0].tolist() == [3, 4] and tokens[1, 0] == 5


def test_a_transformer_reads_what_is_left_as_it_reads_a_shorter_text() -> None:
    net = Transformer(
        vocab_size=30, embedding_dim=8, word_dropout=0.5, embedding_dropout=0.0, dropout=0.0
    ).net
    batch = make_batch(random_rows([20, 9], 30))
    torch.manual_seed(1)
    found = net.train()(batch.tokens, batch.lengths)
    torch.manual_seed(1)
    tokens, lengths = leave_words_out(batch.tokens, batch.lengths, 30, 0.5)
    assert int(lengths.sum()) < 29
    assert torch.allclose(found, net.eval()(tokens, lengths), atol=1e-6)
    assert not torch.allclose(found, net(batch.tokens, batch.lengths), atol=1e-3)
