"""CNN-LSTM against its equations: what the LSTM reads is what pooling left of each text."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from lit_models.cnn_lstm import CNNLSTM, CNNLSTMNet
from tests.batches import make_batch, random_rows

ROWS = random_rows([1, 4, 5, 11], 30)


def net(pool_size: int, bidirectional: bool = False) -> CNNLSTMNet:
    torch.manual_seed(0)
    model = CNNLSTM(
        vocab_size=30,
        embedding_dim=5,
        filter_size=3,
        num_filters=6,
        pool_size=pool_size,
        hidden_size=4,
        bidirectional=bidirectional,
    )
    return model.net.double().eval()


def pooled(model: CNNLSTMNet, row: list[int]) -> torch.Tensor:
    """[ceil(T / p), F], window by window."""
    words = F.pad(model.embedding.table.weight[torch.tensor(row)], (0, 0, 0, 2))
    weight = model.convolution.weight[:, :, 0]
    states = F.conv1d(words.T, weight, model.convolution.bias).relu().T
    return torch.stack([window.max(dim=0).values for window in states.split(model.pool_size)])


@pytest.mark.parametrize("pool_size", [1, 2, 4])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_logits_follow_the_equations_in_the_docstring(pool_size: int, bidirectional: bool) -> None:
    model = net(pool_size, bidirectional)
    batch = make_batch(ROWS, width=15, pad=9)
    found = model(batch.tokens, batch.lengths)
    for row, logits in zip(ROWS, found, strict=True):
        inputs = pooled(model, row)
        states = []
        for number, direction in enumerate(model.lstm.layers[0]):
            read = inputs.flip(0) if number else inputs
            out = direction.core(read[None])[0][0]
            states.append(out.flip(0) if number else out)
        own = torch.cat(states, dim=1)
        summary = torch.cat([own.mean(dim=0), own.max(dim=0).values])
        assert torch.allclose(logits, model.output(summary), atol=1e-12)


def test_the_lstm_is_told_the_lengths_that_pooling_left() -> None:
    model, seen = net(4), []
    model.lstm.register_forward_pre_hook(lambda module, given: seen.extend(given))
    batch = make_batch(ROWS, width=15, pad=9)
    model(batch.tokens, batch.lengths)
    states, lengths = seen
    assert lengths.tolist() == [1, 1, 2, 3]
    assert states.shape == (4, 4, 6)
    assert states.isfinite().all()


def test_the_default_has_the_parameters_of_its_docstring() -> None:
    assert f"{CNNLSTM().parameter_count:,}" in CNNLSTM.__doc__


def test_a_pool_without_positions_is_an_error() -> None:
    with pytest.raises(ValueError, match="pool_size is 0; choose 1"):
        CNNLSTM(vocab_size=9, pool_size=0)
