"""Cosine vectors: gradients by hand and by autograd, topics apart, each text by itself."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch.nn.functional import logsigmoid, normalize

from lit_models.classics.cosine_vectors import CosineVectors, Pairs, tangent
from tests.lit_models.test_doc2vec_logreg import topics

ALPHA, NEGATIVE = 2.0, 3


def counts_of(rows: list[list[int]], width: int) -> sp.csr_matrix:
    """float64[N, F] counts of words."""
    matrix = sp.lil_matrix((len(rows), width))
    for number, row in enumerate(rows):
        for word in row:
            matrix[number, word] += 1
    return matrix.tocsr()


def sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x))


def test_gradients_of_three_words_by_hand() -> None:
    # One text (1, 0) with the words 0 and 2; word 1 is the noise.
    model = CosineVectors(2, ALPHA, NEGATIVE, 1, 1.0, 0)
    batch = Pairs.of(counts_of([[0, 2, 2]], 3), torch.tensor([1]), torch.tensor([1.0, 1.0, 0.5]))
    texts = torch.tensor([[1.0, 0.0]])
    words = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    # Word 2 has the weight 1/2.
    first, third = 1 - sigmoid(ALPHA), (1 - sigmoid(ALPHA * 0.6)) / 2
    noise = 1.5 * NEGATIVE * sigmoid(0)  # three draws of word 1 for weights of 1.5 together
    of_text = [ALPHA * (first + 0.6 * third), ALPHA * (0.8 * third - noise)]
    of_words = [[ALPHA * first, 0], [-ALPHA * noise, 0], [ALPHA * third, 0]]
    assert np.allclose(model.text_gradients(batch, texts, words), [of_text], atol=1e-6)
    assert np.allclose(model.ngram_gradients(batch, texts, words), of_words, atol=1e-6)
    # Along the sphere word 0, which the text equals, does not move.
    along = tangent(torch.tensor(of_words), words).tolist()
    assert np.allclose(along[0], 0) and np.allclose(
        along[2], [0.64 * of_words[2][0], -0.48 * of_words[2][0]]
    )


def test_gradients_are_those_of_the_objective() -> None:
    rng = np.random.default_rng(0)
    rows = [rng.integers(0, 12, length).tolist() for length in (1, 7, 20, 3)]
    counts, noise = counts_of(rows, 12), torch.tensor([3, 3, 0, 11, 5])
    weights = torch.linspace(0.1, 1, 12)
    model, batch = CosineVectors(6, ALPHA, NEGATIVE, 1, 1.0, 0), Pairs.of(counts, noise, weights)
    torch.manual_seed(0)
    texts = normalize(torch.randn(4, 6)).requires_grad_()
    words = normalize(torch.randn(12, 6)).requires_grad_()
    total = torch.zeros(())
    for text, row in zip(texts, rows, strict=True):
        distinct = torch.tensor(sorted(set(row)))
        total = total + weights[distinct] @ logsigmoid(ALPHA * words[distinct] @ text)
        against = logsigmoid(-ALPHA * words[noise] @ text).mean()
        total = total + NEGATIVE * weights[distinct].sum() * against
    total.backward()
    with torch.no_grad():
        used = words[batch.used]
        assert texts.grad is not None and words.grad is not None
        found = model.text_gradients(batch, texts, used)
        assert torch.allclose(found, texts.grad, atol=1e-5)
        found = model.ngram_gradients(batch, texts, used)
        assert torch.allclose(found, words.grad[batch.used], atol=1e-5)


def learnt(seed: int = 0, epochs: int = 20) -> tuple[CosineVectors, list[list[int]]]:
    rows, _ = topics(60, 0)
    model = CosineVectors(8, 6.0, 5, epochs, 1.0, seed)
    model.fit(counts_of(rows, 23), np.ones(23))
    return model, rows


def test_texts_of_a_topic_are_closer_to_each_other_and_to_its_words() -> None:
    model, _ = learnt()
    rows, labels = topics(40, 1)
    vectors = model.infer(counts_of(rows, 23))
    cosines = vectors @ vectors.T
    same = np.equal.outer(labels, labels)
    assert cosines[same].mean() > cosines[~same].mean() + 0.3
    words = model.ngrams[2:12].astype(np.float32).mean(axis=0)
    first = np.array(labels) == 0
    assert (vectors[first] @ words).mean() > (vectors[~first] @ words).mean() + 0.1


def test_a_vector_depends_on_nothing_but_the_text() -> None:
    model, _ = learnt()
    rows = [*topics(9, 1)[0], [3], [], [4, 3, 22]]
    together = model.infer(counts_of(rows, 23))
    alone = [model.infer(counts_of([row], 23))[0] for row in reversed(rows)]
    assert np.array_equal(together, alone[::-1])
    assert np.allclose(np.linalg.norm(together, axis=1), [1] * 10 + [0, 1])


def test_inference_has_arrived() -> None:
    """More steps would move a vector little: the gradient along the sphere is almost zero."""
    model, rows = learnt()
    counts = counts_of(rows, 23)
    vectors, ngrams = torch.from_numpy(model.infer(counts)), torch.from_numpy(model.ngrams).float()
    batch = Pairs.of(counts, torch.from_numpy(model.noise), torch.ones(23))
    gradients = tangent(model.text_gradients(batch, vectors, ngrams[batch.used]), vectors)
    whole = model.text_gradients(batch, torch.zeros_like(vectors), ngrams[batch.used])
    assert (gradients.norm(dim=1) < 0.1 * whole.norm(dim=1)).all()


def test_noise_is_as_frequent_as_the_docstring_says() -> None:
    rows, weights = [[0, 1], [0], [0, 2], [0], [1, 0]], np.array([0.25, 1.0, 0.5])
    model = CosineVectors(4, ALPHA, NEGATIVE, 1, 1.0, 0)
    model.fit(counts_of(rows, 3), weights)
    expected = (weights * [5, 2, 1]) ** 0.75
    shares = np.bincount(model.noise, minlength=3) / len(model.noise)
    assert np.allclose(shares, expected / expected.sum(), atol=2e-3)


def test_inference_weights_the_ngrams_of_a_text() -> None:
    model, _ = learnt(epochs=2)
    both, one = (model.infer(counts_of([row], 23))[0] for row in ([3, 14], [3]))
    assert not np.allclose(both, one, atol=1e-3)
    model.weights[14] = 0
    assert np.allclose(model.infer(counts_of([[3, 14]], 23))[0], one, atol=1e-6)


def test_the_seed_decides_the_vectors() -> None:
    first, again, other = (learnt(seed, 2)[0].ngrams for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


@pytest.mark.parametrize("rows", [[[0]], [[0], [], [1, 0]], [[2] * 9, [2]]])
def test_few_and_short_texts(rows: list[list[int]]) -> None:
    model = CosineVectors(4, 6.0, 5, 3, 1.0, 0)
    model.fit(counts_of(rows, 3), np.ones(3))
    assert np.isfinite(model.ngrams.astype(np.float32)).all()
    assert np.isfinite(model.infer(counts_of(rows, 3))).all()
