"""Standard input and output, of whatever encoding, or closed."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path

from datamodules.errors import DataError
from datamodules.reading.opening import SourceFile

_PLAIN = {
    "±": "+-",
    "–": "-",
    "—": "-",
    "…": "...",
    "→": "->",
    "✓": "+",
    "✗": "x",
    "−": "-",
    "×": "x",
}
_PLAIN |= {"─": "-", "━": "-", "│": "|", "•": "*", "°": " deg", "†": "*", "·": "."}


def prepare() -> None:
    """Let no character that the encoding of an output lacks end a command."""
    codecs.register_error("plain", _plain)
    for number in range(3):  # a file that is opened later must not become one of them
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed, as by `>&-`: what is written is lost, and the work is not
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="plain")


def terminal_copy() -> TextIOWrapper:
    """Copy of standard output that stays where it is while that goes to a log."""
    encoding = getattr(sys.stdout, "encoding", None)
    return os.fdopen(os.dup(1), "w", encoding=encoding, errors="plain")


def discard_output() -> None:
    """Send what is left in the buffers nowhere, so that nothing fails when Python ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def lines_of_input() -> Iterator[str]:
    """Yield the lines of standard input, UTF-8, without their ends and a byte order mark.

    Raises:
        DataError: it is closed, or a line is not text in UTF-8.
    """
    if sys.stdin is None:
        raise DataError("no text is given, and standard input is closed; type texts, or < FILE")
    if sys.stdin.isatty():
        print("note: one text per line; Ctrl-D ends them", file=sys.stderr)
    for number, line in enumerate(sys.stdin.buffer, 1):
        place = f"standard input, line {number}"
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{place}: byte {line[error.start]:#04x} is not UTF-8; convert the texts, as with "
                "`iconv -f WINDOWS-1252 -t UTF-8`"
            ) from error
        if "\0" in text:
            raise DataError(
                f"{place}: has a NUL character, as in UTF-16; convert the texts, as with "
                "`iconv -f UTF-16LE -t UTF-8`"
            )
        yield text.rstrip("\r\n")


def lines_of_file(path: Path) -> Iterator[str]:
    """Yield the lines of a text file, plain or compressed, without their ends.

    Raises:
        DataError: it cannot be read, or is not text in UTF-8 or what a byte order mark says.
    """
    with SourceFile(path).text() as text:
        for line in text:
            yield line.rstrip("\r\n")


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Error handler of an encoding: a similar character, else Python's notation."""
    assert isinstance(error, UnicodeEncodeError)
    characters = error.object[error.start : error.end]
    plain = (_PLAIN.get(c, c.encode("ascii", "backslashreplace").decode()) for c in characters)
    return "".join(plain), error.end
