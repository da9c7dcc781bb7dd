"""Words of texts as numbers, by one simple rule for all languages."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

import numpy as np

from datamodules.splits import MARKUP
from datamodules.store.ragged import Ragged
from datamodules.store.token_notes import SPACELESS

# A character of a script without spaces is a word; elsewhere a run of letters and digits.
_WORD = re.compile(rf"[{SPACELESS}]|[^\W_{SPACELESS}]+")


def numbered_words(texts: Iterable[str]) -> tuple[Ragged, list[str]]:
    """Words of texts, in lower case and without markup.

    Args:
        texts: N texts.

    Returns:
        N rows of word numbers, and the words by number.
    """
    numbers: dict[str, int] = {}
    rows, lengths = [], [0]
    for text in texts:
        plain = MARKUP.sub(" ", text).lower() if "<" in text else text.lower()
        if not plain.isascii():
            plain = unicodedata.normalize("NFC", plain)
        words = _WORD.findall(plain)
        rows.append(
            np.fromiter((numbers.setdefault(word, len(numbers)) for word in words), np.int32)
        )
        lengths.append(len(words))
    values = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int32)
    return Ragged(values, np.cumsum(lengths, dtype=np.int64)), list(numbers)
