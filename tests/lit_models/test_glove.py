"""GloVe against plain loops: the counts, the loss; and topics apart."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from datamodules.errors import DataError
from datamodules.store.ragged import Ragged
from datamodules.vectors.cooccurrence import cooccurrences
from lit_models.glove import GloVe, LitGloVe, PairBatches, Pairs
from tests.datamodules.vectors.test_word2vec import WORDS, data, named, two_topics


@pytest.mark.parametrize("block", [1, 7, 10_000])
@pytest.mark.parametrize("window", [1, 3, 30])
def test_counts_are_those_of_a_plain_loop(window: int, block: int) -> None:
    rng = random.Random(0)
    rows = [[rng.randrange(6) for _ in range(length)] for length in (9, 1, 0, 14, 2)]
    expected = np.zeros((6, 6))
    for row in rows:
        for i, a in enumerate(row):
            for j, b in enumerate(row):
                if i != j and abs(i - j) <= window:
                    expected[a, b] += 1 / abs(i - j)
    offsets = np.cumsum([0] + [len(row) for row in rows]).astype(np.int64)
    found = cooccurrences(Ragged(np.array(sum(rows, []), np.int32), offsets), 6, window, block)
    assert np.allclose(found.toarray(), expected, atol=1e-5)


def test_the_loss_is_that_of_a_plain_loop() -> None:
    torch.manual_seed(0)
    model = LitGloVe(words=5, dim=3, ceiling=10.0, learning_rate=0.05).double()
    pairs = [(0, 1, 0.5), (1, 0, 0.5), (3, 3, 10.0), (4, 2, 250.0)]
    expected = 0.0
    for i, j, x in pairs:
        product = sum(
            float(model.word.weight[i, k]) * float(model.near.weight[j, k]) for k in range(3)
        )
        miss = product + float(model.word_bias.weight[i]) + float(model.near_bias.weight[j])
        weight = (x / 10) ** 0.75 if x < 10 else 1.0
        expected += weight * (miss - math.log(x)) ** 2
    first, second, counts = zip(*pairs, strict=True)
    found = model.loss(Pairs(torch.tensor(first), torch.tensor(second), torch.tensor(counts)))
    assert float(found) == pytest.approx(expected, rel=1e-6)


def test_every_pair_comes_once_an_epoch_in_another_order() -> None:
    counts = torch.arange(1.0, 24.0)
    batches = PairBatches(Pairs(torch.arange(23), torch.arange(23), counts), 5, seed=0)
    epochs = [list(batches), list(batches)]
    assert [len(epoch) for epoch in epochs] == [len(batches)] * 2 == [5, 5]
    orders = [torch.cat([batch.counts for batch in epoch]) for epoch in epochs]
    assert all(sorted(order.tolist()) == counts.tolist() for order in orders)
    assert not torch.equal(*orders)
    assert all(torch.equal(b.first + 1, b.counts.long()) for b in epochs[0]), "pairs stay pairs"


def test_words_of_one_topic_are_near_one_another() -> None:
    how = GloVe(8, window=3, min_count=2, epochs=60, batch_size=16)
    tokens, values = how.learn(two_topics(), WORDS, seed=0)
    assert tokens.tolist() == [1, *range(2, 7), *range(12, 17)], "20 stands once"
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    within, across = unit[1:6] @ unit[1:6].T, unit[1:6] @ unit[6:].T
    assert within.min() > across.max() + 0.1


def test_the_same_seed_gives_the_same_vectors_and_nothing_else_is_drawn() -> None:
    how, texts = GloVe(6, min_count=2, epochs=2), two_topics(50)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again, other = (how.learn(texts, WORDS, seed)[1] for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_corpus_gives_them(tmp_path: Path) -> None:
    found = named(data(tmp_path, vectors=GloVe(6, min_count=2, epochs=2)))
    assert all(row.shape == (6,) and np.isfinite(row).all() for row in found.values())
    assert "train3" not in found, "which stands in one text"


def test_a_min_count_that_leaves_nothing_is_told() -> None:
    with pytest.raises(DataError, match="no word occurs 9999 times in the 51 texts"):
        GloVe(min_count=9999).learn(two_topics(50), WORDS, 0)


@pytest.mark.parametrize("name", ["dim", "window", "min_count", "epochs", "batch_size"])
def test_sizes_below_one_are_refused(name: str) -> None:
    options: dict[str, Any] = {name: 0}
    with pytest.raises(ValueError, match=f"{name} is 0; it must be at least 1"):
        GloVe(**options)
