"""Tokenizers as the JSON that `runner.py` reads."""

from __future__ import annotations

import json
import re
import sys
from functools import cache
from typing import Any

import tokenizers as hf

from datamodules.store.encoder import Encoder
from datamodules.subwords import ByteTokenizer, SubwordTokenizer
from datamodules.tokenizers import CharacterTokenizer, Tokenizer, WordTokenizer
from experiments.forms.portable import NotExportable

_STEPS = ("normalizer", "pre_tokenizer")
_SURROGATES = range(0xD800, 0xE000)
_AT_ONCE = 4096  # characters; offsets of longer texts take long


def tokenizer_settings(encoder: Encoder) -> dict[str, Any]:
    """The tokenizer of a run, with the words that its cap leaves.

    Raises:
        NotExportable: A tokenizer that the runner does not have.
    """
    tokenizer, cap = encoder.tokenizer, encoder.token_truncation.vocab_size
    kind, unknown = type(tokenizer), {"unk_id": tokenizer.unk_id}
    if kind is CharacterTokenizer:
        characters = tokenizer.vocabulary()[2:cap]
        lowercase = tokenizer.lowercase  # type: ignore[attr-defined]
        return {"kind": "characters", "lowercase": lowercase, "characters": characters, **unknown}
    if kind is ByteTokenizer:
        bytes_ = tokenizer._order.tolist()[: cap and cap - 2]  # type: ignore[attr-defined]
        return {"kind": "bytes", "bytes": bytes_, **unknown}
    if kind is SubwordTokenizer:
        return {"kind": "pieces", "tokenizer": json.loads(tokenizer._hf.to_str())}  # type: ignore[attr-defined]
    if kind is WordTokenizer:
        words = unknown | {"vocabulary": tokenizer.vocabulary()[:cap]}
        content = json.loads(tokenizer._hf.to_str())  # type: ignore[attr-defined]
        for lowercase in (True, False):
            if _same_steps(content, WordTokenizer(lowercase)):
                return {"kind": "words", "lowercase": lowercase, **_classes(), **words}
        if _same_steps(content, WordTokenizer(preparation="keras")):
            return {"kind": "keras words", "stop_words": _stop_words(content), **words}
    raise NotExportable(
        f"its texts are prepared by {kind.__module__}.{kind.__qualname__} in a way that the runner "
        "does not have"
    )


def _same_steps(content: dict[str, Any], tokenizer: Tokenizer) -> bool:
    """True if a tokenizer's file prepares texts as a new tokenizer does."""
    new = json.loads(tokenizer._hf.to_str())  # type: ignore[attr-defined]
    return all(content[step] == new[step] for step in _STEPS)


def _stop_words(content: dict[str, Any]) -> list[str]:
    """Words that the second step of the preparation `keras` leaves out."""
    pattern = content["pre_tokenizer"]["pretokenizers"][1]["pattern"]["Regex"]
    return re.sub(r"^\\A\(\?:|\)\\z$", "", pattern).split("|")


@cache
def _classes() -> dict[str, str]:
    r"""Characters of `\w` and `\s` in the regular expressions of `tokenizers`.

    Python's differ: `²` and combining accents are part of a word there.
    """
    return {"word": _class_of(r"\w+"), "space": _class_of(r"\s+")}


def _class_of(pattern: str) -> str:
    """Ranges of characters that match, for the inside of a class."""
    split = hf.pre_tokenizers.Split(hf.Regex(pattern), behavior="removed", invert=True)
    ranges = []
    for start in range(0, sys.maxunicode + 1, _AT_ONCE):
        block = range(start, start + _AT_ONCE)
        characters = "".join(chr(n) for n in block if n not in _SURROGATES)
        ranges += [(run[0], run[-1]) for run, _ in split.pre_tokenize_str(characters)]
    return "".join(f"\\U{ord(first):08x}-\\U{ord(last):08x}" for first, last in ranges)
