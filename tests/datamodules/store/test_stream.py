"""The stream of language models: every symbol once, in the order of an epoch, and resumable."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from datamodules.errors import DataError
from datamodules.store.batching import TextLoader
from datamodules.store.ragged import Ragged
from datamodules.store.stream import StreamBatch, StreamDataset, StreamSampler

WORDS = [[2, 3], [4], [5, 6, 7], [8, 9, 10, 11], [12]]
TEXTS = Ragged(
    np.array(sum(WORDS, []), dtype=np.int32), np.cumsum([0, *map(len, WORDS)], dtype=np.int64)
)


def loader(streams: int, window: int, **settings: int) -> TextLoader:
    dataset = StreamDataset(TEXTS, streams, window, boundary=0, **settings)
    return TextLoader(dataset, sampler=StreamSampler(len(dataset)))


def joined(batches: list[StreamBatch], field: str) -> np.ndarray:
    return torch.cat([getattr(batch, field) for batch in batches], dim=1).numpy()


def texts_of(symbols: list[int]) -> list[tuple[int, ...]]:
    """Texts between boundaries."""
    parts = "".join(f" {symbol} " for symbol in symbols).split(" 0 ")
    return sorted(tuple(map(int, part.split())) for part in parts if part.split())


def test_one_stream_has_every_text_once_with_a_boundary_after_each() -> None:
    batches = list(loader(1, 4))
    inputs, targets = joined(batches, "inputs")[0], joined(batches, "targets")[0]
    assert len(inputs) == 16 and inputs[0] == 0 and targets[-1] == 0
    assert np.array_equal(inputs[1:], targets[:-1])
    assert texts_of(inputs.tolist()) == sorted(map(tuple, WORDS))
    assert [batch.starts.tolist() for batch in batches] == [[True], [False], [False], [False]]
    assert [batch.lengths.tolist() for batch in batches] == [[4]] * 4


def test_parallel_streams_are_parts_of_the_one_and_the_last_batch_is_short() -> None:
    whole = joined(list(loader(1, 16)), "inputs")[0]
    batches = list(loader(3, 2))
    assert [batch.inputs.shape[1] for batch in batches] == [2, 2, 1]
    inputs, targets = joined(batches, "inputs"), joined(batches, "targets")
    assert np.array_equal(inputs.ravel(), whole[:15])
    assert np.array_equal(targets.ravel(), whole[1:16])


def test_the_order_depends_on_seed_and_epoch() -> None:
    one, other = loader(1, 16), loader(1, 16, seed=1)
    first, second = list(one)[0], list(one)[0]  # an epoch each
    assert texts_of(first.inputs[0].tolist()) == texts_of(second.inputs[0].tolist())
    assert not torch.equal(first.inputs, second.inputs)
    assert not torch.equal(first.inputs, list(other)[0].inputs)
    assert torch.equal(first.inputs, list(loader(1, 16))[0].inputs)


def test_processes_have_a_part_of_the_streams_each() -> None:
    whole = joined(list(loader(4, 3)), "inputs")
    parts = [joined(list(loader(4, 3, rank=rank, world=2)), "inputs") for rank in range(2)]
    assert np.array_equal(parts[0], whole[::2]) and np.array_equal(parts[1], whole[1::2])


def test_a_loader_goes_on_within_an_epoch() -> None:
    uncut, cut = loader(2, 2), loader(2, 2)
    expected = [*uncut, *uncut]
    batches = iter(cut)
    seen = [next(batches) for _ in range(3)]
    state = cut.state_dict()
    resumed = loader(2, 2)
    resumed.load_state_dict(state)
    seen += [*resumed, *resumed]
    assert len(seen) == len(expected)
    for one, two in zip(seen, expected, strict=True):
        assert torch.equal(one.inputs, two.inputs) and torch.equal(one.starts, two.starts)


def test_more_streams_than_symbols_or_streams_that_processes_cannot_divide_are_refused() -> None:
    with pytest.raises(DataError, match="batch_size is 17, .* 16 symbols; .* to 16 or less"):
        loader(17, 4)
    with pytest.raises(DataError, match="choose a multiple of 3"):
        loader(4, 4, world=3)
    nothing = Ragged(np.empty(0, dtype=np.int32), np.zeros(1, dtype=np.int64))
    with pytest.raises(DataError, match="the 0 texts to learn from have 0 symbols"):
        StreamDataset(nothing, 1, 4, 0)
