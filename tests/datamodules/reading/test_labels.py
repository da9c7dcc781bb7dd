"""Labels: one spelling for each, whatever the format; what is odd about them is told."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from datamodules.errors import DataError
from datamodules.reading.labels import is_blank, spelling
from datamodules.text import TextDataModule
from tests.datamodules.test_files import make, put, write


def labelled(labels: list[str], times: int) -> str:
    lines = (f"text {i} {label},{label}\n" for i in range(times) for label in labels)
    return "text,label\n" + "".join(lines)


def notes_of(module: TextDataModule) -> str:
    return "\n".join(module.read().notes)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("1.0", "1"),
        ("1.", "1"),
        ("1.50", "1.5"),
        ("+1", "1"),
        ("-0.0", "0"),
        ("-2.0", "-2"),
        ("1e0", "1"),
        ("1E+2", "100"),
        ("5e-1", "0.5"),
        ("123456789012345678", "123456789012345678"),
        ("1234567890123456789012345", "1234567890123456789012345"),
        ("007", "007"),
        ("1.2.3", "1.2.3"),
        ("1,5", "1,5"),
        ("1_000", "1_000"),
        ("inf", "inf"),
        ("١", "١"),
        ("True", "true"),
        ("FALSE", "false"),
        ("Yes", "Yes"),
        (" pos\t", "pos"),
        ("po\u200bs\ufeff", "pos"),
        ("1\u00a0", "1"),
        ("very\u00a0good", "very good"),
        ("e\u0301", "é"),
        ("\u200c❤️\u200d", "❤️"),
        ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
        ("\u200b", ""),
    ],
)
def test_spelling(text: str, label: str) -> None:
    assert spelling(text) == label
    assert spelling(label) == label


def test_numbers_are_one_label_in_every_format(tmp_path: Path) -> None:
    put(tmp_path, "text,label\n" + "".join(f"text {i},{['0', '0.0', '1', '1.0'][i % 4]}\n"
                                           for i in range(40)))  # fmt: skip
    others: dict[str, list[Any]] = {
        "a.jsonl": [0, 1.0, 1, 0.0],
        "b.json": ["0", "1.00", 1, 0],
        "c.parquet": [0.0, 1.0, 1.0, 0.0],
        "d.tsv": ["0.0", "1", "1.0", "0"],
    }
    for name, labels in others.items():
        rows = [(f"new {i}", label) for i, label in enumerate(labels)]
        if name.endswith(".json"):
            put(tmp_path, json.dumps([{"text": t, "label": y} for t, y in rows]), name)
        else:
            write(tmp_path / name, rows, ("text", "label"))
        module = make(tmp_path, test=name)
        assert module.label_names == ("0", "1")
        corpus = module.read()
        assert corpus.test is not None and corpus.test.labels.tolist() == [0, 1, 1, 0]
    assert "label '0.0' (lines 3, 7, 11, 15, 19 and 5 more) is read as '0'" in notes_of(module)


def test_booleans_are_one_label_in_every_format(tmp_path: Path) -> None:
    put(tmp_path, "text,label\n" + "".join(f"text {i},{['True', 'false', 'TRUE'][i % 3]}\n"
                                           for i in range(30)))  # fmt: skip
    write(tmp_path / "a.jsonl", [("a", True), ("b", False), ("c", "true")], ("text", "label"))
    write(tmp_path / "b.parquet", [("a", True), ("b", False), ("c", True)], ("text", "label"))
    for name in ("a.jsonl", "b.parquet"):
        module = make(tmp_path, test=name)
        corpus = module.read()
        assert module.label_names == ("false", "true")
        assert corpus.test is not None and corpus.test.labels.tolist() == [1, 0, 1]


def test_types_mixed_in_one_file(tmp_path: Path) -> None:
    labels = [1, "1", 1.0, "1.0", True, "true", 0, None]
    lines = [json.dumps({"text": f"t{i}", "label": label}) for i, label in enumerate(labels)]
    put(tmp_path, "\n".join(lines), "train.jsonl")
    with pytest.raises(DataError, match=r"train\.jsonl, line 8: column 'label' has no label"):
        make(tmp_path, "train.jsonl")
    put(tmp_path, "\n".join(lines[:-1]), "train.jsonl")
    assert make(tmp_path, "train.jsonl").label_names == ("0", "1", "true")


def test_decimals_and_categories_of_parquet(tmp_path: Path) -> None:
    texts = [f"text {i}" for i in range(4)]
    for labels in (
        pyarrow.array([Decimal("1.0"), Decimal("2.5")] * 2),
        pyarrow.array(["1", "2.50"] * 2).dictionary_encode(),
        pyarrow.array([1.0, 2.5] * 2, pyarrow.float32()),
    ):
        table = pyarrow.table({"text": texts, "label": labels})
        pyarrow.parquet.write_table(table, tmp_path / "train.parquet")
        assert make(tmp_path, "train.parquet").label_names == ("1", "2.5")


def test_as_pandas_writes_them(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"text": [f"text {i}" for i in range(20)], "label": [0, 1] * 10})
    names = set()
    for kind in ("int64", "float64", "bool", "Int64", "boolean", "string", "category"):
        frame.astype({"label": kind}).to_csv(tmp_path / "train.csv", index=False)
        frame.astype({"label": kind}).to_parquet(tmp_path / "train.parquet")
        frame.astype({"label": kind}).to_json(tmp_path / "train.json", orient="records")
        for name in ("train.csv", "train.parquet", "train.json"):
            names.add(make(tmp_path, name).label_names)
    assert names == {("0", "1"), ("false", "true")}


# What is told


def test_all_rows_without_a_label_are_named(tmp_path: Path) -> None:
    put(tmp_path, "text,label\na,x\nb,\nc,y\nd,  \ne,\u200b\n")
    with pytest.raises(DataError) as error:
        make(tmp_path)
    assert str(error.value).endswith(
        "train.csv, line 3: column 'label' has no label, and 3 rows have none (lines 3, 5, 6); "
        "fill it in, or remove the row"
    )


@pytest.mark.parametrize("word", ["nan", "NaN", "None", "null", "NA", "<NA>", "N/A"])
def test_words_for_a_missing_label_are_told(tmp_path: Path, word: str) -> None:
    put(tmp_path, labelled(["x", "y", word], 10))
    module = make(tmp_path)
    assert word in module.label_names
    assert f"10 rows have the label '{word}' (lines 4, 7, 10, 13, 16 and 5 more)" in notes_of(
        module
    )


def test_invisible_characters_and_normal_forms_in_labels_are_told(tmp_path: Path) -> None:
    put(tmp_path, "text,label\n" + "a,pos\nb,café\n" * 9 + "c,pos\u200b\nd,cafe\u0301\n")
    module = make(tmp_path)
    assert module.label_names == ("café", "pos")
    notes = notes_of(module)
    assert r"the label 'pos\u200b' (line 20) is read as 'pos'" in notes
    assert r"the label 'cafe\u0301' (line 21) is read as 'café'" in notes


def test_labels_that_differ_in_case_are_told_and_not_joined(tmp_path: Path) -> None:
    put(tmp_path, labelled(["Pos", "pos", "neg"], 5))
    module = make(tmp_path)
    assert module.label_names == ("Pos", "neg", "pos")
    assert "'Pos' (5 rows), 'pos' (5 rows) differ in case alone" in notes_of(module)


def test_texts_that_look_alike_or_are_missing_are_told(tmp_path: Path) -> None:
    rows = [(f"text {i}", "xy"[i % 2]) for i in range(30)]
    rows += [("nan", "x"), ("None", "y"), ("cafe\u0301", "x"), ("a\u200bb", "y")]
    write(tmp_path / "train.csv", rows, ("text", "label"))
    notes = notes_of(make(tmp_path))
    assert "2 texts are a word for a missing one, such as nan (lines 32, 33)" in notes
    assert "2 texts have invisible characters or are not in Unicode's normal form C" in notes
    put(tmp_path, "text,label\na,x\n\u200b\u00a0,y\n")
    with pytest.raises(DataError, match=r"line 3: the text is empty"):
        make(tmp_path).read()


def test_a_clean_corpus_has_no_notes(tmp_path: Path) -> None:
    rows = [(f"schön {i} 👨\u200d👩\u200d👧 می\u200cخواهم", "xy"[i % 2]) for i in range(30)]
    write(tmp_path / "train.csv", rows, ("text", "label"))
    assert make(tmp_path).read().notes == ()
    assert not is_blank("a" * 200) and not is_blank("👍") and is_blank("\u200b \ufeff")


# Columns that are no classes


@pytest.mark.parametrize(
    ("labels", "guess"),
    [
        ([i * 0.37 + 1 for i in range(60)], r"a regression\), not classes"),
        (list(range(60)), r"number of a row, or a number to predict"),
        ([f"user-{i}" for i in range(60)], r"one for each row \(an id\)"),
        ([f"this is the text of a review, number {i}" for i in range(60)], "a column of texts"),
    ],
)
def test_a_column_that_makes_no_classes(tmp_path: Path, labels: list[Any], guess: str) -> None:
    rows = [(f"text {i}", label) for i, label in enumerate(labels)]
    write(tmp_path / "train.csv", rows, ("text", "label"))
    with pytest.raises(DataError, match=rf"60 different labels in 60 rows, 60 of them.*{guess}"):
        make(tmp_path)


def test_classes_of_one_row_are_told(tmp_path: Path) -> None:
    labels = ["a", "b"] * 30 + [f"rare {i}" for i in range(7)]
    rows = [(f"text {i}", label) for i, label in enumerate(labels)]
    write(tmp_path / "train.csv", rows, ("text", "label"))
    notes = notes_of(make(tmp_path))
    assert "7 of the 9 classes have one row each" in notes and "'rare 0', 'rare 1'" in notes


# Hostile files


@pytest.mark.parametrize("rows", [[("a", "x")], [("a", "x"), ("b", "y")], [("a", "x")] * 50])
def test_too_few_rows_say_so(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    write(tmp_path / "train.csv", rows, ("text", "label"))
    with pytest.raises(DataError, match=r"one label 'x' throughout|too few different texts"):
        make(tmp_path).read()


def test_all_rows_are_copies_of_one_text(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", [("same", "xy"[i % 2]) for i in range(50)], ("text", "label"))
    with pytest.raises(DataError, match="50 rows have too few different texts"):
        make(tmp_path).read()


def test_a_column_named_twice_matters_only_if_it_is_read(tmp_path: Path) -> None:
    lines = [f"{i},text {i},{'xy'[i % 2]},2\n" for i in range(10)]
    put(tmp_path, "id,text,label,id\n" + "".join(lines))
    assert make(tmp_path).read().train.texts == [f"text {i}" for i in range(10)]
    with pytest.raises(DataError, match="group_column 'id' occurs 2 times"):
        make(tmp_path, group_column="id").read()
