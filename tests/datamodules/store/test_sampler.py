"""The sampler: which rows are in which batch of an epoch, and what it holds."""

from __future__ import annotations

import tracemalloc
from itertools import islice
from typing import Any

import numpy as np
import pytest

from datamodules.store.sampler import BucketSampler


def skewed_lengths(rows: int, seed: int = 0) -> np.ndarray:
    """Lengths like those of reviews: many short, few very long."""
    lengths = np.random.default_rng(seed).lognormal(5.2, 0.7, rows)
    return np.clip(lengths, 1, 2000).astype(np.int64)


def make_sampler(rows: int = 103, batch_size: int = 8, **options: Any) -> BucketSampler:
    options = {"shuffle": True} | options
    return BucketSampler(skewed_lengths(rows), batch_size, **options)


def order(sampler: BucketSampler) -> list[list[int]]:
    """Batches of one epoch."""
    return [batch.tolist() for batch in sampler]


def flat(batches: list[list[int]]) -> list[int]:
    return [position for batch in batches for position in batch]


SIZES = [
    (rows, batch_size, world)
    for world in (1, 2, 3, 4)
    for batch_size in (world, 4 * world)
    for rows in (*range(world, 4 * world + 2), 8 * world + 1, 9 * world - 1, 97)
]


@pytest.mark.parametrize("shuffle", [True, False])
def test_every_position_comes_once_an_epoch(shuffle: bool) -> None:
    sampler = make_sampler(rows=1003, shuffle=shuffle, pool=5)
    for _ in range(3):
        assert sorted(flat(order(sampler))) == list(range(1003))


def test_two_epochs_differ_in_order_and_in_batches() -> None:
    sampler = make_sampler(rows=400)
    first, second = order(sampler), order(sampler)
    assert sampler.epoch == 2
    assert flat(first) != flat(second)
    assert {frozenset(batch) for batch in first} != {frozenset(batch) for batch in second}


def test_training_mixes_short_and_long_batches() -> None:
    sampler = make_sampler(rows=400)
    longest = [int(sampler.lengths[batch].max()) for batch in sampler]
    assert longest not in (sorted(longest), sorted(longest, reverse=True))


def test_seed_and_epoch_decide_the_order() -> None:
    one, other = make_sampler(seed=3), make_sampler(seed=3)
    assert order(one) == order(other)
    one.set_epoch(7)
    other.set_epoch(7)
    assert order(one) == order(other)
    assert order(make_sampler(seed=3)) != order(make_sampler(seed=4))


def test_evaluation_has_one_order_longest_first() -> None:
    sampler = make_sampler(shuffle=False)
    first = order(sampler)
    assert first == order(sampler)
    assert flat(first)[0] == int(np.argmax(sampler.lengths))
    assert (np.diff(sampler.lengths[flat(first)]) <= 0).all()


@pytest.mark.parametrize("shuffle", [True, False])
def test_ranks_share_every_batch_for_all_sizes(shuffle: bool) -> None:
    for rows, batch_size, world in SIZES:
        lengths, options = skewed_lengths(rows), {"shuffle": shuffle, "pool": 2}
        whole = order(BucketSampler(lengths, batch_size, **options))
        samplers = [
            BucketSampler(lengths, batch_size, rank=rank, world=world, **options)
            for rank in range(world)
        ]
        ranks = [order(sampler) for sampler in samplers]
        sizes = f"{rows} rows, batches of {batch_size}, {world} ranks"
        assert {len(rank) for rank in ranks} == {len(samplers[0])}, sizes
        assert all(len(batch) for rank in ranks for batch in rank), sizes
        assert sorted(flat(flat(ranks))) == list(range(rows)), sizes
        together = [set(flat(list(parts))) for parts in zip(*ranks, strict=True)]
        if rows % batch_size == 0 or rows % batch_size >= world:  # else the rest is joined
            assert together == [set(batch) for batch in whole], sizes
        for parts in zip(*ranks, strict=True):
            counts = [len(part) for part in parts]
            assert max(counts) - min(counts) <= 1, sizes


def test_a_rest_smaller_than_world_joins_the_last_batch() -> None:
    sampler = make_sampler(rows=33, batch_size=8, world=4, rank=0, shuffle=False)
    assert [len(batch) for batch in sampler.batches()] == [8, 8, 8, 9]


@pytest.mark.parametrize("shuffle", [True, False])
def test_padding_is_less_than_a_tenth(shuffle: bool) -> None:
    sampler = BucketSampler(skewed_lengths(5000), 32, shuffle=shuffle)
    batches = [sampler.lengths[batch] for batch in sampler]
    padded = sum(int(lengths.max()) * len(lengths) for lengths in batches)
    assert sum(int(lengths.sum()) for lengths in batches) / padded >= 0.9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size 0 cannot be divided among 1 processes"),
        (
            {"batch_size": 10, "world": 4},
            "batch_size 10 .* among 4 processes; choose a multiple of 4",
        ),
        ({"rows": 3, "world": 4}, "3 rows cannot be divided among 4 processes"),
        ({"rows": 0}, "0 rows cannot be divided among 1 processes"),
        ({"rank": 2, "world": 2}, "rank is 2; it must be in 0…1"),
        ({"rank": -1}, "rank is -1; it must be in 0…0"),
    ],
)
def test_sizes_that_do_not_fit_are_named(options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_sampler(**options)


def test_an_abandoned_epoch_starts_afresh() -> None:
    sampler, fresh = make_sampler(), make_sampler()
    iterator = iter(sampler)
    assert len(list(islice(iterator, 3))) == 3
    assert sampler.position == 3
    assert order(sampler) == order(fresh)
    assert sampler.epoch == 1


def test_resume_goes_on_where_it_was_and_then_with_the_next_epoch() -> None:
    uncut = make_sampler()
    epochs = [order(uncut) for _ in range(3)]
    sampler = make_sampler()
    sampler.resume(1, 4)
    sampler.set_epoch(1)  # Lightning sets the epoch again; the position must survive
    assert order(sampler) == epochs[1][4:]
    sampler.set_epoch(2)
    assert order(sampler) == epochs[2]


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_sampler_holds_four_bytes_a_row(shuffle: bool) -> None:
    lengths, size = skewed_lengths(100_000), 32
    sampler = BucketSampler(lengths, size, shuffle=shuffle)
    next(iter(BucketSampler(lengths[:100], size, shuffle=shuffle)))
    tracemalloc.start()
    try:
        batches = iter(sampler)
        next(batches)
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held <= 4 * len(lengths) + 20_000, f"{held / len(lengths):.2f} bytes a row"
    assert next(batches).dtype == np.int32


@pytest.mark.parametrize(("rows", "world"), [(103, 1), (103, 4), (96, 1), (97, 2), (5, 2)])
def test_batches_are_those_of_a_list(rows: int, world: int) -> None:
    lengths, size = skewed_lengths(rows), 8
    sampler = BucketSampler(lengths, size, shuffle=True, seed=3, pool=2, world=world)
    sampler.set_epoch(2)
    rng = np.random.Generator(np.random.PCG64([3, 2]))
    order = rng.permutation(rows)
    pools = [order[i : i + 2 * size] for i in range(0, rows, 2 * size)]
    order = np.concatenate([p[np.argsort(lengths[p], kind="stable")] for p in pools])
    split = np.split(order, np.arange(1, len(sampler)) * size)
    expected = [split[number].tolist() for number in rng.permutation(len(split))]
    assert [batch.tolist() for batch in sampler.batches()] == expected
    assert [batch.tolist() for batch in sampler.batches()[1:3]] == expected[1:3]
