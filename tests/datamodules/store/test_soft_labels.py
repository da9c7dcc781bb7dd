"""Soft labels: written and read, and every file that is not to be believed."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datamodules.errors import DataError, Unavailable
from datamodules.language import LanguageData
from datamodules.store.mixed import MixedBatch
from datamodules.store.soft_labels import SoftLabels, read_soft_labels
from tests.toys import ToyData

NAMES = ("class0", "class1")


def soft_labels(fingerprint: str = "0123", count: int = 6, labelled_rows: int = 10) -> SoftLabels:
    share = np.linspace(0.05, 0.9, count, dtype=np.float32)
    ids, probabilities = np.arange(count) * 2, np.stack([share, 1 - share], axis=1)
    return SoftLabels(ids, probabilities, fingerprint, NAMES, labelled_rows, "nb_bag (seed 0)")


def write(path: Path, soft: SoftLabels) -> Path:
    path.write_bytes(soft.to_bytes())
    return path


def rewrite(path: Path, change) -> None:  # type: ignore[no-untyped-def]
    """Changes the table of a file, its head left as it is."""
    table = pq.read_table(io.BytesIO(path.read_bytes()))
    changed = change(table).replace_schema_metadata(table.schema.metadata)
    pq.write_table(changed, path)


def test_they_are_read_as_they_were_written(tmp_path: Path) -> None:
    soft = soft_labels()
    read = read_soft_labels(write(tmp_path / "soft.parquet", soft))
    assert np.array_equal(read.ids, soft.ids)
    assert np.array_equal(read.probabilities, soft.probabilities)
    assert read.head() == soft.head()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t.take(pa.array([1, 0, 2, 3, 4, 5])), "not in their order"),
        (lambda t: t.set_column(0, "id", t["id"].take(pa.array([1, 0, 2, 3, 4, 5]))), "order"),
        (lambda t: t.set_column(1, "prob_0", t["prob_1"]), "not those that were written"),
        (lambda t: t.slice(1), "not those that were written"),
        (lambda t: t.drop_columns(["prob_1"]), "prob_1"),
        (lambda t: t.set_column(0, "id", t["id"].cast(pa.int32())), "int32 and float32"),
    ],
)
def test_a_changed_file_is_refused(tmp_path: Path, change, reason: str) -> None:  # type: ignore[no-untyped-def]
    path = write(tmp_path / "soft.parquet", soft_labels())
    rewrite(path, change)
    with pytest.raises(DataError, match=f"(?s){reason}.*lit-sentiment teach"):
        read_soft_labels(path)


@pytest.mark.parametrize("value", [np.nan, -0.1, 0.7])
def test_what_is_no_probability_is_refused(tmp_path: Path, value: float) -> None:
    soft = soft_labels()
    soft.probabilities[2, 0] = value
    with pytest.raises(DataError, match="not all at least 0 with sum 1"):
        read_soft_labels(write(tmp_path / "soft.parquet", soft))


def test_repeated_or_negative_ids_are_refused(tmp_path: Path) -> None:
    for ids in ([-1, 0, 1, 2, 3, 4], [0, 1, 1, 2, 3, 4]):
        soft = replace(soft_labels(), ids=np.array(ids))
        with pytest.raises(DataError, match="ids are not ascending"):
            read_soft_labels(write(tmp_path / "soft.parquet", soft))


@pytest.mark.parametrize("content", [b"", b"PAR1", b"id,prob_0\n1,0.5\n"])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "soft.parquet"
    path.write_bytes(content)
    with pytest.raises(DataError, match="not a file of soft labels"):
        read_soft_labels(path)
    pq.write_table(pa.table({"id": [1]}), path)
    with pytest.raises(DataError, match="not a file of soft labels"):
        read_soft_labels(path)
    head = {b"lit-sentiment": json.dumps({"label_names": 3}).encode()}
    pq.write_table(pa.table({"id": [1]}).replace_schema_metadata(head), path)
    with pytest.raises(DataError, match="not a file of soft labels"):
        read_soft_labels(path)


def rewrite_head(path: Path, head: bytes) -> None:
    table = pq.read_table(io.BytesIO(path.read_bytes()))
    pq.write_table(table.replace_schema_metadata({b"lit-sentiment": head}), path)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("Infinity", "cannot convert float infinity"),
        ("NaN", "cannot convert float NaN"),
        ("-1", "labelled_rows is -1, must be at least 1"),
        ("[" * 100_000, "not a file of soft labels"),
    ],
)
def test_a_stranger_s_number_of_labels_is_refused(tmp_path: Path, rows: str, reason: str) -> None:
    path = write(tmp_path / "soft.parquet", soft_labels())
    head = json.dumps(soft_labels().head() | {"labelled_rows": "ROWS"})
    rewrite_head(path, head.replace('"ROWS"', rows).encode())
    with pytest.raises(DataError, match=f"{reason}.*lit-sentiment teach"):
        read_soft_labels(path)


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "soft.parquet", soft_labels(count=0))
    with pytest.raises(DataError, match="it has no rows; write it anew"):
        read_soft_labels(path)


def test_more_rows_than_texts_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "soft.parquet", soft_labels())
    assert len(read_soft_labels(path, 6).ids) == 6
    monkeypatch.setattr(pq.ParquetFile, "read", None)  # a small file may hold billions of rows
    with pytest.raises(DataError, match="with 6 rows, and this corpus has 5 texts without labels"):
        read_soft_labels(path, 5)


@pytest.mark.parametrize("name", [".", "a" * 300, "a\0b"])
def test_what_is_no_name_of_a_file_is_unavailable(name: str) -> None:
    with pytest.raises(Unavailable, match="there is no such file"):
        read_soft_labels(Path(name))


def test_a_missing_file_makes_the_experiment_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no such file; write it anew: lit-sentiment teach"):
        read_soft_labels(tmp_path / "none.parquet")


# In a data module


def toy(tmp_path: Path, **settings: object) -> ToyData:
    data = ToyData(rows=64, cache_dir=str(tmp_path / "cache"), **settings)  # type: ignore[arg-type]
    data.prepare_data()
    data.setup()
    return data


def taught(tmp_path: Path, labelled_rows: int = 48, **settings: object) -> ToyData:
    soft = soft_labels(toy(tmp_path).fingerprint, labelled_rows=labelled_rows)
    path = write(tmp_path / "soft.parquet", soft)
    return toy(tmp_path, teacher=str(path), **settings)


def test_a_teacher_adds_training_rows_and_nothing_else(tmp_path: Path) -> None:
    plain, data = toy(tmp_path), taught(tmp_path)
    soft, view = data.soft_labels(), data.train_view()
    assert soft is not None and view.unlabelled is not None
    before = plain.train_view()
    assert len(view.tokens) == len(before.tokens) + 6
    assert view.labels.tolist() == [*before.labels, *soft.probabilities.argmax(axis=1)]
    for row, number in enumerate(soft.ids):
        start, end = view.tokens.offsets[48 + row : 50 + row]
        own = view.unlabelled.values[slice(*view.unlabelled.offsets[number : number + 2])]
        assert np.array_equal(view.tokens.values[start:end], own)
    batches = list(data.train_dataloader())
    assert sum(len(batch.ids) for batch in batches) == 54
    assert all(isinstance(batch, MixedBatch) for batch in batches)
    for one, other in zip(data.val_dataloader(), plain.val_dataloader(), strict=True):
        assert (one.ids == other.ids).all() and (one.labels == other.labels).all()


@pytest.mark.parametrize("settings", [{}, {"train_limit": 20}])
def test_a_teacher_must_not_know_more_labels(tmp_path: Path, settings: dict) -> None:
    data = taught(tmp_path, labelled_rows=49, **settings)
    with pytest.raises(DataError, match="learnt from 49 labelled texts and this run learns from"):
        data.train_dataloader()
    with pytest.raises(DataError, match="labels that it must not know"):
        data.train_view()
    assert taught(tmp_path, labelled_rows=49, refit=True).soft_labels() is not None


def test_a_teacher_of_another_corpus_is_refused(tmp_path: Path) -> None:
    data = taught(tmp_path, text_seed=1)
    with pytest.raises(DataError, match="let a run on the same corpus and splits teach"):
        data.soft_labels()


def test_the_file_may_be_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    taught(tmp_path)
    assert toy(tmp_path, teacher="~/soft.parquet").soft_labels() is not None


def test_a_teacher_of_other_classes_is_refused(tmp_path: Path) -> None:
    soft = replace(soft_labels(toy(tmp_path).fingerprint), label_names=NAMES[::-1])
    data = toy(tmp_path, teacher=str(write(tmp_path / "soft.parquet", soft)))
    with pytest.raises(DataError, match=r"classes \['class1', 'class0'\], and this run is on"):
        data.soft_labels()


def test_a_teacher_of_texts_that_are_not_there_is_refused(tmp_path: Path) -> None:
    soft = replace(soft_labels(toy(tmp_path).fingerprint), ids=np.array([0, 1, 2, 3, 4, 16]))
    data = toy(tmp_path, teacher=str(write(tmp_path / "soft.parquet", soft)))
    with pytest.raises(DataError, match="labels text 16, and the corpus has 16 without labels"):
        data.soft_labels()


def test_cross_validation_refuses_a_teacher(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="learnt from rows of every fold"):
        ToyData(teacher="soft.parquet", fold=(0, 5))


@pytest.mark.parametrize("settings", [{"teacher": "soft.parquet"}, {"unlabelled_batch_size": 4}])
def test_a_language_model_has_no_use_for_either(settings: dict) -> None:
    with pytest.raises(DataError, match="a language model learns from all texts"):
        LanguageData(ToyData(**settings))


def test_rows_beside_go_through_windows(tmp_path: Path) -> None:
    data = toy(tmp_path, unlabelled_batch_size=4, train_window=3)
    batch = next(iter(data.train_dataloader()))

    class Training:
        training = True

    data.trainer = Training()  # type: ignore[assignment]
    cut = data.on_after_batch_transfer(batch, 0)
    assert cut.unlabelled == 4 and cut.tokens.shape[1] == 3 and int(cut.lengths.max()) == 3
