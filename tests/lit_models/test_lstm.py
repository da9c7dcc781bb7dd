"""LSTM against its equations, written out for one text."""

from __future__ import annotations

import pytest
import torch

from lit_models.layers.masking import Pooling
from lit_models.lstm import LSTMNet
from tests.batches import make_batch, random_rows


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "mean+max"])
def test_logits_follow_the_equations_in_the_docstring(pooling: Pooling) -> None:
    torch.manual_seed(0)
    net = LSTMNet(30, 5, 4, pooling, 2, dropout=0.5, word_dropout=0.5, embedding_dropout=0.5)
    net = net.double().eval()
    cell = net.lstm
    bias = cell.bias_ih_l0 + cell.bias_hh_l0
    rows = random_rows([1, 3, 7], 30)
    batch = make_batch(rows, width=11)
    found = net(batch.tokens, batch.lengths)
    for row, logits in zip(rows, found, strict=True):
        h, c, states = torch.zeros(4).double(), torch.zeros(4).double(), []
        for token in row:
            z = cell.weight_ih_l0 @ net.embedding.table.weight[token] + cell.weight_hh_l0 @ h + bias
            i, f, g, o = z.chunk(4)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            states.append(h)
        own = torch.stack(states)
        parts = {"last": own[-1], "mean": own.mean(dim=0), "max": own.max(dim=0).values}
        summary = torch.cat([parts[part] for part in pooling.split("+")])
        assert torch.allclose(logits, net.output(summary), atol=1e-12)
