"""Kaggle: published files, plain or zipped, faults named, ids withheld from the models."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules.errors import DataError
from datamodules.kaggle import LABELLED, NOTE, TEST, UNLABELED, Kaggle
from datamodules.splits import text_key
from tests.corpora import make_kaggle, make_review

NAMES = (LABELLED, TEST, UNLABELED)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_kaggle(tmp_path / "contest")


def make(folder: Path, **options: Any) -> Kaggle:
    return Kaggle(root=str(folder), cache_dir=str(folder.parent / "cache"), **options)


def put(folder: Path, name: str, *lines: str | bytes) -> None:
    content = b"\n".join(line.encode() if isinstance(line, str) else line for line in lines)
    (folder / name).write_bytes(content)


def test_the_published_form_is_read(folder: Path) -> None:
    corpus = make(folder).read()
    assert (corpus.name, corpus.label_names) == ("kaggle", ("negative", "positive"))
    assert corpus.train.texts[:2] == [f'It is "{make_review(n, bool(n))}"' for n in (0, 1)]
    assert corpus.train.labels.tolist() == [0, 1] * 20
    assert corpus.train.keys[:2] == [f"{LABELLED}:2", f"{LABELLED}:3"]
    assert corpus.test is None and corpus.notes == (NOTE,)
    assert corpus.unlabelled is not None and len(corpus.unlabelled) == 38  # two are copies of test
    assert set(corpus.unlabelled.labels.tolist()) == {-1}
    assert len(corpus.val_rows) == 4
    assert sorted([*corpus.train_rows, *corpus.val_rows]) == list(range(40))
    ids, texts = make(folder).to_submit()
    assert ids[:2] == ["700_1", "701_10"] and len(ids) == len(texts) == 40
    assert texts[1] == f'It is "{make_review(501, True)}"'


def test_zipped_files_give_the_same_corpus_and_the_unlabelled_ones_are_optional(
    folder: Path,
) -> None:
    expected = make(folder).read()
    for name in NAMES:
        with zipfile.ZipFile(folder / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(folder / name, f"inside/{name}")
            archive.writestr(f"__MACOSX/{name}", b"\0")
        (folder / name).unlink()
    assert make(folder).read().fingerprint == expected.fingerprint
    before = make(folder).source()
    (folder / f"{UNLABELED}.zip").unlink()
    assert make(folder).read().unlabelled is None
    assert make(folder).source() != before


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (r'"he said \"no\""', 'he said "no"'),
        ('"he said ""no"""', 'he said "no"'),
        (r'"\"\"twice\"\" and \o/"', r'""twice"" and \o/'),
        ("plain, 'as it is'", "plain, 'as it is'"),
        ('"a\tb"', "a\tb"),
        ('"a\x85b\u2028c"', "a\x85b\u2028c"),
        ('""', ""),
    ],
)
def test_quotation_marks_tabs_and_line_ends_within(folder: Path, field: str, text: str) -> None:
    put(folder, TEST, '"id"\t"review"', f'"1_2"\t{field}', "3_4\tx", "")
    assert make(folder).to_submit() == (["1_2", "3_4"], [text, "x"])


