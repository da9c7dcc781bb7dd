"""TextFiles: labels come from the cached corpus of the very same files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from datamodules.errors import DataError
from datamodules.files import TextFiles
from datamodules.reading.train_labels import scan_labels

ROWS = "".join(f"text {row},{'pos' if row % 2 else 'neg'}\n" for row in range(40))


@pytest.fixture
def scanned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files whose labels were read."""
    names: list[str] = []

    def scan(path: Path, *settings: Any) -> Any:
        names.append(path.name)
        return scan_labels(path, *settings)

    monkeypatch.setattr("datamodules.files.scan_labels", scan)
    for part in ("train", "test"):
        (tmp_path / f"{part}.csv").write_text(f"text,label\n{ROWS}")
    return names


def make(folder: Path, **options: Any) -> TextFiles:
    files = {part: str(folder / f"{part}.csv") for part in ("train", "test")}
    return TextFiles(**files, cache_dir=str(folder / "cache"), **options)


@pytest.mark.parametrize("separator", [None, "|"])
def test_a_file_is_not_read_again(
    tmp_path: Path, scanned: list[str], separator: str | None
) -> None:
    for _ in range(2):
        data = make(tmp_path, label_separator=separator)
        assert (data.label_names, data.multi_label) == (("neg", "pos"), separator is not None)
        data.prepare_data()
    assert scanned == ["train.csv"]
    data.setup()
    assert data.label_names == ("neg", "pos")


def test_a_changed_file_is_read_again(tmp_path: Path, scanned: list[str]) -> None:
    make(tmp_path).prepare_data()
    (tmp_path / "train.csv").write_text("text,label\na,1\nb,2\n")
    assert make(tmp_path).label_names == ("1", "2")
    assert scanned == ["train.csv"] * 2


def test_a_file_that_is_gone_is_named_when_it_is_read(tmp_path: Path, scanned: list[str]) -> None:
    make(tmp_path).prepare_data()
    (tmp_path / "test.csv").unlink()
    data = make(tmp_path)
    assert data.label_names == ("neg", "pos")
    with pytest.raises(DataError, match=r"test\.csv"):
        data.prepare_data()
    assert scanned == ["train.csv"] * 2
