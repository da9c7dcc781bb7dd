"""Encoder: new texts into batches, cut exactly as the corpus was; travels with every run."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from datamodules.errors import DataError
from datamodules.store.batching import TextBatch, TokenTruncation
from datamodules.store.corpus import UNLABELLED
from datamodules.store.ragged import Ragged
from datamodules.tokenizers import Tokenizer
from datamodules.upgrade.translate import current_path

ENCODER_FILE = "encoder.json"
TOKENIZER_FILE = "tokenizer.json"


@dataclass(frozen=True)
class Encoder:
    """All that stands between a raw text and a network.

    Attributes:
        tokenizer: learnt.
        cut: caps and truncation.
        label_names: the name of class 0, 1, …
    """

    tokenizer: Tokenizer
    cut: TokenTruncation
    label_names: tuple[str, ...]

    def encode(self, texts: Sequence[str]) -> TextBatch:
        """A batch of texts; labels are unknown, ids count from 0.

        Raises:
            DataError: no text was given.
        """
        if not texts:
            raise DataError("no text to encode; give at least one")
        rows = list(self.tokenizer.encode(texts))
        offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
        tokens = Ragged(np.concatenate(rows), offsets)
        matrix, lengths = self.cut.rows(tokens, np.arange(len(rows)))
        return TextBatch(
            torch.from_numpy(matrix),
            torch.from_numpy(lengths),
            torch.full((len(rows),), UNLABELLED),
            torch.arange(len(rows)),
        )

    def save(self, folder: Path) -> None:
        """Writes `encoder.json` and `tokenizer.json` into a run folder."""
        kind = type(self.tokenizer)
        head = {
            "tokenizer": f"{kind.__module__}.{kind.__qualname__}",
            "cut": self.cut._asdict(),
            "label_names": self.label_names,
        }
        self.tokenizer.save(folder / TOKENIZER_FILE)
        (folder / ENCODER_FILE).write_text(json.dumps(head, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Encoder:
        """Reads what `save` wrote.

        Raises:
            DataError: a file is missing or damaged.
        """
        file = folder / ENCODER_FILE
        try:
            head = json.loads(file.read_text(encoding="utf-8"))
            module, _, name = current_path(head["tokenizer"]).rpartition(".")
            kind = getattr(importlib.import_module(module), name)
            if not issubclass(kind, Tokenizer):
                raise TypeError(f"{head['tokenizer']} is no tokenizer")
            tokenizer = kind()
            cut, label_names = TokenTruncation(**head["cut"]), tuple(head["label_names"])
        except (OSError, ValueError, KeyError, TypeError, ImportError, AttributeError) as error:
            raise DataError(f"{file}: cannot be read ({error}); is {folder} a run?") from error
        tokenizer.load(folder / TOKENIZER_FILE)
        return cls(tokenizer, cut, label_names)
