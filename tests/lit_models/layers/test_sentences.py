"""Sentence bounds, text by text."""

from __future__ import annotations

import pytest
import torch

from lit_models.layers.sentences import split
from tests.batches import make_batch

NUMBERS = {"a": 2, "b": 3, ".": 4, "!": 5}
ENDS = torch.tensor([False, False, False, False, True, True])

CASES = [
    ("ab.ba!", ["ab.", "ba!"]),
    ("abab", ["abab"]),  # no end at all
    ("ab.ba", ["ab.", "ba"]),  # the last sentence has none
    (".ab.", [".", "ab."]),  # an end first
    ("ab...ba", ["ab...", "ba"]),  # a run belongs to the sentence that it ends
    ("a!.!b", ["a!.!", "b"]),
    ("...", ["..."]),
    ("a", ["a"]),
    (".", ["."]),
    ("aaaaaaa.b", ["aaaaa", "aa.", "b"]),  # cut every five words
    ("aaaaa", ["aaaaa"]),
    ("aaaaa.b", ["aaaaa", ".", "b"]),
    ("b.aaaaaaaaaaa", ["b.", "aaaaa", "aaaaa", "a"]),
]


@pytest.mark.parametrize("pad", [0, 4])  # 4: the padding itself would end a sentence
def test_texts_are_cut_after_their_ends(pad: int) -> None:
    rows = [[NUMBERS[letter] for letter in text] for text, _ in CASES]
    batch = make_batch(rows, width=15, pad=pad)
    found = split(batch.tokens, batch.lengths, ENDS, longest=5)
    assert found.counts.tolist() == [len(parts) for _, parts in CASES]
    expected = [[NUMBERS[letter] for letter in part] for _, parts in CASES for part in parts]
    flat = batch.tokens.flatten().tolist()
    bounds = zip(found.starts.tolist(), found.lengths.tolist(), strict=True)
    assert [flat[start : start + length] for start, length in bounds] == expected
    for (text, parts), numbers in zip(CASES, found.number.tolist(), strict=True):
        own = [number for number, part in enumerate(parts) for _ in part]
        assert numbers == own + [-1] * (15 - len(text))


def test_without_ends_a_text_is_cut_at_the_cap_alone() -> None:
    batch = make_batch([[2, 4, 3], [4, 4, 4, 4]])
    found = split(batch.tokens, batch.lengths, torch.zeros(6, dtype=torch.bool), longest=3)
    assert found.lengths.tolist() == [3, 3, 1]
