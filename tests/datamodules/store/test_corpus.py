"""Corpus in the cache: saved and loaded unchanged, known by its fingerprint, damage noticed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datamodules.errors import DataError
from datamodules.store.corpus import UNLABELLED, Corpus, TextSplit, read_head, read_texts


def make_split(*texts: str, labels: list[int] | None = None) -> TextSplit:
    labels = labels or [number % 2 for number in range(len(texts))]
    keys = [f"file.csv:{number}" for number in range(len(texts))]
    return TextSplit(list(texts), np.array(labels, dtype=np.int64), keys)


def make_corpus() -> Corpus:
    return Corpus(
        "made",
        ("neg", "pos"),
        replace(
            make_split("bad film", "good\r\nfilm", "", "映画 <br /> 👍"),
            groups=np.array([7, 7, 1, 2]),
        ),
        np.array([0, 1, 3]),
        np.array([2]),
        make_split("a test", "another"),
        make_split("no label", labels=[UNLABELLED]),
        ("A note.",),
    )


def assert_same(one: Corpus, other: Corpus) -> None:
    for field in ("name", "label_names", "notes", "fingerprint"):
        assert getattr(one, field) == getattr(other, field)
    assert one.splits.keys() == other.splits.keys()
    for name, split in one.splits.items():
        assert split.texts == other.splits[name].texts
        assert split.keys == other.splits[name].keys
        assert split.labels.dtype == other.splits[name].labels.dtype == np.int64
        assert np.array_equal(split.labels, other.splits[name].labels)
        groups = split.groups, other.splits[name].groups
        assert groups == (None, None) if groups[0] is None else np.array_equal(*groups)
    assert np.array_equal(one.train_rows, other.train_rows)
    assert np.array_equal(one.val_rows, other.val_rows)


def test_a_corpus_comes_back_as_it_was(tmp_path: Path) -> None:
    corpus = make_corpus()
    corpus.save(tmp_path / "made")
    assert_same(Corpus.load(tmp_path / "made"), corpus)
    assert read_head(tmp_path / "made").fingerprint == corpus.fingerprint
    assert read_texts(tmp_path / "made", "train") == corpus.train.texts
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_a_corpus_of_train_alone_comes_back_without_the_others(tmp_path: Path) -> None:
    corpus = replace(make_corpus(), test=None, unlabelled=None)
    corpus.save(tmp_path / "made")
    loaded = Corpus.load(tmp_path / "made")
    assert_same(loaded, corpus)
    assert loaded.test is None and loaded.unlabelled is None


CHANGES: dict[str, Callable[[Corpus], Corpus]] = {
    "a text": lambda c: replace(c, train=make_split("bad film!", *c.train.texts[1:])),
    "a border between texts": lambda c: replace(c, test=make_split("a testa", "nother")),
    "a label": lambda c: replace(c, train=make_split(*c.train.texts, labels=[1, 1, 0, 1])),
    "a test label": lambda c: replace(c, test=make_split(*c.test.texts, labels=[0, 0])),
    "an unlabelled text": lambda c: replace(c, unlabelled=make_split("none", labels=[-1])),
    "the rows of validation": lambda c: replace(
        c, train_rows=np.array([0, 1, 2]), val_rows=np.array([3])
    ),
    "a row out of validation": lambda c: replace(
        c, train_rows=np.array([0, 1]), val_rows=np.array([2, 3])
    ),
    "no test": lambda c: replace(c, test=None),
    "test as unlabelled": lambda c: replace(c, test=c.unlabelled, unlabelled=c.test),
    "the label names": lambda c: replace(c, label_names=("pos", "neg")),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_fingerprint_tells(change: Callable[[Corpus], Corpus]) -> None:
    assert change(make_corpus()).fingerprint != make_corpus().fingerprint


def test_the_fingerprint_tells_which_split_a_row_is_in() -> None:
    test = replace(make_corpus(), unlabelled=None)
    assert replace(test, test=None, unlabelled=test.test).fingerprint != test.fingerprint


def test_the_fingerprint_leaves_names_and_number_types_aside() -> None:
    corpus = make_corpus()
    renamed = replace(corpus, name="other", notes=(), train_rows=corpus.train_rows.astype(np.int32))
    assert renamed.fingerprint == corpus.fingerprint
    assert len(corpus.fingerprint) == 16


@pytest.mark.parametrize("file", ["corpus.json", "train.parquet", "test.parquet"])
@pytest.mark.parametrize("damage", ["deleted", "empty", "cut", "one bit"])
def test_damage_is_named_with_its_remedy(file: str, damage: str, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    make_corpus().save(folder)
    content = bytearray((folder / file).read_bytes())
    if damage == "deleted":
        (folder / file).unlink()
    elif damage == "one bit":
        content[10 if file == "corpus.json" else content.index(b"file.csv")] ^= (
            0x80 if file == "corpus.json" else 1
        )
        (folder / file).write_bytes(content)
    else:
        (folder / file).write_bytes(content[: len(content) // 2 if damage == "cut" else 0])
    with pytest.raises(DataError, match=f"{folder}: the cached corpus is damaged .*delete the"):
        Corpus.load(folder)


def test_another_text_in_the_cache_is_noticed_by_the_fingerprint(tmp_path: Path) -> None:
    folder, corpus = tmp_path / "made", make_corpus()
    corpus.save(folder)
    table = pq.read_table(folder / "test.parquet")
    texts = pa.array(["a test", "other"])
    pq.write_table(table.set_column(0, "text", texts), folder / "test.parquet")
    with pytest.raises(DataError, match=f"fingerprint is .*, must be {corpus.fingerprint}"):
        Corpus.load(folder)


@pytest.mark.parametrize("content", ["[]", "{}", '{"name": "made"}', "null"])
def test_a_head_of_another_shape_is_damage_too(content: str, tmp_path: Path) -> None:
    make_corpus().save(tmp_path / "made")
    (tmp_path / "made" / "corpus.json").write_text(content, encoding="utf-8")
    for read in (Corpus.load, read_head):
        with pytest.raises(DataError, match="the cached corpus is damaged"):
            read(tmp_path / "made")


@pytest.mark.parametrize("field", ["name", "notes", "train_rows", "fingerprint", "label_names"])
def test_a_head_without_a_field_is_damage_too(field: str, tmp_path: Path) -> None:
    make_corpus().save(tmp_path / "made")
    file = tmp_path / "made" / "corpus.json"
    head = json.loads(file.read_text(encoding="utf-8"))
    del head[field]
    file.write_text(json.dumps(head), encoding="utf-8")
    with pytest.raises(DataError, match=f"damaged \\('{field}'\\)"):
        Corpus.load(tmp_path / "made")


def test_damaged_texts_are_named(tmp_path: Path) -> None:
    make_corpus().save(tmp_path / "made")
    (tmp_path / "made" / "test.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=f"{tmp_path / 'made'}: the cached corpus is damaged"):
        read_texts(tmp_path / "made", "test")


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_batch", full)
    with pytest.raises(DataError, match=f"{tmp_path / 'made'} could not be written .*No space"):
        make_corpus().save(tmp_path / "made")
    assert list(tmp_path.iterdir()) == []


def test_a_split_needs_a_label_and_a_key_for_every_text() -> None:
    with pytest.raises(ValueError, match="2 texts and 1 labels; give one for each text"):
        TextSplit(["a", "b"], np.array([0]), ["x", "y"])
    with pytest.raises(ValueError, match="2 texts and 1 groups; give one for each text"):
        TextSplit(["a", "b"], np.array([0, 1]), ["x", "y"], np.array([0]))
