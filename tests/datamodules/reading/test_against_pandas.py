"""The same rows as pandas reads, and settings that reach every file of a corpus."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from datamodules.files import TextFiles
from tests.datamodules.reading.test_formats import PLAIN, ROWS, as_csv, read


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_as_pandas_reads_it(tmp_path: Path, delimiter: str, quoting: Any) -> None:
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "rows.csv"
    path.write_text(as_csv(ROWS * 20, delimiter, quoting=quoting), "utf-8", newline="")
    frame = pandas.read_csv(path, sep=delimiter)
    assert read(path) == list(zip(frame["text"], frame["label"], strict=True))


def test_the_settings_reach_every_file_of_a_corpus(tmp_path: Path) -> None:
    for name in ("train", "test"):
        content = as_csv(PLAIN * 5, ";").split("\n", 1)[1]
        (tmp_path / f"{name}.csv").write_bytes(content.encode("cp1252"))
    module = TextFiles(
        train=str(tmp_path / "train.csv"),
        test=str(tmp_path / "test.csv"),
        text_column="1",
        label_column="2",
        header=False,
        encoding="cp1252",
        validation_fraction=0.5,
        cache_dir=str(tmp_path / "cache"),
    )
    corpus = module.read()
    assert corpus.test is not None and corpus.test.texts == [text for text, _ in PLAIN * 5]
    assert corpus.train.keys[0] == "train.csv:1"
