"""The n-gram language model: `advance` and scores agree, what it learns from, what it keeps."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules.errors import DataError
from datamodules.store.ragged import Ragged
from datamodules.store.train_view import TrainView
from lit_models.language.backoff import Backoff
from lit_models.language.decoding import Limits, greedy, read_prompt
from lit_models.language.ngram_counts import Symbols
from lit_models.language.smoothing import Smoothing
from lit_models.ngram_lm import NgramLM
from tests.batches import PAD, make_batch, make_view, random_rows

VOCAB = 20
NEW = random_rows([1, 2, 4, 9, 3], VOCAB, seed=5)


def view_of(rows: list[list[int]], unlabelled: list[list[int]] | None = None) -> TrainView:
    view = make_view(rows, [n % 2 for n in range(len(rows))], VOCAB)
    if unlabelled is None:
        return view
    return dataclasses.replace(
        view, unlabelled=make_view(unlabelled, [0] * len(unlabelled), VOCAB).tokens
    )


def fitted(order: int = 3, smoothing: Smoothing = "modified_kneser_ney") -> NgramLM:
    model = NgramLM(vocab_size=VOCAB, order=order, smoothing=smoothing)
    model.prepare(view_of(random_rows([6] * 40, VOCAB), random_rows([9] * 10, VOCAB, seed=1)))
    return model


def test_nothing_before_a_boundary_is_part_of_a_context() -> None:
    model, symbols = fitted(), torch.tensor([PAD])
    fresh, state = model.advance(symbols, model.begin(1))
    _, state = model.advance(torch.tensor([3]), state)
    again, _ = model.advance(symbols, state)
    assert torch.equal(again, fresh)


@pytest.mark.parametrize("order", [1, 2, 5])
@pytest.mark.parametrize("smoothing", ["modified_kneser_ney", "katz", "add_delta"])
def test_advance_and_scores_agree(order: int, smoothing: Smoothing) -> None:
    model = fitted(order, smoothing)
    scores = model.predict_step(make_batch(NEW, width=16, pad=7))
    assert scores.words.tolist() == [len(row) + 1 for row in NEW]
    assert scores.ids.tolist() == list(range(len(NEW)))
    sums = np.zeros(len(NEW))
    state = model.begin(len(NEW))
    symbols = torch.full((len(NEW),), PAD)
    for place in range(max(map(len, NEW)) + 1):
        found, state = model.advance(symbols, state)
        assert found.shape == (len(NEW), VOCAB) and found.dtype == torch.float64
        assert torch.allclose(found.exp().sum(dim=1), torch.ones(1).double(), atol=1e-5)
        following = [(*row, PAD, *[2] * 16)[place] for row in NEW]
        for number, row in enumerate(NEW):
            sums[number] += float(found[number, following[number]]) * (place <= len(row))
        symbols = torch.tensor(following)
    assert np.allclose(sums, scores.log_probabilities.numpy(), rtol=0, atol=1e-9)


def test_a_boundary_begins_a_context_anew() -> None:
    model = fitted(4)
    fresh, _ = model.advance(torch.tensor([PAD]), model.begin(1))
    state = model.begin(1)
    for symbol in (PAD, 3, 4, PAD):
        found, state = model.advance(torch.tensor([symbol]), state)
    assert torch.equal(found, fresh)
    one, _ = model.advance(torch.tensor([5]), state)
    other, _ = model.advance(
        torch.tensor([5]), model.advance(torch.tensor([PAD]), model.begin(1))[1]
    )
    assert torch.equal(one, other)


def test_it_learns_from_texts_with_and_without_labels() -> None:
    labelled, unlabelled = random_rows([6] * 20, VOCAB), random_rows([6] * 20, VOCAB, seed=1)
    model = NgramLM(vocab_size=VOCAB, order=3)
    model.prepare(view_of(labelled, unlabelled))
    together = make_view(labelled + unlabelled, [0] * 40, VOCAB).tokens
    expected = Backoff.fit(together, 3, Symbols(VOCAB, PAD)).arrays()
    arrays = model.backoff.arrays()
    assert all(np.array_equal(arrays[name], expected[name]) for name in expected)
    assert model.notes == () and model.parameter_count == model.backoff.size > 100
    model.prepare(view_of(labelled))
    assert model.notes == (
        "it learnt from the labelled train texts alone, since there are no others",
    )


def test_it_is_saved_as_arrays(tmp_path: Path) -> None:
    model, batch = fitted(), make_batch(NEW)
    model.save(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["arrays.safetensors"]
    loaded = NgramLM.load(tmp_path)
    assert torch.equal(
        loaded.predict_step(batch).log_probabilities, model.predict_step(batch).log_probabilities
    )
    assert loaded.parameter_count == model.parameter_count and not loaded.training


def test_it_says_a_text_that_it_has_learnt() -> None:
    model = NgramLM(vocab_size=VOCAB, order=4)
    model.prepare(view_of([[3, 4, 5, 6, 7]] * 20))
    start = read_prompt(model.begin, model.advance, (PAD, 3, 4))
    (found,) = greedy(model.advance, start, Limits(PAD, 9))
    assert found.symbols == (5, 6, 7) and found.ended


def test_bad_settings_and_texts_are_named() -> None:
    with pytest.raises(ValueError, match="model.order is 0; it must be at least 1"):
        NgramLM(order=0)
    with pytest.raises(ValueError, match="model.delta is -1; it must be a number above 0"):
        NgramLM(delta=-1)
    empty = view_of([[3]])
    tokens = Ragged(np.zeros(0, np.int32), np.zeros(1, np.int64))
    with pytest.raises(ValueError, match="there is no text to learn from"):
        NgramLM(vocab_size=VOCAB).prepare(dataclasses.replace(empty, tokens=tokens))
    with pytest.raises(DataError, match="token 20 and the model knows 20 tokens"):
        fitted().predict_step(make_batch([[VOCAB]]))
