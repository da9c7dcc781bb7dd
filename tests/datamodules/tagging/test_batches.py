"""Batches of tagged texts: whole, in pieces between words, and capped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from datamodules.store.ragged import Ragged
from datamodules.store.truncation import TokenTruncation
from datamodules.tagging.batches import NO_TAG, TagDataset, count_words


def ragged(rows: list[list[int]], kind: Any = np.int32) -> Ragged:
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    return Ragged(np.concatenate(rows).astype(kind), offsets)


def cap(**values: Any) -> TokenTruncation:
    fixed: dict[str, Any] = {"vocab_size": None, "max_length": None, "truncation": "head"}
    return TokenTruncation(**fixed | {"pad_id": 0, "unk_id": 1} | values)


TEXTS = [[5, 6, 7, 8, 9], [4], [3, 2], [11, 12, 13]]
TAGS = [[0, 1, 2, 3, 4], [200], [1, 1], [9, 8, 7]]


def test_whole_rows_have_all_their_tags() -> None:
    rows = np.array([3, 0, 1])
    data = TagDataset(ragged(TEXTS), ragged(TAGS, np.uint8), rows, cap(vocab_size=12))
    assert len(data) == 3 and data.lengths.tolist() == [3, 5, 1]
    batch = data[np.array([0, 1, 2])]
    assert batch.ids.tolist() == [3, 0, 1] and batch.lengths.tolist() == [3, 5, 1]
    assert batch.tokens.shape == batch.tags.shape == (3, 8)
    assert batch.tokens[0].tolist() == [11, 1, 1, 0, 0, 0, 0, 0]  # 12 and 13 are above the cap
    assert batch.tags[0].tolist() == [9, 8, 7, *[NO_TAG] * 5]
    assert batch.tags[2].tolist() == [200, *[NO_TAG] * 7]


@pytest.mark.parametrize("longest", [1, 2, 3, 5, 100])
def test_pieces_follow_one_another(longest: int) -> None:
    rows = np.arange(4)
    data = TagDataset(ragged(TEXTS), ragged(TAGS), rows, cap(), longest=longest)
    assert data.lengths.max() <= longest and data.lengths.sum() == 11
    batch = data[np.arange(len(data))]
    found: dict[int, list[tuple[int, int]]] = {row: [] for row in range(4)}
    for tokens, tags, size, row in zip(
        *(field.tolist() for field in (batch.tokens, batch.tags, batch.lengths, batch.ids)),
        strict=True,
    ):
        assert set(tags[size:]) <= {NO_TAG}
        found[row] += zip(tokens[:size], tags[:size], strict=True)
    for row in range(4):
        assert found[row] == list(zip(TEXTS[row], TAGS[row], strict=True))


CLS, SEP, CONTINUED = 2, 3, 100
WORDS = [[5], [6, 107], [8, 109, 110], [11], [12, 113]]


def piece_row(words: list[list[int]]) -> list[int]:
    return [CLS, *(piece for word in words for piece in word), SEP]


@pytest.mark.parametrize(
    ("longest", "expected"),
    [
        (100, [[0, 1, 2, 3, 4]]),
        (6, [[0, 1, 2], [3, 4]]),
        (5, [[0, 1], [2, 3], [4]]),
        (3, [[0, 1], [2], [3, 4]]),
        (1, [[0], [1], [2], [3], [4]]),  # a word alone may be longer
    ],
)
def test_rows_of_pieces_are_divided_between_words(longest: int, expected: list[list[int]]) -> None:
    tokens, tags = ragged([piece_row(WORDS[:1]), piece_row(WORDS)]), ragged([[7], [0, 1, 2, 3, 4]])
    specials = cap(prefix=1, suffix=1)
    assert count_words(tokens, specials, CONTINUED).tolist() == [1, 5]
    data = TagDataset(tokens, tags, np.array([1, 0]), specials, CONTINUED, longest)
    batch = data[np.arange(len(data))]
    found = []
    rows = zip(batch.tokens, batch.lengths, batch.tags, batch.ids, strict=True)
    for row, size, labels, number in rows:
        words = [WORDS[label] for label in labels.tolist() if label != NO_TAG] if number else None
        if words is not None:
            assert row[:size].tolist() == piece_row(words)
            found.append([label for label in labels.tolist() if label != NO_TAG])
    assert found == expected
    last = batch.tokens[-1, :3].tolist(), batch.tags[-1, :2].tolist()
    assert last == ([CLS, 5, SEP], [7, NO_TAG])
