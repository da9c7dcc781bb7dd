"""Corpora larger than memory: texts on disk, flat preparation, processes that are killed."""

from __future__ import annotations

import csv
import io
import os
import signal
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datamodules.errors import DataError
from datamodules.faults import VARIABLE
from datamodules.files import TextFiles
from datamodules.store import stored_texts, token_store
from datamodules.store.corpus import Corpus, read_texts
from datamodules.store.stored_texts import RowWriter, StoredTexts, TextSpool
from tests.warm import ForkServer

TEXTS = [f"text {number} ☃" for number in range(11)]


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_texts, "GROUP_ROWS", 4)


def stored(folder: Path, *texts: str) -> StoredTexts:
    spool = TextSpool(folder, "text", "key")
    for text in texts:
        spool.append(text, f"key of {text}")
    return spool.finish()[0]


def write_csv(file: Path, rows: int, words: int = 10) -> Path:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "label"])
        for row in range(rows):
            writer.writerow([f"row {row} " + "word " * words, ("neg", "pos")[row % 2]])
    return file


def test_stored_texts_are_a_sequence(tmp_path: Path) -> None:
    texts = stored(tmp_path, *TEXTS)
    assert texts == TEXTS and list(texts) == TEXTS == list(texts)
    assert [texts[row] for row in (10, 0, -1, 3, 4)] == [TEXTS[row] for row in (10, 0, -1, 3, 4)]
    assert texts[2:9:3] == TEXTS[2:9:3]
    assert texts != TEXTS[:-1] and texts != [*TEXTS[:-1], "other"]
    with pytest.raises(IndexError):
        texts[11]


def test_stored_texts_are_joined(tmp_path: Path) -> None:
    both = stored(tmp_path, *TEXTS) + stored(tmp_path, "a", "b")
    assert both == [*TEXTS, "a", "b"] and both[12] == "b" and len(both) == 13


def test_no_text_is_a_sequence_too(tmp_path: Path) -> None:
    assert stored(tmp_path) == [] and len(stored(tmp_path)) == 0


def test_a_spool_leaves_no_file(tmp_path: Path) -> None:
    stored(tmp_path, *TEXTS)
    assert list(tmp_path.iterdir()) == []


def test_long_texts_end_a_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_texts, "GROUP_CHARACTERS", 20)
    texts = stored(tmp_path, "a" * 21, "b" * 21, "c")
    assert len(texts._groups) == 3
    assert texts == ["a" * 21, "b" * 21, "c"]


def test_a_full_disk_is_named_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(RowWriter, "_flush", full)
    with pytest.raises(DataError, match=f"{tmp_path} could not be written .*set another cache"):
        stored(tmp_path, *TEXTS)


def test_a_disk_full_at_the_last_bytes_is_named_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.BytesIO):
        """Takes some bytes, and fails when its buffer is written."""

        def flush(self) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", lambda dir: Full())
    with pytest.raises(DataError, match=f"{tmp_path} could not be written .*set another cache"):
        stored(tmp_path, "a")


def test_a_file_without_the_column_is_damaged(tmp_path: Path) -> None:
    file = tmp_path / "train.parquet"
    pq.write_table(pa.table({"key": ["a"]}), file)
    with pytest.raises(DataError, match=f"(?s){tmp_path}: .*damaged .*delete the folder"):
        list(read_texts(tmp_path, "train"))


def test_a_file_whose_name_is_not_utf8_is_refused(tmp_path: Path) -> None:
    name = os.fsdecode(b"made\xff.csv")
    try:
        file = write_csv(tmp_path / name, 40)
    except OSError:
        pytest.skip("this file system has no such names")
    message = r"data.train is 'made\\udcff.csv'; .* must be UTF-8: rename it"
    with pytest.raises(DataError, match=message):
        TextFiles(train=str(file), cache_dir=str(tmp_path))


