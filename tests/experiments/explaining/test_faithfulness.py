"""Comprehensiveness, sufficiency and agreement with edits, on models whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from datamodules.store.truncation import TokenTruncation
from experiments.explaining.faithfulness import SHARES, erase, mean_interval
from experiments.explaining.rationales import average_precision, edited_characters, edited_tokens
from lit_models.base.classifier import LitClassifier

TRUNCATION = TokenTruncation(None, None, "head", pad_id=0, unk_id=1)


class Counts(LitClassifier):
    """Logit of class 1: the number of tokens above 10, less the number of tokens 3."""

    def forward(self, batch):  # type: ignore[no-untyped-def]
        present = torch.arange(batch.tokens.shape[1]) < batch.lengths[:, None]
        score = ((batch.tokens > 10) & present).sum(1) - ((batch.tokens == 3) & present).sum(1)
        return torch.stack([torch.zeros_like(score), score], dim=1).float()


def sigmoid(score: float) -> float:
    return float(1 / (1 + np.exp(-score)))


def test_figures_are_those_of_the_tokens_removed_and_kept() -> None:
    row = np.array([5] * 60 + [20] * 4 + [3] * 2 + [5] * 34)
    truth = np.where(row > 10, 1.0, np.where(row == 3, -1.0, 0.0))
    good, bad = erase(Counts(), row, 1, [truth, -truth], TRUNCATION)
    whole = sigmoid(2)
    # 1% of 100 tokens is the first of the four that count; from 5% on all of them.
    removed = [sigmoid(1), *[sigmoid(-2)] * 4]
    kept = [sigmoid(1), *[sigmoid(4)] * 4]
    assert len(SHARES) == 5
    assert good.comprehensiveness == pytest.approx(whole - np.mean(removed), abs=1e-6)
    assert good.sufficiency == pytest.approx(whole - np.mean(kept), abs=1e-6)
    assert bad.comprehensiveness < 0 < bad.sufficiency


def test_special_tokens_are_neither_removed_nor_ranked() -> None:
    row = np.array([20, 5, 5, 20, 5, 20])
    specials = TRUNCATION._replace(prefix=1, suffix=1)
    (found,) = erase(Counts(), row, 1, [np.array([9.0, 0, 0, 1, 0, 9])], specials)
    assert found.comprehensiveness == pytest.approx(sigmoid(3) - sigmoid(2), abs=1e-6)
    assert found.sufficiency == pytest.approx(0, abs=1e-6)


def test_a_text_of_one_token_leaves_an_unknown_one() -> None:
    (found,) = erase(Counts(), np.array([20]), 1, [np.array([1.0])], TRUNCATION)
    assert found.comprehensiveness == pytest.approx(sigmoid(1) - sigmoid(0), abs=1e-6)


def test_an_interval_is_wider_where_reviews_of_a_movie_agree() -> None:
    rng = np.random.default_rng(1)
    movies = np.repeat(np.arange(40), 10)
    values = np.repeat(rng.normal(size=40), 10)
    mean, low, high = mean_interval(values, movies)
    _, low_alone, high_alone = mean_interval(values, np.arange(400))
    assert low < mean < high and mean == pytest.approx(values.mean())
    assert 2 < (high - low) / (high_alone - low_alone) < 5  # √10


def test_intervals_hold_the_mean_as_often_as_they_say() -> None:
    rng, movies = np.random.default_rng(2), np.repeat(np.arange(30), 5)
    held = 0
    for _ in range(100):
        values = np.repeat(rng.normal(size=30), 5) + rng.normal(size=150)
        _, low, high = mean_interval(values, movies, draws=300)
        held += low <= 0 <= high
    assert 85 <= held <= 99


def edited(original: str, revised: str) -> list[str]:
    mask = edited_characters(original, revised)
    return [word for word in original.split() if mask[original.index(word)]]


def test_edited_words_are_those_replaced_or_left_out() -> None:
    assert edited("a GREAT film , truly good", "A dull film , truly bad") == ["GREAT", "good"]
    assert edited("not a very good film", "a good film") == ["not", "very"]
    assert edited("one two three", "one extra two three") == []
    assert edited("same text", "Same TEXT") == []


def test_a_mark_and_a_word_with_an_apostrophe_are_units() -> None:
    mask = edited_characters("I don't like it!", "I do like it.")
    assert [c for c, e in zip("I don't like it!", mask, strict=True) if e] == list("don't!")


def test_tokens_are_edited_if_any_of_their_characters_is() -> None:
    mask = edited_characters("fine boring film", "fine great film")
    spans = np.array([[-1, -1], [0, 4], [5, 8], [8, 11], [11, 16], [4, 5]])
    assert edited_tokens(mask, spans).tolist() == [False, False, True, True, False, False]


def test_average_precision_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    for size in (1, 2, 7, 60):
        for _ in range(20):
            wanted = rng.random(size) < 0.3
            wanted[rng.integers(size)] = True
            values = rng.integers(0, 5, size) / 4 if size > 2 else rng.random(size)
            expected = average_precision_score(wanted, values)
            assert average_precision(wanted, values) == pytest.approx(expected)
