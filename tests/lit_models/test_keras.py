"""The layers of the Keras models: sizes, equations, and the faults that are kept."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lit_models.base.classifier import LitClassifier
from lit_models.keras.attention_lstm import KerasAttentionLSTM
from lit_models.keras.bidirectional_gru import KerasBidirectionalGRU
from lit_models.keras.capsule import KerasCapsule
from lit_models.keras.cnn import KerasCNN, KerasCNNNet
from lit_models.keras.cnn_lstm import KerasCNNLSTM, KerasCNNLSTMNet
from lit_models.keras.lstm import KerasLSTM
from lit_models.keras.stacked_lstm import KerasStackedLSTM
from tests.batches import make_batch, random_rows

ROWS = random_rows([1, 4, 5, 11], 30)
CORE = ("core.weight_ih_l0", "core.weight_hh_l0", "core.bias_ih_l0", "core.bias_hh_l0")


def shapes(net: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(parameter.shape) for name, parameter in net.named_parameters()}


# Keys of checkpoints written since the first release.
@pytest.mark.parametrize(
    ("kind", "recurrent", "others"),
    [
        (KerasCNN, [], ["convolution.weight", "convolution.bias", "dense.weight", "dense.bias"]),
        (KerasCNNLSTM, ["lstm.layers.0.0"], ["convolution.weight", "convolution.bias"]),
        (KerasLSTM, ["recurrent.layers.0.0"], []),
        (KerasBidirectionalGRU, ["recurrent.layers.0.0", "recurrent.layers.0.1"], []),
        (
            KerasStackedLSTM,
            [f"recurrent.layers.{layer}.{side}" for layer in (0, 1) for side in (0, 1)],
            [],
        ),
        (
            KerasCapsule,
            [f"gru.layers.{layer}.{side}" for layer in (0, 1) for side in (0, 1)],
            ["capsules.transform"],
        ),
    ],
)
def test_state_dicts_have_the_keys_of_old_checkpoints(
    kind: type[LitClassifier], recurrent: list[str], others: list[str]
) -> None:
    names = {"embedding.table.weight", "output.weight", "output.bias", *others}
    names |= {f"{direction}.{name}" for direction in recurrent for name in CORE}
    assert set(kind(vocab_size=30).net.state_dict()) == names


def test_the_attention_has_the_keys_of_old_checkpoints_too() -> None:
    names = {"embedding.table.weight", "attention.score.weight", "attention.bias"}
    names |= {f"head.{layer}.{part}" for layer in (1, 4) for part in ("weight", "bias")}
    names |= {f"gru.layers.0.{side}.{name}" for side in (0, 1) for name in CORE}
    assert set(KerasAttentionLSTM(vocab_size=30).net.state_dict()) == names


@pytest.mark.parametrize("kind", [KerasLSTM, KerasCNN, KerasCapsule])
def test_sizes_are_no_settings(kind: Any) -> None:
    with pytest.raises(TypeError, match="hidden_size"):
        kind(vocab_size=20, hidden_size=7)


# CNN


def test_cnn_layers_have_their_sizes() -> None:
    model = KerasCNN(vocab_size=50, max_length=20)
    assert shapes(model.net) == {
        "embedding.table.weight": (50, 300),
        "convolution.weight": (60, 300, 1, 3),
        "convolution.bias": (60,),
        "dense.weight": (120, 540),  # 20 words, 18 windows of 3, 9 pairs of them
        "dense.bias": (120,),
        "output.weight": (2, 120),
        "output.bias": (2,),
    }
    assert model.net.dropout.p == 0.25


def cnn_net(max_length: int, num_classes: int) -> KerasCNNNet:
    return KerasCNNNet(
        vocab_size=30, embedding_dim=5, max_length=max_length, num_classes=num_classes
    )


@pytest.mark.parametrize("max_length", [4, 11, 12])
def test_cnn_layers_follow_their_equations_whatever_the_padding(max_length: int) -> None:
    torch.manual_seed(0)
    net = cnn_net(max_length, 3).double().eval()
    rows = [row[:max_length] for row in random_rows([1, 2, 5, 11], 30)]
    expected = []
    for row in rows:
        words = net.embedding.table.weight[torch.tensor(row)]
        words = F.pad(words, (0, 0, 0, max_length - len(row)))
        states = F.conv1d(words.T, net.convolution.weight[:, :, 0], net.convolution.bias).relu()
        pooled = F.max_pool1d(states[None], 2)[0].T  # [·, 60]
        expected.append(net.output(net.dense(pooled.flatten()).relu()))
    for width in (max_length, 3 * max_length):
        batch = make_batch(rows, width=width, pad=9)
        logits = net(batch.tokens, batch.lengths)
        assert torch.allclose(logits, torch.stack(expected), atol=1e-12)


def test_a_text_longer_than_the_positions_of_the_cnn_is_an_error_with_the_remedy() -> None:
    net = cnn_net(10, 2)
    with pytest.raises(
        ValueError, match="11 tokens, more than max_length 10; set --data.max_length 10"
    ):
        net(*make_batch(ROWS)[:2])
    with pytest.raises(ValueError, match="max_length is 3"):
        cnn_net(3, 2)


# CNN-LSTM


def pooled(net: KerasCNNLSTMNet, row: list[int]) -> torch.Tensor:
    """[ceil(T / 2), F], window by window."""
    words = F.pad(net.embedding.table.weight[torch.tensor(row)], (0, 0, 0, 2))
    states = F.conv1d(words.T, net.convolution.weight[:, :, 0], net.convolution.bias).relu().T
    return torch.stack([window.max(dim=0).values for window in states.split(2)])


def test_cnn_lstm_layers_have_their_sizes_and_ignore_padding() -> None:
    torch.manual_seed(0)
    net = KerasCNNLSTM(vocab_size=30).net
    assert shapes(net) == {
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
    assert net.pool_size == 2
    assert net.input_dropout.p == 0.25 and net.lstm.layers[0][0].recurrent_dropout == 0.25
    net.double().eval()
    batch = make_batch(ROWS, width=24, pad=9)
    for row, logits in zip(ROWS, net(batch.tokens, batch.lengths), strict=True):
        state = net.lstm.layers[0][0].core(pooled(net, row)[None])[0][0, -1]
        assert torch.allclose(logits, net.output(state), atol=1e-12)


# LSTM, bidirectional GRU, stacked LSTM


@pytest.mark.parametrize(
    ("model", "hidden_size", "directions"),
    [(KerasLSTM, 128, 1), (KerasBidirectionalGRU, 60, 2), (KerasStackedLSTM, 60, 2)],
)
def test_recurrent_layers_have_their_sizes(model: Any, hidden_size: int, directions: int) -> None:
    net = model(vocab_size=20).net
    layers = net.recurrent.layers
    stacked = model is KerasStackedLSTM
    assert [len(layer) for layer in layers] == [directions] * (2 if stacked else 1)
    assert layers[0][0].core.input_size == net.embedding.table.embedding_dim == 300
    assert all(one.core.hidden_size == hidden_size for layer in layers for one in layer)
    assert all(one.recurrent_dropout == 0.25 for layer in layers for one in layer)
    assert net.embedding.dropout.p == (0.2 if model is KerasLSTM else 0)
    assert [m.p for m in net.modules() if type(m) is nn.Dropout] == [0.25]  # of the input alone
    net.double().eval()
    batch = make_batch([row[:19] for row in random_rows([1, 3, 7], 20)], width=11)
    states = net.recurrent(net.embedding(batch.tokens), batch.lengths)
    summary = net.recurrent.pool(states, batch.lengths, "last")
    assert torch.equal(net(batch.tokens, batch.lengths), net.output(summary))


# Attention


def attention_net(max_length: int = 400) -> nn.Module:
    torch.manual_seed(0)
    net = KerasAttentionLSTM(vocab_size=30, embedding_dim=5, max_length=max_length).net
    nn.init.normal_(net.attention.bias)
    return net.double().eval()


def test_attention_layers_have_their_sizes() -> None:
    net = attention_net()
    sizes = {name: shape for name, shape in shapes(net).items() if "gru" not in name}
    assert sizes == {
        "embedding.table.weight": (30, 5),
        "attention.score.weight": (1, 120),
        "attention.bias": (400,),
        "head.1.weight": (50, 120),
        "head.1.bias": (50,),
        "head.4.weight": (2, 50),
        "head.4.bias": (2,),
    }
    # three gates, two directions, two biases
    assert sum(p.numel() for p in net.gru.parameters()) == 2 * 3 * 60 * (5 + 60 + 2)
    assert [m.p for m in net.modules() if isinstance(m, nn.Dropout) and m.p] == [0.25, 0.25, 0.25]
    assert {d.recurrent_dropout for layer in net.gru.layers for d in layer} == {0.25}


def test_attention_scores_by_position_and_ignores_padding() -> None:
    net, rows = attention_net(max_length=4), random_rows([1, 3, 7], 30)
    wide = make_batch(rows, width=20, pad=9)
    shown, computed = net.attend(wide.tokens, wide.lengths), net(wide.tokens, wide.lengths)
    for row, weights, logits in zip(rows, shown, computed, strict=True):
        states = net.gru(net.embedding(torch.tensor([row])), torch.tensor([len(row)]))[0]
        bias = net.attention.bias[torch.tensor([min(t, 3) for t in range(len(row))])]
        expected = (states @ net.attention.score.weight[0] + bias).tanh().softmax(dim=0)
        assert torch.allclose(weights[: len(row)], expected, atol=1e-12)
        assert (weights[len(row) :] == 0).all()
        assert torch.allclose(logits, net.head(expected @ states), atol=1e-12)


# Capsules


def test_capsule_layers_have_their_sizes_and_learn_by_cross_entropy() -> None:
    model = KerasCapsule(vocab_size=30, embedding_dim=5, label_smoothing=0.1)
    net = model.net
    sizes = {name: shape for name, shape in shapes(net).items() if "gru" not in name}
    assert sizes == {
        "embedding.table.weight": (30, 5),
        "capsules.transform": (10, 128, 32),
        "output.weight": (2, 320),
        "output.bias": (2,),
    }
    inputs = [5, 128]  # into the first layer, into the second; three gates, two biases
    expected = sum(2 * 3 * 64 * (size + 64 + 2) for size in inputs)
    assert sum(p.numel() for p in net.gru.parameters()) == expected
    assert (net.capsules.routing_iterations, net.capsules.keras_faults) == (5, True)
    assert (net.embedding.dropout.p, net.dropout.p) == (0.1, 0.1)
    logits, labels = torch.randn(5, 2), torch.tensor([0, 1, 1, 0, 1])
    expected = nn.functional.cross_entropy(logits, labels, label_smoothing=0.1)
    assert torch.equal(model.loss(logits, labels), expected)


def test_capsules_ignore_padding() -> None:
    torch.manual_seed(0)
    net = KerasCapsule(vocab_size=30, embedding_dim=5).net.double().eval()
    rows = random_rows([1, 3, 7], 30)
    wide = make_batch(rows, width=20, pad=9)
    for row, logits in zip(rows, net(wide.tokens, wide.lengths), strict=True):
        assert torch.allclose(logits, net(*make_batch([row])[:2])[0], atol=1e-12)
