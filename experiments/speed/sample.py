"""What both sides of a comparison read: one seeded sample of reviews, cut the same way."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.errors import DataError
from datamodules.imdb import IMDB
from datamodules.text import TextDataModule
from experiments.config.registry import Registry, merge
from experiments.config.resolved import Resolved
from experiments.records.atomic import replace_bytes


class SampledIMDB(IMDB):
    """IMDB of which only some train rows are learnt from; the vocabulary is that of all of them.

    Args:
        reviews: how many rows.
        **kwargs: see IMDB.

    Raises:
        DataError: no or too many reviews asked for.
    """

    def __init__(self, *, reviews: int = 3200, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reviews = reviews

    def train_indices(self) -> np.ndarray:
        """The sample, int64, ascending."""
        rows = super().train_indices()
        if not 1 <= self.reviews <= len(rows):
            raise DataError(f"reviews is {self.reviews}; it must be 1 to {len(rows):,}")
        drawn = np.random.default_rng(self.seed).choice(rows, self.reviews, replace=False)
        return np.sort(drawn)


def configure(root: str | None, reviews: int, seed: int, cache_dir: str | None) -> Resolved:
    """The suite's own LSTM experiment over a sample of the official corpus, on a CPU.

    Args:
        root: as in `--root`.
        reviews: size of the sample.
        seed: of the sample, of the weights and of the order.
        cache_dir: as in `--data.cache_dir`.
    """
    data = {
        "root": root,
        "reviews": reviews,
        "max_length": 256,
        "vocab_size": 30_000,
        "batch_size": 32,
        "cache_dir": cache_dir,
    }
    here = {
        "seed_everything": seed,
        "model": {"init_args": {"embedding_dim": 128, "hidden_size": 128}},
        "data": {"class_path": f"{__name__}.SampledIMDB", "init_args": data},
        "trainer": {"accelerator": "cpu", "devices": 1},
        "run": {"wandb_mode": "offline"},
    }
    return Resolved(merge(Registry().settings("lstm"), here))


def export(data: TextDataModule, file: Path) -> int:
    """Writes the sample as one matrix, every row padded to `max_length`, in a random order.

    Args:
        data: set up.
        file: the `.npz`, with `tokens` int32[N, max_length], `labels` int32[N], `ids` int64[N].

    Returns:
        Real tokens in it.
    """
    dataset = data.train_dataloader().dataset
    # The corpus has one class after the other, and the first rows serve as warm-up.
    order = np.random.default_rng(data.seed).permutation(len(dataset))  # type: ignore[arg-type]
    tokens, lengths, labels, ids = dataset[order]
    width = data.max_length or tokens.shape[1]
    matrix = np.full((len(tokens), width), data.tokenizer.pad_id, dtype=np.int32)
    matrix[:, : tokens.shape[1]] = tokens.numpy()
    content = io.BytesIO()
    np.savez(content, tokens=matrix, labels=labels.numpy().astype(np.int32), ids=ids.numpy())
    replace_bytes(file, content.getvalue())
    return int(lengths.sum())
