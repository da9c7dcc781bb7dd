"""Texts for language models: what is held out, and that no test text is among them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules.errors import DataError
from datamodules.files import TextFiles
from datamodules.language import LanguageData
from datamodules.store.corpus import read_groups, read_split
from datamodules.store.ragged import Ragged
from datamodules.text import TextDataModule
from datamodules.vectors.base import Text, Vectors
from tests.corpora import SmallIMDB, make_aclimdb, write_movies


def ready(corpus: TextDataModule, held_out: int = 2500) -> LanguageData:
    data = LanguageData(corpus, held_out)
    data.prepare_data()
    data.setup()
    return data


def rows(tokens: Ragged) -> list[tuple[int, ...]]:
    pairs = zip(tokens.offsets, tokens.offsets[1:], strict=False)
    return [tuple(tokens.values[start:end].tolist()) for start, end in pairs]


def own_file(folder: Path, count: int = 60) -> Path:
    file = folder / "own.csv"
    lines = [f"text number {n} of some words,{'ab'[n % 2]}" for n in range(count)]
    file.write_text("text,label\n" + "\n".join([*lines, "text NUMBER 3 of some words!,b"]) + "\n")
    return file


def encoded(texts: list[str], data: LanguageData) -> list[tuple[int, ...]]:
    return [tuple(data.encoder.encode([text]).tokens[0].tolist()) for text in texts]


def test_unlabelled_texts_are_held_out_by_movie_and_no_test_text_is_read(tmp_path: Path) -> None:
    root = make_aclimdb(tmp_path)
    # Unlabelled reviews 2 … 19 remain: 2 to 7 are of movies of train, the others two a movie.
    movies = [1, 2, *range(6), *(6_000_000 + number // 2 for number in range(12))]
    write_movies(root / "train" / "urls_unsup.txt", movies)
    corpus = SmallIMDB(root=tmp_path, cache_dir=tmp_path / "cache")
    data = ready(corpus)
    held = data.held_out.rows
    assert data.held_out.split == "unlabelled" and len(held) == 2  # a fifth of twelve, whole movies
    groups = {split: read_groups(data.corpus_folder, split) for split in ("train", "unlabelled")}
    assert groups["train"] is not None and groups["unlabelled"] is not None
    texts = read_split(data.corpus_folder, "unlabelled").texts
    assert rows(data.held_out_texts()) == encoded([texts[row] for row in held], data)
    assert data.characters("test")[held].tolist() == [len(texts[row]) for row in held]
    others = np.setdiff1d(np.arange(len(texts)), held)
    of_others = {*groups["train"].tolist(), *groups["unlabelled"][others].tolist()}
    assert not of_others & set(groups["unlabelled"][held].tolist())
    assert np.array_equal(data.groups("test")[held], groups["unlabelled"][held])

    # What is learnt from: train rows and the other unlabelled ones; no validation or test text.
    stream, train = rows(data.train_texts()), read_split(data.corpus_folder, "train").texts
    validation = data.store.rows("val")
    kept = [text for row, text in enumerate(train) if row not in validation]
    assert sorted(stream) == sorted(encoded([*kept, *(texts[row] for row in others)], data))
    test = set(encoded(read_split(data.corpus_folder, "test").texts, data))
    assert not test & {*stream, *rows(data.held_out_texts())}
    view = data.train_view()
    assert view.unlabelled is not None
    assert sorted([*rows(view.tokens), *rows(view.unlabelled)]) == sorted(stream)

    # Each part is read once, in the order of its rows.
    for part, expected in (("val", validation), ("test", held)):
        ids = np.concatenate([batch.ids.numpy() for batch in data.loader(part)])
        assert sorted(ids.tolist()) == sorted(expected.tolist())
    assert (data.task, data.official_test, data.label_names) == ("imdb-v1-language-v1", True, ())
    assert any("2 unlabelled texts are held out" in note for note in data.token_notes())


def test_texts_are_whole_and_the_draw_is_that_of_the_corpus(tmp_path: Path) -> None:
    make_aclimdb(tmp_path)
    settings = {"root": tmp_path, "cache_dir": tmp_path / "cache"}
    one, two = ready(SmallIMDB(**settings)), ready(SmallIMDB(**settings, max_length=5, seed=3))
    assert np.array_equal(one.held_out.rows, two.held_out.rows)
    assert rows(one.train_texts()) == rows(two.train_texts())
    assert max(len(batch.tokens[0]) for batch in two.loader("test")) > 5
    capped = ready(SmallIMDB(**settings, vocab_size=12))
    assert capped.train_texts().values.max() == 11 and len(capped.train_view().vocabulary) == 12
    for file in (tmp_path / "cache" / "held_out").glob("*/*.npz"):
        file.write_bytes(b"not an array")
    with pytest.raises(DataError, match="is damaged .* delete it, and it is made anew"):
        ready(SmallIMDB(**settings))


def test_a_corpus_without_unlabelled_texts_holds_out_train_texts(tmp_path: Path) -> None:
    file = own_file(tmp_path)
    data = ready(TextFiles(train=file, cache_dir=tmp_path / "cache"))
    held, learnt = data.held_out.rows, data.train_indices()
    validation = data.store.rows("val")
    assert data.held_out.split == "train" and data.task is None and not data.reads_unlabelled
    assert len(held) == (61 - len(validation)) // 5
    assert sorted([*held, *learnt, *validation]) == list(range(61))
    assert {3, 60} <= set(held) or not {3, 60} & set(held)  # copies are on one side
    assert len(rows(data.train_texts())) == len(learnt) == len(data.train_view().labels)
    assert f"{len(held)} train texts are held out to judge the model" in data.token_notes()
    tested = ready(TextFiles(train=file, test=file, cache_dir=tmp_path / "cache"))
    assert tested.token_notes()[-1].endswith("; its own test texts are not used")
    assert len(ready(TextFiles(train=file, cache_dir=tmp_path / "cache"), 3).held_out.rows) == 3


class Recorded(Vectors):
    """Vectors that note the texts which they are learnt from."""

    def settings(self) -> dict[str, Any]:
        return {"class": type(self).__name__}

    def learn(
        self, texts: Ragged, vocabulary: Sequence[str], seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        self.learnt_from = [{vocabulary[token] for token in row} for row in rows(texts)]
        return np.array([2]), np.ones((1, 3), dtype=np.float32)


def test_token_ids_are_those_of_classifiers(tmp_path: Path) -> None:
    """A classifier that has `elmo` gives it its own tokens."""
    settings = {"train": own_file(tmp_path), "cache_dir": tmp_path / "cache"}
    classifier = TextFiles(**settings)
    classifier.prepare_data()
    classifier.setup()
    data = ready(TextFiles(**settings))
    assert data.held_out.split == "train"
    assert data.train_view().vocabulary == classifier.train_view().vocabulary


def test_no_held_out_text_reaches_word_vectors(tmp_path: Path) -> None:
    make_aclimdb(tmp_path)
    settings = {"root": tmp_path, "cache_dir": tmp_path / "cache"}
    text: Text = "train+unlabelled"
    classifier = SmallIMDB(**settings, vectors=Recorded(text))  # an earlier run, which keeps its
    classifier.prepare_data()
    classifier.setup()
    classifier.train_view()
    vectors = Recorded(text)
    data = ready(SmallIMDB(**settings, vectors=vectors))
    data.train_view()
    others = len(data.texts("unlabelled")) - len(data.held_out.rows)
    assert data.held_out.split == "unlabelled"
    assert len(vectors.learnt_from) == len(data.train_indices()) + others


def test_word_vectors_of_a_corpus_without_unlabelled_texts_are_its_own(tmp_path: Path) -> None:
    settings = {"train": own_file(tmp_path), "cache_dir": tmp_path / "cache"}
    for kind in (TextDataModule, LanguageData):
        vectors = Recorded()
        corpus: TextDataModule = TextFiles(**settings, vectors=vectors)
        corpus = LanguageData(corpus) if kind is LanguageData else corpus
        corpus.prepare_data()
        corpus.setup()
        corpus.train_view()
        assert len(vectors.learnt_from) == len(corpus.train_indices())


def test_too_few_texts_to_hold_any_out_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "few.csv"
    file.write_text("text,label\n" + "".join(f"word {n} here,{'ab'[n % 2]}\n" for n in range(6)))
    with pytest.raises(DataError, match="has 4 train texts; a language model needs at least 5"):
        ready(TextFiles(train=file, cache_dir=tmp_path / "cache", validation_fraction=0.34))


def test_no_held_out_text_is_a_copy_of_a_validation_text(tmp_path: Path) -> None:
    file, validation = own_file(tmp_path, 20), tmp_path / "validation.csv"
    head, *lines = file.read_text().splitlines()
    copies = [line.replace("number", "NUMBER") for line in lines[:14]]
    validation.write_text("\n".join([head, *copies]) + "\n")
    data = ready(TextFiles(train=file, validation=validation, cache_dir=tmp_path / "cache"))
    texts = [text.lower() for text in data.texts("train")]
    copied = {texts[row] for row in data.store.rows("val")}
    assert len(copied) == 14 and len(data.held_out.rows)
    assert not copied & {texts[row] for row in data.held_out.rows}


def test_no_copy_of_a_held_out_train_text_is_learnt_from(tmp_path: Path) -> None:
    file, others = own_file(tmp_path), tmp_path / "others.csv"
    copies = [line.rpartition(",")[0].title() for line in file.read_text().splitlines()[1:]]
    others.write_text("\n".join(["text", *copies]) + "\n")
    data = ready(TextFiles(train=file, unlabelled=others, cache_dir=tmp_path / "cache"))
    held = data.held_out.rows
    assert data.held_out.split == "train" and len(held)  # all the others have labelled copies
    view = data.train_view()
    assert view.unlabelled is not None and len(view.unlabelled) == len(copies) - len(held)
    texts = [text.lower() for text in data.texts("train")]
    words = data.encoder.tokenizer.vocabulary()
    learnt = {" ".join(words[token] for token in row) for row in rows(data.train_texts())}
    assert any(text in learnt for text in texts)
    assert not learnt & {texts[row] for row in held}


def test_a_draw_by_author_is_not_that_of_single_texts(tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    lines = [f"text {n} of words,{'ab'[n % 2]},{n // 4}" for n in range(80)]
    file.write_text("\n".join(["text,label,author", *lines]) + "\n")
    validation = tmp_path / "validation.csv"
    validation.write_text("text,label,author\nother words,a,x\nothers,b,y\n")
    settings = {"train": file, "validation": validation, "cache_dir": tmp_path / "cache"}
    ready(TextFiles(**settings))
    data = ready(TextFiles(**settings, group_column="author"))
    groups = data.groups("train")
    assert groups is not None and len(data.held_out.rows)
    assert not set(groups[data.held_out.rows]) & set(groups[data.train_indices()])


def test_rows_of_a_fold_are_not_held_out(tmp_path: Path) -> None:
    settings = {"train": own_file(tmp_path), "cache_dir": tmp_path / "cache"}
    for fold in (None, (0, 3), (1, 3)):
        data = ready(TextFiles(**settings, fold=fold))
        parts = (data.held_out.rows, data.train_indices(), data.store.rows("val"))
        assert sorted(np.concatenate(parts)) == list(range(61))
