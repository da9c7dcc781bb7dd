"""TreeTokenizer: CoNLL-U texts as rows of words, each followed by the way to its head."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from datamodules.errors import DataError
from datamodules.reading.conllu import ParsedSentence, read_conllu
from datamodules.reading.tokenizer_files import reading
from datamodules.tokenizers import Tokenizer

FARTHEST = 511
"""Most words between a word and its head, counted from the one to the other."""
_ROOT = 2  # id of the root's way; those of the distances 1, -1, 2, -2, … follow


ARCS = [0, *(sign * size for size in range(1, FARTHEST + 1) for sign in (1, -1))]
"""Distance from a word to its head by token id, from that of `<root>` on; 0 for the root."""


def arc_id(distance: int) -> int:
    """Token id of a distance to the head; 0: of the root."""
    return _ROOT + (0 if distance == 0 else 2 * abs(distance) - (distance > 0))


def arc_name(distance: int) -> str:
    """Token of a distance to the head; 0: of the root."""
    return f"<{distance:+d}>" if distance else "<root>"


class TreeTokenizer(Tokenizer):
    """Words of parsed texts, each followed by a token for the place of its head.

    That token is `<root>`, or a distance such as `<+2>`: the head is two words further on. A row of
    such pairs is the tree itself, so that stores, batches and predictions are those of any text. A
    text is CoNLL-U; its sentences follow one another. Id 0 is `<pad>`, 1 is `<unk>`, then come
    `<root>` and 1,022 distances, then the words by falling frequency in the training rows, equally
    frequent ones in the order of the alphabet.

    Args:
        lowercase: fold case.
    """

    pad_id = 0
    unk_id = 1
    head_distances: ClassVar[dict[int, int]] = {arc_id(distance): distance for distance in ARCS}

    def __init__(self, lowercase: bool = True) -> None:
        self.lowercase = lowercase
        self._use([])

    def _use(self, words: list[str]) -> None:
        self._words = words
        self._ids = {word: number for number, word in enumerate(words, start=_ROOT + len(ARCS))}

    def settings(self) -> dict[str, Any]:
        return {"class": "TreeTokenizer", "lowercase": self.lowercase, "version": 1}

    def fit(self, texts: Iterable[str], count: int) -> None:
        counts: Counter[str] = Counter()
        for text in texts:
            for words, _ in self._sentences(text):
                counts.update(words)
        self._use(sorted(counts, key=lambda word: (-counts[word], word)))

    def encode(self, texts: Iterable[str]) -> Iterator[np.ndarray]:
        for text in texts:
            row = list[int]()
            for words, heads in self._sentences(text):
                for place, (word, head) in enumerate(zip(words, heads, strict=True), start=1):
                    row += [self._ids.get(word, self.unk_id), arc_id(head and head - place)]
            yield np.array(row or [self.unk_id], dtype=np.int32)

    def _sentences(self, text: str) -> Iterator[tuple[list[str], list[int]]]:
        for sentence in read_conllu(text.split("\n"), "text"):
            check_distances(sentence, "text")
            words = [word.lower() if self.lowercase else word for word in sentence.words]
            yield words, sentence.heads

    def vocabulary(self) -> list[str]:
        return ["<pad>", "<unk>", *(arc_name(distance) for distance in ARCS), *self._words]

    def save(self, file: Path) -> None:
        content = {"lowercase": self.lowercase, "words": self._words}
        file.write_text(json.dumps(content), encoding="utf-8")

    def load(self, file: Path) -> None:
        with reading(file):
            content = json.loads(file.read_text(encoding="utf-8"))
            lowercase, words = content["lowercase"], content["words"]
            if type(lowercase) is not bool or len(set(words)) < len(words):
                raise ValueError("its words are not distinct, or its case is unknown")
            self._use([str(word) for word in words])
            self.lowercase = lowercase


def check_distances(sentence: ParsedSentence, place: Path | str) -> None:
    """Refuse a sentence with a head that is too far away.

    Args:
        sentence: of a file.
        place: name of the file.

    Raises:
        DataError: a head is more than `FARTHEST` words away.
    """
    pairs = enumerate(sentence.heads, start=1)
    longest = max((abs(head - word) for word, head in pairs if head), default=0)
    if longest > FARTHEST:
        raise DataError(
            f"{place}:{sentence.line}: a word is {longest} words away from its head; at most "
            f"{FARTHEST} can be expressed. Split the sentence"
        )
