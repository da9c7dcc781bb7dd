"""Files of rows as bytes and as text: compression, encoding, and the line of a wrong byte."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from datamodules.errors import DataError

COMPRESSIONS = (".gz", ".bz2", ".xz", ".zip")
"""Endings that may follow that of the format, as in `reviews.csv.gz`."""

_HEAD = 4096
_OPENERS: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_ZIP = b"PK\x03\x04"
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark is its start
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Encodings by the byte order mark at the start of a file."""
_DAMAGE = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError, OSError)


@dataclass(frozen=True)
class FileSettings:
    """Settings for reading files of rows, where they do not follow from the files.

    Attributes:
        encoding: a codec of Python, such as `cp1252`. None: UTF-8. A byte order mark goes first.
        delimiter: character between two fields of a CSV or TSV file. None: a tab in TSV; in CSV
            the one of `,`, tab, `;` and `|` that divides all of the first rows alike.
        header: the first line of a CSV or TSV file has the names of the columns. False: it is a
            row, and the columns are called 1, 2, …

    Raises:
        DataError: no such encoding, or a delimiter that is not one character.
    """

    encoding: str | None = None
    delimiter: str | None = None
    header: bool = True

    def __post_init__(self) -> None:
        if self.encoding is not None:
            try:
                "".encode(self.encoding)  # refuses codecs such as base64, too
            except (LookupError, ValueError) as error:
                raise DataError(
                    f"data.encoding is {self.encoding!r}, which is no encoding of text; give one "
                    "such as utf-8, cp1252, latin-1, utf-16-le, gb18030 or shift_jis"
                ) from error
        if self.delimiter is not None and (
            len(self.delimiter) != 1 or self.delimiter in '"\r\n\0' or not self.delimiter.isascii()
        ):
            raise DataError(
                f"data.delimiter is {self.delimiter!r}; it must be one character of ASCII, and no "
                "quotation mark or line break"
            )


@dataclass(frozen=True)
class SourceFile:
    """File of rows, plain or compressed.

    Compression is recognised by the first bytes, whatever the name says.

    Attributes:
        path: its path.
        settings: how it is read.
        ending: ending of its format, such as `.csv`, in lower case.
    """

    path: Path
    settings: FileSettings = FileSettings()
    ending: str = field(init=False)

    def __post_init__(self) -> None:
        ending = inner_name(self.path).suffix.lower()
        if not ending and self.path.suffix.lower() == ".zip" and self.path.is_file():
            with self.damage_named(), zipfile.ZipFile(self.path) as archive:
                ending = PurePosixPath(self._member(archive)).suffix.lower()
        object.__setattr__(self, "ending", ending)

    def where(self, row: int) -> str:
        """Name of a row in messages."""
        return f"{self.path}, {self.unit} {row}"

    @property
    def unit(self) -> str:
        """Unit in which rows are numbered: `line`, or `row` where rows are no lines."""
        return "row" if self.ending == ".parquet" or self.is_array() else "line"

    def is_array(self) -> bool:
        """Whether a JSON file is one array; its rows are objects on lines of their own else."""
        if self.ending != ".json":
            return False
        with self.text() as text:
            while character := text.read(1):
                if not character.isspace():
                    return character == "["
        return False

    def encoding(self) -> str:
        """Encoding of the text.

        Raises:
            DataError: UTF-16 without a byte order mark, and no encoding is set.
        """
        with self.binary() as stream:
            head = stream.read(_HEAD)
        for mark, encoding in _MARKS.items():
            if head.startswith(mark):
                return encoding
        if self.settings.encoding is None and b"\0" in head:
            raise DataError(
                f"{self.path}: has NUL bytes, as UTF-16 without a byte order mark does; name the "
                "encoding, such as --data.encoding utf-16-le, or save the file as UTF-8"
            )
        return self.settings.encoding or "utf-8"

    @contextmanager
    def text(self) -> Iterator[IO[str]]:
        """Text of the file, line breaks as they are.

        Raises:
            DataError: a byte is not of the encoding, or the compression is damaged.
        """
        encoding = self.encoding()
        try:
            with self.binary() as stream, io.TextIOWrapper(stream, encoding, newline="") as text:
                yield text
        except UnicodeError as error:  # UTF-16 raises its base class, too
            with self.binary() as stream:
                raise undecodable(self.path, error, stream, encoding) from error

    @contextmanager
    def binary(self) -> Iterator[IO[bytes]]:
        """Decompressed bytes of the file.

        Raises:
            DataError: the file cannot be read, or its compression is damaged.
        """
        with self.damage_named(), self.path.open("rb") as raw:
            head = raw.read(8)
            raw.seek(0)
            if head.startswith(_ZIP) and self.path.suffix.lower() == ".zip":
                with zipfile.ZipFile(raw) as archive, archive.open(self._member(archive)) as stream:
                    yield stream
                return
            for magic, opener in _OPENERS.items():
                if head.startswith(magic):
                    with opener(raw) as stream:
                        yield cast(IO[bytes], stream)
                    return
            yield raw

    @contextmanager
    def damage_named(self) -> Iterator[None]:
        """Name the file in errors of the file system and of compression."""
        try:
            yield
        except _DAMAGE as error:
            raise DataError(
                f"{self.path}: cannot be read ({error}); if it is compressed, it is truncated or "
                "damaged: compress it again"
            ) from error

    def _member(self, archive: zipfile.ZipFile) -> str:
        """Name of the only file in a zip."""
        names = [
            name
            for name in archive.namelist()
            if not name.endswith("/") and not name.startswith("__MACOSX/")
        ]
        if len(names) != 1:
            raise DataError(
                f"{self.path}: has {len(names)} files ({', '.join(names[:5])}); a zip must have "
                "one. Extract it and name one of its files"
            )
        return names[0]


def inner_name(path: Path) -> Path:
    """Path without the ending of a compression."""
    return path.with_suffix("") if path.suffix.lower() in COMPRESSIONS else path


def undecodable(
    path: Path,
    error: UnicodeError,
    stream: IO[bytes] | None = None,
    encoding: str = "utf-8",
    remedy: str = "save the file as UTF-8, or name its encoding, such as --data.encoding cp1252",
) -> DataError:
    """Error with the line and byte of the first sequence that is not of the encoding.

    Args:
        path: the file.
        error: of a decoder.
        stream: its decompressed bytes from the start. None: those of the file.
        encoding: encoding of the text.
        remedy: what the message advises.
    """
    spoken = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8", "utf-16": "UTF-16"}.get(encoding, encoding)
    if stream is None:
        with path.open("rb") as stream:
            return undecodable(path, error, stream, encoding, remedy)
    decoder, line, position = codecs.getincrementaldecoder(encoding)(), 1, 0
    while True:
        block = stream.read(1 << 16)
        try:
            line += decoder.decode(block, final=not block).count("\n")
        except UnicodeDecodeError as inner:
            start = position + len(block) - len(inner.object) + inner.start
            # With its own decoder: the error may name an inner one, such as "charmap".
            before = codecs.getincrementaldecoder(encoding)("ignore")
            with stream:
                stream.seek(0)
                line = before.decode(stream.read(start)).count("\n") + 1
            return DataError(
                f"{path}, line {line}: byte {start:,} of the file "
                f"(0x{inner.object[inner.start]:02x}) is not {spoken}; {remedy}"
            )
        except UnicodeError as inner:
            return DataError(f"{path}: is not {spoken} ({inner}); {remedy}")
        if not block:
            return DataError(f"{path}: is not {spoken} ({error}); {remedy}")
        position += len(block)
