"""Bag against the mean written out."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from lit_models.bag import Bag, BagNet
from tests.batches import make_batch

ROWS = [[3], [4, 4, 5], [2, 3, 2, 3, 2, 9], [7, 7, 7, 7]]


def bag(vocab_size: int, embedding_dim: int, **settings: Any) -> BagNet:
    return Bag(vocab_size=vocab_size, embedding_dim=embedding_dim, **settings).net


@pytest.mark.parametrize("distinct", [True, False])
def test_logits_are_the_linear_map_of_the_mean(distinct: bool) -> None:
    torch.manual_seed(0)
    net = bag(10, 4, dropout=0.5, word_dropout=0.5, distinct=distinct).double().eval()
    batch = make_batch(ROWS, width=9, pad=9)  # the padding is a word of the third row
    found = net(batch.tokens, batch.lengths)
    for row, logits in zip(ROWS, found, strict=True):
        words = sorted(set(row)) if distinct else row
        mean = net.embedding.weight[torch.tensor(words)].mean(dim=0)
        assert torch.allclose(logits, net.output(mean), atol=1e-12)


def test_word_dropout_leaves_whole_words_out_in_training_alone() -> None:
    torch.manual_seed(0)
    net = bag(1000, 1, dropout=0.0, word_dropout=0.25, distinct=True).train()
    torch.nn.init.ones_(net.embedding.weight)
    seen = []
    net.embedding.register_forward_pre_hook(lambda module, given: seen.append(len(given[0])))
    batch = make_batch([list(range(2, 1000))])
    for _ in range(50):
        net(batch.tokens, batch.lengths)
    assert sum(seen) / 50 / 998 == pytest.approx(0.75, abs=0.01)
    net.eval()(batch.tokens, batch.lengths)
    assert seen[-1] == 998


def test_a_text_whose_words_are_all_dropped_still_has_logits() -> None:
    net = bag(10, 4, dropout=0.0, word_dropout=1.0, distinct=True).train()
    batch = make_batch([[3, 4], [5]])
    assert torch.allclose(net(batch.tokens, batch.lengths), net.output.bias.expand(2, 2))
