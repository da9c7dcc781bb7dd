"""Words without punctuation and capitals, and the tags that put both back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

MARKS = ("", ",", ".", "?", "!")
CASES = ("word", "Word", "WORD")
TAGS = tuple(f"{case}{mark}" for mark in MARKS for case in CASES)
"""Names of the tags: the case of a word, and the mark after it."""
LOWER, CAPITAL, UPPER = range(len(CASES))

_BREAK = re.compile(r"<br\s*/?>")
# Whatever is no white space, control character, punctuation or symbol of common scripts.
_LETTER = (
    r"[^\s\x00-/:-@\[-`{-\xa9\xab-\xb1\xb4\xb6-\xb8\xbb\xbf\xd7\xf7"
    r"\u2000-\u206f\u3000-\u303f\uff00-\uff0f]"
)
# Within `isn't` and `well-known`, within `1,000` and `10/10`, and within `U.S.`
_JOINED = r"(?:['’-]|(?<=\d)[.,:/](?=\d)|(?<=\b[^\W\d_])\.(?=[^\W\d_]\b))"
_WORD = re.compile(rf"{_LETTER}+(?:{_JOINED}{_LETTER}+)*")
_ENDS = re.compile(r"[.?!…]")
_MARK_OF = {".": 2, "…": 2, "?": 3, "!": 4}


class Tagged(NamedTuple):
    """Words of a text with their tags.

    Attributes:
        words: in lower case.
        tags: numbers of their tags in `TAGS`, as many.
    """

    words: list[str]
    tags: list[int]


def words_of(text: str) -> list[str]:
    """Words of a text in lower case, without punctuation.

    HTML line breaks are removed. A word may have apostrophes and hyphens within it, a number
    points, commas, colons and strokes, and an abbreviation points between its letters.
    """
    return [_lowered(word) for word in _WORD.findall(_BREAK.sub(" ", text))]


def tagged_words(text: str) -> Tagged:
    """Words of a text, each with its tag.

    The mark of a word is the first one between it and the next word that ends a sentence (`.`, `?`
    or `!`; `…` is a `.`); a comma where there is none of those; else none. All other marks are
    lost. A word is upper-case if it has at least two letters and all are; capital if its first
    letter is; else, as `iPhone` is, lower-case.
    """
    text = _BREAK.sub(" ", text)
    words, tags, before = list[str](), list[int](), 0
    for match in _WORD.finditer(text):
        if tags:
            tags[-1] += len(CASES) * _mark(text[before : match.start()])
        word = match[0]
        words.append(_lowered(word))
        tags.append(_case(word))
        before = match.end()
    if tags:
        tags[-1] += len(CASES) * _mark(text[before:])
    return Tagged(words, tags)


def restore(words: Sequence[str], tags: Sequence[int]) -> str:
    """Text of words in lower case and their tags."""
    return " ".join(_restored(word, tag) for word, tag in zip(words, tags, strict=True))


def _lowered(word: str) -> str:
    """Word in lower case, as many characters: `İ` has a dot of its own there, which is left out."""
    return word.lower().replace("i\u0307", "i")


def _mark(between: str) -> int:
    if end := _ENDS.search(between):
        return _MARK_OF[end[0]]
    return int("," in between)


def _case(word: str) -> int:
    if _lowered(word) == word:
        return LOWER
    letters = [one for one in word if one.lower() != one.upper()]
    if len(letters) > 1 and word == word.upper():
        return UPPER
    return CAPITAL if letters[0] != letters[0].lower() else LOWER


def _restored(word: str, tag: int) -> str:
    mark, case = divmod(tag, len(CASES))
    if case == UPPER:
        word = word.upper()
    elif case == CAPITAL:
        place = next((n for n, one in enumerate(word) if one.lower() != one.upper()), 0)
        word = word[:place] + word[place : place + 1].title() + word[place + 1 :]
    return word + MARKS[mark]
