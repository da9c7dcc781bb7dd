"""Marks: pairs of HTML comments in a Markdown file, with generated text between them."""

import re
from dataclasses import dataclass
from pathlib import Path

from experiments.records.row import ResultsError

# A mark in inline code, after a backtick, is an example and not filled in.
_MARK = re.compile(r"(?<!`)<!-- (/?)(robustness|(?:results|picture)(?::[^\s:]+)+) -->")
_KINDS = (
    ("table", re.compile(r"results:([\w.+-]+)")),
    ("top", re.compile(r"results:([\w.+-]+):top")),
    ("picture", re.compile(r"picture:([\w.+-]+)")),
    ("robustness", re.compile(r"(robustness)")),
)
KNOWN = ("results:NAME", "results:NAME:top", "picture:NAME", "robustness")


@dataclass(frozen=True)
class MarkedPlace:
    """Place between a pair of marks.

    Attributes:
        kind: `table`, `top`, `picture` or `robustness`.
        name: Name of the published table; `robustness` for the robustness table.
        start: Position after the opening mark.
        end: Position of the closing mark.
    """

    kind: str
    name: str
    start: int
    end: int


def find_places(text: str, file: Path) -> list[MarkedPlace]:
    """Find the marks of a Markdown file.

    Args:
        text: Content of the file.
        file: The file, for errors.

    Returns:
        The places in reading order; empty if the file has no marks.

    Raises:
        ResultsError: A mark is unknown, or one of a pair is missing.
    """
    places = []
    opening: re.Match[str] | None = None
    for mark in _MARK.finditer(text):
        if bool(mark[1]) != (opening is not None) or (opening and opening[2] != mark[2]):
            raise _unpaired(mark, text, file)
        if opening is not None:
            kind, name = _kind(opening, text, file)
            places.append(MarkedPlace(kind, name, opening.end(), mark.start()))
        opening = None if opening is not None else mark
    if opening is not None:
        raise _unpaired(opening, text, file)
    return places


def fill_places(text: str, places: list[MarkedPlace], bodies: list[str]) -> str:
    """Replace the text between each pair of marks; all other text stays the same.

    Args:
        text: Content of the file; its line ends are used for the bodies, too.
        places: From `find_places`.
        bodies: Markdown for each of `places`.
    """
    newline = "\r\n" if "\r\n" in text else "\n"
    parts, position = [], 0
    for place, body in zip(places, bodies, strict=True):
        lines = ["", "", *body.splitlines(), "", ""]
        parts += [text[position : place.start], newline.join(lines)]
        position = place.end
    return "".join([*parts, text[position:]])


def _kind(mark: re.Match[str], text: str, file: Path) -> tuple[str, str]:
    for kind, pattern in _KINDS:
        if match := pattern.fullmatch(mark[2]):
            return kind, match[1]
    raise ResultsError(
        f"{_where(mark, text, file)}: {mark[0]} is not a known mark; known are {', '.join(KNOWN)}"
    )


def _unpaired(mark: re.Match[str], text: str, file: Path) -> ResultsError:
    return ResultsError(
        f"{_where(mark, text, file)}: {mark[0]} has no partner; close every <!-- {mark[2]} --> "
        f"with <!-- /{mark[2]} --> before the next mark"
    )


def _where(mark: re.Match[str], text: str, file: Path) -> str:
    return f"{file}:{text.count(chr(10), 0, mark.start()) + 1}"
