"""Readable text of tokens: spaces where English has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import singledispatch

from datamodules.bpe import BpeTokenizer
from datamodules.subwords import SubwordTokenizer
from datamodules.tokenizers import CharacterTokenizer, Tokenizer

_NO_SPACE_BEFORE = set(".,!?;:%)]}…”’")
_NO_SPACE_AFTER = set("([{$£#“‘")
_NO_SPACE_AROUND = set("-/_")
_QUOTES = set("\"'`")


@singledispatch
def texts_of(tokenizer: Tokenizer, rows: Iterable[Sequence[int]]) -> list[str]:
    """Texts that a tokenizer could have read as these rows of tokens.

    Args:
        tokenizer: fitted.
        rows: ids of each text.
    """
    return [join_words(words) for words in _words_of(tokenizer, rows)]


@texts_of.register
def _of_characters(tokenizer: CharacterTokenizer, rows: Iterable[Sequence[int]]) -> list[str]:
    return ["".join(characters) for characters in _words_of(tokenizer, rows)]


@texts_of.register
def _of_subwords(tokenizer: BpeTokenizer, rows: Iterable[Sequence[int]]) -> list[str]:
    return ["".join(words).replace("▁", " ").strip() for words in _words_of(tokenizer, rows)]


@texts_of.register
def _of_pretrained(tokenizer: SubwordTokenizer, rows: Iterable[Sequence[int]]) -> list[str]:
    return [tokenizer.decode(row) for row in rows]


def _words_of(tokenizer: Tokenizer, rows: Iterable[Sequence[int]]) -> list[list[str]]:
    vocabulary = tokenizer.vocabulary()  # once: it is sorted each time
    return [[vocabulary[token] for token in row] for row in rows]


def join_words(words: Sequence[str]) -> str:
    """Join words and punctuation marks: `it 's " good " , is n't it ?` gives `it's "good", …`.

    A mark such as `"` opens and closes in turn. A hyphen has no spaces, since most are within
    words.
    """
    text, glued, opened = "", True, set[str]()
    for word in words:
        opens = word in _QUOTES and word not in opened
        closes = word in _QUOTES and not opens
        before = word in _NO_SPACE_BEFORE or word in _NO_SPACE_AROUND or closes
        genitive = len(word) > 1 and word[0] in "'’"
        text += word if glued or before or genitive else f" {word}"
        if opens or closes:
            opened ^= {word}
        glued = word in _NO_SPACE_AFTER or word in _NO_SPACE_AROUND or opens
    return text
