"""FastText: vectors of rare words come from their letters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules.errors import DataError
from datamodules.store.ragged import Ragged
from datamodules.vectors.fasttext import FastText
from tests.datamodules.vectors.test_word2vec import data, named

SMALL: dict[str, Any] = {"dim": 6, "min_count": 2, "epochs": 3, "buckets": 5000}
WORDS = ["<pad>", "<unk>", "wonderful", "wonderfully", "dreadful", ".", "wonderfulness"]


def texts() -> Ragged:
    """`wonderful` 40 times, `dreadful` and `.` too; `wonderfully` once, `wonderfulness` never."""
    rows = [[2, 4, 5, 4, 2]] * 20 + [[3]]
    return Ragged(
        np.array(sum(rows, []), dtype=np.int32),
        np.cumsum([0] + [len(row) for row in rows]).astype(np.int64),
    )


def trained(**options: Any) -> dict[str, np.ndarray]:
    tokens, values = FastText(**(SMALL | options)).learn(texts(), WORDS, seed=0)
    return {WORDS[token]: row for token, row in zip(tokens.tolist(), values, strict=True)}


def test_a_rare_word_has_the_vector_of_its_letters() -> None:
    vectors = trained(epochs=20)
    assert set(vectors) == set(WORDS[2:]), "specials are no words"

    def cosine(a: str, b: str) -> float:
        x, y = vectors[a], vectors[b]
        return float(x @ y / np.linalg.norm(x) / np.linalg.norm(y))

    assert cosine("wonderful", "wonderfully") > cosine("dreadful", "wonderfully") + 0.02
    assert cosine("wonderfully", "wonderfulness") > 0.9


def test_a_word_too_short_for_ngrams_has_no_vector_unless_it_was_trained() -> None:
    assert "." in trained(shortest=4, longest=6)
    short = FastText(**(SMALL | {"shortest": 4})).learn(
        Ragged(np.array([2, 2, 4, 4], np.int32), np.array([0, 4])), WORDS, seed=0
    )
    assert 5 not in short[0] and 6 in short[0]


def test_the_same_seed_gives_the_same_vectors() -> None:
    first, again = trained(), trained()
    assert all(np.array_equal(first[word], again[word]) for word in first)


def test_rare_words_of_a_corpus_have_vectors_too(tmp_path: Path) -> None:
    vectors = named(data(tmp_path, vectors=FastText(**SMALL)))
    assert "train3" in vectors, "which occurs in one text"


def test_a_min_count_that_leaves_no_word_is_an_error() -> None:
    with pytest.raises(DataError, match="no word occurs 1000 times in the 21 texts"):
        trained(min_count=1000)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"buckets": 0}, "buckets is 0; it must be at least 1"),
        ({"shortest": 4, "longest": 3}, "longest is 3; it must be at least shortest, 4"),
    ],
)
def test_impossible_sizes_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FastText(**options)
