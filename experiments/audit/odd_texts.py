"""Texts that are empty, very short, of another language or script, or wrongly decoded."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from datamodules.reading.labels import is_blank
from datamodules.store.ragged import Ragged

COMMON = 200
"""Number of words that count as common: the most frequent of all texts."""
LEAST_COMMON = 0.4
"""Of the median share of common words; a text below it is in another language, or no prose."""
LEAST_WORDS = 8
"""Fewest words by which a language is judged."""
SHORT = 0.05
"""Of the median number of words; a text with at most so many is very short."""
LEAST_LETTERS = 0.5
"""Share of letters of the most frequent script; a text below it is in another script."""

# Bytes 0x80 to 0xBF, which follow the first byte of a character in UTF-8, read as cp1252 or
# Latin-1.
_NEXT = "".join(bytes([byte]).decode("cp1252", "ignore") + chr(byte) for byte in range(128, 192))
_NEXT = re.escape(_NEXT)
# Letters and signs of Latin-1; quotation marks and dashes; three letters of another script.
_MISREAD = re.compile(f"[\u00c2\u00c3][{_NEXT}]|\u00e2\u20ac|(?:[\u00c4-\u00df][{_NEXT}]){{3}}")
_NO_LETTERS = bytes(code for code in range(128) if not chr(code).isalpha())
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]")


class OddText(NamedTuple):
    """Text that is unlike the others.

    Attributes:
        row: Number of the row.
        kind: `empty`, `short`, `foreign` or `encoding`.
        detail: The figure or the characters that make it so.
    """

    row: int
    kind: str
    detail: str


def find_odd_texts(texts: Sequence[str], words: Ragged) -> list[OddText]:
    """Find the odd texts; a text may be odd in several ways.

    Args:
        texts: N texts.
        words: Their words (`numbered_words`).
    """
    lengths = words.lengths
    median = float(np.median(lengths)) if len(lengths) else 0.0
    shares = common_shares(words)
    judged = lengths >= LEAST_WORDS
    usual = float(np.median(shares[judged])) if judged.any() else 0.0
    scripts = [_scripts(text) for text in texts]
    main = _main_script(scripts)
    found = []
    for row, text in enumerate(texts):
        if is_blank(text):
            found.append(OddText(row, "empty", "no words"))
            continue
        count = int(lengths[row])
        if count <= median * SHORT or count == 0:
            found.append(OddText(row, "short", f"{count} word{'s' * (count != 1)}"))
        letters = sum(scripts[row].values())
        if letters and (share := scripts[row].get(main, 0) / letters) < LEAST_LETTERS:
            found.append(OddText(row, "foreign", f"{share:.0%} of the letters are {main}"))
        elif judged[row] and shares[row] < LEAST_COMMON * usual:
            found.append(OddText(row, "foreign", f"{shares[row]:.0%} of the words are common"))
        if marks := misread(text):
            found.append(OddText(row, "encoding", marks))
    return found


def common_shares(words: Ragged) -> np.ndarray:
    """Share of common words in each text, float64[N]; 0 for a text without words."""
    counts = np.bincount(words.values)
    common = np.zeros(len(counts), dtype=bool)
    common[np.argsort(-counts, kind="stable")[:COMMON]] = True
    hits = np.concatenate([[0], np.cumsum(common[words.values])])
    totals = hits[words.offsets[1:]] - hits[words.offsets[:-1]]
    shares: np.ndarray = totals / np.maximum(words.lengths, 1)
    return shares


def misread(text: str) -> str:
    """Up to three places where a text was decoded wrongly; empty if there are none.

    They are replacement characters, control characters that no text needs, and pairs and triples
    such as `Ã©` or `â€`, which UTF-8 becomes when it is read as cp1252 or Latin-1.
    """
    if text.isascii() and text.isprintable():
        return ""
    places = [ascii(mark)[1:-1] for mark in _CONTROLS.findall(text)]
    places += _MISREAD.findall(text)
    return " ".join(dict.fromkeys(places[:3]))


def _scripts(text: str) -> dict[str, int]:
    """Number of letters of each script."""
    counts: dict[str, int] = {}
    if text.isascii():
        return {"Latin": len(text.encode().translate(None, _NO_LETTERS))}
    for character in text:
        if character.isalpha():
            script = _script(character)
            counts[script] = counts.get(script, 0) + 1
    return counts


@lru_cache(maxsize=65_536)
def _script(letter: str) -> str:
    """Script of a letter, from its name: `Latin`, `Cyrillic`, …"""
    name = unicodedata.name(letter, "unknown").removeprefix("FULLWIDTH ").removeprefix("HALFWIDTH ")
    first = name.split()[0]
    return "CJK" if first in ("CJK", "HIRAGANA", "KATAKANA") else first.capitalize()


def _main_script(scripts: Sequence[dict[str, int]]) -> str:
    totals: dict[str, int] = {}
    for counts in scripts:
        for script, count in counts.items():
            totals[script] = totals.get(script, 0) + count
    return max(totals, key=totals.__getitem__, default="Latin")
