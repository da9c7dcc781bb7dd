"""Corpus in memory and in the cache: texts, labels and source names of each split."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from datamodules.store.cache import new_folder
from datamodules.store.stored_texts import RowWriter, StoredTexts, damaged

UNLABELLED = -1
"""Label of a row without one."""

# Raised by reading a damaged file, depending on the place of the damage.
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, pa.ArrowException)


@dataclass(frozen=True)
class TextSplit:
    """Rows of one split in their fixed order; a row's number is its id.

    Attributes:
        texts: N raw texts, exactly as in the source; a list, or `StoredTexts`.
        labels: int64[N], class numbers; `UNLABELLED` where the source has none. Where a text may
            have several labels, int8[N, C], 1 for each of them.
        keys: N source names, such as `test/neg/10003_3` or `reviews.csv:17`.
        groups: int64[N], not negative, what a row is about, such as the number of its movie: rows
            of one group are not independent. None: each row is a group of its own.
    """

    texts: Sequence[str]
    labels: np.ndarray
    keys: Sequence[str]
    groups: np.ndarray | None = None

    def __post_init__(self) -> None:
        sizes = {"labels": len(self.labels), "keys": len(self.keys)}
        if self.groups is not None:
            sizes["groups"] = len(self.groups)
        for name, size in sizes.items():
            if size != len(self.texts):
                raise ValueError(
                    f"a split has {len(self.texts)} texts and {size} {name}; give one for each text"
                )

    def __len__(self) -> int:
        return len(self.texts)


@runtime_checkable
class DropsCopies(Protocol):
    """Corpus whose `read` drops unlabelled texts that are copies of test texts."""

    def read_unlabelled(self) -> TextSplit | None:
        """Read the unlabelled texts as the source has them; None: there are none.

        Raises:
            DataError: the source is missing, damaged or malformed.
        """
        ...


class CorpusHead(NamedTuple):
    """Name, names of the classes, notes and fingerprint of a corpus."""

    name: str
    label_names: tuple[str, ...]
    notes: tuple[str, ...]
    fingerprint: str


@dataclass(frozen=True)
class Corpus:
    """Corpus with its official splits and the validation rows drawn from train.

    Attributes:
        name: short name, used in result rows, such as `imdb`.
        label_names: names of class 0, 1, …
        train: all labelled rows outside test, validation rows included.
        train_rows: int64, ascending numbers of the training rows of `train`.
        val_rows: int64, ascending numbers of the validation rows of `train`; none of `train_rows`.
        test: rows of the final evaluation; None: there are none.
        unlabelled: texts without labels, none of them a copy of a test text; None: there are none.
        notes: sentences to show with every result on this corpus.
    """

    name: str
    label_names: tuple[str, ...]
    train: TextSplit
    train_rows: np.ndarray
    val_rows: np.ndarray
    test: TextSplit | None = None
    unlabelled: TextSplit | None = None
    notes: tuple[str, ...] = ()

    @property
    def splits(self) -> dict[str, TextSplit]:
        """Splits of this corpus, by name: `train`, `test`, `unlabelled`."""
        splits = {"train": self.train, "test": self.test, "unlabelled": self.unlabelled}
        return {name: split for name, split in splits.items() if split is not None}

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits over every text, label and split; equal only for comparable results."""
        digest = hashlib.sha256(repr(self.label_names).encode())
        for name, split in self.splits.items():
            digest.update(f"\0{name}\0{len(split)}\0".encode())
            digest.update(np.ascontiguousarray(split.labels, dtype="<i8").tobytes())
            for text in split.texts:
                encoded = text.encode("utf-8", "surrogatepass")
                digest.update(len(encoded).to_bytes(8, "little"))
                digest.update(encoded)
        for rows in (self.train_rows, self.val_rows):
            digest.update(np.ascontiguousarray(rows, dtype="<i8").tobytes() + b"\0")
        return digest.hexdigest()[:16]

    def save(self, folder: Path) -> None:
        """Writes one Parquet file per split and `corpus.json` into `folder`, all or nothing.

        Raises:
            DataError: the disk is full or not writable.
        """
        with new_folder(folder) as temporary:
            for name, split in self.splits.items():
                _write_split(temporary / f"{name}.parquet", split)
            head = {
                "name": self.name,
                "label_names": list(self.label_names),
                "notes": list(self.notes),
                "train_rows": self.train_rows.tolist(),
                "val_rows": self.val_rows.tolist(),
                "fingerprint": self.fingerprint,
            }
            (temporary / "corpus.json").write_text(json.dumps(head), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, on_disk: bool = False) -> Corpus:
        """Reads what `save` wrote.

        Args:
            folder: folder of the corpus.
            on_disk: texts and keys are read as they are asked for (`StoredTexts`), not held as
                lists.

        Raises:
            DataError: a file is missing or damaged.
        """
        try:
            head = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
            splits = {
                name: _read_split(folder / f"{name}.parquet", on_disk)
                for name in ("train", "test", "unlabelled")
                if (folder / f"{name}.parquet").exists()
            }
            corpus = cls(
                name=head["name"],
                label_names=tuple(head["label_names"]),
                train=splits["train"],
                train_rows=np.array(head["train_rows"], dtype=np.int64),
                val_rows=np.array(head["val_rows"], dtype=np.int64),
                test=splits.get("test"),
                unlabelled=splits.get("unlabelled"),
                notes=tuple(head["notes"]),
            )
            fingerprint, expected = corpus.fingerprint, head["fingerprint"]
        except _UNREADABLE as error:
            raise damaged(folder, str(error)) from error
        if fingerprint != expected:
            raise damaged(folder, f"fingerprint is {fingerprint}, must be {expected}")
        return corpus


