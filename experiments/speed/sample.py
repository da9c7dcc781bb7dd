"""Sample of reviews for both sides of a comparison, truncated in the same way."""

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
    """IMDB with a sample of the train rows; the vocabulary is that of all train rows.

    Args:
        reviews: Number of train rows.
        **kwargs: As for IMDB.

    Raises:
        DataError: `reviews` is not positive, or larger than the train part.
    """

    def __init__(self, *, reviews: int = 3200, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reviews = reviews

    def train_indices(self) -> np.ndarray:
        """Rows of the sample, int64, ascending."""
        rows = super().train_indices()
        if not 1 <= self.reviews <= len(rows):
            raise DataError(f"reviews is {self.reviews}; it must be 1 to {len(rows):,}")
        drawn = np.random.default_rng(self.seed).choice(rows, self.reviews, replace=False)
        return np.sort(drawn)


def configure(root: str | None, reviews: int, seed: int, cache_dir: str | None) -> Resolved:
    """Configure the LSTM experiment on a sample of the official corpus, on a CPU.

    Args:
        root: As in `--root`.
        reviews: Size of the sample.
        seed: Random seed of sample, weights and order.
        cache_dir: As in `--data.cache_dir`.
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
    """Write the sample as a matrix, in random order, every row padded to `max_length`.

    Args:
        data: The datamodule, set up.
        file: The `.npz`: `tokens` int32[N, max_length], `labels` int32[N], `ids` int64[N].

    Returns:
        Number of real tokens in it.
    """
    dataset = data.train_dataloader().dataset
    # Shuffled: the corpus is sorted by class, and the first rows are the warm-up.
    order = np.random.default_rng(data.seed).permutation(len(dataset))  # type: ignore[arg-type]
    tokens, lengths, labels, ids = dataset[order]
    width = data.max_length or tokens.shape[1]
    matrix = np.full((len(tokens), width), data.tokenizer.pad_id, dtype=np.int32)
    matrix[:, : tokens.shape[1]] = tokens.numpy()
    content = io.BytesIO()
    np.savez(content, tokens=matrix, labels=labels.numpy().astype(np.int32), ids=ids.numpy())
    replace_bytes(file, content.getvalue())
    return int(lengths.sum())
