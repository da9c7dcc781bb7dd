"""Marks: pairs of HTML comments in a Markdown file, between which the program writes."""

import re
from dataclasses import dataclass
from pathlib import Path

from experiments.records.row import ResultsError

# A mark shown as inline code, after a backtick, is not a place to write to.
_MARK = re.compile(r"(?<!`)<!-- (/?)(robustness|(?:results|picture)(?::[^\s:]+)+) -->")
_KINDS = (
    ("table", re.compile(r"results:([\w.+-]+)")),
    ("top", re.compile(r"results:([\w.+-]+):top")),
    ("picture", re.compile(r"picture:([\w.+-]+)")),
    ("robustness", re.compile(r"(robustness)")),
)
KNOWN = ("results:NAME", "results:NAME:top", "picture:NAME", "robustness")


@dataclass(frozen=True)
class Place:
    """What stands between a pair of marks.

    Attributes:
        kind: `table`, `top`, `picture` or `robustness`.
        name: Of the published table; `robustness` for the table of that name.
        start: Position after the opening mark.
        end: Position of the closing mark.
    """

    kind: str
    name: str
    start: int
    end: int


def places(text: str, file: Path) -> list[Place]:
    """Find the marks of a Markdown file.

    Args:
        text: Content of the file.
        file: Named in errors.

    Returns:
        The places in reading order; empty where the file has no marks.

    Raises:
        ResultsError: A mark of no known kind, or one that does not pair up.
    """
    found = []
    opening: re.Match[str] | None = None
    for mark in _MARK.finditer(text):
        if bool(mark[1]) != (opening is not None) or (opening and opening[2] != mark[2]):
            raise _unpaired(mark, text, file)
        if opening is not None:
            kind, name = _kind(opening, text, file)
            found.append(Place(kind, name, opening.end(), mark.start()))
        opening = None if opening is not None else mark
    if opening is not None:
        raise _unpaired(opening, text, file)
    return found


def fill(text: str, found: list[Place], bodies: list[str]) -> str:
    """Put a new body between each pair of marks; every other character is kept.

    Args:
        text: Content of the file; its kind of line end is used for the bodies, too.
        found: From `places`.
        bodies: The Markdown for each of `found`.
    """
    newline = "\r\n" if "\r\n" in text else "\n"
    parts, position = [], 0
    for place, body in zip(found, bodies, strict=True):
        lines = ["", "", *body.splitlines(), "", ""]
        parts += [text[position : place.start], newline.join(lines)]
        position = place.end
    return "".join([*parts, text[position:]])


def _kind(mark: re.Match[str], text: str, file: Path) -> tuple[str, str]:
    for kind, pattern in _KINDS:
        if match := pattern.fullmatch(mark[2]):
            return kind, match[1]
    raise ResultsError(
        f"{_where(mark, text, file)}: {mark[0]} is no mark; known are {', '.join(KNOWN)}"
    )


def _unpaired(mark: re.Match[str], text: str, file: Path) -> ResultsError:
    return ResultsError(
        f"{_where(mark, text, file)}: {mark[0]} does not pair up; every <!-- {mark[2]} --> is "
        f"followed by its <!-- /{mark[2]} -->"
    )


def _where(mark: re.Match[str], text: str, file: Path) -> str:
    return f"{file}:{text.count(chr(10), 0, mark.start()) + 1}"
