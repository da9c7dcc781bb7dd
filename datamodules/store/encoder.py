"""Encoder: new texts into batches, truncated exactly as the corpus; saved with every run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from datamodules.errors import DataError
from datamodules.store.batching import TextBatch
from datamodules.store.corpus import UNLABELLED
from datamodules.store.ragged import Ragged
from datamodules.store.truncation import TokenTruncation
from datamodules.tokenizers import Tokenizer
from datamodules.trusted import import_trusted
from datamodules.upgrade.translate import current_path

ENCODER_FILE = "encoder.json"
TOKENIZER_FILE = "tokenizer.json"


@dataclass(frozen=True)
class Encoder:
    """Everything between a raw text and a network.

    Attributes:
        tokenizer: fitted.
        token_truncation: vocabulary cap and truncation.
        label_names: names of class 0, 1, …
    """

    tokenizer: Tokenizer
    token_truncation: TokenTruncation
    label_names: tuple[str, ...]

    def encode(self, texts: Sequence[str]) -> TextBatch:
        """Batch of texts; labels are unknown, ids count from 0.

        Raises:
            DataError: no text was given.
        """
        if not texts:
            raise DataError("no text to encode; give at least one")
        rows = list(self.tokenizer.encode(texts))
        offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
        tokens = Ragged(np.concatenate(rows), offsets)
        matrix, lengths = self.token_truncation.rows(tokens, np.arange(len(rows)))
        return TextBatch(
            torch.from_numpy(matrix),
            torch.from_numpy(lengths),
            torch.full((len(rows),), UNLABELLED),
            torch.arange(len(rows)),
        )

    def ids(self, text: str) -> np.ndarray:
        """int64[T] token ids of a text as words of the vocabulary, without special tokens."""
        cap, row = self.token_truncation, next(iter(self.tokenizer.encode([text])))
        inner = row[cap.prefix : len(row) - cap.suffix].astype(np.int64)
        return (
            inner if cap.vocab_size is None else np.where(inner < cap.vocab_size, inner, cap.unk_id)
        )

    def spans(self, text: str) -> np.ndarray:
        """int64[T, 2] start and end in a text of each token of its row; see `Tokenizer.spans`."""
        spans = self.tokenizer.spans(text)
        numbers = Ragged(np.arange(len(spans), dtype=np.int32), np.array([0, len(spans)]))
        uncapped = self.token_truncation._replace(vocab_size=None)
        read: np.ndarray = spans[uncapped.ragged(numbers, np.array([0])).values]
        return read

    def save(self, folder: Path) -> None:
        """Writes `encoder.json` and `tokenizer.json` into a run folder."""
        tokenizer_class = type(self.tokenizer)
        settings = {
            "tokenizer": f"{tokenizer_class.__module__}.{tokenizer_class.__qualname__}",
            "token_truncation": self.token_truncation._asdict(),
            "label_names": self.label_names,
        }
        self.tokenizer.save(folder / TOKENIZER_FILE)
        (folder / ENCODER_FILE).write_text(json.dumps(settings, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Encoder:
        """Reads what `save` wrote.

        Raises:
            DataError: a file is missing or damaged.
            Untrusted: the tokenizer's class is not one of a trusted place.
        """
        file = folder / ENCODER_FILE
        settings = _read_settings(file)
        try:
            tokenizer_class = import_trusted(settings["tokenizer"])
            if not issubclass(tokenizer_class, Tokenizer):
                raise TypeError(f"{settings['tokenizer']} is no tokenizer")
            tokenizer = tokenizer_class()
            # The former name of this key: `cut`.
            truncation_settings: Any = settings.get("token_truncation", settings.get("cut"))
            token_truncation = TokenTruncation(**truncation_settings)
            label_names = tuple(settings["label_names"])
        except (ValueError, KeyError, TypeError, ImportError, AttributeError) as error:
            raise _unreadable(file, error) from error
        tokenizer.load(folder / TOKENIZER_FILE)
        return cls(tokenizer, token_truncation, label_names)


def names_tokenizer(folder: Path, tokenizer: type[Tokenizer]) -> bool:
    """True if the encoder in a run folder names this very class; nothing is imported.

    Raises:
        DataError: its file is missing or damaged.
    """
    path = f"{tokenizer.__module__}.{tokenizer.__qualname__}"
    return current_path(str(_read_settings(folder / ENCODER_FILE).get("tokenizer"))) == path


def _read_settings(file: Path) -> dict[str, Any]:
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(settings, dict):
            raise TypeError(f"it holds {type(settings).__name__}")
        return settings
    except (OSError, ValueError, TypeError) as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: Exception) -> DataError:
    return DataError(f"{file}: cannot be read ({error}); give the folder of a finished run")
