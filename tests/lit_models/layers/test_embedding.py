"""Dropout of whole words."""

from __future__ import annotations

import pytest
import torch

from lit_models.layers.embedding import WordEmbedding


def test_a_word_is_dropped_everywhere_in_a_batch_or_nowhere() -> None:
    torch.manual_seed(0)
    embedding = WordEmbedding(50, 4, word_dropout=0.4, dropout=0.0).train()
    tokens = torch.randint(50, (8, 200))
    words = embedding(tokens)
    dropped = (words == 0).all(dim=2)
    for token in range(50):
        own = dropped[tokens == token]
        assert own.all() or not own.any()
    kept = ~dropped
    expected = embedding.table(tokens)[kept] / 0.6
    assert torch.allclose(words[kept], expected)


def test_the_share_dropped_is_the_one_asked_for() -> None:
    torch.manual_seed(0)
    embedding = WordEmbedding(10_000, 2, word_dropout=0.25, dropout=0.0).train()
    words = embedding(torch.arange(10_000)[None, :])
    assert (words == 0).all(dim=2).float().mean() == pytest.approx(0.25, abs=0.02)


def test_evaluation_drops_nothing() -> None:
    embedding = WordEmbedding(9, 3, word_dropout=0.9, dropout=0.9).eval()
    tokens = torch.arange(9)[None, :]
    assert torch.equal(embedding(tokens), embedding.table(tokens))


def test_a_dimension_is_dropped_at_every_position_of_a_text_or_at_none() -> None:
    torch.manual_seed(0)
    embedding = WordEmbedding(50, 40, word_dropout=0.0, dropout=0.25).train()
    tokens = torch.randint(50, (30, 20))
    words = embedding(tokens)
    dropped = words == 0  # [B, T, E]
    assert (dropped.all(dim=1) == dropped.any(dim=1)).all()
    masks = dropped.all(dim=1)
    assert masks.float().mean() == pytest.approx(0.25, abs=0.05)
    assert not torch.equal(masks[0], masks[1])
    assert torch.allclose(words[~dropped], (embedding.table(tokens) / 0.75)[~dropped])