def test_a_damaged_text_is_named_when_it_is_read(tmp_path: Path) -> None:
    data = TextFiles(train=str(write_csv(tmp_path / "made.csv", 40)), cache_dir=str(tmp_path))
    data.prepare_data()
    texts, file = read_texts(data.corpus_folder, "train"), data.corpus_folder / "train.parquet"
    content = bytearray(file.read_bytes())
    content[8:40] = bytes(32)
    file.write_bytes(content)
    with pytest.raises(DataError, match=f"(?s){data.corpus_folder}: .*damaged .*delete the folder"):
        list(texts)


def test_a_corpus_on_disk_is_the_one_in_memory(tmp_path: Path) -> None:
    data = TextFiles(train=str(write_csv(tmp_path / "made.csv", 40)), cache_dir=str(tmp_path))
    data.prepare_data()
    on_disk, loaded = (
        Corpus.load(data.corpus_folder, on_disk=on_disk) for on_disk in (True, False)
    )
    assert isinstance(on_disk.train.texts, StoredTexts) and isinstance(loaded.train.texts, list)
    assert on_disk.fingerprint == loaded.fingerprint and on_disk.train.keys == loaded.train.keys


def test_preparation_holds_no_more_than_some_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_texts, "GROUP_ROWS", 100)
    monkeypatch.setattr(token_store, "_BLOCK", 100)
    monkeypatch.setattr("datamodules.tokenizers.CHUNK", 100)
    monkeypatch.setattr("datamodules.reading.delimited._BATCH", 100)
    small, large = (
        TextFiles(
            train=str(write_csv(tmp_path / f"{rows}.csv", rows, words=600)),
            cache_dir=str(tmp_path / str(rows)),
        )
        for rows in (20, 2_000)
    )
    small.prepare_data()  # imports what is imported late
    arrow = pa.default_memory_pool()
    before = arrow.bytes_allocated()
    tracemalloc.start()
    try:
        large.prepare_data()  # 6 MB of texts, 5 MB of tokens
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3e6, f"{peak / 1e6:.1f} MB"
    assert arrow.bytes_allocated() - before < 1e6


def test_tokens_are_written_as_numpy_writes_them(tmp_path: Path) -> None:
    rows = [np.arange(number % 5 + 1, dtype=np.int32) for number in range(10_000)]
    counts = np.zeros(5, dtype=np.int64)
    counted = np.arange(10_000) % 3 == 0  # 3 does not divide the size of a block
    token_store._write_tokens(tmp_path, "train", rows, counted, counts)
    np.save(tmp_path / "whole.npy", np.concatenate(rows))
    assert (tmp_path / "tokens-train.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
    assert counts.tolist() == np.bincount(np.concatenate(rows[::3])).tolist()
    offsets = np.load(tmp_path / "offsets-train.npy")
    assert np.diff(offsets).tolist() == [len(row) for row in rows] and offsets.dtype == np.int64


def prepare(file: str, cache: str, fault: str) -> None:
    stored_texts.GROUP_ROWS = 10
    os.environ[VARIABLE] = fault
    TextFiles(train=file, cache_dir=cache).prepare_data()


# While the file is read, the corpus written (4 groups each), and the tokens; after each step.
@pytest.mark.parametrize("fault", ["rows:3:0", "rows:7:0", "store:2:0", "store:3:0", "store:5:0"])
def test_a_killed_preparation_begins_anew(
    fault: str, fork_server: ForkServer, tmp_path: Path
) -> None:
    file, cache = write_csv(tmp_path / "made.csv", 40), tmp_path / "cache"
    process = fork_server.context.Process(target=prepare, args=(str(file), str(cache), fault))
    process.start()
    process.join(150)
    assert process.exitcode == -signal.SIGKILL
    metas = []
    for folder in (cache, tmp_path / "whole"):
        data = TextFiles(train=str(file), cache_dir=str(folder))
        data.prepare_data()
        data.setup()
        metas.append(data.store.meta)
        names = [p.name for place in ("corpora", "stores") for p in (folder / place).iterdir()]
        assert len([name for name in names if not name.endswith(".lock")]) == 2, names
    assert metas[0] == metas[1]
