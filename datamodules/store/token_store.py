"""Token arrays on disk: written once per corpus and tokenizer, then memory-mapped."""

from __future__ import annotations

import json
import zlib
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import compress, islice
from pathlib import Path
from typing import IO

import numpy as np

from datamodules.errors import DataError
from datamodules.faults import fault_point
from datamodules.store.cache import new_folder
from datamodules.store.corpus import Corpus
from datamodules.store.ragged import Ragged
from datamodules.tokenizers import Tokenizer

FORMAT = 1
"""Part of a store's cache key: raise it whenever the files change."""
_META = "meta.json"
_BLOCK = 4096  # rows written at once
_ONE_LINE = str.maketrans("\r\n", "  ")


@dataclass(frozen=True)
class TokenStore:
    """Opened store. Its folder has, for each split, `tokens`, `offsets` and `labels` as `.npy`.

    Further files: `keys-<split>.txt` (source names by id), `rows-train.npy`, `rows-val.npy`,
    `counts.npy`, `tokenizer.json`, and `meta.json` with the checksum of every file.

    Attributes:
        folder: folder of the store.
    """

    folder: Path

    @classmethod
    def write(
        cls, folder: Path, corpus: Corpus, tokenizer: Tokenizer, fit_rows: np.ndarray
    ) -> None:
        """Fits the tokenizer on some rows of train and tokenises every split.

        Args:
            folder: folder of the store; must not exist.
            corpus: texts.
            tokenizer: not fitted.
            fit_rows: int64, numbers of the rows of `corpus.train` that the tokenizer is fitted on.

        Raises:
            DataError: the disk is full or not writable; no part of the store is left behind.
        """
        with new_folder(folder) as temporary:
            _write_files(temporary, corpus, tokenizer, fit_rows)

    @classmethod
    def open(cls, folder: Path) -> TokenStore:
        """Opens a store after checking every file against its checksum.

        Raises:
            DataError: a file is missing or differs from what was written.
        """
        meta_file = folder / _META
        try:
            meta = json.loads(meta_file.read_text(encoding="utf-8"))
            checksums, meta_checksum = meta["crc32"].items(), meta["own_crc32"]
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise _corrupt(meta_file, str(error)) from error
        if meta_checksum != _own_crc32(meta):
            raise _corrupt(meta_file, f"its own checksum is not {meta_checksum}")
        for name, expected in checksums:
            try:
                checksum = _crc32(folder / name)
            except OSError as error:
                raise _corrupt(folder / name, str(error)) from error
            if checksum != expected:
                raise _corrupt(folder / name, f"checksum is {checksum:08x}, must be {expected:08x}")
        return cls(folder)

    @cached_property
    def meta(self) -> dict:
        """Corpus name and fingerprint, label names, notes, splits."""
        return json.loads((self.folder / _META).read_text(encoding="utf-8"))

    @property
    def splits(self) -> list[str]:
        """Names of the splits that the corpus has, of `train`, `test`, `unlabelled`."""
        return self.meta["splits"]

    def tokens(self, split: str) -> Ragged:
        """All rows of a split, memory-mapped."""
        return Ragged(self._array(f"tokens-{split}", mapped=True), self._array(f"offsets-{split}"))

    def labels(self, split: str) -> np.ndarray:
        """Labels of a split, int64[N]; -1 where unlabelled. Multi-hot: int8[N, C]."""
        return self._array(f"labels-{split}")

    def rows(self, part: str) -> np.ndarray:
        """Numbers in split train, int64, of the training (`train`) or validation rows (`val`)."""
        return self._array(f"rows-{part}")

    def keys(self, split: str) -> list[str]:
        """Name of each row in its source, by id."""
        return (self.folder / f"keys-{split}.txt").read_text(encoding="utf-8").split("\n")[:-1]

    def counts(self) -> np.ndarray:
        """Count of each token in the rows that the tokenizer was fitted on, int64[V]."""
        return self._array("counts")

    def vocab_size(self, cap: int | None, min_frequency: int) -> int | None:
        """Number of tokens within a cap that occur often enough; None: no limit.

        Args:
            cap: upper limit, the two specials included; None: none.
            min_frequency: least count of a token that is not special.

        Raises:
            DataError: no token occurs often enough.
        """
        if min_frequency == 1:
            return cap
        counts = self.counts()[2:]  # past <pad> and <unk>; falling
        frequent = int((counts >= min_frequency).sum())
        if frequent == 0:
            raise DataError(
                f"data.min_frequency is {min_frequency}, which leaves none of {len(counts):,} "
                f"words; it must be at most {counts.max(initial=0):,}, the count of the most "
                "frequent one in train"
            )
        return frequent + 2 if cap is None else min(frequent + 2, cap)

    @property
    def tokenizer_file(self) -> Path:
        """File of the fitted tokenizer."""
        return self.folder / "tokenizer.json"

    def _array(self, name: str, mapped: bool = False) -> np.ndarray:
        return np.load(
            self.folder / f"{name}.npy", mmap_mode="r" if mapped else None, allow_pickle=False
        )


