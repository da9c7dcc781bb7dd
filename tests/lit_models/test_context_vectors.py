"""Skip-gram and CBOW: their losses by hand, neighbours of a toy corpus, seeds, bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from datamodules.errors import DataError
from datamodules.store.ragged import Ragged
from lit_models.cbow import CBOW, LitCBOW
from lit_models.language.word_vectors import ContextVectors, LitWordVectors
from lit_models.language.word_windows import WindowBatch
from lit_models.skip_gram import LitSkipGram, SkipGram
from tests.datamodules.vectors.test_word2vec import WORDS, data, named, two_topics

BOTH = pytest.mark.parametrize("method", [SkipGram, CBOW])
SMALL: dict[str, Any] = {"dim": 6, "min_count": 2, "epochs": 2}
COUNTS = np.array([6, 3, 1, 1])
# word 0 with 1 and 3 around it, word 2 with 1
BATCH = WindowBatch(torch.tensor([0, 2]), torch.tensor([1, 3, 1]), torch.tensor([0, 2]), 0.0)


def small(learner: type[LitWordVectors]) -> tuple[LitWordVectors, np.ndarray, np.ndarray]:
    """Learner with random weights, and its two tables."""
    torch.manual_seed(0)
    model = learner(COUNTS, 3, "hierarchical-softmax", 5, 0.025).double()
    torch.nn.init.normal_(model.words.weight)
    torch.nn.init.normal_(model.output.nodes.weight)  # type: ignore[union-attr, arg-type]
    nodes = model.output.nodes.weight.detach().numpy()  # type: ignore[union-attr]
    return model, model.words.weight.detach().numpy().copy(), nodes


def probabilities(hidden: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """p of the four words of codes 1, 01, 000 and 001, at the nodes 2, 1 and 0."""
    left = 1 / (1 + np.exp(-nodes @ hidden))
    inner = left[2] * left[1]
    return np.array([1 - left[2], left[2] * (1 - left[1]), inner * left[0], inner * (1 - left[0])])


def test_skip_gram_predicts_each_word_around_from_the_word() -> None:
    model, words, nodes = small(LitSkipGram)
    pairs = [(0, 1), (0, 3), (2, 1)]
    expected = -sum(np.log(probabilities(words[a], nodes)[b]) for a, b in pairs)
    assert model.loss(BATCH).item() == pytest.approx(expected, abs=1e-12)


def test_cbow_predicts_the_word_from_the_mean_of_those_around() -> None:
    model, words, nodes = small(LitCBOW)
    means = [(words[1] + words[3]) / 2, words[1]]
    expected = -np.log(probabilities(means[0], nodes)[0]) - np.log(
        probabilities(means[1], nodes)[2]
    )
    loss = model.loss(BATCH)
    assert loss.item() == pytest.approx(expected, abs=1e-12)
    loss.backward()
    gradient = model.words.weight.grad
    assert gradient is not None
    # d/dh by differences; a word around receives it whole, and word 1 that of both means
    of_mean = []
    for mean, word in zip(means, (0, 2), strict=True):
        steps = 1e-6 * np.eye(3)
        up, down = (
            np.array([-np.log(probabilities(mean + s * sign, nodes)[word]) for s in steps])
            for sign in (1, -1)
        )
        of_mean.append((up - down) / 2e-6)
    found = gradient.to_dense().numpy()
    assert np.allclose(found[3], of_mean[0], atol=1e-6)
    assert np.allclose(found[1], of_mean[0] + of_mean[1], atol=1e-6)
    assert not found[[0, 2]].any()


@BOTH
@pytest.mark.parametrize("output", ["negative-sampling", "hierarchical-softmax"])
def test_words_of_one_topic_are_near_one_another(method: type[ContextVectors], output: Any) -> None:
    settings: dict[str, Any] = {"min_count": 2, "sample": 1.0, "learning_rate": 0.1}
    how = method(8, output, epochs=2, batch_pairs=64, **settings)
    tokens, values = how.learn(two_topics(200), WORDS, seed=0)
    assert tokens.tolist() == [1, *range(2, 7), *range(12, 17)], "20 occurs once"
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    within, across = unit[1:6] @ unit[1:6].T, unit[1:6] @ unit[6:].T
    assert within.min() > across.max() + 0.1


@BOTH
def test_equal_seeds_give_equal_vectors_and_nothing_else_is_drawn(
    method: type[ContextVectors],
) -> None:
    how, texts = method(**SMALL), two_topics(50)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again, other = (how.learn(texts, WORDS, seed)[1] for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


@BOTH
def test_only_words_of_training_rows_have_vectors(
    method: type[ContextVectors], tmp_path: Path
) -> None:
    how = method(6, min_count=1, epochs=1, text="train+unlabelled")
    words = set(named(data(tmp_path, vectors=how)))
    assert {f"train{row}" for row in range(30)} <= words
    assert not {f"train{row}" for row in range(30, 40)} & words, "validation"
    assert not any(word.startswith("test") for word in words)


@pytest.mark.parametrize("lengths", [[], [0, 0], [3, 4]])
def test_a_min_count_that_leaves_nothing_is_an_error(lengths: list[int]) -> None:
    offsets = np.cumsum([0, *lengths]).astype(np.int64)
    texts = Ragged(np.full(offsets[-1], 2, dtype=np.int32), offsets)
    with pytest.raises(DataError, match=f"no word occurs 9 times in the {len(lengths)} texts"):
        SkipGram(min_count=9).learn(texts, WORDS, 0)


@pytest.mark.parametrize("words", [[2] * 6, [2, 3] * 3])
def test_texts_without_two_words_are_an_error(words: list[int]) -> None:
    texts = Ragged(np.array(words, dtype=np.int32), np.arange(7))
    with pytest.raises(DataError, match=r"[12] words occur 2 times in the 6 texts, and no two"):
        SkipGram(min_count=2).learn(texts, WORDS, 0)


@pytest.mark.parametrize(
    "name", ["dim", "window", "negative", "min_count", "epochs", "batch_pairs"]
)
def test_sizes_below_one_are_refused(name: str) -> None:
    options: dict[str, Any] = {name: 0}
    with pytest.raises(ValueError, match=f"{name} is 0; it must be at least 1"):
        CBOW(**options)


@pytest.mark.parametrize("value", [0.0, -1.0, 1.5, float("nan")])
def test_a_sample_outside_0_to_1_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=f"sample is {value}; it must be above 0 and at most 1"):
        SkipGram(sample=value)


def test_an_unknown_output_is_refused() -> None:
    with pytest.raises(ValueError, match="output is 'softmax'; choose one of .*hierarchical"):
        SkipGram(output="softmax")  # type: ignore[arg-type]


def test_a_sample_that_leaves_no_pair_is_an_error() -> None:
    texts = Ragged(np.array([2, 3] * 5, dtype=np.int32), np.array([0, 10]))
    with pytest.raises(DataError, match="sample is 1e-09, .* the 1 texts .* raise sample"):
        SkipGram(sample=1e-9).learn(texts, WORDS, 0)


def test_vectors_that_grow_without_bound_are_an_error() -> None:
    how = SkipGram(8, min_count=2, sample=1.0, epochs=1, batch_pairs=64, learning_rate=1.0)
    with pytest.raises(DataError, match="learning_rate is 1.0 and batch_pairs 64, .*lower"):
        how.learn(two_topics(200), WORDS, seed=0)
