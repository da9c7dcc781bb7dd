"""AttentionLSTM put together by hand, and its weights for display."""

from __future__ import annotations

import pytest
import torch

from lit_models.attention_lstm import AttentionLSTM
from lit_models.layers.attention import Scoring
from lit_models.layers.masking import Pooling
from tests.batches import make_batch, random_rows

ROWS = random_rows([1, 3, 7], 30)
SMALL = {"vocab_size": 30, "embedding_dim": 5, "hidden_size": 4, "attention_size": 3}


@pytest.mark.parametrize("pooling", [None, "mean+max"])
@pytest.mark.parametrize("attention", ["additive", "dot", "multiplicative", "context"])
def test_each_row_is_summed_under_the_weights_shown(
    attention: Scoring, pooling: Pooling | None
) -> None:
    torch.manual_seed(0)
    net = AttentionLSTM(**SMALL, attention=attention, pooling=pooling).net.double().eval()
    batch = make_batch(ROWS, width=11)
    shown = net.attend(batch.tokens, batch.lengths)
    found = net(batch.tokens, batch.lengths)
    assert torch.allclose(shown.sum(dim=1), torch.ones(3).double())
    for row, weights, logits in zip(ROWS, shown, found, strict=True):
        assert (weights[len(row) :] == 0).all() and (weights[: len(row)] > 0).all()
        words = net.embedding(torch.tensor([row]))
        states = net.lstm(words, torch.tensor([len(row)]))[0]  # alone: no padding at all
        parts = [weights[: len(row)] @ states]
        if pooling:
            parts += [states.mean(dim=0), states.max(dim=0).values]
        assert torch.allclose(logits, net.output(torch.cat(parts)), atol=1e-12)


def test_the_query_is_the_pooling_asked_for() -> None:
    torch.manual_seed(0)
    net = AttentionLSTM(**SMALL, attention="dot", query="max").net.double().eval()
    row = ROWS[2]
    states = net.lstm(net.embedding(torch.tensor([row])), torch.tensor([7]))[0]
    expected = (states @ states.max(dim=0).values).softmax(dim=0)
    assert torch.allclose(net.attend(*make_batch([row])[:2])[0], expected)


def test_bad_settings_are_errors_with_their_value() -> None:
    with pytest.raises(ValueError, match=r"query 'mean\+max' is 16 wide, the states are 8"):
        AttentionLSTM(**SMALL, attention="dot", query="mean+max")
    with pytest.raises(ValueError, match="attention is 'cosine'"):
        AttentionLSTM(**SMALL, attention="cosine")  # type: ignore[arg-type]


def test_parameter_counts_are_those_in_the_docstring() -> None:
    count = AttentionLSTM().parameter_count
    assert f"{count:,} parameters" in (AttentionLSTM.__doc__ or "")
