"""Soft labels: probabilities of the classes that a teacher gave to texts without labels."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from datamodules.errors import DataError, Unavailable

_HEAD = b"lit-sentiment"
_REMEDY = "write it anew: lit-sentiment teach RUN… --out FILE"

# Of a stranger's file: `labelled_rows` may be infinite, and JSON nested without end.
_DAMAGE = (
    *(pa.ArrowException, OSError, KeyError, TypeError, ValueError),
    *(OverflowError, RecursionError),
)


@dataclass(frozen=True, eq=False)
class SoftLabels:
    """Probabilities of the classes for some texts of split `unlabelled`.

    Attributes:
        ids: int64[N], ascending row numbers in that split.
        probabilities: float32[N, C]; each row sums to 1.
        corpus_fingerprint: fingerprint of the corpus with its splits.
        label_names: names of the C classes.
        labelled_rows: number of labelled texts that the teacher learnt from.
        teacher: the teacher's members in words.
    """

    ids: np.ndarray
    probabilities: np.ndarray
    corpus_fingerprint: str
    label_names: tuple[str, ...]
    labelled_rows: int
    teacher: str

    def head(self) -> dict[str, Any]:
        """Everything but the arrays, with a checksum of these in their order."""
        return {
            "corpus_fingerprint": self.corpus_fingerprint,
            "label_names": list(self.label_names),
            "labelled_rows": self.labelled_rows,
            "teacher": self.teacher,
            "sha256": _checksum(self.ids, self.probabilities),
        }

    def to_bytes(self) -> bytes:
        """Parquet file of the columns `id, prob_0, prob_1, …`."""
        columns = {"id": self.ids}
        for label in range(self.probabilities.shape[1]):
            columns[f"prob_{label}"] = np.ascontiguousarray(self.probabilities[:, label])
        table = pa.table(columns)
        table = table.replace_schema_metadata({_HEAD: json.dumps(self.head()).encode()})
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        return buffer.getvalue()

    def check(
        self, fingerprint: str, label_names: tuple[str, ...], labelled_rows: int, texts: int
    ) -> None:
        """Refuse them for a run that they are not for.

        Args:
            fingerprint: that of the run's corpus.
            label_names: names of its classes.
            labelled_rows: number of labelled texts that the run learns from.
            texts: number of texts in split `unlabelled`.

        Raises:
            DataError: another corpus, other classes, ids outside the split, or a teacher that saw
                labels which the run must not know, as those of validation texts.
        """
        if self.corpus_fingerprint != fingerprint or self.label_names != label_names:
            raise DataError(
                f"data.teacher is of corpus {self.corpus_fingerprint} with classes "
                f"{list(self.label_names)}, and this run is on {fingerprint} with "
                f"{list(label_names)}; let a run on the same corpus and splits teach"
            )
        if self.labelled_rows > labelled_rows:
            raise DataError(
                f"data.teacher learnt from {self.labelled_rows:,} labelled texts and this run "
                f"learns from {labelled_rows:,}, so that it would learn of labels that it must not "
                "know; teach by a run under protocol holdout with the same data.train_limit"
            )
        if self.ids[-1] >= texts:
            raise DataError(
                f"data.teacher labels text {self.ids[-1]:,}, and the corpus has {texts:,} without "
                f"labels; {_REMEDY}"
            )


def read_soft_labels(path: Path, texts: int | None = None) -> SoftLabels:
    """Read and check a file of soft labels.

    Args:
        path: the file.
        texts: number of texts in split `unlabelled`; a file of more rows is not read. None: any
            number is.

    Raises:
        Unavailable: there is no such file.
        DataError: it is no such file, it has too many rows, or its rows were changed or brought
            into another order.
    """
    if not _is_file(path):
        raise Unavailable(f"data.teacher is {path}, and there is no such file; {_REMEDY}")
    try:
        with path.open("rb") as stream, pq.ParquetFile(stream) as file:
            head = json.loads((file.schema_arrow.metadata or {})[_HEAD])
            rows = file.metadata.num_rows
            if texts is not None and rows > texts:
                raise DataError(
                    f"data.teacher is {path} with {rows:,} rows, and this corpus has {texts:,} "
                    "texts without labels; let a run on the same corpus teach"
                )
            names = [f"prob_{label}" for label in range(len(head["label_names"]))]
            table = file.read(columns=["id", *names])
        soft = SoftLabels(
            ids=table["id"].to_numpy(),
            probabilities=np.stack([table[name].to_numpy() for name in names], axis=1),
            corpus_fingerprint=str(head["corpus_fingerprint"]),
            label_names=tuple(map(str, head["label_names"])),
            labelled_rows=int(head["labelled_rows"]),
            teacher=str(head["teacher"]),
        )
        checksum = str(head["sha256"])
    except _DAMAGE as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path}: not a file of soft labels ({reason}); {_REMEDY}") from error
    if (fault := _fault(soft, checksum)) is not None:
        raise DataError(f"{path}: {fault}; {_REMEDY}")
    return soft


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long
        return False


def _fault(soft: SoftLabels, checksum: str) -> str | None:
    if not len(soft.ids):
        return "it has no rows"
    if soft.labelled_rows < 1:
        return f"its labelled_rows is {soft.labelled_rows}, must be at least 1"
    types = soft.ids.dtype, soft.probabilities.dtype
    if types != (np.dtype(np.int64), np.dtype(np.float32)):
        return f"its columns are of types {types[0]} and {types[1]}, must be int64 and float32"
    if _checksum(soft.ids, soft.probabilities) != checksum:
        return "its rows are not those that were written, or not in their order"
    if (np.diff(soft.ids) <= 0).any() or soft.ids[0] < 0:
        return "its ids are not ascending from 0"
    sums = soft.probabilities.sum(axis=1)
    if not ((soft.probabilities >= 0).all() and np.allclose(sums, 1, atol=1e-4)):
        return "its probabilities are not all at least 0 with sum 1"
    return None


def _checksum(ids: np.ndarray, probabilities: np.ndarray) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(ids, dtype="<i8").tobytes())
    digest.update(np.ascontiguousarray(probabilities, dtype="<f4").tobytes())
    return digest.hexdigest()
