"""Word vectors from any file in word2vec's text format, read by torchtext."""

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
    """Vectors from a text file: a word and its d numbers on each line, a header `N d` or none.

    The file is parsed by `torchtext.vocab.Vectors`, once: what is kept is a matrix that is found
    again by the file's content. Words that the file lacks have no vector.

    Args:
        path: the file, plain or `.gz`.
        dim: d; None takes what the file has.
    """

    strict: ClassVar[bool] = True
    """Whether a word may stand in the file only once."""

    def __init__(self, path: str, dim: int | None = None) -> None:
        super().__init__()
        self.path, self.dim = path, dim

    def settings(self) -> dict[str, Any]:
        """The content of the file, not its place."""
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
        self._kept = cache
        return super().load_or_learn(cache, source, texts, vocabulary, 0)

    def place(self, downloads: Path) -> Path:
        """The file itself.

        Raises:
            DataError: it is missing.
        """
        file = Path(self.path).expanduser()
        if not file.is_file():
            raise DataError(f"{file}: no file of word vectors there; name one, plain text or .gz")
        return file

    def learn(
        self, texts: Ragged, vocabulary: Sequence[str], seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """int64[N] token numbers and float32[N, d] vectors of the words that the file has.

        Raises:
            DataError: the file is not one of word vectors, or has none of the words.
        """
        words, values = self._read()
        found = self.look_up(words, values, vocabulary[2:])  # past <pad> and <unk>
        tokens = np.array([row + 2 for row in found], dtype=np.int64)
        if not len(tokens):
            raise DataError(
                f"{self._file}: has none of the {len(vocabulary) - 2:,} words of the vocabulary, "
                f"but {', '.join(map(repr, words[:3]))}…; take vectors of its language and case"
            )
        return tokens, np.stack(list(found.values())).astype(np.float32)

    def look_up(
        self, words: Sequence[str], values: np.ndarray, vocabulary: Sequence[str]
    ) -> dict[int, np.ndarray]:
        """float32[d] for the place of each word in `vocabulary` that has a vector."""
        rows = dict(zip(reversed(words), range(len(words) - 1, -1, -1), strict=True))  # the first
        return {place: values[rows[word]] for place, word in enumerate(vocabulary) if word in rows}

    def _read(self) -> tuple[list[str], np.ndarray]:
        """Words and float32[N, d] of the whole file, parsed on the first call for this content."""
        folder = self._kept / f"file-{_sha256(self._file)[:16]}"
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
                f"{folder}: these word vectors cannot be read ({error}); delete the folder, and "
                "the file is parsed again"
            ) from error
        if self.dim is not None and arrays["values"].shape[1] != self.dim:
            raise _wrong_width(self._file, arrays["values"].shape[1], self.dim)
        return words, arrays["values"]


def _parse(file: Path) -> tuple[list[str], np.ndarray]:
    """Words and float32[N, d], by torchtext, whose own cache (a pickle) is thrown away."""
    import torchtext.vocab

    context = ssl._create_default_https_context  # which torchtext switches off for the process
    with tempfile.TemporaryDirectory() as private:
        try:
            read = torchtext.vocab.Vectors(str(file), cache=private)
        except (RuntimeError, ValueError, TypeError, IndexError, EOFError, OSError) as error:
            raise DataError(
                f"{file}: is no file of word vectors ({error}); each line must hold a word and as "
                "many numbers as all others, at least 3, with single spaces between"
            ) from error
        finally:
            ssl._create_default_https_context = context
    # Lines that are not UTF-8 are skipped and leave empty rows at the end.
    return read.itos, read.vectors[: len(read.itos)].numpy()


def _check(file: Path, words: list[str], values: np.ndarray, dim: int | None, strict: bool) -> None:
    """Raises DataError for what torchtext lets through."""
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
            raise DataError(f"{file}: {word!r} stands there twice; leave one of its lines")
        seen.add(word)
    with _open(file) as lines:
        header = lines.readline().split()
    if len(header) == 2 and int(header[0]) != len(words):
        raise DataError(
            f"{file}: its header promises {int(header[0]):,} words and {len(words):,} can be read; "
            "the file is cut short, or is not UTF-8"
        )


def _wrong_width(file: Path, width: int, dim: int) -> DataError:
    return DataError(f"{file}: its vectors have {width} numbers, and dim is {dim}; set dim {width}")


def _open(file: Path) -> IO[bytes]:
    import gzip

    return cast(IO[bytes], gzip.open(file)) if file.suffix == ".gz" else file.open("rb")


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
