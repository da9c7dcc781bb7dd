"""Word2Vec: trained on the training side alone, cached, read back, and reproducible."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules.errors import DataError
from datamodules.files import TextFiles
from datamodules.store.ragged import Ragged
from datamodules.text import TextDataModule
from datamodules.vectors.base import WordVectors
from datamodules.vectors.word2vec import Word2Vec
from tests.toys import ToyData

WORDS = [f"word{token}" for token in range(25)]
SMALL = {"dim": 6, "min_count": 2, "epochs": 2}
RARE = SMALL | {"min_count": 1}


def two_topics(texts: int = 600) -> Ragged:
    """Rows of 12 words from 2–6 or from 12–16, each with a 1 too; and one row of a single 20."""
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
    """Toy corpus; `train0` … occur in one text each and have vectors only if `min_count` is 1."""
    options = {"vectors": Word2Vec(**RARE), **options}
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
    # All words are frequent here, and `sample` must leave none of them out.
    settings = {"architecture": architecture, "output": output, "min_count": 2}
    how = Word2Vec(8, **settings, sample=1.0, epochs=15)
    vectors = WordVectors(*how.learn(two_topics(), WORDS, seed=0), seconds=0.0).matrix(25)
    known = np.flatnonzero(vectors.any(axis=1))
    assert known.tolist() == [1, *range(2, 7), *range(12, 17)], "20 occurs once"
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    within = unit[2:7] @ unit[2:7].T
    across = unit[2:7] @ unit[12:17].T
    assert within.min() > across.max() + 0.1


def test_the_same_seed_gives_the_same_vectors_and_another_does_not() -> None:
    first, again, other = (
        Word2Vec(**SMALL).learn(two_topics(50), WORDS, seed) for seed in (0, 0, 1)
    )
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1])
    assert not np.array_equal(first[1], other[1])


def test_a_matrix_has_the_rows_of_the_vocabulary() -> None:
    vectors = WordVectors(np.array([5, 2]), np.array([[1, 2], [3, 4]], np.float32), seconds=0.0)
    assert vectors.matrix(4).tolist() == [[0, 0], [0, 0], [3, 4], [0, 0]]
    assert vectors.matrix(4).dtype == np.float32


def test_only_words_of_training_rows_have_vectors(tmp_path: Path) -> None:
    words = set(named(data(tmp_path)))
    assert {f"train{row}" for row in range(30)} <= words
    assert not {f"train{row}" for row in range(30, 40)} & words, "validation"
    assert not any(word.startswith(("test", "unlabelled")) for word in words)
    again = set(named(data(tmp_path, refit=True)))
    assert {f"train{row}" for row in range(40)} <= again


def test_texts_without_labels_are_used_where_the_setting_says_so(tmp_path: Path) -> None:
    plain, more = data(tmp_path), data(tmp_path, vectors=Word2Vec(**RARE, text="train+unlabelled"))
    assert set(named(plain)) == set(named(more)), "the vocabulary is that of train, validation out"
    assert not np.array_equal(plain.train_view().vectors, more.train_view().vectors)
    seen: list[Ragged] = []

    class Spy(Word2Vec):
        def learn(self, texts: Ragged, *rest: Any) -> Any:
            seen.append(texts)
            return super().learn(texts, *rest)

    more = data(tmp_path, vectors=Spy(**RARE, text="train+unlabelled"))
    more.train_view()
    train, unlabelled = more.store.tokens("train"), more.store.tokens("unlabelled")
    edge = train.offsets[30]
    assert len(seen[0]) == 30 + 10 and np.array_equal(seen[0].values[:edge], train.values[:edge])
    known = [token for token in unlabelled.values.tolist() if token != 1]
    assert 1 in unlabelled.values and seen[0].values[edge:].tolist() == known


def test_a_corpus_without_such_texts_gives_those_of_train(tmp_path: Path) -> None:
    file = tmp_path / "train.csv"
    file.write_text("text,label\n" + "".join(f"word {n} here,{n % 2}\n" for n in range(20)))
    matrices = []
    for text in ("train", "train+unlabelled"):
        how = Word2Vec(**RARE, text=text)  # type: ignore[arg-type]
        module = TextFiles(train=str(file), cache_dir=str(tmp_path), vectors=how)
        module.prepare_data()
        module.setup()
        matrices.append(module.train_view().vectors)
    assert np.array_equal(*matrices)  # type: ignore[arg-type]
    assert len(list((tmp_path / "vectors").glob("*/meta.json"))) == 1, "the same vectors"


def test_a_row_says_so_where_other_texts_than_those_of_train_were_seen() -> None:
    more = Word2Vec(text="train+unlabelled")
    every = ["train", "test", "unlabelled"]
    assert Word2Vec().note(every) is None and more.note(["train", "test"]) is None
    assert more.note(every) == "word vectors learnt from train and unlabelled texts"
    with pytest.raises(
        ValueError, match="text is 'test'; choose one of .'train', 'train.unlabelled'."
    ):
        Word2Vec(text="test")  # type: ignore[arg-type]


def test_vectors_cached_before_the_setting_text_existed_are_found() -> None:
    settings = {
        "class": "Word2Vec",
        "dim": 128,
        "architecture": "skip-gram",
        "output": "negative-sampling",
        "window": 5,
        "negative": 5,
        "min_count": 5,
        "sample": 1e-4,
        "epochs": 5,
        "workers": 1,
    }
    assert Word2Vec().settings() == Word2Vec(text="train+unlabelled").settings() == settings


def test_coverage_counts_words_and_running_words(tmp_path: Path) -> None:
    vectors = WordVectors(np.array([1, 2, 3, 9]), np.ones((4, 2), np.float32), seconds=0.0)
    # 2 and 4 occur in the text, 3 does not; 0 and 1 are no words, 9 is beyond the vocabulary
    coverage = vectors.coverage(np.array([7, 50, 3, 0, 1]))
    assert coverage == (1 / 2, 3 / 4)
    assert str(coverage) == "50.0% of the vocabulary, 75.0% of the running words"
    view = data(tmp_path).train_view()
    assert view.vectors_covered == (1.0, 1.0)
    with pytest.raises(
        DataError, match="none of the 2 words of the text has one of the 4 word vectors"
    ):
        vectors.coverage(np.array([0, 5, 0, 0, 1, 2]))


def test_vectors_are_trained_on_untruncated_texts(tmp_path: Path) -> None:
    whole, truncated = named(data(tmp_path)), named(data(tmp_path, max_length=4))
    assert whole.keys() == truncated.keys()
    assert all(np.array_equal(whole[word], truncated[word]) for word in whole)


def test_vectors_are_trained_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = data(tmp_path).train_view()

    def learn(*_: Any) -> Any:
        raise AssertionError("trained again")

    with monkeypatch.context() as patched:
        patched.setattr(Word2Vec, "learn", learn)
        view = data(tmp_path).train_view()
        with pytest.raises(AssertionError, match="again"):
            data(tmp_path, seed=1).train_view()
        with pytest.raises(AssertionError, match="again"):
            data(tmp_path, vectors=Word2Vec(**(SMALL | {"window": 2}))).train_view()
    assert np.array_equal(view.vectors, first.vectors)  # type: ignore[arg-type]
    assert view.vectors_seconds == first.vectors_seconds > 0, "the time of the first training"


def test_without_the_setting_there_are_no_vectors(tmp_path: Path) -> None:
    view = data(tmp_path, vectors=None).train_view()
    assert view.vectors is None and view.vectors_seconds == 0
    assert not (tmp_path / "vectors").exists()


@pytest.mark.parametrize("file", ["vectors.safetensors", "meta.json"])
@pytest.mark.parametrize("content", [b"", b"{}", None])
def test_unreadable_vectors_are_named(tmp_path: Path, file: str, content: bytes | None) -> None:
    data(tmp_path).train_view()
    (path,) = tmp_path.glob(f"vectors/*/{file}")
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(DataError, match=f"{path.parent.name}: these .* delete the folder"):
        data(tmp_path).train_view()


def test_a_failed_training_leaves_nothing(tmp_path: Path) -> None:
    module = data(tmp_path, vectors=Word2Vec(**(SMALL | {"min_count": 1000})))
    with pytest.raises(DataError, match="no word occurs 1000 times in the 30 texts.*lower"):
        module.train_view()
    assert [path for path in tmp_path.glob("vectors/*") if path.suffix != ".lock"] == []


@pytest.mark.parametrize("name", ["dim", "window", "negative", "min_count", "epochs", "workers"])
def test_sizes_below_one_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is 0; it must be at least 1"):
        Word2Vec(**{name: 0})
