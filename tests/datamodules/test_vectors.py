"""Word vectors: learnt from the train side alone, kept, read back, and the same again."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules.batching import Ragged
from datamodules.errors import DataError
from datamodules.text import TextDataModule
from datamodules.vectors import Word2Vec, WordVectors
from tests.toys import ToyData

SMALL = {"dim": 6, "min_count": 2, "epochs": 2}


def two_topics(texts: int = 600) -> Ragged:
    """Rows of 12 words from 2–6 or from 12–16; 1 stands in all, 20 in none of the frequent ones."""
    rng = random.Random(0)
    rows = [
        [1] + [rng.randrange(5) + 2 + 10 * (text % 2) for _ in range(12)] for text in range(texts)
    ]
    rows.append([20])
    return Ragged(
        np.array(sum(rows, []), dtype=np.int32),
        np.cumsum([0] + [len(row) for row in rows]).astype(np.int64),
    )


def data(cache: Path, **options: Any) -> TextDataModule:
    """`train0` … stand in one text each, so only a `min_count` of 1 gives them vectors."""
    options = {"vectors": Word2Vec(**(SMALL | {"min_count": 1})), **options}
    module = ToyData(rows=40, cache_dir=str(cache), **options)
    module.prepare_data()
    module.setup()
    return module


def named(module: TextDataModule) -> dict[str, np.ndarray]:
    """Vectors of the words that have one."""
    view = module.train_view()
    assert view.vectors is not None and view.vectors.shape[0] == len(view.vocabulary)
    return {word: row for word, row in zip(view.vocabulary, view.vectors, strict=True) if row.any()}


@pytest.mark.parametrize("architecture", ["cbow", "skip-gram"])
@pytest.mark.parametrize("output", ["negative-sampling", "hierarchical-softmax"])
def test_words_of_one_topic_are_near_one_another(architecture: Any, output: Any) -> None:
    # Frequent words are all there are here: none is left out for being so.
    how = Word2Vec(8, architecture, output, min_count=2, sample=1.0, epochs=15)
    vectors = WordVectors(*how.learn(two_topics(), seed=0), seconds=0.0).matrix(25)
    known = np.flatnonzero(vectors.any(axis=1))
    assert known.tolist() == [1, *range(2, 7), *range(12, 17)], "20 stands once"
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    within = unit[2:7] @ unit[2:7].T
    across = unit[2:7] @ unit[12:17].T
    assert within.min() > across.max() + 0.1


def test_the_same_seed_gives_the_same_vectors_and_another_does_not() -> None:
    first, again, other = (Word2Vec(**SMALL).learn(two_topics(50), seed) for seed in (0, 0, 1))
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1])
    assert not np.array_equal(first[1], other[1])


def test_a_matrix_is_cut_to_the_vocabulary() -> None:
    vectors = WordVectors(np.array([5, 2]), np.array([[1, 2], [3, 4]], np.float32), seconds=0.0)
    assert vectors.matrix(4).tolist() == [[0, 0], [0, 0], [3, 4], [0, 0]]
    assert vectors.matrix(4).dtype == np.float32


def test_only_rows_that_are_learnt_from_give_vectors(tmp_path: Path) -> None:
    words = set(named(data(tmp_path)))
    assert {f"train{row}" for row in range(30)} <= words
    assert not {f"train{row}" for row in range(30, 40)} & words, "validation"
    assert not any(word.startswith(("test", "unlabelled")) for word in words)
    again = set(named(data(tmp_path, refit=True)))
    assert {f"train{row}" for row in range(40)} <= again


def test_texts_are_learnt_from_uncut(tmp_path: Path) -> None:
    whole, cut = named(data(tmp_path)), named(data(tmp_path, max_length=4))
    assert whole.keys() == cut.keys()
    assert all(np.array_equal(whole[word], cut[word]) for word in whole)


def test_they_are_learnt_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = data(tmp_path).train_view()

    def learn(*_: Any) -> Any:
        raise AssertionError("learnt again")

    with monkeypatch.context() as patched:
        patched.setattr(Word2Vec, "learn", learn)
        view = data(tmp_path).train_view()
        with pytest.raises(AssertionError, match="again"):
            data(tmp_path, seed=1).train_view()
        with pytest.raises(AssertionError, match="again"):
            data(tmp_path, vectors=Word2Vec(**(SMALL | {"window": 2}))).train_view()
    assert np.array_equal(view.vectors, first.vectors)  # type: ignore[arg-type]
    assert view.vectors_seconds == first.vectors_seconds > 0, "what it cost once, it always cost"


def test_without_them_there_are_none(tmp_path: Path) -> None:
    view = data(tmp_path, vectors=None).train_view()
    assert view.vectors is None and view.vectors_seconds == 0
    assert not (tmp_path / "vectors").exists()


@pytest.mark.parametrize("file", ["vectors.safetensors", "meta.json"])
@pytest.mark.parametrize("content", [b"", b"{}", None])
def test_what_cannot_be_read_is_named(tmp_path: Path, file: str, content: bytes | None) -> None:
    data(tmp_path).train_view()
    (found,) = tmp_path.glob(f"vectors/*/{file}")
    found.unlink() if content is None else found.write_bytes(content)
    with pytest.raises(DataError, match=f"{found.parent.name}: these .* delete the folder"):
        data(tmp_path).train_view()


def test_what_cannot_be_learnt_leaves_nothing(tmp_path: Path) -> None:
    module = data(tmp_path, vectors=Word2Vec(**(SMALL | {"min_count": 1000})))
    with pytest.raises(DataError, match="no word stands 1000 times in the 30 texts.*lower"):
        module.train_view()
    assert [path for path in tmp_path.glob("vectors/*") if path.suffix != ".lock"] == []


@pytest.mark.parametrize("name", ["dim", "window", "negative", "min_count", "epochs", "workers"])
def test_sizes_below_one_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is 0; it must be at least 1"):
        Word2Vec(**{name: 0})
