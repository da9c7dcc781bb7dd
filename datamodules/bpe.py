"""BpeTokenizer: subwords learnt on the training rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import tokenizers as hf

from datamodules.errors import DataError
from datamodules.reading.spans import Characters, spans_of
from datamodules.tokenizers import FittedTokenizer

_SPACE = r"(?:<br\s*/?>|\s)+"
_MAX_CHARACTERS = 16  # of a subword: a repeated sentence is none


class BpeTokenizer(FittedTokenizer):
    """Subwords by byte-pair encoding (Sennrich, Haddow & Birch 2016), learnt on the training rows.

    The most frequent pair of neighbouring subwords is joined to one, again and again, starting from
    characters; none spans a space or a punctuation mark. No word list and no spaces are needed. A
    text is in Unicode's normal form C; `<br />` is a space, and a space is `▁` at the start of the
    subword that follows.

    Args:
        size: number of subwords, characters and the two specials included.
        lowercase: fold case before splitting.

    Raises:
        DataError: a size below 3.
    """

    def __init__(self, size: int = 8000, lowercase: bool = True) -> None:
        if size < 3:
            raise DataError(f"tokenizer.size is {size}; it must be at least 3")
        self.size, self.lowercase = size, lowercase
        self._use(hf.models.BPE(unk_token="<unk>"))

    def _use(self, model: hf.models.BPE) -> None:
        steps: list[hf.normalizers.Normalizer] = [
            hf.normalizers.NFC(),
            hf.normalizers.Replace(hf.Regex(_SPACE), " "),
        ]
        if self.lowercase:
            steps.append(hf.normalizers.Lowercase())
        self._hf = hf.Tokenizer(model)
        self._hf.normalizer = hf.normalizers.Sequence(steps)
        self._hf.pre_tokenizer = hf.pre_tokenizers.Sequence(
            [hf.pre_tokenizers.Metaspace(), hf.pre_tokenizers.Punctuation("isolated")]
        )
        self._hf.encode_special_tokens = True

    def spans(self, text: str) -> np.ndarray:
        # Spaces first: those that the normalizer makes have the place of their last character.
        characters = Characters.of(text).substituted(re.compile(_SPACE), " ")
        return spans_of(self._hf.encode(characters.text, add_special_tokens=False), characters)

    def settings(self) -> dict[str, Any]:
        return {
            "class": "BpeTokenizer",
            "size": self.size,
            "lowercase": self.lowercase,
            "max_characters": _MAX_CHARACTERS,
            "version": 1,
        }

    def fit(self, texts: Iterable[str], count: int) -> None:
        texts = list(texts)  # read twice
        trainer = hf.trainers.BpeTrainer(
            vocab_size=self.size,
            min_frequency=2,
            max_token_length=_MAX_CHARACTERS,
            special_tokens=list(self.SPECIALS),
            show_progress=False,
        )
        self._hf.train_from_iterator(texts, trainer, length=count)
        model = json.loads(self._hf.to_str())["model"]
        ids: dict[str, int] = model["vocab"]
        counts = np.zeros(len(ids), dtype=np.int64)
        for row in self.encode(texts):
            np.add.at(counts, row, 1)
        rest = sorted(
            (token for token in ids if token not in self.SPECIALS),
            key=lambda token: (-counts[ids[token]], token),
        )
        order = {token: number for number, token in enumerate([*self.SPECIALS, *rest])}
        merges = [tuple(pair) for pair in model["merges"]]
        self._use(hf.models.BPE(vocab=order, merges=merges, unk_token="<unk>"))
