"""ByteTokenizer: the bytes of a text in UTF-8."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.errors import DataError
from datamodules.tokenizers import Tokenizer


class ByteTokenizer(Tokenizer):
    """Bytes of a text in UTF-8, exactly as it is: case, markup and spaces included.

    Id 0 is `<pad>`, 1 is `<unk>`; all 256 bytes follow by falling frequency in the training rows,
    equally frequent ones by value. `data.vocab_size` 258 has them all.
    """

    pad_id = 0
    unk_id = 1

    def __init__(self) -> None:
        self._use(np.arange(256))

    def _use(self, order: np.ndarray) -> None:
        self._order = order  # int64[256]
        self._ids = np.empty(256, dtype=np.int32)  # by byte
        self._ids[order] = np.arange(2, 258)

    def settings(self) -> dict[str, Any]:
        return {"class": "ByteTokenizer", "version": 1}

    def fit(self, texts: Iterable[str], count: int) -> None:
        counts = np.zeros(256, dtype=np.int64)
        for text in texts:
            counts += np.bincount(_values(text), minlength=256)
        self._use((-counts).argsort(kind="stable"))

    def encode(self, texts: Iterable[str]) -> Iterator[np.ndarray]:
        for text in texts:
            ids = self._ids[_values(text)]
            yield ids if len(ids) else np.array([self.unk_id], dtype=np.int32)

    def spans(self, text: str) -> np.ndarray:
        if not text:
            return np.full((1, 2), -1)
        sizes = [len(_values(character)) for character in text]
        starts = np.arange(len(text)).repeat(sizes)
        return np.stack([starts, starts + 1], axis=1)

    def vocabulary(self) -> list[str]:
        names = (chr(b) if 32 <= b < 127 else f"<0x{b:02X}>" for b in self._order.tolist())
        return ["<pad>", "<unk>", *names]

    def sentence_ends(self) -> tuple[int, ...]:
        return tuple(int(self._ids[ord(mark)]) for mark in ".!?")

    def save(self, file: Path) -> None:
        file.write_text(json.dumps({"bytes": self._order.tolist()}), encoding="utf-8")

    def load(self, file: Path) -> None:
        if not file.is_file():
            raise DataError(f"{file}: no such file; the run or store is incomplete, make it anew")
        try:
            order = json.loads(file.read_text(encoding="utf-8"))["bytes"]
            if sorted(order) != list(range(256)):
                raise ValueError("it does not have each byte once")
            self._use(np.array(order))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{file}: not a tokenizer file ({error}); make the run or store anew"
            ) from error


def _values(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-8", "surrogatepass"), dtype=np.uint8)