def read_texts(folder: Path, split: str) -> StoredTexts:
    """Raw texts of one split of a cached corpus, by id, which are read as they are asked for.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        return StoredTexts("text", folder / f"{split}.parquet")
    except _UNREADABLE as error:
        raise damaged(folder, str(error)) from error


def read_groups(folder: Path, split: str) -> np.ndarray | None:
    """Group of each row of one split of a cached corpus, int64[N]; None: each row is its own.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        file = folder / f"{split}.parquet"
        if "group" not in pq.read_schema(file).names:
            return None
        return _read_table(file, ["group"])["group"].to_numpy().astype(np.int64)
    except _UNREADABLE as error:
        raise damaged(folder, str(error)) from error


def read_split(folder: Path, split: str) -> TextSplit:
    """Texts, labels and keys of one split of a cached corpus.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        return _read_split(folder / f"{split}.parquet")
    except _UNREADABLE as error:
        raise damaged(folder, str(error)) from error


def read_head(folder: Path) -> CorpusHead:
    """Name, names of the classes, notes and fingerprint of a cached corpus.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        head = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
        names = tuple(map(str, head["label_names"]))
        return CorpusHead(str(head["name"]), names, tuple(head["notes"]), str(head["fingerprint"]))
    except _UNREADABLE as error:
        raise damaged(folder, str(error)) from error


def _read_table(file: Path, columns: list[str] | None = None) -> pa.Table:
    return pq.read_table(file, columns=columns, page_checksum_verification=True)


def _read_split(file: Path, on_disk: bool = False) -> TextSplit:
    names = [name for name in pq.read_schema(file).names if name not in ("text", "key")]
    table = _read_table(file, names)
    texts, keys = StoredTexts("text", file), StoredTexts("key", file)
    return TextSplit(
        texts=texts if on_disk else list(texts),
        labels=_labels(table["label"]),
        keys=keys if on_disk else list(keys),
        groups=table["group"].to_numpy().astype(np.int64) if "group" in names else None,
    )


def _write_split(file: Path, split: TextSplit) -> None:
    fields = [("text", pa.string()), ("label", _label_type(split.labels)), ("key", pa.string())]
    columns: list[Iterable[Any]] = [split.texts, split.labels.tolist(), split.keys]
    if split.groups is not None:
        fields.append(("group", pa.int64()))
        columns.append(split.groups.tolist())
    writer = RowWriter(file, pa.schema(fields))
    for row in zip(*columns, strict=True):
        writer.append(*row)
    writer.close()


def _label_type(labels: np.ndarray) -> pa.DataType:
    """Type of the column of labels; a list a text where it may have several."""
    values = pa.from_numpy_dtype(labels.dtype)
    return values if labels.ndim == 1 else pa.list_(values, labels.shape[1])


def _labels(column: pa.ChunkedArray) -> np.ndarray:
    """Labels of a column of `_column`."""
    if not pa.types.is_fixed_size_list(column.type):
        return column.to_numpy().astype(np.int64)
    values = column.combine_chunks().flatten().to_numpy().astype(np.int8)
    return values.reshape(-1, column.type.list_size)
