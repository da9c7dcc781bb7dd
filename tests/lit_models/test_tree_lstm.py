"""TreeLSTM: its sentences, how their roots are pooled, and its settings."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from lit_models.layers.sentences import Sentences
from lit_models.tree_lstm import TreeLSTM
from tests.batches import make_batch

SMALL: dict[str, Any] = {"vocab_size": 30, "embedding_dim": 5, "hidden_size": 4}
# Tokens 2 to 4 end a sentence.
ROWS = [[9, 8, 2, 7, 7, 6, 3, 4, 5], [5], [2, 5, 6, 7, 8, 9, 10]]
SPLIT = [[[9, 8, 2], [7, 7, 6, 3, 4], [5]], [[5]], [[2], [5, 6, 7, 8, 9], [10]]]


def small(**settings: Any) -> TreeLSTM:
    torch.manual_seed(0)
    model = TreeLSTM(**(SMALL | settings)).double().eval()
    model.net.sentence_ends[2:5] = True
    return model


@torch.no_grad()
def test_the_output_reads_mean_and_maximum_of_the_roots_of_a_text() -> None:
    net, batch = small(max_sentence_length=5).net, make_batch(ROWS, width=12, pad=9)
    found = net(batch.tokens, batch.lengths)
    for sentences, logits in zip(SPLIT, found, strict=True):
        roots = []
        for words in sentences:
            vectors, one = net.embedding(torch.tensor([words])), torch.tensor([1])
            roots.append(net.tree(vectors, Sentences(one - 1, one * len(words), one, one))[0])
        stacked = torch.stack(roots)
        summary = torch.cat([stacked.mean(dim=0), stacked.max(dim=0).values])
        assert torch.allclose(logits, net.output(summary), atol=1e-12)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pooling": "sum"}, "pooling is 'sum'; choose one of"),
        ({"max_sentence_length": 0}, "max_sentence_length is 0; it must be at least 1"),
        ({"hidden_size": 0}, "hidden_size is 0; it must be at least 1"),
        ({"temperature": -1.0}, r"temperature is -1\.0; it must be above 0"),
    ],
)
def test_bad_settings_are_errors_with_their_value(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**settings)