BAD: dict[str, tuple[str, tuple[str | bytes, ...], str]] = {
    "open quote": (TEST, ("id\treview", '1_2\t"open', "3_4\tx"), "line 2: unbalanced .*'\"open'"),
    "stray quote": (TEST, ("id\treview", '1_2\topen"'), "line 2: unbalanced quotation marks"),
    "escaped end": (TEST, ("id\treview", r'1_2' + '\t"open\\"'), "line 2: unbalanced"),
    "one mark": (TEST, ("id\treview", '1_2\t"'), "line 2: unbalanced"),
    "columns": (LABELLED, ("id\treview", "1_2\tx"), r"line 1: the columns are \['id', 'review'\]"),
    "too few": (LABELLED, ("id\tsentiment\treview", "1_2\t1"), "line 2: has 2 of the 3 fields"),
    "sentiment": (
        LABELLED,
        ("id\tsentiment\treview", "1_2\t1\tx", "1_3\t7\ty"),
        "line 3: sentiment is '7', must be 0 or 1",
    ),
    "one review": (
        LABELLED,
        ("id\tsentiment\treview", "1_2\t1\tx"),
        "1 reviews of 1 labels are too few to set aside 10%",
    ),
    "one label": (
        LABELLED,
        ("id\tsentiment\treview", *(f"{n}_8\t1\tx{n}" for n in range(30))),
        "30 reviews of 1 labels",
    ),
    "no review": (LABELLED, ("id\tsentiment\treview", ""), "has no reviews"),
    "empty": (LABELLED, ("",), r"line 1: the columns are \[''\]"),
    "latin-1": (LABELLED, ("id\tsentiment\treview", b"1_2\t1\tcaf\xe9"), r"line 2: byte .*0xe9"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_named_with_its_line_and_nothing_is_cached(folder: Path, case: str) -> None:
    name, lines, message = BAD[case]
    put(folder, name, *lines)
    with pytest.raises(DataError, match=f"{name}.*{message}"):
        make(folder).prepare_data()
    entries = [path for path in (folder.parent / "cache").rglob("*") if path.suffix != ".lock"]
    assert [path.name for path in entries] == ["corpora"]


def test_missing_and_damaged_files_are_named(folder: Path) -> None:
    (folder / LABELLED).rename(folder / f"{LABELLED}.zip")
    with pytest.raises(DataError, match=rf"{LABELLED}\.zip: cannot be read .*not a zip file"):
        make(folder).read()
    (folder / f"{LABELLED}.zip").unlink()
    with pytest.raises(DataError, match=f"contains neither {LABELLED} nor {LABELLED}.zip; get it"):
        make(folder).source()
    with zipfile.ZipFile(folder / f"{LABELLED}.zip", "w") as archive:
        archive.writestr("other.tsv", "x")
    with pytest.raises(DataError, match=rf"must contain one {LABELLED} .*contains \['other.tsv'\]"):
        make(folder).read()
    with pytest.raises(DataError, match=r"data.validation_fraction is 1.0; it must be above 0"):
        make(folder, validation_fraction=1.0)


def test_copies_of_a_review_stay_on_one_side(folder: Path) -> None:
    lines = [f'"{n}_8"\t{n % 2}\t"review {n % 50}{"!" * (n // 50)}"' for n in range(100)]
    put(folder, LABELLED, "id\tsentiment\treview", *lines)
    corpus = make(folder, validation_fraction=0.2).read()
    train_keys = {text_key(corpus.train.texts[row]) for row in corpus.train_rows}
    assert len(corpus.val_rows) == 20
    assert not any(text_key(corpus.train.texts[row]) in train_keys for row in corpus.val_rows)


def test_the_rating_in_an_id_reaches_nothing(folder: Path, tmp_path: Path) -> None:
    data = make(folder)
    data.prepare_data()
    data.setup()
    other = make(make_kaggle(tmp_path / "other" / "contest", rating=2))
    other.prepare_data()
    other.setup()
    assert other.to_submit()[0] != data.to_submit()[0]
    assert other.fingerprint == data.fingerprint
    files = sorted(path.relative_to(data.store.folder) for path in data.store.folder.iterdir())
    for file in files:  # byte for byte: nothing in what a model sees depends on it
        assert (data.store.folder / file).read_bytes() == (other.store.folder / file).read_bytes()
    for part in ("train", "unlabelled"):
        assert all(key.partition(":")[2].isdigit() for key in data.store.keys(part))
    assert not any("_" in word for word in data.tokenizer.vocabulary())
    view = data.train_view()
    assert np.array_equal(view.labels, other.train_view().labels)