def _write_files(folder: Path, corpus: Corpus, tokenizer: Tokenizer, fit_rows: np.ndarray) -> None:
    is_fit_row = np.zeros(len(corpus.train), dtype=bool)
    is_fit_row[fit_rows] = True
    tokenizer.fit(compress(corpus.train.texts, is_fit_row), len(fit_rows))
    tokenizer.save(folder / "tokenizer.json")
    counts = np.zeros(len(tokenizer.vocabulary()), dtype=np.int64)
    for name, split in corpus.splits.items():
        of_counts = is_fit_row if name == "train" else np.zeros(len(split), dtype=bool)
        _write_tokens(folder, name, tokenizer.encode(split.texts), of_counts, counts)
        kind = np.int64 if split.labels.ndim == 1 else np.int8  # multi-hot
        np.save(folder / f"labels-{name}.npy", split.labels.astype(kind))
        with open(folder / f"keys-{name}.txt", "w", encoding="utf-8", newline="\n") as file:
            file.writelines(key.translate(_ONE_LINE) + "\n" for key in split.keys)
    np.save(folder / "rows-train.npy", corpus.train_rows.astype(np.int64))
    np.save(folder / "rows-val.npy", corpus.val_rows.astype(np.int64))
    np.save(folder / "counts.npy", counts)
    meta = {
        "format": FORMAT,
        "corpus": corpus.name,
        "fingerprint": corpus.fingerprint,
        "label_names": list(corpus.label_names),
        "notes": list(corpus.notes),
        "splits": list(corpus.splits),
        "tokenizer": tokenizer.settings(),
        "crc32": {file.name: _crc32(file) for file in sorted(folder.iterdir())},
    }
    meta["own_crc32"] = _own_crc32(meta)
    (folder / _META).write_text(json.dumps(meta, indent=1), encoding="utf-8")


def _write_tokens(
    folder: Path, split: str, rows: Iterable[np.ndarray], counted: np.ndarray, counts: np.ndarray
) -> None:
    """Write the token rows of a split as they come, and count tokens.

    Args:
        folder: folder of the store.
        split: name of the split.
        rows: token ids of each text.
        counted: bool[N], the rows that are counted.
        counts: int64[V], count of each token so far; gets those of these rows.
    """
    fault_point("store")
    offsets, rows = array("q", [0]), iter(rows)
    with open(folder / f"tokens-{split}.npy", "wb") as file:
        _write_header(file, 0)
        while block := list(islice(rows, _BLOCK)):
            tokens, lengths = np.concatenate(block), np.array(list(map(len, block)))
            of_counts = np.repeat(counted[len(offsets) - 1 :][: len(block)], lengths)
            counts += np.bincount(tokens[of_counts], minlength=len(counts))
            file.write(tokens.astype(np.int32, copy=False).tobytes())
            offsets.extend((offsets[-1] + np.cumsum(lengths)).tolist())
        file.seek(0)
        _write_header(file, offsets[-1])
    np.save(folder / f"offsets-{split}.npy", np.array(offsets, dtype=np.int64))


def _write_header(file: IO[bytes], tokens: int) -> None:
    """Write what `np.save` begins a file with; it leaves room for any number of tokens."""
    kind = np.lib.format.dtype_to_descr(np.dtype(np.int32))
    header = {"descr": kind, "fortran_order": False, "shape": (tokens,)}
    np.lib.format.write_array_header_1_0(file, header)


def _crc32(file: Path) -> int:
    checksum = 0
    with open(file, "rb") as stream:
        while block := stream.read(1 << 20):
            checksum = zlib.crc32(block, checksum)
    return checksum


def _own_crc32(meta: dict) -> int:
    """Checksum of everything else in `meta.json`."""
    rest = {name: value for name, value in meta.items() if name != "own_crc32"}
    return zlib.crc32(json.dumps(rest, sort_keys=True).encode())


def _corrupt(file: Path, why: str) -> DataError:
    return DataError(
        f"{file}: the token store is damaged ({why}); delete the folder {file.parent} and run "
        "again, which makes it anew from the corpus"
    )
