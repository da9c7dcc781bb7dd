"""Texts for language models: what is held out, and that no test text is among them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from datamodules.errors import DataError
from datamodules.files import TextFiles
from datamodules.language import language_texts
from datamodules.store.corpus import read_groups, read_split
from datamodules.store.ragged import Ragged
from datamodules.text import TextDataModule
from tests.corpora import SmallIMDB, make_aclimdb, write_movies


def ready(data: TextDataModule) -> TextDataModule:
    data.prepare_data()
    data.setup()
    return data


def sentences(tokens: Ragged, data: TextDataModule) -> set[str]:
    names = np.array(data.encoder.tokenizer.vocabulary())
    pairs = zip(tokens.offsets, tokens.offsets[1:], strict=False)
    return {" ".join(names[tokens.values[start:end]]) for start, end in pairs}


def test_unlabelled_texts_are_held_out_by_movie_and_no_test_text_is_read(tmp_path: Path) -> None:
    root = make_aclimdb(tmp_path)
    # Unlabelled reviews 2 … 19 remain: 2 to 7 are of movies of train, the others two a movie.
    movies = [1, 2, *range(6), *(6_000_000 + number // 2 for number in range(12))]
    write_movies(root / "train" / "urls_unsup.txt", movies)
    data = ready(SmallIMDB(root=tmp_path, cache_dir=tmp_path / "cache"))
    found = language_texts(data, held_out=6)
    assert len(found.held_out) == 6 and len(found.train) == 40 + 18 - 6
    groups = {split: read_groups(data.corpus_folder, split) for split in ("train", "unlabelled")}
    assert groups["train"] is not None and groups["unlabelled"] is not None
    texts = read_split(data.corpus_folder, "unlabelled").texts
    encoded = {text: data.encoder.encode([text]).tokens[0].tolist() for text in texts}
    rows = [
        found.held_out.values[start:end].tolist()
        for start, end in zip(found.held_out.offsets, found.held_out.offsets[1:], strict=False)
    ]
    held = [number for number, text in enumerate(texts) if encoded[text] in rows]
    assert len(held) == 6
    assert found.characters == sum(len(texts[number]) for number in held)
    others = set(range(len(texts))) - set(held)
    of_others = {*groups["train"].tolist(), *groups["unlabelled"][sorted(others)].tolist()}
    assert not of_others & set(groups["unlabelled"][held].tolist())
    test_texts = read_split(data.corpus_folder, "test").texts
    stream = sentences(found.train, data) | sentences(found.held_out, data)
    encoded_test = Ragged(
        np.concatenate([data.encoder.encode([t]).tokens[0].numpy() for t in test_texts]),
        np.cumsum([0, *(len(data.encoder.encode([t]).tokens[0]) for t in test_texts)]),
    )
    assert not stream & sentences(encoded_test, data)
    assert found.note == "6 unlabelled texts are held out"
    with pytest.raises(DataError, match="are not fewer than the 12 unlabelled texts of movies"):
        language_texts(data, held_out=12)


def test_a_corpus_without_unlabelled_texts_holds_out_labelled_ones(tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    lines = [f"text number {n} of some words,{'ab'[n % 2]}" for n in range(60)]
    file.write_text("text,label\n" + "\n".join([*lines, "text NUMBER 3 of some words!,b"]) + "\n")
    data = ready(TextFiles(train=file, cache_dir=tmp_path / "cache"))
    places = set()
    for seed in range(8):
        found = language_texts(data, held_out=20, seed=seed)
        assert (len(found.train), len(found.held_out)) == (41, 20)
        of_copies = [
            sum("number 3 of" in text for text in sentences(part, data))
            for part in (found.train, found.held_out)
        ]
        assert sum(map(bool, of_copies)) == 1  # both copies are on one side
        places.add(tuple(map(bool, of_copies)))
    assert len(places) == 2 and found.note == "20 train texts are held out"
    capped = ready(TextFiles(train=file, vocab_size=12, cache_dir=tmp_path / "cache"))
    assert language_texts(capped, 20).tokens == 12
    assert language_texts(capped, 20).train.values.max() < 12
    short = ready(TextFiles(train=file, max_length=2, cache_dir=tmp_path / "cache"))
    whole, cut = language_texts(data, 20), language_texts(short, 20)
    assert np.array_equal(cut.held_out.values, whole.held_out.values)
    assert np.array_equal(cut.train.values, whole.train.values)
