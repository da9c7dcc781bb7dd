"""Files of word vectors: every layout, every fault, and nothing cached of a faulty one."""

from __future__ import annotations

import gzip
import re
import ssl
from pathlib import Path

import numpy as np
import pytest

from datamodules.errors import DataError
from datamodules.store.ragged import Ragged
from datamodules.vectors import files
from datamodules.vectors.files import VectorFile, text_format

WORDS = ["<pad>", "<unk>", "good", "bad", "naïve", "absent"]
LINES = ["good 1 2 3", "bad -1 0.5 2e-1", "naïve 7 8 9", "<unk> 5 5 5", "other 0 0 1"]
EXPECTED = {"good": [1, 2, 3], "bad": [-1, 0.5, 0.2], "naïve": [7, 8, 9]}


def write(folder: Path, lines: list[str], name: str = "own.vec") -> Path:
    file = folder / name
    content = "".join(f"{line}\n" for line in lines).encode()
    file.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return file


def vectors(file: Path, cache: Path, dim: int | None = None) -> dict[str, list[float]]:
    texts = Ragged(np.array([2, 3], np.int32), np.array([0, 2]))
    found = VectorFile(str(file), dim).load_or_learn(cache, {"store": "x"}, texts, WORDS, seed=3)
    rows = zip(found.tokens.tolist(), found.values.tolist(), strict=True)
    return {WORDS[token]: np.round(row, 6).tolist() for token, row in rows}


def entries(cache: Path) -> list[Path]:
    return [path for path in cache.glob("*") if path.suffix != ".lock"]


@pytest.mark.parametrize("name", ["own.vec", "own.vec.gz"])
@pytest.mark.parametrize("header", [[], ["5 3"]])
def test_every_layout_gives_the_same(name: str, header: list[str], tmp_path: Path) -> None:
    file = write(tmp_path, header + LINES, name)
    assert vectors(file, tmp_path / "vectors", dim=3) == EXPECTED, "no special, no absent word"


def test_a_file_is_parsed_once_for_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "vectors"
    first = vectors(write(tmp_path, LINES), cache)
    moved = write(tmp_path, LINES, "elsewhere.txt")
    (tmp_path / "own.vec").unlink()

    def parse(*_: object) -> None:
        raise AssertionError("parsed again")

    monkeypatch.setattr(files, "_parse", parse)
    assert vectors(moved, cache) == first
    with pytest.raises(AssertionError, match="parsed again"):
        vectors(write(tmp_path, [*LINES, "more 1 1 1"], "elsewhere.txt"), cache)


def test_nothing_of_torchtext_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.chdir(tmp_path)
    before = ssl._create_default_https_context
    vectors(write(tmp_path, LINES), tmp_path / "vectors")
    assert ssl._create_default_https_context is before, "certificates are still checked"
    assert list(temporary.iterdir()) == []
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".pt")]
    assert not (tmp_path / ".vector_cache").exists()


@pytest.mark.parametrize(
    ("lines", "dim", "message"),
    [
        (LINES, 300, "its vectors have 3 numbers, and dim is 300; set dim to 3"),
        ([*LINES, "short 1 2"], None, "is no file of word vectors .*short.* has 2 dimensions"),
        ([*LINES, "long 1 2 3 4"], None, "is no file of word vectors .*long.* has 4 dimensions"),
        ([*LINES, "odd 1 two 3"], None, "could not convert string to float"),
        ([*LINES, ""], None, "has 0 dimensions"),
        ([*LINES, "good 4 4 4"], None, "'good' is on two lines; remove one"),
        (["6 3", *LINES], None, "its header says 6 words, and 5 can be read"),
        ([*LINES, "empty nan 1 2"], None, "the vector of 'empty' is not finite"),
        (["a 1", "b 2"], None, "is no file of word vectors .*at least 3"),
        ([], None, "is no file of word vectors"),
        (["5 3"], None, "is no file of word vectors"),
        (
            ["gut 1 2 3", "böse 1 1 1"],
            None,
            "none of the 4 words of the vocabulary, but 'gut', 'bö",
        ),
    ],
)
def test_a_fault_is_named_and_nothing_is_cached(
    lines: list[str], dim: int | None, message: str, tmp_path: Path
) -> None:
    file, cache = write(tmp_path, lines), tmp_path / "vectors"
    with pytest.raises(DataError, match=message) as caught:
        vectors(file, cache, dim)
    assert str(file) in str(caught.value)
    whole = [path for path in entries(cache) if path.name.startswith("file-")]
    assert entries(cache) == whole and (not whole or "none of the" in message)


def test_a_width_is_checked_again_where_the_file_was_parsed_before(tmp_path: Path) -> None:
    file, cache = write(tmp_path, LINES), tmp_path / "vectors"
    vectors(file, cache)
    with pytest.raises(DataError, match="its vectors have 3 numbers, and dim is 4"):
        vectors(file, cache, 4)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere.vec: no such file; give a file of word vectors"):
        vectors(tmp_path / "nowhere.vec", tmp_path)


def test_a_damaged_matrix_is_named(tmp_path: Path) -> None:
    file, cache = write(tmp_path, LINES), tmp_path / "vectors"
    vectors(file, cache)
    (whole,) = cache.glob("file-*/vectors.safetensors")
    whole.write_bytes(b"no")
    texts = Ragged(np.array([2], np.int32), np.array([0, 1]))
    with pytest.raises(
        DataError, match="delete the folder and run again, which parses the file anew"
    ):
        VectorFile(str(file)).load_or_learn(cache, {"store": "y"}, texts, WORDS, seed=0)


def test_the_note_names_the_file(tmp_path: Path) -> None:
    assert (
        VectorFile(str(tmp_path / "own.vec")).note(["train"])
        == "word vectors from outside, own.vec"
    )


def test_a_written_file_is_read_back_exactly(tmp_path: Path) -> None:
    words = ["film", "1990", "é", "n't", "\u00a3"]
    values = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32) * 1e-3
    (tmp_path / "v.txt").write_bytes(text_format(words, values))
    how = VectorFile(str(tmp_path / "v.txt"))
    vocabulary = ["<pad>", "<unk>", *words]
    texts = Ragged(np.array([2], np.int32), np.array([0, 1]))
    found = how.load_or_learn(tmp_path / "vectors", {}, texts, vocabulary, 0)
    assert found.tokens.tolist() == [2, 3, 4, 5, 6]
    assert np.array_equal(found.values, values)


@pytest.mark.parametrize("word", ["two words", "no\u00a0break", "", "line\n"])
def test_a_word_that_would_not_be_read_back_is_refused(word: str) -> None:
    with pytest.raises(DataError, match=re.escape(f"the word {word!r} is empty or has a space")):
        text_format(["film", word], np.zeros((2, 3), np.float32))


def test_a_width_that_would_not_be_read_back_is_refused() -> None:
    with pytest.raises(DataError, match="dim is 2; vectors in a file have at least 3 numbers"):
        text_format([], np.zeros((0, 2), np.float32))
