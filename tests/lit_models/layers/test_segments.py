"""Pairs of segments: what stands in a row, and what the answer says of it."""

from __future__ import annotations

import pytest
import torch

from lit_models.layers.segments import SegmentPairs, pair_segments

CLS, SEP = 2, 3


def rows(lengths: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Row r is [CLS] 100r+101, 100r+102, … [SEP], padded with 9."""
    tokens = torch.full((len(lengths), max(lengths)), 9)
    for row, length in enumerate(lengths):
        tokens[row, :length] = torch.tensor(
            [CLS, *range(100 * row + 101, 100 * row + length + 99), SEP]
        )
    return tokens, torch.tensor(lengths)


def parts(pairs: SegmentPairs, row: int) -> tuple[list[int], list[int]]:
    """The two segments of a row, after checking all that stands around them."""
    tokens = pairs.tokens[row, : pairs.lengths[row]].tolist()
    segments = pairs.segments[row, : pairs.lengths[row]].tolist()
    assert tokens[0] == CLS and tokens[-1] == SEP and tokens.count(SEP) == 2
    middle = tokens.index(SEP)
    assert segments == [0] * (middle + 1) + [1] * (len(tokens) - middle - 1)
    assert not pairs.segments[row, pairs.lengths[row] :].any()
    return tokens[1:middle], tokens[middle + 1 : -1]


def test_order_is_kept_or_swapped_and_nothing_is_lost() -> None:
    tokens, lengths = rows([12, 7, 4, 3] * 50)
    pairs = pair_segments(tokens, lengths, "sentence-order", torch.Generator().manual_seed(0))
    assert torch.equal(pairs.lengths, lengths + 1)
    for row in range(200):
        first, second = parts(pairs, row)
        if pairs.answers[row]:
            first, second = second, first
        assert first + second == tokens[row, 1 : lengths[row] - 1].tolist()
        assert len(first) - len(second) in (0, 1)
    assert 70 < int(pairs.answers.sum()) < 130


def test_the_next_segment_is_its_own_or_that_of_another_row() -> None:
    tokens, lengths = rows([12, 7, 6, 9] * 50)
    pairs = pair_segments(tokens, lengths, "next-sentence", torch.Generator().manual_seed(1))
    halves = [parts(pairs, row) for row in range(200)]
    for row, (first, second) in enumerate(halves):
        text = tokens[row, 1 : lengths[row] - 1].tolist()
        assert text[: len(first)] == first
        own = text[len(first) :]
        assert (second != own) == bool(pairs.answers[row])
        sources = {token // 100 for token in second}
        assert len(sources) == 1 and (sources == {row + 1}) != bool(pairs.answers[row])
    assert 70 < int(pairs.answers.sum()) < 130


def test_a_row_alone_is_followed_by_itself() -> None:
    tokens, lengths = rows([8])
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        assert pair_segments(tokens, lengths, "next-sentence", generator).answers.tolist() == [0]


def test_what_is_no_pair_is_refused() -> None:
    tokens, lengths = rows([8, 2])
    with pytest.raises(ValueError, match="a row of 2 tokens"):
        pair_segments(tokens, lengths, "sentence-order")
    with pytest.raises(ValueError, match="objective is 'order'; choose one of next-sentence, "):
        pair_segments(tokens, lengths, "order")  # type: ignore[arg-type]
