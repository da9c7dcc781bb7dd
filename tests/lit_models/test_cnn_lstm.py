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
    made = CNNLSTMNet(30, 5, 3, 6, pool_size, 4, bidirectional, "mean+max", 2, 0.5, 0.5, 0.5)
    return made.double().eval()


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


def test_the_forerunners_layers_have_their_sizes_and_ignore_padding() -> None:
    torch.manual_seed(0)
    model = CNNLSTM(vocab_size=30, variant="seed", filters=7, hidden_size=9)
    made = model.net
    sizes = {name: tuple(p.shape) for name, p in made.named_parameters()}
    assert sizes == {
        "embedding.table.weight": (30, 300),
        "convolution.weight": (60, 300, 1, 3),
        "convolution.bias": (60,),
        "lstm.layers.0.0.core.weight_ih_l0": (512, 60),
        "lstm.layers.0.0.core.weight_hh_l0": (512, 128),
        "lstm.layers.0.0.core.bias_ih_l0": (512,),
        "lstm.layers.0.0.core.bias_hh_l0": (512,),
        "output.weight": (2, 128),
        "output.bias": (2,),
    }
    assert (made.pool_size, made.pooling) == (2, "last")
    assert made.input_dropout.p == 0.25 and made.lstm.layers[0][0].recurrent_dropout == 0.25
    made.double().eval()
    batch = make_batch(ROWS, width=24, pad=9)
    for row, logits in zip(ROWS, made(batch.tokens, batch.lengths), strict=True):
        state = made.lstm.layers[0][0].core(pooled(made, row)[None])[0][0, -1]
        assert torch.allclose(logits, made.output(state), atol=1e-12)
