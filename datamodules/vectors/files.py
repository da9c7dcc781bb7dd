"""VectorFile: word vectors from any file in word2vec's text format, read by torchtext."""

from __future__ import annotations

import hashlib
import json
import ssl
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import IO, Any, ClassVar, cast

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from datamodules.errors import DataError
from datamodules.store.cache import locked, new_folder
from datamodules.store.ragged import Ragged
from datamodules.vectors.base import Vectors, WordVectors

_ARRAYS, _META = "vectors.safetensors", "meta.json"


class VectorFile(Vectors):
    """Word vectors from a text file: a word and its d numbers on each line, with or without header.

    The file is parsed by `torchtext.vocab.Vectors` once; the cache then has its matrix under the
    checksum of its content. Words that are not in the file have no vector.

    Args:
        path: text file, plain or `.gz`.
        dim: d, width of a vector. None: that of the file.
    """

    strict: ClassVar[bool] = True
    """True: a word on two lines is an error. False: the first of them counts."""

    def __init__(self, path: str, dim: int | None = None) -> None:
        super().__init__()
        self.path, self.dim = path, dim

    def settings(self) -> dict[str, Any]:
        """Checksum of the file's content, and its width; part of the cache key."""
        return {"class": type(self).__name__, "dim": self.dim, "sha256": _sha256(self._file)}

    def note(self, splits: Collection[str]) -> str | None:
        return f"word vectors from outside, {Path(self.path).name}"

    def load_or_learn(
        self,
        cache: Path,
        source: dict[str, Any],
        texts: Ragged,
        vocabulary: Sequence[str],
        seed: int,
    ) -> WordVectors:
        """As `Vectors.load_or_learn`, with the same vectors for every seed: nothing is drawn."""
        self._file = self.place(cache.parent / "downloads")
        self._cache = cache
        return super().load_or_learn(cache, source, texts, vocabulary, 0)

    def place(self, downloads: Path) -> Path:
        """Path of the file.

        Args:
            downloads: folder for files that are downloaded.

        Raises:
            DataError: the file is missing.
        """
        file = Path(self.path).expanduser()
        if not file.is_file():
            raise DataError(f"{file}: no such file; give a file of word vectors, plain text or .gz")
        return file

    def learn(
        self, texts: Ragged, vocabulary: Sequence[str], seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """int64[N] token ids and float32[N, d] vectors of the words that the file has.

        Raises:
            DataError: the file has no word vectors, or none of the vocabulary.
        """
        words, values = self._read()
        vectors = self.look_up(words, values, vocabulary[2:])  # past <pad> and <unk>
        tokens = np.array([place + 2 for place in vectors], dtype=np.int64)
        if not len(tokens):
            raise DataError(
                f"{self._file}: has none of the {len(vocabulary) - 2:,} words of the vocabulary, "
                f"but {', '.join(map(repr, words[:3]))}…; choose vectors of its language and case"
            )
        return tokens, np.stack(list(vectors.values())).astype(np.float32)

    def look_up(
        self, words: Sequence[str], values: np.ndarray, vocabulary: Sequence[str]
    ) -> dict[int, np.ndarray]:
        """Vector, float32[d], by place in `vocabulary`, of each word that has one.

        Args:
            words: N words of the file.
            values: float32[N, d], their vectors.
            vocabulary: words to look up.
        """
        # Reversed, so that the first of two lines with one word counts.
        rows = dict(zip(reversed(words), range(len(words) - 1, -1, -1), strict=True))
        return {place: values[rows[word]] for place, word in enumerate(vocabulary) if word in rows}

    def _read(self) -> tuple[list[str], np.ndarray]:
        """Words and float32[N, d] of the whole file, parsed unless its content is cached."""
        folder = self._cache / f"file-{_sha256(self._file)[:16]}"
        with locked(folder):
            if not folder.exists():
                words, values = _parse(self._file)
                _check(self._file, words, values, self.dim, self.strict)
                text = np.frombuffer("\n".join(words).encode(), dtype=np.uint8)
                with new_folder(folder) as temporary:
                    save_file({"words": text, "values": values}, temporary / _ARRAYS)
                    meta = {"file": self._file.name, "words": len(words)}
                    (temporary / _META).write_text(json.dumps(meta) + "\n", encoding="utf-8")
        try:
            arrays = load_file(folder / _ARRAYS)
            words = arrays["words"].tobytes().decode().split("\n")
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise DataError(
                f"{folder}: these word vectors cannot be read ({error}); delete the folder and run "
                "again, which parses the file anew"
            ) from error
        if self.dim is not None and arrays["values"].shape[1] != self.dim:
            raise _wrong_width(self._file, arrays["values"].shape[1], self.dim)
        return words, arrays["values"]


def text_format(words: Sequence[str], values: np.ndarray) -> bytes:
    """Content of a file of word vectors, with a header, as `VectorFile` reads it.

    Args:
        words: N words.
        values: float32[N, d], their vectors.

    Raises:
        DataError: a word with a space in it, or vectors of fewer than 3 numbers, which could not be
            read back.
    """
    if values.shape[1] < 3:
        raise DataError(f"dim is {values.shape[1]}; vectors in a file have at least 3 numbers")
    lines = [f"{len(words)} {values.shape[1]}"]
    for word, row in zip(words, values, strict=True):
        if word.split() != [word]:
            raise DataError(
                f"the word {word!r} is empty or has a space in it; a file cannot name it"
            )
        lines.append(" ".join([word, *(f"{value:.9g}" for value in row)]))  # float32 in full
    return ("\n".join(lines) + "\n").encode()


def _parse(file: Path) -> tuple[list[str], np.ndarray]:
    """Words and float32[N, d] of a file, parsed by torchtext, whose cache (a pickle) is deleted."""
    import torchtext.vocab

    context = ssl._create_default_https_context  # switched off by torchtext, for the whole process
    with tempfile.TemporaryDirectory() as cache:
        try:
            vectors = torchtext.vocab.Vectors(str(file), cache=cache)
        except (RuntimeError, ValueError, TypeError, IndexError, EOFError, OSError) as error:
            raise DataError(
                f"{file}: is no file of word vectors ({error}); each line must be a word and the "
                "same number of numbers, at least 3, with single spaces between"
            ) from error
        finally:
            ssl._create_default_https_context = context
    # Lines that are not UTF-8 are skipped and leave empty rows at the end.
    return vectors.itos, vectors.vectors[: len(vectors.itos)].numpy()


def _check(file: Path, words: list[str], values: np.ndarray, dim: int | None, strict: bool) -> None:
    """Raises DataError for faults that torchtext accepts."""
    if dim is not None and values.shape[1] != dim:
        raise _wrong_width(file, values.shape[1], dim)
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
        raise DataError(f"{file}: the vector of {words[row]!r} is not finite; get the file again")
    if not strict:
        return
    seen: set[str] = set()
    for word in words:
        if word in seen:
            raise DataError(f"{file}: {word!r} is on two lines; remove one of them")
        seen.add(word)
    with _open(file) as lines:
        header = lines.readline().split()
    if len(header) == 2 and int(header[0]) != len(words):
        raise DataError(
            f"{file}: its header says {int(header[0]):,} words, and {len(words):,} can be read; "
            "the file is truncated or not UTF-8: get it again"
        )


def _wrong_width(file: Path, width: int, dim: int) -> DataError:
    return DataError(
        f"{file}: its vectors have {width} numbers, and dim is {dim}; set dim to {width}"
    )


def _open(file: Path) -> IO[bytes]:
    import gzip

    return cast(IO[bytes], gzip.open(file)) if file.suffix == ".gz" else file.open("rb")


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
