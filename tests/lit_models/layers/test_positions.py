"""Positions: the written waves, learned vectors, and what rotary positions promise."""

from __future__ import annotations

import math

import pytest
import torch

from lit_models.layers.positions import LearnedPositions, rotate, rotation, sinusoidal

LIKE = torch.empty(0, dtype=torch.float64)


def test_waves_have_the_values_of_the_paper() -> None:
    waves = sinusoidal(7, 6, LIKE)
    assert waves.shape == (7, 6)
    for t in range(7):
        for i in range(3):
            angle = t / 10_000 ** (2 * i / 6)
            assert waves[t, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-12)
            assert waves[t, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-12)


def test_a_pair_is_turned_by_its_angle() -> None:
    vector = torch.tensor([[1.0, 2.0, 3.0, 4.0]]).repeat(3, 1).double()  # pairs (1, 3), (2, 4)
    turned = rotate(vector, rotation(3, 4, LIKE))
    assert torch.equal(turned[0], vector[0])
    for pair, angle in ((0, 2.0), (1, 2.0 / 100)):  # at position 2; 10000^(-2/4) = 1/100
        a, b = vector[2, pair].item(), vector[2, pair + 2].item()
        expected = (complex(a, b)) * complex(math.cos(angle), math.sin(angle))
        assert turned[2, pair].item() == pytest.approx(expected.real, abs=1e-12)
        assert turned[2, pair + 2].item() == pytest.approx(expected.imag, abs=1e-12)


def test_rotary_scores_depend_on_contents_and_distance_alone() -> None:
    torch.manual_seed(0)
    query, key = torch.randn(2, 8).double()
    turns = rotation(40, 8, LIKE)
    scores = rotate(query.expand(40, 8), turns) @ rotate(key.expand(40, 8), turns).T  # [40, 40]
    for distance in range(-39, 40):
        own = scores.diagonal(distance)
        assert torch.allclose(own, own[:1].expand_as(own), atol=1e-12)
    assert scores[0, :5].unique().numel() == 5
    assert scores[0, 0].item() == pytest.approx((query @ key).item())


def test_learned_positions_are_added_and_padding_past_them_gets_none() -> None:
    learned = LearnedPositions(5, 4)
    states = torch.zeros(2, 8, 4)
    found = learned(states, torch.tensor([5, 2]))
    assert torch.equal(found[:, :5], learned.table.expand(2, 5, 4))
    assert (found[:, 5:] == 0).all()
    assert torch.equal(learned(states[:, :3], torch.tensor([3, 3]))[0], learned.table[:3])


def test_a_text_longer_than_the_learned_positions_is_refused() -> None:
    with pytest.raises(ValueError, match=r"takes 6 positions and 5 are learned; raise --model.max"):
        LearnedPositions(5, 4)(torch.zeros(2, 8, 4), torch.tensor([6, 2]))
    with pytest.raises(ValueError, match="max_positions is 0"):
        LearnedPositions(0, 4)


def test_an_odd_width_is_refused() -> None:
    with pytest.raises(ValueError, match="and 7 is odd"):
        sinusoidal(3, 7, LIKE)
