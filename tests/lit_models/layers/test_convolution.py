"""Convolution and pooling against loops over each row's own positions, and by hand."""

from __future__ import annotations

import pytest
import torch

from lit_models.layers.convolution import WordConvolution, k_max, max_pool
from lit_models.layers.masking import mask_of, zero_padding

LENGTHS = torch.tensor([1, 4, 7])


def made(filler: float = float("nan")) -> torch.Tensor:
    states = torch.randn(3, 9, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    states[~mask_of(LENGTHS, 9)] = filler
    return states


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)[None, :, None]


@pytest.mark.parametrize("width", [1, 2, 3, 5])
@pytest.mark.parametrize("centred", [False, True])
def test_a_filter_sees_its_window_and_zeros_outside_the_text(width: int, centred: bool) -> None:
    torch.manual_seed(0)
    layer = WordConvolution(5, 4, width, centred=centred).double()
    states = made()
    found = layer(zero_padding(states, LENGTHS))
    assert found.shape == (3, 9, 4)
    start = -((width - 1) // 2) if centred else 0
    for row, length in enumerate(LENGTHS.tolist()):
        for place in range(length):
            expected = layer.bias.clone()
            for tap in range(width):
                if 0 <= (seen := place + start + tap) < length:
                    expected = expected + layer.weight[:, :, 0, tap] @ states[row, seen]
            assert torch.allclose(found[row, place], expected, atol=1e-12)


def test_a_filter_without_words_is_an_error() -> None:
    with pytest.raises(ValueError, match="a filter of 0 words is empty"):
        WordConvolution(5, 4, 0)


@pytest.mark.parametrize(("size", "stride"), [(1, 1), (2, 2), (4, 4), (3, 2), (9, 9), (12, 12)])
def test_a_window_past_the_end_takes_its_own_positions_alone(size: int, stride: int) -> None:
    states = made()
    found, left = max_pool(states, LENGTHS, size, stride)
    assert found.shape == (3, -(-9 // stride), 5)
    for row, length in enumerate(LENGTHS.tolist()):
        windows = [states[row, at : min(at + size, length)] for at in range(0, length, stride)]
        assert left[row] == len(windows)
        expected = torch.stack([window.max(dim=0).values for window in windows])
        assert torch.equal(found[row, : left[row]], expected)
        assert (found[row, left[row] :] == float("-inf")).all()


def test_pooling_by_hand() -> None:
    states = column(3, -1, -5, -4, -9, 8, 8)  # the last two are padding
    found, left = max_pool(states, torch.tensor([5]), 2)
    assert found.flatten().tolist() == [3, -4, -9, float("-inf")] and left.tolist() == [3]
    found, left = max_pool(states, torch.tensor([5]), 3, 2)
    assert found.flatten()[:3].tolist() == [3, -4, -9] and left.tolist() == [3]


@pytest.mark.parametrize(("size", "stride"), [(0, None), (2, 3), (2, 0)])
def test_windows_that_skip_positions_are_an_error(size: int, stride: int | None) -> None:
    with pytest.raises(ValueError, match=f"windows of {size} positions"):
        max_pool(made(), LENGTHS, size, stride)


def test_k_max_by_hand() -> None:
    states = column(2, 7, -1, 5, 7, 99)  # the last is padding
    length = torch.tensor([5])

    def kept(k: int) -> list[float]:
        return k_max(states, length, torch.tensor([k])).flatten().tolist()

    assert kept(1) == [7]
    assert kept(3) == [7, 5, 7]
    assert kept(4) == [2, 7, 5, 7]
    assert kept(7) == [2, 7, -1, 5, 7, float("-inf"), float("-inf")]


def test_each_row_keeps_its_own_number_of_values() -> None:
    states, counts = made(), torch.tensor([3, 2, 5])
    found = k_max(states, LENGTHS, counts)
    assert found.shape == (3, 5, 5)
    for row, (length, k) in enumerate(zip(LENGTHS.tolist(), counts.tolist(), strict=True)):
        for feature in range(5):
            own = states[row, :length, feature].tolist()
            places = sorted(sorted(range(length), key=lambda at: -own[at])[:k])
            expected = [own[at] for at in places]
            expected += [float("-inf")] * (5 - len(expected))
            assert found[row, :, feature].tolist() == expected


def test_of_equal_values_the_earlier_are_taken_whatever_the_padding() -> None:
    # Were the later 0 taken, 1 would come first.
    text = [0.0, 1.0, 0.0] * 10
    for width in (30, 64, 500):
        states = column(*text, *[3.0] * (width - 30))
        found = k_max(states, torch.tensor([30]), torch.tensor([11]))
        assert found.flatten().tolist() == [0.0] + [1.0] * 10
