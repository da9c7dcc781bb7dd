"""Windows against a plain loop; what is drawn of them."""

from __future__ import annotations

import numpy as np
import pytest

from datamodules.store.ragged import Ragged
from lit_models.language import word_windows
from lit_models.language.word_windows import WindowBatches, neighbours

ROWS = [[0, 1, 2, 3], [4], [], [5, 6, 7, 8, 9]]


def ragged(rows: list[list[int]]) -> Ragged:
    offsets = np.cumsum([0] + [len(row) for row in rows]).astype(np.int64)
    return Ragged(np.array(sum(rows, []), dtype=np.int32), offsets)


def batches(rows: list[list[int]] = ROWS, **options: float) -> WindowBatches:
    texts = ragged(rows)
    settings = {"window": 2, "sample": 1.0, "batch_pairs": 3, "epochs": 1, "seed": 0} | options
    return WindowBatches(texts, np.bincount(texts.values), **settings)  # type: ignore[arg-type]


def test_neighbours_are_those_of_a_plain_loop() -> None:
    values = np.concatenate([np.array(row, dtype=np.int64) for row in ROWS])
    row = np.repeat(np.arange(4), [len(row) for row in ROWS])
    reach = np.random.default_rng(0).integers(1, 4, len(values))
    assert reach.max() == 3
    expected = [
        [
            values[at + d] if 0 <= at + d < len(values) and row[at + d] == row[at] else -1
            for d in (-3, -2, -1, 1, 2, 3)
        ]
        for at in range(len(values))
    ]
    for at, distance in ((at, d) for at in range(len(values)) for d in (1, 2, 3)):
        if distance > reach[at]:
            expected[at][3 - distance] = expected[at][2 + distance] = -1
    assert neighbours(values, row, reach).tolist() == expected


def test_all_pairs_within_a_window_of_one_are_read_in_each_epoch() -> None:
    expected = sorted(
        pair
        for row in ROWS
        for a, b in zip(row, row[1:], strict=False)
        for pair in ((a, b), (b, a))
    )
    stream = batches(window=1, epochs=2)
    orders = []
    for _ in range(2):
        pairs = []
        for batch in stream:
            words = batch.words.repeat_interleave(batch.widths())
            pairs += list(zip(words.tolist(), batch.around.tolist(), strict=True))
        assert sorted(pairs) == expected
        orders.append(pairs)
    assert orders[0] != orders[1]
    assert stream.pairs == 2 * len(expected)


@pytest.mark.parametrize("chunk", [1, 4, 10_000])
def test_the_share_read_rises_from_0_to_1(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_windows, "_CHUNK", chunk)
    stream = batches(epochs=2)
    shares = [batch.read for _ in range(2) for batch in stream]
    assert shares == sorted(shares) and shares[0] < 0.2 and 0.7 < shares[-1] < 1


def test_near_words_count_more() -> None:
    stream, distances = batches([[0, 1, 2, 3]] * 4000, window=3, batch_pairs=10_000), []
    for batch in stream:
        words = batch.words.repeat_interleave(batch.widths())
        distances.append((words - batch.around).abs().numpy())
    counts = np.bincount(np.concatenate(distances))[1:] / 4000
    # at distance 1 … 3 a text has 6, 4 and 2 pairs, which the reaches 1 … 3 all, 2/3 and 1/3 keep
    assert np.allclose(counts, [6, 4 * 2 / 3, 2 / 3], atol=0.05)


def test_frequent_words_are_left_out_as_word2vec_leaves_them_out() -> None:
    rows = [[0, 0, 0, 1]] * 5000
    stream = batches(rows, window=1, sample=0.01, batch_pairs=10_000)
    kept = np.array([(0.01 / f) ** 0.5 + 0.01 / f for f in (0.75, 0.25)])
    assert np.allclose(stream.kept, kept)
    words = np.concatenate([batch.words.numpy() for batch in stream])
    # 0 has a neighbour where one of three other words of the text is kept, 1 one of three of them
    expected = [
        3 * kept[0] * (1 - (1 - kept[0]) ** 2 * (1 - kept[1])),
        kept[1] * (1 - (1 - kept[0]) ** 3),
    ]
    assert np.allclose(np.bincount(words) / 5000, expected, rtol=0.1)
    assert (batches(rows).kept >= 1).all(), "1 leaves none out"


def test_equal_seeds_read_equal_batches() -> None:
    first, again, other = ([b.around.tolist() for b in batches(seed=s)] for s in (0, 0, 1))
    assert first == again != other
