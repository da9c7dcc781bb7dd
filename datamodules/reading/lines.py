"""Rows of text files: a text on each line."""

from __future__ import annotations

from collections.abc import Iterator

from datamodules.reading.opening import SourceFile


def columns(file: SourceFile) -> list[str]:
    """Name of the only column."""
    return ["text"]


def rows(file: SourceFile, wanted: list[str] | None) -> Iterator[tuple[int, tuple[str]]]:
    """Yields the number of a line, and its text."""
    with file.text() as text:
        for number, line in enumerate(text, 1):
            yield number, (line.rstrip("\r\n"),)
