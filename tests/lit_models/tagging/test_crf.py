"""The conditional random field against sums and maxima over all sequences of tags."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor

from lit_models.tagging.crf import LinearChainCRF

TAGS, LENGTHS = 3, [1, 2, 4, 5]


@pytest.fixture
def crf() -> LinearChainCRF:
    torch.manual_seed(0)
    crf = LinearChainCRF(TAGS).double()
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter.normal_(std=2)
    return crf


def scores(width: int = 5, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(len(LENGTHS), width, TAGS, dtype=torch.float64, generator=generator)


@torch.no_grad()
def score(crf: LinearChainCRF, row: Tensor, tags: tuple[int, ...]) -> float:
    """Score of a sequence by the written sum."""
    total = crf.starts[tags[0]] + crf.ends[tags[-1]]
    total = total + sum(row[t, tag] for t, tag in enumerate(tags))
    return float(
        total + sum(float(crf.transitions[a, b]) for a, b in zip(tags, tags[1:], strict=False))
    )


def sequences(length: int) -> list[tuple[int, ...]]:
    return list(product(range(TAGS), repeat=length))


def padded(rows: list[tuple[int, ...]], width: int = 5, fill: int = -1) -> Tensor:
    return torch.tensor([[*row, *[fill] * (width - len(row))] for row in rows])


@torch.no_grad()
def test_the_forward_algorithm_sums_over_all_sequences(crf: LinearChainCRF) -> None:
    rows = scores()
    tags = [tuple((n + t) % TAGS for t in range(length)) for n, length in enumerate(LENGTHS)]
    found = crf.log_probability(rows, torch.tensor(LENGTHS), padded(tags))
    for row, length, one, value in zip(rows, LENGTHS, tags, found, strict=True):
        every = torch.tensor([score(crf, row, each) for each in sequences(length)])
        expected = score(crf, row, one) - float(every.double().logsumexp(dim=0))
        assert float(value) == pytest.approx(expected, abs=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("length", [1, 2, 4])
def test_probabilities_of_all_sequences_sum_to_one(crf: LinearChainCRF, length: int) -> None:
    every = sequences(length)
    rows = scores()[:1, :length].expand(len(every), -1, -1)
    words = torch.full((len(every),), length)
    found = crf.log_probability(rows, words, torch.tensor(every))
    assert float(found.exp().sum()) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_viterbi_finds_the_best_of_all_sequences(crf: LinearChainCRF, seed: int) -> None:
    rows = scores(seed=seed)
    found = crf.best(rows, torch.tensor(LENGTHS))
    for row, length, tags in zip(rows, LENGTHS, found, strict=True):
        best = max(sequences(length), key=lambda each, row=row: score(crf, row, each))  # type: ignore[misc]
        assert tuple(tags[:length].tolist()) == best


def test_transitions_decide_where_scores_do_not() -> None:
    crf = LinearChainCRF(2)
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter.zero_()
        crf.starts[1] = 1.0  # begin with 1, never repeat a tag, and end with 0
        crf.transitions += torch.eye(2) * -10
        crf.ends[0] = 0.5
    found = crf.best(torch.zeros(2, 4, 2), torch.tensor([4, 3]))
    assert found[0].tolist() == [1, 0, 1, 0]
    assert found[1, :3].tolist() == [1, 0, 1]


@torch.no_grad()
def test_padding_has_no_part(crf: LinearChainCRF) -> None:
    words, rows = torch.tensor(LENGTHS), scores()
    tags = padded([tuple([1] * length) for length in LENGTHS])
    together = crf.log_probability(rows, words, tags)
    dirty, wide = rows.clone(), scores(9, seed=7)
    for n, length in enumerate(LENGTHS):
        dirty[n, length:] = 1e6
        wide[n, :length] = rows[n, :length]
    assert torch.equal(crf.log_probability(dirty, words, tags), together)
    longer = torch.cat([tags, torch.full((len(LENGTHS), 4), 2)], dim=1)
    assert torch.allclose(crf.log_probability(wide, words, longer), together, rtol=0, atol=1e-12)
    for n, length in enumerate(LENGTHS):
        alone = crf.best(rows[n : n + 1, :length], words[n : n + 1])[0]
        for company in (rows, dirty, wide):
            assert torch.equal(crf.best(company, words)[n, :length], alone)


def test_gradients_are_the_differences_of_expected_and_seen_counts(crf: LinearChainCRF) -> None:
    tags = (0, 2, 1, 1)
    row = scores()[2:3, :4]
    loss = -crf.log_probability(row, torch.tensor([4]), torch.tensor([tags])).sum()
    loss.backward()
    with torch.no_grad():
        every = sequences(4)
        weights = torch.tensor([score(crf, row[0], each) for each in every]).double().softmax(0)
        expected = torch.zeros(TAGS, TAGS, dtype=torch.float64)
        for each, weight in zip(every, weights, strict=True):
            for a, b in zip(each, each[1:], strict=False):
                expected[a, b] += weight
        for a, b in zip(tags, tags[1:], strict=False):
            expected[a, b] -= 1
    assert crf.transitions.grad is not None
    assert torch.allclose(crf.transitions.grad, expected, rtol=0, atol=1e-5)
