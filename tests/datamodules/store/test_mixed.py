"""Training batches with soft labels, and with rows without labels beside them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from datamodules.errors import DataError
from datamodules.store.batching import TextLoader, TokenDataset
from datamodules.store.corpus import UNLABELLED
from datamodules.store.mixed import BesideSampler, MixedBatch, TaughtDataset, training_loader
from datamodules.store.ragged import Ragged
from datamodules.store.sampler import BucketSampler
from datamodules.store.truncation import TokenTruncation

PLACE = {"seed": 3, "rank": 0, "world": 1}


PAD = 7


def dataset(count: int, first: int, seed: int, rows: np.ndarray | None = None) -> TokenDataset:
    """Rows whose every token is the row's number plus `first`."""
    lengths = np.random.default_rng(seed).integers(1, 40, count)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    values = np.repeat(np.arange(count) + first, lengths).astype(np.int32)
    labels = np.arange(count) % 2
    truncation = TokenTruncation(None, None, "head", PAD, 1)
    chosen = np.arange(count) if rows is None else rows
    return TokenDataset(Ragged(values, offsets), labels, chosen, truncation)


def loader(soft: bool = True, beside: bool = True, **place: int) -> TextLoader:
    """Loader of 30 labelled rows (tokens from 100), 9 of 20 soft ones (from 500), 8 beside."""
    ids = np.arange(1, 19, 2)
    shares = np.stack([ids / 40, 1 - ids / 40], axis=1).astype(np.float32)
    return training_loader(
        dataset(30, 100, seed=0),
        (dataset(20, 500, 1, ids), shares) if soft else None,
        dataset(8, 900, seed=2) if beside else None,
        (4, 2),
        **(PLACE | place),
    )


@pytest.mark.parametrize("beside", [False, True])
def test_each_row_has_its_own_text_and_target(beside: bool) -> None:
    seen = list[int]()
    for batch in loader(beside=beside):
        assert isinstance(batch, MixedBatch) and batch.targets is not None
        taught = len(batch.ids) - batch.unlabelled
        assert batch.unlabelled == 2 * beside and len(batch.targets) == taught
        for row in range(taught):
            tokens = batch.tokens[row, : batch.lengths[row]]
            assert (tokens == tokens[0]).all() and (batch.tokens[row, len(tokens) :] == PAD).all()
            number, is_soft = int(batch.ids[row]), bool(tokens[0] >= 500)
            assert int(tokens[0]) == number + (500 if is_soft else 100)
            target = [number / 40, 1 - number / 40] if is_soft else [1 - number % 2, number % 2]
            assert batch.targets[row].tolist() == pytest.approx(target)
            assert int(batch.labels[row]) == int(batch.targets[row].argmax())
        seen += batch.tokens[:taught, 0].tolist()
    assert sorted(seen) == sorted([*range(100, 130), *range(501, 519, 2)])


def test_rows_beside_have_no_labels() -> None:
    for batch in loader(soft=False):
        assert batch.targets is None
        assert batch.labels[-2:].tolist() == [UNLABELLED] * 2
        assert (batch.labels[:-2] >= 0).all()
        assert (batch.tokens[-2:, 0] == 900 + batch.ids[-2:]).all()


def test_without_either_the_batches_are_as_ever() -> None:
    plain = training_loader(dataset(30, 100, seed=0), None, None, (4, 0), seed=3, rank=0, world=1)
    batches = list(plain)
    assert not any(isinstance(batch, MixedBatch) for batch in batches)
    rows = [batch.ids.tolist() for batch in loader(soft=False)]
    assert [ids[:-2] for ids in rows] == [batch.ids.tolist() for batch in batches]


def samplers(rank: int = 0, world: int = 1) -> BesideSampler:
    rng = np.random.default_rng(5)
    options = {"shuffle": True, "rank": rank, "world": world}
    rows = BucketSampler(rng.integers(1, 300, 40), 4, **options)  # type: ignore[arg-type]
    others = BucketSampler(rng.integers(1, 300, 26), 2, **options)  # type: ignore[arg-type]
    return BesideSampler(rows, others)


def test_passes_over_the_others_follow_one_another() -> None:
    sampler, seen = samplers(), list[int]()
    for _ in range(13):  # 130 batches are ten passes over 13 batches
        pairs = list(sampler)
        assert sorted(np.concatenate([pair[0] for pair in pairs])) == list(range(40))
        seen += np.concatenate([pair[1] for pair in pairs]).tolist()
    assert np.bincount(seen).tolist() == [10] * 26


def test_a_resumed_epoch_goes_on_with_the_same_pairs() -> None:
    sampler = samplers()
    list(sampler)
    whole = list(sampler)
    again = samplers()
    again.resume(1, 6)
    rest = list(again)
    assert len(rest) == len(whole) - 6
    for one, other in zip(whole[6:], rest, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_processes_share_each_pair() -> None:
    whole, parts = list(samplers()), [list(samplers(rank, 2)) for rank in range(2)]
    for number, pair in enumerate(whole):
        for side in range(2):
            found = np.concatenate([part[number][side] for part in parts])
            assert sorted(found) == sorted(pair[side])


def test_pairs_are_of_like_length() -> None:
    sampler = samplers()
    longest = [
        (sampler.rows.lengths[one].max(), sampler.others.lengths[other].max())
        for one, other in sampler.items()
    ]
    ranks = np.argsort(np.argsort(np.array(longest), axis=0), axis=0)
    assert (ranks[:, 0] == ranks[:, 1]).all()


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(DataError, match="unlabelled_batch_size is 2.*a multiple of 4"):
        loader(world=4)


def test_positions_in_any_order_keep_text_and_target_together() -> None:
    shares = np.array([[0.9, 0.1], [0.2, 0.8]], dtype=np.float32)
    rows = TaughtDataset(dataset(3, 100, 0), dataset(2, 500, 1), shares)
    batch = rows[np.array([4, 0, 3])]
    assert batch.tokens[:, 0].tolist() == [100, 500, 501]
    assert torch.equal(batch.targets, torch.tensor([[1, 0], [0.9, 0.1], [0.2, 0.8]]))
    assert rows[np.array([3])].tokens[0, 0] == 500
