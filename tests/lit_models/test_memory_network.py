"""MemoryNetwork: two sentences put together by hand, its hops, and its two tables of words."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from lit_models.base.adversarial import embedding_of, perturbed
from lit_models.layers.embedding import initialize_embeddings
from lit_models.memory_network import MemoryNetwork
from tests.batches import make_batch, make_view, random_rows

END = 2
TEXT = [5, 6, 7, END, 8, 9]
OTHERS = [[3], [END, 4, 5], random_rows([40], 30)[0]]  # short, long, and in many sentences
SIZE = 5


def small(**settings: object) -> MemoryNetwork:
    torch.manual_seed(0)
    sizes = {"vocab_size": 30, "embedding_dim": SIZE, "max_sentences": 3}
    model = MemoryNetwork(**(sizes | settings))  # type: ignore[arg-type]
    for parameter in model.parameters():  # nothing zero, and no identity
        torch.nn.init.normal_(parameter)
    view = make_view([TEXT], [1], 30)
    model.prepare(dataclasses.replace(view, sentence_ends=(END,)))
    return model.double().eval()


def memory(table: Tensor, sentence: list[int], temporal: Tensor, encoded: bool) -> Tensor:
    """One memory of a sentence, by the equations of the docstring."""
    J, total = len(sentence), torch.zeros(SIZE).double()
    for j, word in enumerate(sentence, start=1):
        for k in range(1, SIZE + 1):
            weight = (1 - j / J) - (k / SIZE) * (1 - 2 * j / J) if encoded else 1.0
            total[k - 1] += weight * table[word, k - 1]
    return total / math.sqrt(J) + temporal


@pytest.mark.parametrize("encoded", [True, False])
@pytest.mark.parametrize("width", [41, 60])
def test_two_sentences_by_hand(width: int, encoded: bool) -> None:
    net = small(position_encoding=encoded).net
    batch = make_batch([*OTHERS, TEXT], width=width, pad=END)
    A = net.embedding.matching.table.weight
    C = A + net.embedding.difference.weight
    times = net.temporal.weight
    sentences = [TEXT[:4], TEXT[4:]]
    ages = [1, 0]  # the last sentence comes first
    pairs = list(zip(sentences, ages, strict=True))
    matching = [memory(A, one, times[age, :SIZE], encoded) for one, age in pairs]
    answering = [memory(C, one, times[age, SIZE:], encoded) for one, age in pairs]
    state, hops = net.question, []
    for _ in range(3):
        scores = torch.stack([state @ m for m in matching])
        hops.append(scores.exp() / scores.exp().sum())
        answer = sum(p * c for p, c in zip(hops[-1], answering, strict=True))
        state = net.between.weight @ state + answer
    logits = net(batch.tokens, batch.lengths)[-1]
    assert torch.allclose(logits, net.output.weight @ state + net.output.bias, atol=1e-12)
    weights, number = net.attend(batch.tokens, batch.lengths)
    assert torch.allclose(weights[-1, :, :2], torch.stack(hops), atol=1e-12)
    assert (weights[-1, :, 2:] == 0).all()
    assert number[-1, :7].tolist() == [0, 0, 0, 0, 1, 1, -1]


def test_sentences_far_from_the_end_share_their_temporal_vectors() -> None:
    net = small(max_sentence_length=1, position_encoding=False).net
    torch.nn.init.zeros_(net.embedding.matching.table.weight)
    torch.nn.init.zeros_(net.embedding.difference.weight)
    tokens, lengths = torch.full((1, 7), 5), torch.tensor([5])  # five sentences of one word
    first, number = torch.ones(1, 7, dtype=torch.bool), torch.arange(7)[None]
    first[:, 5:], number[:, 5:] = False, -1
    found, _ = net.memories(tokens, lengths, first, number)
    expected = net.temporal.weight[[2, 2, 2, 1, 0], :SIZE]
    assert torch.equal(found[0, :5], expected) and (found[0, 5:] == 0).all()


def test_the_weights_of_each_hop_are_shown_by_sentence() -> None:
    model = small()
    shown = model.shown(make_batch([TEXT]), 1)
    assert list(shown) == [f"attention to sentences, hop {hop}" for hop in (1, 2, 3)]
    for marks in shown.values():
        assert marks.starts.tolist() == [0, 4] and marks.stops.tolist() == [4, 6]
        assert marks.weights.sum().item() == pytest.approx(1)


def test_word_vectors_start_both_tables_and_a_change_of_them_reaches_both() -> None:
    torch.manual_seed(0)
    model = MemoryNetwork(vocab_size=30, embedding_dim=SIZE).eval()
    vectors = torch.randn(30, SIZE)
    initialize_embeddings(model, vectors, trained=True)
    embedding, batch = model.net.embedding, make_batch([TEXT])
    words = embedding(batch.tokens)
    assert torch.equal(words, torch.cat([vectors[TEXT], vectors[TEXT]], dim=1)[None])
    layer = embedding_of(model)  # that of virtual adversarial training
    with perturbed(layer, batch, torch.ones(1, len(TEXT), SIZE)):
        assert torch.allclose(embedding(batch.tokens), words + 1)


def test_a_dropped_word_is_dropped_from_both_tables() -> None:
    torch.manual_seed(0)
    model = MemoryNetwork(vocab_size=30, embedding_dim=SIZE, word_dropout=0.5).train()
    model.net.embedding.dropout.p = 0.0
    torch.nn.init.ones_(model.net.embedding.difference.weight)
    words = model.net.embedding(torch.arange(30)[None])[0]
    zero = words == 0
    assert (zero.all(dim=1) | ~zero.any(dim=1)).all() and 5 < int(zero.all(dim=1).sum()) < 25


def test_its_operations_can_be_counted() -> None:
    batch = make_batch([TEXT])
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        small().net(batch.tokens, batch.lengths)
    assert counter.get_total_flops() > 0


def test_a_view_without_sentence_ends_clears_them() -> None:
    model = small()
    assert model.net.sentence_ends.nonzero().tolist() == [[END]]
    model.prepare(dataclasses.replace(make_view([TEXT], [1], 30), sentence_ends=()))
    assert not model.net.sentence_ends.any()


@pytest.mark.parametrize("name", ["num_hops", "max_sentence_length", "max_sentences"])
def test_bad_settings_are_errors_with_their_value(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is 0; it must be at least 1"):
        small(**{name: 0})


def test_parameter_counts_are_those_in_the_docstring() -> None:
    count = MemoryNetwork().parameter_count
    assert f"{count:,} parameters" in (MemoryNetwork.__doc__ or "")
