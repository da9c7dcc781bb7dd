"""TokenStore: content, rows that the vocabulary is fitted on, damage and failures."""

from __future__ import annotations

import errno
import json
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules.errors import DataError
from datamodules.store.corpus import UNLABELLED, Corpus, TextSplit
from datamodules.store.token_store import TokenStore, _crc32, _own_crc32
from datamodules.tokenizers import WordTokenizer
from tests.toys import ToyData

ROWS = 40  # of train, the last 10 of them validation


def make_corpus(**options: Any) -> Corpus:
    return ToyData(rows=ROWS, **options).read()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Store of the toy corpus; tests that change it take a copy."""
    folder = tmp_path_factory.mktemp("stores") / "store"
    corpus = make_corpus()
    TokenStore.write(folder, corpus, WordTokenizer(), corpus.train_rows)
    return folder


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "store"))


def vocabulary(store: TokenStore) -> list[str]:
    tokenizer = WordTokenizer()
    tokenizer.load(store.tokenizer_file)
    return tokenizer.vocabulary()


# Content


def test_a_store_gives_back_every_row_label_and_key(folder: Path) -> None:
    corpus, store = make_corpus(), TokenStore.open(folder)
    assert store.splits == ["train", "test", "unlabelled"]
    assert store.rows("train").tolist() == list(range(30))
    assert store.rows("val").tolist() == list(range(30, 40))
    assert store.meta["label_names"] == ["class0", "class1"]
    assert store.meta["fingerprint"] == corpus.fingerprint
    known = vocabulary(store)
    for name, split in corpus.splits.items():
        tokens = store.tokens(name)
        assert len(tokens) == len(split)
        assert tokens.lengths.tolist() == [len(text.split()) for text in split.texts]
        assert np.array_equal(store.labels(name), split.labels)
        assert store.keys(name) == split.keys
        for row, text in enumerate(split.texts):
            ids = tokens.values[tokens.offsets[row] : tokens.offsets[row + 1]]
            expected = [word if word in known else "<unk>" for word in text.split()]
            assert [known[token] for token in ids] == expected


def test_tokens_are_memory_mapped(folder: Path) -> None:
    tokens = TokenStore.open(folder).tokens("train")
    assert isinstance(tokens.values, np.memmap)
    assert (tokens.values.dtype, tokens.offsets.dtype) == (np.int32, np.int64)


def test_counts_fall_and_are_those_of_the_train_rows(folder: Path) -> None:
    store, corpus = TokenStore.open(folder), make_corpus()
    counted = Counter(word for row in range(30) for word in corpus.train.texts[row].split())
    known, counts = vocabulary(store), store.counts()
    assert len(counts) == len(known)
    assert counts[:2].tolist() == [0, 0]
    assert dict(zip(known[2:], counts[2:].tolist(), strict=True)) == counted
    assert (np.diff(counts[2:]) <= 0).all()


def test_words_outside_the_train_rows_are_unk(folder: Path) -> None:
    store = TokenStore.open(folder)
    known = set(vocabulary(store))
    assert {f"train{row}" for row in range(30)} <= known
    others = [f"train{row}" for row in range(30, 40)]  # validation
    others += [f"test{row}" for row in range(20)] + [f"unlabelled{row}" for row in range(10)]
    assert known.isdisjoint(others)
    tokens = store.tokens("train")
    unknown = [
        int((tokens.values[tokens.offsets[row] : tokens.offsets[row + 1]] == 1).sum())
        for row in range(ROWS)
    ]
    assert unknown[:30] == [0] * 30
    assert all(count >= 1 for count in unknown[30:])


def test_texts_without_tokens_and_splits_without_rows_are_kept(tmp_path: Path) -> None:
    train = TextSplit(["a b", "", "<br />", "b"], np.array([0, 1, 0, 1]), list("wxyz"))
    none = TextSplit([], np.array([], dtype=np.int64), [])
    corpus = Corpus("made", ("n", "p"), train, np.array([0, 1]), np.array([2, 3]), unlabelled=none)
    TokenStore.write(tmp_path / "store", corpus, WordTokenizer(), corpus.train_rows)
    store = TokenStore.open(tmp_path / "store")
    assert store.tokens("train").lengths.tolist() == [2, 1, 1, 1]
    assert store.tokens("train").values.tolist() == [2, 3, 1, 1, 3]
    assert store.counts().tolist() == [0, 1, 1, 1]
    assert len(store.tokens("unlabelled")) == 0
    assert store.keys("unlabelled") == []
    assert store.splits == ["train", "unlabelled"]


def test_a_key_stays_one_line(tmp_path: Path) -> None:
    keys = ["a\nb:1", "c\r\nd:2", "e\rf:3", "g\u2028h:4"]
    train = TextSplit(["a"] * 4, np.array([0, 1, 0, UNLABELLED]), keys)
    corpus = Corpus("made", ("n", "p"), train, np.arange(3), np.array([3]))
    TokenStore.write(tmp_path / "store", corpus, WordTokenizer(), corpus.train_rows)
    store = TokenStore.open(tmp_path / "store")
    assert store.keys("train") == ["a b:1", "c  d:2", "e f:3", "g\u2028h:4"]


def test_one_store_serves_every_cap(tmp_path: Path) -> None:
    data = [ToyData(rows=ROWS, vocab_size=cap, cache_dir=str(tmp_path)) for cap in (10, 1000)]
    for each in data:
        each.prepare_data()
        each.setup()
    small, large = data
    assert small.store.folder == large.store.folder
    assert [path for path in (tmp_path / "stores").iterdir() if path.is_dir()] == [
        small.store.folder
    ]
    highest = [max(int(batch.tokens.max()) for batch in each.test_dataloader()) for each in data]
    assert highest[0] == 9 < highest[1]
    assert large.train_view().vocabulary[:10] == small.train_view().vocabulary


# Failures


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_every_file_is_guarded(copy: Path) -> None:
    assert "meta.json" in files(copy) and "tokenizer.json" in files(copy)
    assert len(files(copy)) == 17
    for name in files(copy):
        file, content = copy / name, (copy / name).read_bytes()
        flipped = bytearray(content)
        place = content.rindex(b"class1") if name == "meta.json" else len(content) // 2
        flipped[place] ^= 1
        for damaged in (flipped, content[:-1], b""):
            file.write_bytes(damaged)
            with pytest.raises(DataError) as caught:
                TokenStore.open(copy)
            assert str(caught.value).startswith(f"{file}: the token store is damaged (")
            assert f"delete the folder {copy} and run again" in str(caught.value)
        file.unlink()
        with pytest.raises(DataError, match=f"{file}: the token store is damaged .*No such file"):
            TokenStore.open(copy)
        file.write_bytes(content)
    TokenStore.open(copy)


@pytest.mark.parametrize("content", ["[]", "null", "{}", '{"crc32": 3, "own_crc32": 1}'])
def test_a_description_of_another_shape_is_damage(content: str, copy: Path) -> None:
    (copy / "meta.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=f"{copy / 'meta.json'}: the token store is damaged"):
        TokenStore.open(copy)


def test_a_damaged_store_is_noticed_by_the_datamodule(tmp_path: Path) -> None:
    data = ToyData(rows=ROWS, cache_dir=str(tmp_path))
    data.prepare_data()
    (tokens,) = (tmp_path / "stores").glob("*/tokens-train.npy")
    content = bytearray(tokens.read_bytes())
    content[-3] ^= 16
    tokens.write_bytes(content)
    with pytest.raises(DataError, match=f"{tokens}: the token store is damaged"):
        data.setup()
    shutil.rmtree(tokens.parent)  # the remedy
    data.prepare_data()
    data.setup()


@pytest.mark.parametrize("after", [0, 4, 8])
def test_a_full_disk_leaves_nothing_behind(
    after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, calls = np.save, []

    def full(*args: Any, **options: Any) -> None:
        calls.append(args)
        if len(calls) > after:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(*args, **options)

    monkeypatch.setattr(np, "save", full)
    corpus = make_corpus()
    with pytest.raises(DataError) as caught:
        TokenStore.write(tmp_path / "store", corpus, WordTokenizer(), corpus.train_rows)
    assert f"{tmp_path / 'store'} could not be written" in str(caught.value)
    assert "No space left on device" in str(caught.value)
    assert "--data.cache_dir" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_store_can_be_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = ToyData(rows=ROWS, cache_dir=str(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(np, "save", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
        with pytest.raises(DataError, match="could not be written"):
            data.prepare_data()
    data.prepare_data()
    data.setup()
    assert len(data.store.tokens("train")) == ROWS


def test_any_other_failure_leaves_nothing_behind_either(tmp_path: Path) -> None:
    class Broken(WordTokenizer):
        def encode(self, texts: Any) -> Any:
            raise KeyboardInterrupt

    corpus = make_corpus()
    with pytest.raises(KeyboardInterrupt):
        TokenStore.write(tmp_path / "store", corpus, Broken(), corpus.train_rows)
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("", encoding="utf-8")
    data = ToyData(rows=ROWS, cache_dir=str(tmp_path / "cache"))
    with pytest.raises(DataError, match=f"{data.corpus_folder} could not be written"):
        data.prepare_data()


# Two processes at once


def test_opening_forty_megabytes_takes_less_than_a_second(copy: Path) -> None:
    file, meta_file = copy / "tokens-train.npy", copy / "meta.json"
    np.save(file, np.zeros(10_000_000, dtype=np.int32))
    meta = json.loads(meta_file.read_text(encoding="utf-8"))
    meta["crc32"][file.name] = _crc32(file)
    meta["own_crc32"] = _own_crc32(meta)
    meta_file.write_text(json.dumps(meta), encoding="utf-8")
    started = time.process_time()
    TokenStore.open(copy)
    assert time.process_time() - started < 1
