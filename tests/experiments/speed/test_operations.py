"""Operations of a forward pass: those of the written equations, over real tokens alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from experiments.speed.operations import encoder_flops, forward_flops, positions_of, tokens_of
from lit_models.bert import BERT
from lit_models.bidirectional_lstm import BidirectionalLSTM
from lit_models.linear_transformer import LinearTransformer
from lit_models.lstm import LSTM
from lit_models.nb_logreg import NBLogReg
from lit_models.transformer import Transformer
from tests.batches import make_batch, random_rows
from tests.tiny_encoders import tiny


def test_operations_are_those_of_the_written_equations() -> None:
    """2 · 4H · (E + H) for each word and direction, and the output layer once a text."""
    batch = make_batch(random_rows([7, 7], 30))
    words = 2 * 7
    one = LSTM(vocab_size=30, embedding_dim=5, hidden_size=3, pooling="mean")
    cell, output = 2 * 12 * (5 + 3), 2 * 3 * 2
    assert forward_flops(one, [batch]) == words * cell + 2 * output
    assert one.net.recurrent.layers[0][0].recurrent_dropout == 0  # as it was
    both = BidirectionalLSTM(vocab_size=30, embedding_dim=5, hidden_size=3, pooling="mean")
    assert forward_flops(both, [batch]) == words * 2 * cell + 2 * 2 * output


def test_padding_costs_nothing_and_other_batches_count_in_proportion() -> None:
    model = LSTM(vocab_size=30, embedding_dim=5, hidden_size=3, pooling="mean")
    batch = make_batch(random_rows([2, 9], 30))
    assert tokens_of([batch]) == 11 and positions_of(batch) == 18
    assert forward_flops(model, [batch]) == 11 * 2 * 12 * 8 + 2 * 2 * 3 * 2
    many = [make_batch(random_rows([6] * 5, 30, seed)) for seed in range(4)]
    assert forward_flops(model, many) == pytest.approx(4 * forward_flops(model, many[:1]))  # type: ignore[operator]


def test_attention_costs_more_for_each_token_of_a_long_text() -> None:
    # Word dropout would leave words out by chance, and their operations with them.
    narrow = {"vocab_size": 30, "embedding_dim": 8, "dim_feedforward": 8, "word_dropout": 0.0}
    model = Transformer(**narrow)
    short, long = (forward_flops(model, [make_batch(random_rows([n], 30))]) for n in (64, 128))
    assert long / 128 > 1.2 * short / 64  # type: ignore[operator]


@pytest.mark.parametrize("architecture", [Transformer, LinearTransformer])
def test_words_that_training_leaves_out_are_not_multiplied(architecture: Any) -> None:
    """The mean over passes of training, in each of which torch counts what is multiplied.

    Each batch is one row, so that no padding is multiplied. The bounds are about four deviations.
    """
    narrow = {"vocab_size": 400, "embedding_dim": 8, "dim_feedforward": 8, "word_dropout": 0.5}
    torch.manual_seed(0)
    model = architecture(**narrow)
    batches = [make_batch(random_rows([60], 400, number)) for number in range(8)]
    model.train()
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH), torch.no_grad():
        for batch in batches * 16:
            model.net(batch.tokens, batch.lengths)
    counted = counter.get_total_flops() / 16
    assert forward_flops(model, batches, training=True) == pytest.approx(counted, rel=0.08)
    whole = forward_flops(model, batches)
    assert whole and whole > 1.8 * counted, "prediction reads every word"
    assert model.training and tokens_of(batches) == 8 * 60, "as they were"


def test_a_network_that_multiplies_all_words_has_the_same_operations_in_training() -> None:
    batch = make_batch(random_rows([7, 3], 30))
    for model in (
        LSTM(vocab_size=30, embedding_dim=5, hidden_size=3, word_dropout=0.5),
        Transformer(vocab_size=30, embedding_dim=8, dim_feedforward=8, word_dropout=0.0),
    ):
        assert forward_flops(model, [batch], training=True) == forward_flops(model, [batch])


def test_none_where_nothing_is_multiplied_by_torch() -> None:
    assert forward_flops(NBLogReg(), [make_batch(random_rows([3], 30))]) is None


@pytest.mark.parametrize("kind", ["bert", "distilbert", "roberta", "albert", "gpt2"])
def test_operations_of_an_encoder_are_those_that_torch_counts(kind: str) -> None:
    model = BERT(config=tiny(kind, vocab_size=60), pooling="last").eval()
    batch = make_batch(random_rows([40] * 3, 60))
    with (
        torch.no_grad(),
        sdpa_kernel(SDPBackend.MATH),
        FlopCounterMode(display=False) as counter,
    ):
        model.net(batch.tokens, batch.lengths)
    counted = counter.get_total_flops()
    head = 2 * 3 * 32 * 2  # the output, once a row
    flops = encoder_flops(model, batch.lengths)
    assert flops == pytest.approx(counted - head, rel=0.02)
    assert flops > encoder_flops(model, batch.lengths - 1)
    assert forward_flops(model, [batch, batch]) == 2 * flops
