"""Readable text of tokens: spaces where English has them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch

from datamodules.bpe import BpeTokenizer
from datamodules.subwords import SubwordTokenizer
from datamodules.tokenizers import CharacterTokenizer, Tokenizer

_NO_SPACE_BEFORE = set(".,!?;:%)]}…”’")
_NO_SPACE_AFTER = set("([{$£#“‘")
_NO_SPACE_AROUND = set("-/_")
_QUOTES = set("\"'`")


@singledispatch
def text_of(tokenizer: Tokenizer, tokens: Sequence[int]) -> str:
    """Text that a tokenizer could have read as these tokens.

    Args:
        tokenizer: fitted.
        tokens: ids.
    """
    vocabulary = tokenizer.vocabulary()
    return join_words([vocabulary[token] for token in tokens])


@text_of.register
def _of_characters(tokenizer: CharacterTokenizer, tokens: Sequence[int]) -> str:
    vocabulary = tokenizer.vocabulary()
    return "".join(vocabulary[token] for token in tokens)


@text_of.register
def _of_subwords(tokenizer: BpeTokenizer, tokens: Sequence[int]) -> str:
    vocabulary = tokenizer.vocabulary()
    return "".join(vocabulary[token] for token in tokens).replace("▁", " ").strip()


@text_of.register
def _of_pretrained(tokenizer: SubwordTokenizer, tokens: Sequence[int]) -> str:
    return tokenizer.decode(tokens)


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
