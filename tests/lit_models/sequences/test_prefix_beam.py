"""CTC's probabilities and searches against all paths of small cases."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from lit_models.sequences.prefix_beam import (
    best_path,
    collapse,
    frames_needed,
    log_probabilities,
    prefix_beam,
)

Strings = dict[tuple[int, ...], float]


def random_frames(seed: int, frames: int = 5, symbols: int = 3, spread: float = 2.0) -> np.ndarray:
    """float64[F, P + 1] ln p."""
    logits = spread * np.random.default_rng(seed).standard_normal((frames, symbols))
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


def every_string(frames: np.ndarray) -> Strings:
    """ln p of all strings, summed over all paths."""
    totals: Strings = {}
    for path in itertools.product(range(frames.shape[1]), repeat=len(frames)):
        value = float(sum(frame[symbol] for frame, symbol in zip(frames, path, strict=True)))
        string = collapse(path)
        totals[string] = float(np.logaddexp(totals.get(string, -np.inf), value))
    return totals


@pytest.mark.parametrize(
    ("path", "string"),
    [
        ([0, 0], []),
        ([1, 1, 2], [1, 2]),
        ([1, 0, 1], [1, 1]),
        ([0, 3, 3, 0, 0, 3, 2, 2], [3, 3, 2]),
        ([], []),
    ],
)
def test_a_path_collapses_to_its_string(path: list[int], string: list[int]) -> None:
    assert collapse(path) == tuple(string)


@pytest.mark.parametrize("seed", range(5))
def test_probabilities_of_strings_are_sums_over_their_paths(seed: int) -> None:
    frames = random_frames(seed)
    expected = every_string(frames)
    assert math.fsum(math.exp(value) for value in expected.values()) == pytest.approx(1, abs=1e-12)
    strings = list(expected)
    symbols = torch.zeros(len(strings), 5, dtype=torch.int64)
    for row, string in zip(symbols, strings, strict=True):
        row[: len(string)] = torch.tensor(string)
    lengths = torch.tensor([len(string) for string in strings])
    garbage = torch.randn(3, 3, dtype=torch.float64)  # past the end of the frames
    given = torch.cat([torch.from_numpy(frames), garbage]).expand(len(strings), -1, -1)
    found = log_probabilities(given, torch.full_like(lengths, 5), symbols, lengths)
    assert np.allclose(found, list(expected.values()), rtol=0, atol=1e-10)


@pytest.mark.parametrize("seed", range(5))
def test_a_beam_that_is_wide_enough_finds_all_strings(seed: int) -> None:
    frames = random_frames(seed)
    expected = every_string(frames)
    found = prefix_beam(frames, 1000, longest=5)
    assert dict(found).keys() == expected.keys() and len(found) == len(expected)
    values = [value for _, value in found]
    assert values == sorted(values, reverse=True)
    for string, value in found:
        assert value == pytest.approx(expected[string], abs=1e-10)


@pytest.mark.parametrize("longest", [0, 1, 2])
def test_strings_that_are_too_long_are_left_out_and_the_others_exact(longest: int) -> None:
    frames = random_frames(7)
    expected = {s: v for s, v in every_string(frames).items() if len(s) <= longest}
    assert dict(prefix_beam(frames, 1000, longest)) == pytest.approx(expected, abs=1e-10)


def test_a_narrow_beam_follows_a_part_of_the_paths() -> None:
    missed = 0
    for seed in range(20):
        frames = random_frames(seed, frames=6)
        expected = every_string(frames)
        found = prefix_beam(frames, 3, longest=6)
        assert len(found) == 3
        assert [value for _, value in found] == sorted((v for _, v in found), reverse=True)
        for string, value in found:
            assert value <= expected[string] + 1e-10
            missed += value < expected[string] - 1e-6
    assert missed


def test_the_string_of_the_best_path_may_not_be_the_best() -> None:
    frames = np.log([[0.6, 0.4], [0.6, 0.4]])  # blank, a
    assert best_path(frames, 9) == ()  # 0.36
    (first, value), (second, _) = prefix_beam(frames, 2, 9)
    assert (first, second) == ((1,), ()) and math.exp(value) == pytest.approx(0.64)


def test_the_best_path_is_cut_to_the_longest() -> None:
    frames = np.log([[0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.1, 0.8, 0.1]])
    assert best_path(frames, 9) == (1, 2, 1)
    assert best_path(frames, 2) == (1, 2)


def test_equal_neighbours_need_a_blank_between_them() -> None:
    symbols = torch.tensor([[1, 1, 2, 0, 0], [3, 3, 3, 0, 0], [1, 2, 1, 2, 2], [4, 4, 0, 0, 0]])
    lengths = torch.tensor([3, 3, 5, 1])
    needed = frames_needed(symbols, lengths)
    assert needed.tolist() == [4, 5, 6, 1]
    for row, length, frames in zip(symbols, lengths, needed.tolist(), strict=True):
        for count, possible in ((frames, True), (frames - 1, False)):
            given = torch.from_numpy(random_frames(0, max(count, 1), 5))[None]
            found = log_probabilities(given, torch.tensor([count]), row[None], length[None])
            assert bool(found.isfinite()) == possible
