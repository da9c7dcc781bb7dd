"""Sentences of CoNLL files: a word a line, its tag in another column, blank lines between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from datamodules.errors import DataError
from datamodules.reading.opening import SourceFile

LONGEST_LINE = 1 << 16
"""Characters of a line; a longer one is no line of a word."""
MOST_WORDS = 10_000
"""Words of a sentence; a file with more has no blank lines."""
_DOCUMENT = "-DOCSTART-"


class Sentence(NamedTuple):
    """Words with their tags.

    Attributes:
        line: number of the line of the first word.
        document: number of the document, from 0; None in a file without `-DOCSTART-`.
        words: the words.
        tags: as many tags.
    """

    line: int
    document: int | None
    words: list[str]
    tags: list[str]

    def where(self, file: SourceFile, place: int) -> str:
        """Name of the line of a word; its number is right where no comment is in between."""
        return file.where(self.line + place)


@dataclass(frozen=True)
class Columns:
    """Places of word and tag in a line, counted from 1; tag None: the last column.

    Raises:
        DataError: a number below 1, or the same one twice.
    """

    word: int = 1
    tag: int | None = None

    def __post_init__(self) -> None:
        for name, number in (("word_column", self.word), ("tag_column", self.tag)):
            if number is not None and number < 1:
                raise DataError(f"data.{name} is {number}; columns are counted from 1")
        if self.word == self.tag:
            raise DataError(
                f"data.word_column and data.tag_column are both {self.word}; words and tags are in "
                "two columns"
            )


def read_sentences(file: SourceFile, columns: Columns) -> Iterator[Sentence]:
    """Yields the sentences of a file.

    Columns are divided by tabs, or by spaces in a line without a tab. A line that begins with
    `-DOCSTART-` begins a document. Before the first word of a sentence a line is a comment if it
    begins with `#` and a space, or has one column and begins with `#`.

    Raises:
        DataError: a line that is none of these; the message names it.
    """
    words, tags, first, document, count = list[str](), list[str](), 0, None, None
    for number, line in _lines(file):
        fields = _fields(line)
        if not fields or fields[0] == _DOCUMENT:
            if words:
                yield Sentence(first, document, words, tags)
                words, tags = [], []
            if fields:
                document = 0 if document is None else document + 1
            continue
        if not words and (line.startswith("# ") or fields == [line] and line.startswith("#")):
            continue
        count = count or len(fields)
        word, tag = _word_and_tag(file, number, fields, columns, count)
        first = first if words else number
        words.append(word)
        tags.append(tag)
        if len(words) > MOST_WORDS:
            raise DataError(
                f"{file.where(first)}: more than {MOST_WORDS:,} words follow without a blank line; "
                "put one between two sentences"
            )
    if words:
        yield Sentence(first, document, words, tags)


def _lines(file: SourceFile) -> Iterator[tuple[int, str]]:
    with file.text() as text:
        number = 0
        while line := text.readline(LONGEST_LINE + 1):
            number += 1
            if len(line) > LONGEST_LINE:
                raise DataError(
                    f"{file.where(number)}: has more than {LONGEST_LINE:,} characters; a line has "
                    "a word and its tag, so give a CoNLL file"
                )
            yield number, line.rstrip("\r\n")


def _fields(line: str) -> list[str]:
    """Fields of a line; none of a blank one."""
    if not line.strip():
        return []
    return line.split("\t") if "\t" in line else [field for field in line.split(" ") if field]


def _word_and_tag(
    file: SourceFile, number: int, fields: list[str], columns: Columns, count: int
) -> tuple[str, str]:
    needed = max(columns.word, columns.tag or 2, 2)
    if len(fields) != count or count < needed:
        rule = f"{count}, as the first line of a word" if count >= needed else f"at least {needed}"
        spoken = f"{len(fields)} column{'s' if len(fields) > 1 else ''}"
        raise DataError(
            f"{file.where(number)}: has {spoken}, must have {rule}: a word and its tag, with a tab "
            "or a space between; correct the line, or set --data.word_column and --data.tag_column"
        )
    found = fields[columns.word - 1], fields[(columns.tag or count) - 1]
    for name, value in zip(("word", "tag"), found, strict=True):
        if not value.strip():
            raise DataError(f"{file.where(number)}: its {name} is empty; fill it in")
        if " " in value or "\0" in value:
            raise DataError(
                f"{file.where(number)}: its {name} {value!r} has a space or a NUL in it; write a "
                f"{name} without"
            )
    return found
