"""TextFiles: the same corpus from four formats; every fault named with its file and row."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from datamodules.errors import DataError
from datamodules.files import TextFiles
from datamodules.splits import text_key
from datamodules.store.corpus import UNLABELLED

ROWS = [(f"review {i}, a {'fine' if i % 2 else 'poor'} one", "pos" if i % 2 else "neg")
        for i in range(40)]  # fmt: skip


def write(path: Path, rows: Sequence[tuple[Any, Any]], names: tuple[str, str]) -> Path:
    ending = path.suffix
    if ending in (".csv", ".tsv"):
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter="\t" if ending == ".tsv" else ",")
            writer.writerows([names, *rows])
    elif ending == ".parquet":
        columns = [list(column) for column in zip(*rows, strict=True)]
        table = pyarrow.table(dict(zip(names, columns, strict=True)))
        pyarrow.parquet.write_table(table, path)
    else:
        lines = (json.dumps(dict(zip(names, row, strict=True))) for row in rows)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def field_limit() -> Iterator[None]:
    """The csv module's default limit, that of the process, before and after."""
    before = csv.field_size_limit(131_072)
    yield
    after = csv.field_size_limit(before)
    assert after == 131_072


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("train", "test"):
        write(tmp_path / f"{name}.csv", ROWS, ("text", "label"))
    return tmp_path


def make(folder: Path, train: str = "train.csv", **options: Any) -> TextFiles:
    for part in ("validation", "test", "unlabelled"):
        if part in options:
            options[part] = str(folder / options[part])
    return TextFiles(train=str(folder / train), cache_dir=str(folder / "cache"), **options)


def put(folder: Path, content: str | bytes, name: str = "train.csv") -> None:
    data = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(data)


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"])
def test_every_format_gives_the_same_corpus(folder: Path, ending: str) -> None:
    expected = make(folder).read()
    write(folder / f"train{ending}", ROWS, ("Review", "Sentiment"))
    module = make(folder, f"train{ending}")
    corpus = module.read()
    assert (module.text_column, module.label_column) == ("Review", "Sentiment")
    assert corpus.fingerprint == expected.fingerprint
    first = 1 if ending in (".jsonl", ".ndjson", ".parquet") else 2
    assert corpus.train.keys[0] == f"train{ending}:{first}"
    assert corpus.train.texts[1] == "review 1, a fine one"


def test_the_parts_of_a_corpus(folder: Path) -> None:
    write(folder / "valid.jsonl", [("odd", "pos"), ("even", "neg")], ("text", "label"))
    put(folder, "text\nREVIEW 3 a fine one!!\nnew\n", "more.csv")
    module = make(folder, validation="valid.jsonl", test="test.csv", unlabelled="more.csv")
    corpus = module.read()
    assert corpus.name == folder.name
    assert (module.label_names, module.num_classes) == (("neg", "pos"), 2)
    assert corpus.train_rows.tolist() == list(range(40))
    assert corpus.val_rows.tolist() == [40, 41]
    assert corpus.train.keys[40:] == ["valid.jsonl:1", "valid.jsonl:2"]
    assert corpus.train.labels[40:].tolist() == [1, 0]
    assert corpus.test is not None and len(corpus.test) == 40
    assert corpus.unlabelled is not None
    assert corpus.unlabelled.keys == ["more.csv:3"]  # line 2 is a copy of a test text
    assert corpus.unlabelled.labels.tolist() == [UNLABELLED]
    assert corpus.notes == ("40 of the 40 test texts are also in the train data.",)


def test_texts_that_are_also_in_the_train_file_are_told(folder: Path) -> None:
    write(folder / "valid.csv", [*ROWS[:3], ("new", "pos")], ("text", "label"))
    write(folder / "test.csv", [ROWS[3], ("new", "pos")], ("text", "label"))
    corpus = make(folder, validation="valid.csv", test="test.csv").read()
    assert corpus.notes == (
        "3 of the 4 validation texts are also in the train data.",
        "1 of the 2 test texts are also in the train data.",
        "1 of the 2 test texts are also in the validation data.",
    )


