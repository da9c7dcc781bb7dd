"""HierarchicalAttention: a text of two sentences put together by hand, and its weights."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from lit_models.hierarchical_attention import HierarchicalAttention
from lit_models.layers.attention import ContextAttention
from lit_models.layers.recurrent import Recurrent
from tests.batches import make_batch, make_view, random_rows

END = 2
TEXT = [5, 6, 7, END, 8, 9]
OTHERS = [[3], [END, 4, 5], random_rows([40], 30)[0]]  # short, long, and in many sentences


def small(**settings: object) -> HierarchicalAttention:
    torch.manual_seed(0)
    sizes = {"vocab_size": 30, "embedding_dim": 5, "hidden_size": 4, "attention_size": 3}
    model = HierarchicalAttention(**(sizes | settings))  # type: ignore[arg-type]
    view = make_view([TEXT], [1], 30)
    model.prepare(dataclasses.replace(view, sentence_ends=(END,)))
    return model.double().eval()


def by_hand(gru: Recurrent, attention: ContextAttention, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """One sequence alone: states, their weights, and the sum."""
    states = gru(inputs[None], torch.tensor([len(inputs)]))[0]
    scores = torch.stack([attention.context(attention.of_state(h).tanh())[0] for h in states])
    weights = scores.exp() / scores.exp().sum()
    return sum(w * h for w, h in zip(weights, states, strict=True)), weights  # type: ignore


@pytest.mark.parametrize("width", [41, 60])
def test_two_sentences_by_hand(width: int) -> None:
    net = small().net
    batch = make_batch([*OTHERS, TEXT], width=width, pad=END)
    logits = net(batch.tokens, batch.lengths)[-1]
    shown = net.attend(batch.tokens, batch.lengths)
    words = net.embedding.table.weight[torch.tensor(TEXT)]
    one, weights_one = by_hand(net.word_gru, net.word_attention, words[:4])
    two, weights_two = by_hand(net.word_gru, net.word_attention, words[4:])
    review, weights = by_hand(net.sentence_gru, net.sentence_attention, torch.stack([one, two]))
    assert torch.allclose(logits, net.output(review), atol=1e-12)
    assert torch.allclose(shown.words[-1, :6], torch.cat([weights_one, weights_two]), atol=1e-12)
    assert torch.allclose(shown.sentences[-1, :2], weights, atol=1e-12)
    assert shown.sentence_of[-1, :7].tolist() == [0, 0, 0, 0, 1, 1, -1]
    assert (shown.words[-1, 6:] == 0).all() and (shown.sentences[-1, 2:] == 0).all()


def test_words_share_each_sentence_and_sentences_share_the_text() -> None:
    net = small(max_sentence_length=7).net
    batch = make_batch([*OTHERS, TEXT], width=45, pad=END)
    shown = net.attend(batch.tokens, batch.lengths)
    assert torch.allclose(shown.sentences.sum(dim=1), torch.ones(4).double())
    for words, sentences, numbers in zip(*shown, strict=True):
        count = int(numbers.max()) + 1
        assert (sentences[:count] > 0).all() and (sentences[count:] == 0).all()
        for number in range(count):
            assert words[numbers == number].sum().item() == pytest.approx(1)


def test_a_view_without_sentence_ends_clears_them() -> None:
    model = small()
    assert model.net.sentence_ends.nonzero().tolist() == [[END]]
    model.prepare(dataclasses.replace(make_view([TEXT], [1], 30), sentence_ends=()))
    assert not model.net.sentence_ends.any()


def test_bad_settings_are_errors_with_their_value() -> None:
    with pytest.raises(ValueError, match="max_sentence_length is 0; it must be at least 1"):
        small(max_sentence_length=0)


def test_parameter_counts_are_those_in_the_docstring() -> None:
    count = HierarchicalAttention().parameter_count
    assert f"{count:,} parameters" in (HierarchicalAttention.__doc__ or "")
