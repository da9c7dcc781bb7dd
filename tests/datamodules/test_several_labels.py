"""TextFiles whose texts have several labels: three formats, one corpus; draws; faults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from datamodules.errors import DataError
from datamodules.files import TextFiles
from datamodules.folds import fold_corpus
from datamodules.holdout import draw_validation
from datamodules.store.corpus import Corpus, TextSplit
from datamodules.store.label_sets import members, multi_hot, occurring, strata

SETS = [["b", "a"], [], ["a"], ["b", "c"], ["c"]] * 8
TEXTS = [f"text number {number}" for number in range(len(SETS))]


def write_jsonl(path: Path, labels: list[Any]) -> Path:
    rows = [{"text": t, "labels": one} for t, one in zip(TEXTS, labels, strict=False)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def make(path: Path, **options: Any) -> TextFiles:
    return TextFiles(train=str(path), cache_dir=str(path.parent / "cache"), **options)


def test_lists_and_separators_give_the_same_corpus(tmp_path: Path) -> None:
    lists = make(write_jsonl(tmp_path / "lists.jsonl", SETS)).read()
    table = pyarrow.table({"text": TEXTS, "labels": SETS})
    pyarrow.parquet.write_table(table, tmp_path / "lists.parquet")
    lines = [f"{t},{' | '.join(one)}" for t, one in zip(TEXTS, SETS, strict=True)]
    (tmp_path / "cells.csv").write_text("\n".join(["text,labels", *lines]) + "\n")
    others = [
        make(tmp_path / "lists.parquet"),
        make(tmp_path / "cells.csv", label_separator="|"),
        make(write_jsonl(tmp_path / "cells.jsonl", ["|".join(s) for s in SETS]),
             label_separator="|"),
    ]  # fmt: skip
    assert lists.label_names == ("a", "b", "c")
    assert lists.train.labels.dtype == np.int8
    assert lists.train.labels[:4].tolist() == [[1, 1, 0], [0, 0, 0], [1, 0, 0], [0, 1, 1]]
    for module in others:
        assert module.multi_label
        assert module.read().fingerprint == lists.fingerprint


def test_one_label_a_text_is_read_as_before(tmp_path: Path) -> None:
    module = make(write_jsonl(tmp_path / "one.jsonl", ["a|b", "c"] * 10))
    assert not module.multi_label
    assert module.label_names == ("a|b", "c")
    assert module.read().train.labels.dtype == np.int64


def test_the_cache_and_the_loaders_keep_the_sets(tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "train.jsonl", SETS)
    module = make(file, test=str(file), batch_size=4)
    module.prepare_data()
    module.setup()
    corpus = Corpus.load(module.corpus_folder)
    assert corpus.test is not None
    assert np.array_equal(
        corpus.test.labels, multi_hot([[ord(n) - 97 for n in s] for s in SETS], 3)
    )
    for batch in module.test_dataloader():
        assert batch.labels.shape == (len(batch.ids), 3)
        wanted = corpus.test.labels[batch.ids.numpy()]
        assert np.array_equal(batch.labels.numpy(), wanted)
        assert (batch.blind().labels == -1).all()


def test_another_separator_is_another_corpus(tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "train.jsonl", ["a|b;c", "a;c|b"] * 10)
    one, other = (make(file, label_separator=mark) for mark in "|;")
    assert one.label_names == ("a", "a;c", "b", "b;c")
    assert one.source() != other.source()
    assert "label_separator" not in make(file).source()  # corpora in caches keep their names


def test_a_label_that_is_written_twice_is_one(tmp_path: Path) -> None:
    corpus = make(write_jsonl(tmp_path / "train.jsonl", [["a", "b", "a"], ["b"]] * 10)).read()
    assert corpus.train.labels[:2].tolist() == [[1, 1], [0, 1]]


def test_strata_are_the_rarest_labels() -> None:
    labels = multi_hot([[0], [0, 1], [0, 2], [], [0, 1]], 3)
    drawn = strata(labels)
    assert len({drawn[1], drawn[2], drawn[0], drawn[3]}) == 4
    assert drawn[1] == drawn[4]
    assert strata(np.array([2, 0, 1])).tolist() == [2, 0, 1]
    assert (occurring(labels), occurring(np.array([0, 2]))) == (3, 2)
    assert members(labels, 1).tolist() == [False, True, False, False, True]


def test_draws_are_in_proportion_to_rare_labels_too() -> None:
    rng = np.random.default_rng(0)
    sets = [[0] + [1] * (rng.random() < 0.3) + [2] * (row % 20 == 0) for row in range(2000)]
    texts = [f"text {row}" for row in range(2000)]
    split = TextSplit(texts, multi_hot(sets, 3), texts)
    rows, _ = draw_validation(split, 0.1, 0, "here", None)
    assert len(rows) == 200
    shares = split.labels[rows].mean(axis=0)
    assert np.allclose(shares, split.labels.mean(axis=0), atol=0.02)
    assert split.labels[rows, 2].sum() == 10
    corpus = Corpus("here", ("a", "b", "c"), split, np.arange(2000), np.zeros(0, dtype=np.int64))
    counts = [
        split.labels[fold_corpus(corpus, (number, 5), 0).val_rows, 2].sum() for number in range(5)
    ]
    assert sum(counts) == 100
    assert max(counts) - min(counts) <= 2


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ([["a"], "b"], {}, "line 2.*'b', a str, and the first row has a list"),
        ([["a"], None], {}, "line 2.*NoneType.*give a list in every row"),
        (["a", ["b"]], {}, "line 2.*a list.*give a list in every row, also in the first"),
        ([["a"], ["b", ["c"]]], {}, "line 2.*a list, among its labels"),
        ([["a"], ["b", " "]], {}, "line 2.*empty label"),
        (["a|b", "a||b"], {"label_separator": "|"}, r"line 2.*empty label in 'a\|\|b'"),
        ([["a"], ["b"]], {"label_separator": "|"}, "line 1.*label_separator is '|'; leave it out"),
        (["a"], {"label_separator": " "}, "label_separator is ' '; it must be"),
        ([["a"], []], {}, r"has 1 different labels 'a'.*at least two"),
        ([["a"], ["b"]], {"teacher": "soft.parquet"}, "data.teacher is 'soft.parquet'.*several"),
    ],
)
def test_faults_name_the_row(
    tmp_path: Path, labels: list[Any], options: dict[str, Any], message: str
) -> None:
    file = write_jsonl(tmp_path / "train.jsonl", labels)
    with pytest.raises(DataError, match=message):
        make(file, **options)


def test_a_label_that_train_lacks_is_refused(tmp_path: Path) -> None:
    test = write_jsonl(tmp_path / "test.jsonl", [["a"], ["b", "d"]])
    module = make(write_jsonl(tmp_path / "train.jsonl", SETS), test=str(test))
    with pytest.raises(DataError, match=r"test.jsonl, line 2: label 'd' does not occur.*'a', 'b'"):
        module.read()