def test_texts_that_differ_in_an_emoji_are_not_told_as_copies(folder: Path) -> None:
    for name, emoji in (("train", "😀"), ("valid", "🙁"), ("test", "😍")):
        rows = [(f"@user{i} {emoji}", "pn"[i % 2]) for i in range(10)]
        write(folder / f"{name}.csv", rows, ("text", "label"))
    assert make(folder, validation="valid.csv", test="test.csv").read().notes == ()


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ([10, 9, 1], ("1", "9", "10")),
        (["10", "9", "-1.5"], ("-1.5", "9", "10")),
        ([1.0, 2.5, 0.0], ("0", "1", "2.5")),
        ([True, False, True], ("false", "true")),
        (["b", "a", " c "], ("a", "b", "c")),
        (["10", "9", "ten"], ("10", "9", "ten")),
        (["10", "nan", "9"], ("10", "9", "nan")),
    ],
)
def test_labels_of_any_type_keep_their_names_in_order(
    tmp_path: Path, labels: list[Any], names: tuple[str, ...]
) -> None:
    rows = [(f"text {i}", labels[i % 3]) for i in range(30)]
    for name in ("train.jsonl", "train.parquet"):
        write(tmp_path / name, rows, ("text", "label"))
        module = make(tmp_path, name)
        assert module.label_names == names
        read = [module.label_names[label] for label in module.read().train.labels]
        assert read[:3] == [
            str(label).lower() if isinstance(label, bool) else f"{label:g}"
            if isinstance(label, float) else str(label).strip()
            for label in labels
        ]  # fmt: skip


def test_validation_is_stratified_with_copies_on_one_side(tmp_path: Path) -> None:
    rows = [(f"text {i % 400}{'!' * (i // 400)}", "ab"[i % 400 % 4 == 0]) for i in range(500)]
    write(tmp_path / "train.csv", rows, ("text", "label"))
    corpus = make(tmp_path, validation_fraction=0.2).read()
    labels = corpus.train.labels
    assert np.bincount(labels[corpus.val_rows]).tolist() == [75, 25]
    train_keys = {text_key(corpus.train.texts[row]) for row in corpus.train_rows}
    assert not any(text_key(corpus.train.texts[row]) in train_keys for row in corpus.val_rows)
    again = make(tmp_path, validation_fraction=0.2).read()
    other = make(tmp_path, validation_fraction=0.2, split_seed=1).read()
    assert np.array_equal(corpus.val_rows, again.val_rows)
    assert not np.array_equal(corpus.val_rows, other.val_rows)


def test_a_class_with_a_single_row_stays_in_train(tmp_path: Path) -> None:
    labels = ["a"] * 100 + [f"rare {i}" for i in range(50)]
    rows = [(f"text {i}", label) for i, label in enumerate(labels)]
    write(tmp_path / "train.csv", rows, ("text", "label"))
    corpus = make(tmp_path).read()
    assert len(corpus.val_rows) == 15 and corpus.val_rows.max() < 100


def test_one_text_a_thousand_times_stays_in_train(tmp_path: Path) -> None:
    rows = [("ok", "a")] * 1000 + [(f"text {i}", "ab"[i % 2]) for i in range(200)]
    write(tmp_path / "train.csv", rows, ("text", "label"))
    corpus = make(tmp_path).read()
    assert len(corpus.val_rows) > 50 and corpus.val_rows.min() >= 1000


def test_a_changed_file_has_another_source_and_other_labels(folder: Path) -> None:
    module = make(folder)
    before = module.source()
    assert json.loads(json.dumps(before)) == before
    put(folder, "text,label\na,1\nb,2\nc,3\n")
    assert module.source() != before
    assert make(folder).label_names == ("1", "2", "3")


def test_quotes_line_breaks_long_fields_and_a_byte_order_mark(tmp_path: Path) -> None:
    long = "word " * 40_000
    put(tmp_path, f'\ufefftext,label\r\n"a ""b"",\r\nc",x\r\n\r\n"{long}",y\r\nd,x\r\n')
    corpus = make(tmp_path, validation_fraction=0.4).read()
    assert corpus.train.texts == ['a "b",\r\nc', long, "d"]
    assert corpus.train.keys == ["train.csv:2", "train.csv:5", "train.csv:6"]


def test_only_train_needs_texts_that_say_something(folder: Path) -> None:
    put(folder, "text,label\n,pos\nb,neg\n", "test.csv")
    corpus = make(folder, test="test.csv").read()
    assert corpus.test is not None and corpus.test.texts == ["", "b"]


# Columns


def test_columns_may_be_named(tmp_path: Path) -> None:
    put(tmp_path, "text,review,label,stars\na,b,c,1\nd,e,f,2\ng,h,i,2\n")
    module = make(tmp_path, text_column="review", label_column="stars", validation_fraction=0.3)
    assert module.read().train.texts == ["b", "e", "h"]
    assert module.label_names == ("1", "2")


