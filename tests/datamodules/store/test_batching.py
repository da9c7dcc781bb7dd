"""Batches: where long texts are cut, and the contract of a batch."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch

from datamodules.store.batching import TextBatch, TextLoader, TokenDataset
from datamodules.store.ragged import Ragged
from datamodules.store.sampler import BucketSampler
from datamodules.store.truncation import TokenTruncation, Truncation
from tests.datamodules.store.test_sampler import skewed_lengths

TRUNCATIONS: tuple[Truncation, ...] = ("head", "tail", "head+tail")


def make_ragged(lengths: np.ndarray, vocabulary: int = 50, seed: int = 0) -> Ragged:
    """Random tokens from 2 up."""
    values = np.random.default_rng(seed).integers(2, vocabulary, lengths.sum(), dtype=np.int32)
    return Ragged(values, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))


# Truncation


def reference(row: list[int], token_truncation: TokenTruncation) -> list[int]:
    """Truncation of one row in plain Python."""
    longest = token_truncation.max_length or len(row)
    if len(row) > longest:
        head = longest // 4 if token_truncation.truncation == "head+tail" else 0
        if token_truncation.truncation == "head":
            head = longest
        row = row[:head] + row[len(row) - (longest - head) :]
    cap = token_truncation.vocab_size or 2**31
    return [token if token < cap else token_truncation.unk_id for token in row]


@pytest.mark.parametrize(
    ("truncation", "expected"),
    [
        ("head", [10, 11, 12, 13, 14, 15, 16, 17]),
        ("tail", [12, 13, 14, 15, 16, 17, 18, 19]),
        ("head+tail", [10, 11, 14, 15, 16, 17, 18, 19]),
    ],
)
def test_a_long_row_keeps_the_wanted_end(truncation: Truncation, expected: list[int]) -> None:
    tokens = Ragged(np.arange(10, 20, dtype=np.int32), np.array([0, 10]))
    matrix, lengths = TokenTruncation(None, 8, truncation, 0, 1).rows(tokens, np.array([0]))
    assert matrix.tolist() == [expected]
    assert lengths.tolist() == [8]


def test_capped_words_become_unk_and_short_rows_are_filled_with_the_pad_id() -> None:
    tokens = Ragged(np.array([5, 6, 7, 9, 8], dtype=np.int32), np.array([0, 3, 4, 5]))
    matrix, lengths = TokenTruncation(8, None, "head", 1, 3).rows(tokens, np.array([2, 0, 1]))
    assert matrix.tolist() == [[3, 1, 1], [5, 6, 7], [3, 1, 1]]
    assert lengths.tolist() == [1, 3, 1]


@pytest.mark.parametrize("truncation", TRUNCATIONS)
@pytest.mark.parametrize("seed", range(15))
def test_random_rows_equal_the_plain_reference(truncation: Truncation, seed: int) -> None:
    rng = np.random.default_rng(seed)
    tokens = make_ragged(rng.integers(1, 40, 30), seed=seed)
    max_length = None if seed % 5 == 0 else int(rng.integers(1, 45))
    vocab_size = None if seed % 3 == 0 else int(rng.integers(5, 50))
    pad_id, unk_id = (0, 1) if seed % 2 else (1, 3)
    token_truncation = TokenTruncation(vocab_size, max_length, truncation, pad_id, unk_id)
    rows = rng.choice(30, 12, replace=False)
    whole = [tokens.values[tokens.offsets[row] : tokens.offsets[row + 1]].tolist() for row in rows]
    expected = [reference(row, token_truncation) for row in whole]

    matrix, lengths = token_truncation.rows(tokens, rows)
    assert matrix.dtype == np.int64
    assert lengths.tolist() == [len(row) for row in expected]
    assert matrix.shape == (12, lengths.max())
    width = matrix.shape[1]
    assert matrix.tolist() == [row + [pad_id] * (width - len(row)) for row in expected]

    ragged = token_truncation.ragged(tokens, rows)
    assert len(ragged) == 12
    assert (ragged.values.dtype, ragged.offsets.dtype) == (np.int32, np.int64)
    assert ragged.lengths.tolist() == lengths.tolist()
    assert ragged.values.tolist() == [token for row in expected for token in row]


@pytest.mark.parametrize("vocab_size", [None, 5])
def test_whole_rows_need_no_index_of_every_token(vocab_size: int | None) -> None:
    """The unlabelled reviews have 65 million characters; eight bytes for each are half a GB."""
    tokens = make_ragged(np.full(1000, 1000))
    truncation = TokenTruncation(vocab_size, None, "head", 0, 1)
    tracemalloc.start()
    ragged = truncation.ragged(tokens, np.arange(1000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    expected = truncation.ragged(tokens, np.arange(1000)[::-1])  # the other way
    assert ragged.values.tolist() == expected.values.reshape(1000, 1000)[::-1].flatten().tolist()
    assert ragged.offsets.tolist() == tokens.offsets.tolist()
    assert ragged.values is not tokens.values, "the store's own stay as they are"
    assert peak < 4 * tokens.values.nbytes


def test_ragged_takes_no_rows_too() -> None:
    tokens = make_ragged(np.array([3, 4]))
    assert len(TokenTruncation(9, 2, "head+tail", 0, 1).ragged(tokens, np.arange(0))) == 0


def test_a_batch_keeps_its_contract() -> None:
    lengths = skewed_lengths(80) // 10 + 1
    rows = np.arange(80)[::-2].copy()
    labels = (np.arange(80) % 3).astype(np.int32)
    dataset = TokenDataset(
        make_ragged(lengths), labels, rows, TokenTruncation(30, 25, "tail", 1, 3)
    )
    sampler = BucketSampler(dataset.lengths, 8, shuffle=True)
    assert dataset.lengths.tolist() == np.minimum(lengths[rows], 25).tolist()
    seen = 0
    for batch in TextLoader(dataset, sampler=sampler):
        assert isinstance(batch, TextBatch)
        assert {field.dtype for field in batch} == {torch.int64}
        seen += len(batch.ids)
        longest = int(batch.lengths.max())
        rounded = min(-(-longest // 8) * 8, 25)  # a multiple of 8, or the longest there may be
        assert batch.tokens.shape == (len(batch.ids), rounded)
        assert int(batch.lengths.min()) >= 1
        assert torch.equal(batch.lengths, torch.from_numpy(lengths)[batch.ids].clamp(max=25))
        beyond = torch.arange(batch.tokens.shape[1]) >= batch.lengths[:, None]
        assert (batch.tokens[beyond] == 1).all()
        assert (batch.tokens[~beyond] != 1).all()
        assert torch.equal(batch.labels, batch.ids % 3)
        assert (batch.ids % 2 == 1).all()
    assert seen == len(dataset) == 40
