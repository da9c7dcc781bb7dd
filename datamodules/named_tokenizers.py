"""Short names of tokenizers, as in `--data.tokenizer characters`."""

from __future__ import annotations

from typing import Literal

from datamodules.bpe import BpeTokenizer
from datamodules.subwords import ByteTokenizer
from datamodules.tokenizers import CharacterTokenizer, Tokenizer, WordTokenizer

TokenizerName = Literal["words", "unicode", "subwords", "characters", "bytes"]
"""`words` of letters between spaces and marks; words by Unicode's rules; subwords learnt on the
training rows; characters; bytes."""


def make_tokenizer(tokenizer: TokenizerName | Tokenizer | None) -> Tokenizer:
    """Tokenizer of a name, with its default settings; a tokenizer itself is returned as it is."""
    if tokenizer is None or tokenizer == "words":
        return WordTokenizer()
    if tokenizer == "unicode":
        return WordTokenizer(preparation="unicode")
    if tokenizer == "subwords":
        return BpeTokenizer()
    if tokenizer == "bytes":
        return ByteTokenizer()
    return CharacterTokenizer() if tokenizer == "characters" else tokenizer
