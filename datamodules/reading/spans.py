"""Places of tokens among the characters of a text."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple, Self

import numpy as np
import tokenizers as hf


class Characters(NamedTuple):
    """A prepared text that knows where its characters come from.

    Attributes:
        text: The prepared text.
        places: int64[len(text), 2] start and end in the text as given of each character.
    """

    text: str
    places: np.ndarray

    @classmethod
    def of(cls, text: str) -> Self:
        """A text as given."""
        start = np.arange(len(text))
        return cls(text, np.stack([start, start + 1], axis=1))

    def substituted(self, pattern: re.Pattern[str], character: str) -> Self:
        """Text with one character in place of each match, as by `pattern.sub`."""
        pieces, places, done = [], [], 0
        for match in pattern.finditer(self.text):
            start, end = match.span()
            pieces += [self.text[done:start], character]
            whole = [[self.places[start, 0], self.places[end - 1, 1]]]
            places += [self.places[done:start], np.array(whole)]
            done = end
        text = "".join([*pieces, self.text[done:]])
        return self._replace(text=text, places=np.concatenate([*places, self.places[done:]]))

    def stripped(self) -> Self:
        """Text without spaces at its ends."""
        start = len(self.text) - len(self.text.lstrip())
        text = self.text.strip()
        return self._replace(text=text, places=self.places[start : start + len(text)])

    def lowered(self) -> np.ndarray:
        """int64[N, 2] places of the N characters of the text in lower case; İ becomes two."""
        return self.places.repeat([len(character.lower()) for character in self.text], axis=0)


def spans_of(encoding: hf.Encoding, characters: Characters) -> np.ndarray:
    """int64[T, 2] places of the tokens of an encoded text; -1 twice where there is none.

    Spaces at either end of a token are left out, which byte-pair encodings make a part of the word
    that follows; a token of nothing but spaces keeps them. Marks that Unicode or a tokenizer joins
    to a letter belong to its token. No token at all is one without a place, as in
    `Tokenizer.encode`.
    """
    result, text = np.full((max(len(encoding.ids), 1), 2), -1), characters.text
    offsets, names = encoding.offsets, encoding.tokens
    limit = len(text)
    for number in reversed(range(len(offsets))):
        start, end = offsets[number]
        while 0 < end < limit and unicodedata.category(text[end]).startswith("M"):
            end += 1
        token = text[start:end]
        limit = start if token else limit
        # A piece for the space that would be in front of the first word has no characters.
        if not token or (names[number] == "▁" != token and not token.isspace()):
            continue
        if not token.isspace():
            end -= len(token) - len(token.rstrip())
            start += len(token) - len(token.lstrip())
        result[number] = characters.places[start, 0], characters.places[end - 1, 1]
    return result
