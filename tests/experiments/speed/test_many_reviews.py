"""The large made corpus: what `TextFiles` reads of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from datamodules.files import TextFiles
from datamodules.splits import text_key
from datamodules.store.corpus import TextSplit
from experiments.speed import many_reviews
from tests.corpora import SmallIMDB, make_aclimdb


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(many_reviews, "IMDB", SmallIMDB)
    make_aclimdb(tmp_path)
    return str(tmp_path)


def read(root: str, count: int, folder: Path) -> TextSplit:
    file = many_reviews.write(root, count, folder)
    data = TextFiles(train=str(file), group_column="movie", cache_dir=str(folder / "cache"))
    return data.read().train


def test_copies_have_other_words_and_movies_and_the_same_labels(root: str, tmp_path: Path) -> None:
    train, original = read(root, 100, tmp_path / "made"), SmallIMDB(root=root).read().train
    groups = train.groups
    assert groups is not None and original.groups is not None
    assert len(train) == 100
    assert set(list(train.texts)[:40]) == set(original.texts)  # first the reviews themselves
    assert len({text_key(text) for text in train.texts}) >= 95  # short ones may stay the same
    assert np.bincount(train.labels[:80]).tolist() == [40, 40]
    assert not set(groups[:40].tolist()) & set(groups[40:80].tolist())
    assert len(set(groups[40:80].tolist())) == len(np.unique(original.groups))


def test_a_smaller_file_is_the_start_of_a_larger_one(root: str, tmp_path: Path) -> None:
    small, large = (read(root, count, tmp_path / str(count)) for count in (50, 90))
    assert list(small.texts) == list(large.texts)[:50]
    assert small.labels.tolist() == large.labels.tolist()[:50]


def test_few_words_are_new(root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many_reviews, "NEW", 0.5)
    words = {word for text in read(root, 80, tmp_path / "made").texts for word in text.split()}
    assert any(word.startswith("x1") for word in words)


def test_a_number_below_one_is_refused(
    root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["many_reviews", "--root", root, "--reviews", "0", "--out", str(tmp_path)]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit, match="2"):
        many_reviews.main()
    assert "--reviews is 0; it must be at least 1" in capsys.readouterr().err
