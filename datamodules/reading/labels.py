"""Spelling of labels: one label, one spelling, whatever the format of the file."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

_NUMBER = re.compile(
    r"[+-]?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{0,18})?(?:[eE][+-]?[0-9]{1,2})?", re.ASCII
)
_INVISIBLE = re.compile(r"[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
_JOINERS = "\u200c\u200d"  # part of words and emoji, except at their ends
_MISSING = set(
    [
        "nan",
        "NaN",
        "-nan",
        "-NaN",
        "NA",
        "N/A",
        "n/a",
        "#N/A",
        "#NA",
        "<NA>",
        "null",
        "NULL",
        "None",
        "NaT",
    ]
)
"""Words that pandas writes or reads for a missing value."""
_SHOWN = 5  # line numbers in a sentence


@dataclass
class Places:
    """Number of rows, and the first few of them.

    Attributes:
        count: number of rows.
        first: numbers of the first rows.
    """

    count: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, number: int) -> None:
        """Count a row."""
        self.count += 1
        if len(self.first) < _SHOWN:
            self.first.append(number)

    def words(self, unit: str) -> str:
        """Row numbers in words, such as `lines 3, 7 and 5 more`."""
        shown = ", ".join(map(str, self.first))
        more = self.count - len(self.first)
        return f"{unit}{'s' * (self.count > 1)} {shown}" + (f" and {more:,} more" if more else "")


class Labels:
    """Labels of one column of one file, spelt alike, with a record of those that are spelt oddly.

    A number is spelt as short as possible (`1.0` is `1`), true and false are in lower case, a
    string is in Unicode's normal form C, without invisible characters and spaces at its ends. Case
    counts.

    Attributes:
        spellings: rows of each spelling in the file that is not the label itself.
        missing: rows without a label.
        rows: rows of each label that may be a word for a missing one, such as `nan`.
    """

    def __init__(self) -> None:
        self.spellings: dict[str, Places] = {}
        self.missing = Places()
        self.rows: dict[str, Places] = {}
        self._of_text: dict[str, str] = {}

    def spell(self, value: Any, number: int) -> str | None:
        """Label of a cell; None where it has none.

        Args:
            value: a string, a number, a boolean or None.
            number: number of its row.
        """
        text = value if type(value) is str else _written(value)
        label = self._of_text.get(text)
        if label is None:
            label = self._of_text[text] = spelling(text)
            if type(value) is str and label and label != text.strip():
                self.spellings[text] = Places()
            if label in _MISSING:
                self.rows.setdefault(label, Places())
        if not label:
            self.missing.add(number)
            return None
        if self.spellings and type(value) is str and text in self.spellings:
            self.spellings[text].add(number)
        if self.rows and label in self.rows:
            self.rows[label].add(number)
        return label

    def notes(self, place: str, unit: str) -> list[str]:
        """Sentences on odd spellings, with their remedy.

        Args:
            place: name of the file.
            unit: unit in which its rows are numbered.
        """
        notes = [
            f"{place}: the label {_visible(text)} ({places.words(unit)}) is read as "
            f"{_visible(self._of_text[text])}; spell a label in one way."
            for text, places in _largest(self.spellings)
        ]
        notes += [
            f"{place}: {places.count:,} rows have the label {label!r} ({places.words(unit)}), "
            "which is a class here; if it means that there is none, remove these rows."
            for label, places in _largest(self.rows)
        ]
        return notes


def spelling(text: str) -> str:
    """Label that a text spells; empty where it spells none."""
    text = text.strip()
    if text.isascii():
        if text.lower() in ("true", "false"):
            return text.lower()
        return _shortest(text) if _NUMBER.fullmatch(text) else text
    text = _INVISIBLE.sub("", unicodedata.normalize("NFC", text))
    text = " ".join(text.split()).strip(_JOINERS + " ")
    return spelling(text) if text.isascii() else text


def alike(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Labels that differ in case alone, together."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.casefold(), []).append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def is_unusual(text: str) -> bool:
    """Whether a text has invisible characters, or is not in Unicode's normal form C."""
    return not text.isascii() and (
        _INVISIBLE.search(text) is not None or not unicodedata.is_normalized("NFC", text)
    )


def is_missing(text: str) -> bool:
    """Whether a text is a word for a missing one, such as `nan`."""
    return len(text) < 10 and text.strip() in _MISSING


def is_blank(text: str) -> bool:
    """Whether nothing in a text can be seen."""
    stripped = text.strip()
    if stripped.isascii():
        return not stripped
    if stripped[:1].isalnum():  # most texts: the search through all of a long one is spared
        return False
    return not _INVISIBLE.sub("", text).strip().strip(_JOINERS).strip()


def _written(value: Any) -> str:
    """Number or boolean as a text, such as `true` or `1.0`; empty where there is none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or value != value:  # NaN
        return ""
    return str(value)


def _shortest(number: str) -> str:
    digits = format(Decimal(number), "f")
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    digits = digits.removeprefix("+")
    return "0" if digits in ("-0", "") else digits


def _largest(places: dict[str, Places]) -> list[tuple[str, Places]]:
    """The few with the most rows."""
    there = [pair for pair in places.items() if pair[1].count]
    return sorted(there, key=lambda pair: -pair[1].count)[:_SHOWN]


def _visible(text: str) -> str:
    """Text in quotes, with escapes where that shows what it is made of."""
    return ascii(text) if is_unusual(text) or "\xa0" in text else repr(text)