@pytest.mark.parametrize(
    ("header", "options", "message"),
    [
        ("text,label", {"text_column": "words"}, r"text_column 'words' .*\['text', 'label'\]"),
        ("text,label", {"label_column": "y"}, r"label_column 'y' .*\['text', 'label'\]"),
        ("a,label", {}, r"text_column is not set.*columns \['a', 'label'\]"),
        ("text,b", {}, r"label_column is not set.*columns \['text', 'b'\]"),
        ("text,Review", {}, r"the file has \['text', 'Review'\]"),
        ("text,label", {"label_column": "text"}, "are both 'text'"),
        ("text,text", {"text_column": "text"}, "'text' occurs 2 times"),
        ("text,text,label", {}, "'text' occurs 2 times .*give the one to be read a name"),
        ("text~label", {}, r"columns \['text~label'\]"),
    ],
)
def test_columns_that_are_missing_or_unclear(
    tmp_path: Path, header: str, options: dict[str, str], message: str
) -> None:
    put(tmp_path, f"{header}\nx,1\ny,2\n")
    with pytest.raises(DataError, match=message):
        make(tmp_path, **options)


def test_the_other_files_need_the_same_columns(folder: Path) -> None:
    put(folder, "review,label\nx,pos\n", "test.csv")
    with pytest.raises(DataError, match=r"test\.csv: text_column 'text' .*\['review', 'label'\]"):
        make(folder, test="test.csv").read()


# Bad rows: (content of the file, message)

BAD_TRAIN: dict[str, tuple[str | bytes, str]] = {
    "label missing": ('text,label\n"a\nb",x\nc,\n', r"train\.csv, line 4: .*'label' has no label"),
    "one class": ("text,label\na,x\nb,x\n", "one label 'x' throughout.*at least two"),
    "too few fields": ("text,label\na,x\nb\n", r"train\.csv, line 3: 1 fields.* 2 columns"),
    "too many fields": ("text,label\na,b,x\n", r"train\.csv, line 2: 3 fields.* 2 columns"),
    "open quote": ('text,label\na,x\n"b,y\nc,x\n', r"csv, line 3: malformed .*unexpected end"),
    "stray quote": ('text,label\n"a"b,x\n', r"train\.csv, line 2: malformed"),
    "no rows": ("text,label\n", r"train\.csv: has no rows"),
    "empty": ("", r"train\.csv: the file is empty"),
    "latin-1": (
        b"text,label\na,x\ncaf\xe9,y\n",
        r"train\.csv, line 3: byte 18 of the file \(0xe9\) is not UTF-8",
    ),
    "utf-16": ("text,label\na,x\n".encode("utf-16-le"), r"NUL bytes, as UTF-16 without"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_TRAIN)
def test_bad_csv_is_named_at_once(tmp_path: Path, case: str) -> None:
    content, message = BAD_TRAIN[case]
    put(tmp_path, content)
    with pytest.raises(DataError, match=message):
        make(tmp_path)


def test_bad_utf8_late_in_a_large_file_is_found_on_its_line(tmp_path: Path) -> None:
    lines = [b"text,label"] + [b"some longer text here,%d" % (i % 2) for i in range(20_000)]
    lines[15_000] = b"caf\xc3,1"
    put(tmp_path, b"\n".join(lines))
    with pytest.raises(DataError, match=r"train\.csv, line 15001: byte .* \(0xc3\)"):
        make(tmp_path)


@pytest.mark.parametrize("text", ["", "   ", '"\n"'])
def test_an_empty_text_in_training_data(tmp_path: Path, text: str) -> None:
    put(tmp_path, f"text,label\na,x\n{text},y\n")
    with pytest.raises(DataError, match=r"train\.csv, line 3: the text is empty"):
        make(tmp_path).read()


@pytest.mark.parametrize("part", ["validation", "test"])
def test_a_label_that_train_does_not_have(folder: Path, part: str) -> None:
    put(folder, "text,label\na,pos\nb,neutral\n", "other.csv")
    message = r"other\.csv, line 3: label 'neutral' does not occur .* 'neg', 'pos'"
    with pytest.raises(DataError, match=message):
        make(folder, **{part: "other.csv"}).read()


def test_files_that_are_missing_or_of_another_kind(folder: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.csv: no such file"):
        make(folder, "gone.csv")
    with pytest.raises(DataError, match=r"test2\.csv: no such file"):
        make(folder, test="test2.csv").source()
    put(folder, "x", "train.xlsx")
    with pytest.raises(
        DataError, match=r"'\.xlsx' is unknown; .* \.csv, \.txt, \.tsv, \.jsonl, \.ndjson"
    ):
        make(folder, "train.xlsx")
