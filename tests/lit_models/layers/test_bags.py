"""Bags of items and of n-grams against plain Python loops."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from lit_models.layers.bags import Items, distinct, occurrences, row_ngrams
from lit_models.layers.masking import mask_of
from tests.batches import make_batch, random_rows

ROWS = [[3], [4, 4, 5, 4], *random_rows([1, 2, 3, 9, 30], 8), [7, 7]]
BASE = 100


def per_row(items: Items, rows: int) -> list[list[tuple[int, int]]]:
    found: list[list[tuple[int, int]]] = [[] for _ in range(rows)]
    for value, row, count in zip(*(field.tolist() for field in items), strict=True):
        found[row].append((value, count))
    return found


@pytest.mark.parametrize("pad", [0, 4, 7])
@pytest.mark.parametrize("width", [30, 41])
def test_distinct_items_are_those_of_a_counter(pad: int, width: int) -> None:
    batch = make_batch(ROWS, width=width, pad=pad)
    items = distinct(batch.tokens, mask_of(batch.lengths, width))
    expected = [sorted(Counter(row).items()) for row in ROWS]
    assert per_row(items, len(ROWS)) == expected


def test_occurrences_are_the_text_as_it_stands() -> None:
    batch = make_batch(ROWS, width=35, pad=7)
    items = occurrences(batch.tokens, mask_of(batch.lengths, 35))
    assert per_row(items, len(ROWS)) == [[(token, 1) for token in row] for row in ROWS]


def test_starts_are_the_offsets_of_a_bag_even_of_rows_without_items() -> None:
    items = Items(torch.arange(5), torch.tensor([1, 1, 1, 3, 3]), torch.ones(5).long())
    assert items.starts(6).tolist() == [0, 0, 3, 3, 5, 5]


def test_dropping_leaves_items_with_their_rows_and_counts() -> None:
    torch.manual_seed(0)
    number = torch.arange(20_000)
    items = Items(number, number // 10, number % 7)
    left = items.dropped(0.25)
    assert len(left.values) / 20_000 == pytest.approx(0.75, abs=0.02)
    assert torch.equal(left.rows, left.values // 10) and torch.equal(left.counts, left.values % 7)


@pytest.mark.parametrize("modulus", [None, 9973])
@pytest.mark.parametrize("orders", [1, 2, 3, 4])
def test_ngrams_are_those_of_a_loop_within_each_row(orders: int, modulus: int | None) -> None:
    batch = make_batch(ROWS, width=33, pad=6)
    base = BASE if modulus is None else 7919
    expected = []
    for row in ROWS:
        keys = []
        for order in range(1, orders + 1):
            for start in range(len(row) - order + 1):
                key = 0
                for token in row[start : start + order]:
                    key = key * base + token + 1
                    key = key if modulus is None else key % modulus
                keys.append(key)
        expected.append(keys)
    found = row_ngrams(batch.tokens, batch.lengths, orders, base, modulus)
    assert len(found) == orders
    lines = [
        [key for keys, mask in found for key in keys[row][mask[row]].tolist()]
        for row in range(len(ROWS))
    ]
    assert lines == expected


def test_ngrams_longer_than_the_batch_is_wide_are_none() -> None:
    batch = make_batch([[3], [4]])
    assert [keys.shape[1] for keys, _ in row_ngrams(batch.tokens, batch.lengths, 3, BASE)] == [
        1,
        0,
        0,
    ]
