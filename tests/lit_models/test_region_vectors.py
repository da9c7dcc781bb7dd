"""Region vectors: regions, targets and loss against plain loops, seeds, bad input."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from datamodules.errors import DataError
from datamodules.store.ragged import Ragged
from lit_models.language.region_windows import RUN, RegionBatches, bands, reach_of
from lit_models.layers.masking import mask_of
from lit_models.layers.regions import RegionEmbedding
from lit_models.region_vectors import LitRegions, RegionVectors
from tests.batches import make_batch, random_rows
from tests.datamodules.vectors.test_word2vec import WORDS, data, named, two_topics

SMALL: dict[str, Any] = {"dim": 6, "epochs": 2, "batch_size": 64, "negative": 16}
NONE = 9  # the number of words with a vector


def ragged(rows: list[list[int]]) -> Ragged:
    offsets = np.cumsum([0] + [len(row) for row in rows]).astype(np.int64)
    return Ragged(np.array(sum(rows, []), dtype=np.int32), offsets)


def batches_of(rows: list[list[int]], size: int, batch_size: int = 64) -> RegionBatches:
    return RegionBatches(ragged(rows), np.ones(NONE), size, 4, batch_size, 2, seed=0)


def places(row: list[int], size: int) -> list[tuple[list[int], list[int]]]:
    """Words of the region and of the target of each position of a text; rare ones are left out."""
    found = []
    for position in range(len(row)):
        first = position - (size - 1) // 2

        def words(start: int, stop: int) -> list[int]:
            return [w for w in row[max(start, 0) : max(stop, 0)] if w < NONE]

        target = words(first - size, first) + words(first + size, first + 2 * size)
        found.append((words(first, first + size), target))
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_regions_and_targets_are_those_of_a_plain_loop(size: int) -> None:
    rows = random_rows([1, 0, 4, 3 * RUN, 2, 7, RUN, 90], NONE + 2)  # 9 and 10 are rare words
    rows = [[min(word, NONE) for word in row] for row in rows]
    expected = sorted(
        (sorted(region), sorted(target)) for row in rows for region, target in places(row, size)
    )
    region, target = bands(size)
    found = []
    for batch in batches_of(rows, size):
        words = torch.cat([batch.words, torch.tensor([NONE])])[batch.windows]
        for run, position in batch.texts.nonzero().tolist():
            one = [words[run][band[position] > 0] for band in (region, target)]
            found.append(tuple(sorted(w for w in part.tolist() if w < NONE) for part in one))
    assert sorted(found) == expected


def test_every_word_comes_once_an_epoch_in_another_order() -> None:
    rows = random_rows([5, 40, 3, 70, 8] * 4, NONE)
    batches = batches_of(rows, 3)
    reach, epochs = reach_of(3), []
    for _ in range(2):
        read, words = [], []
        for batch in batches:
            middle = torch.cat([batch.words, torch.tensor([NONE])])[batch.windows][:, reach:-reach]
            words += middle[batch.texts].tolist()
            assert (middle[~batch.texts] == NONE).all()
            read.append(batch.read)
        epochs.append(words)
        assert read == sorted(read) and read[0] >= 0 and read[-1] < 1
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(sum(rows, []))
    assert epochs[0] != epochs[1]


def test_the_loss_is_that_of_a_plain_loop() -> None:
    torch.manual_seed(0)
    row, size, n = [3, 1, NONE, 4, 1, 5, 0, 2, 6], 2, 0.7
    weights = np.linspace(0.1, 1, NONE).astype(np.float32)
    model = LitRegions(weights, 3, size, n, 0.1).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    [batch] = list(batches_of([row], size))
    W, O = model.words.weight, model.outputs.weight  # noqa: E741  # the equations' names
    c, expected = model.constant, torch.zeros((), dtype=torch.float64)
    for region, target in places(row, size):
        bias = model.bias * len(region) / size
        u = (W[region].sum(dim=0) + bias).relu()
        a = torch.from_numpy(weights[target]).double()
        expected += (a * (1 - c - O[target] @ u) ** 2).sum()
        expected += n * a.sum() * ((c + O[batch.negatives] @ u) ** 2).mean()
    assert model.loss(batch).item() == pytest.approx(expected.item(), abs=1e-9)


def test_the_embedding_of_a_text_is_that_which_was_learnt() -> None:
    torch.manual_seed(0)
    model = LitRegions(np.ones(NONE, dtype=np.float32), 4, 5, 1.0, 0.1)
    torch.nn.init.normal_(model.bias)
    rows = random_rows([1, 3, 11, 50], NONE)
    [batch] = list(batches_of(rows, 5, batch_size=4096))
    learnt = model.regions(batch)[batch.texts]
    embedding = RegionEmbedding(NONE, 4, 5)
    embedding.start_from(torch.from_numpy(model.vectors()))
    text = make_batch(rows)
    found = embedding(text.tokens, text.lengths)
    each = [u[: len(row)] for u, row in zip(found, rows, strict=True)]
    assert torch.allclose(torch.cat(each).sum(dim=0), learnt.sum(dim=0), atol=1e-4)
    # A whole region has the bias once.
    middle = model.words.weight[torch.tensor(rows[3][10:15])].sum(dim=0) + model.bias
    assert torch.allclose(each[3][12], middle.relu(), atol=1e-5)


def test_the_embedding_has_a_mean_square_of_one() -> None:
    texts = two_topics(20)
    tokens, values = RegionVectors(**SMALL | {"batch_size": 10**6}).learn(texts, WORDS, seed=0)
    table = torch.zeros(len(WORDS), 6)
    table[torch.from_numpy(tokens)] = torch.from_numpy(values)
    embedding = RegionEmbedding(len(WORDS), 6, 5)
    embedding.start_from(table)
    rows = [row.tolist() for row in np.split(texts.values, texts.offsets[1:-1])]
    batch = make_batch([row for row in rows if row])
    u = embedding(batch.tokens, batch.lengths)[mask_of(batch.lengths, batch.tokens.shape[1])]
    assert float(u.square().mean()) == pytest.approx(1, abs=1e-4)


def test_frequent_words_weigh_less_as_targets_and_as_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    class Caught(Exception):
        pass

    given = dict[str, np.ndarray]()

    def batches(texts: Any, frequencies: np.ndarray, *others: Any) -> None:
        given["noise"] = frequencies

    def model(weights: np.ndarray, *others: Any) -> None:
        given["targets"] = weights
        raise Caught

    monkeypatch.setattr("lit_models.region_vectors.RegionBatches", batches)
    monkeypatch.setattr("lit_models.region_vectors.LitRegions", model)
    with pytest.raises(Caught):
        RegionVectors(**SMALL | {"size": 1}, sample=0.1).learn(
            ragged([[2] * 16 + [3] * 3 + [4]]), WORDS, seed=0
        )
    ratio = 0.1 / (16 / 20)
    assert np.allclose(given["targets"], [ratio**0.5 + ratio, 1, 1])
    assert np.allclose(given["noise"], [16 * (ratio**0.5 + ratio), 3, 1])


def test_the_learning_rate_falls_to_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    model, group = LitRegions(np.ones(NONE, dtype=np.float32), 3, 2, 1.0, 0.4), {"lr": 9.0}
    monkeypatch.setattr(model, "optimizers", lambda: SimpleNamespace(param_groups=[group]))
    rates = []
    for batch in batches_of(random_rows([40] * 4, NONE), 2):
        model.on_train_batch_start(batch, 0)
        rates.append(group["lr"] / (1 - batch.read))
    assert len(rates) > 1 and rates == pytest.approx([0.4] * len(rates))


def test_words_of_one_topic_are_near_one_another() -> None:
    how = RegionVectors(8, size=2, sample=1.0, epochs=10, batch_size=256, learning_rate=0.01)
    tokens, values = how.learn(two_topics(100), WORDS, seed=0)
    assert tokens.tolist() == [1, *range(2, 7), *range(12, 17), 20]
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    within, across = unit[1:6] @ unit[1:6].T, unit[1:6] @ unit[6:11].T
    assert within.min() > across.max() + 0.1


def test_rare_words_beyond_max_words_have_no_vector() -> None:
    tokens, values = RegionVectors(**SMALL, max_words=3).learn(two_topics(50), WORDS, seed=0)
    texts = two_topics(50)
    counts = np.bincount(texts.values)
    assert sorted(counts[tokens]) == sorted(counts)[-3:] and 20 not in tokens
    assert values.shape == (3, 6) and values.dtype == np.float32


def test_equal_seeds_give_equal_vectors_and_nothing_else_is_drawn() -> None:
    how, texts = RegionVectors(**SMALL), two_topics(50)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again, other = (how.learn(texts, WORDS, seed)[1] for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_only_words_of_training_rows_have_vectors(tmp_path: Path) -> None:
    how = RegionVectors(**SMALL, text="train+unlabelled")
    words = set(named(data(tmp_path, vectors=how)))
    assert {f"train{row}" for row in range(30)} <= words
    assert not {f"train{row}" for row in range(30, 40)} & words, "validation"
    assert not any(word.startswith("test") for word in words)


def test_no_text_longer_than_a_region_is_an_error() -> None:
    with pytest.raises(DataError, match="size is 5, and none of the 2 texts has words outside"):
        RegionVectors(**SMALL).learn(ragged([[2, 3, 4], [2]]), WORDS, 0)


def test_vectors_that_grow_without_bound_are_an_error() -> None:
    how = RegionVectors(**SMALL, learning_rate=1e30)
    with pytest.raises(DataError, match=r"learning_rate is 1e\+30, .*lower it"):
        how.learn(two_topics(50), WORDS, seed=0)


@pytest.mark.parametrize("name", ["dim", "size", "max_words", "negative", "epochs", "batch_size"])
def test_sizes_below_one_are_refused(name: str) -> None:
    options: dict[str, Any] = {name: 0}
    with pytest.raises(ValueError, match=f"{name} is 0; it must be at least 1"):
        RegionVectors(**options)


@pytest.mark.parametrize("value", [0.0, -1.0, 1.5, float("nan")])
def test_a_sample_outside_0_to_1_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=f"sample is {value}; it must be above 0 and at most 1"):
        RegionVectors(sample=value)


@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_a_negative_weight_that_is_no_weight_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=f"negative_weight is {value}; it must be above 0"):
        RegionVectors(negative_weight=value)
