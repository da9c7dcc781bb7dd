"""Samples of the reviews of a corpus; the vocabulary is that of all its train rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from datamodules.errors import DataError
from datamodules.imdb import IMDB
from datamodules.movie_reviews import MovieReviews
from datamodules.text import TextDataModule
from datamodules.vectors.base import WordVectors, vectors_of_rows

if TYPE_CHECKING:  # what it is mixed into

    class _Corpus(TextDataModule):
        pass
else:
    _Corpus = object


class _Sampled(_Corpus):
    reviews: int

    def train_indices(self) -> np.ndarray:
        """Rows of the sample, int64, ascending.

        Raises:
            DataError: `reviews` is not positive, or larger than the train part.
        """
        rows = super().train_indices()
        if not 1 <= self.reviews <= len(rows):
            raise DataError(f"reviews is {self.reviews}; it must be 1 to {len(rows):,}")
        drawn = np.random.default_rng(self.seed).choice(rows, self.reviews, replace=False)
        return np.sort(drawn)

    def word_vectors(self) -> WordVectors | None:
        """Word vectors of all train rows: kept ones are those of runs, which learn from all."""
        if self.vectors is None:
            return None
        folder, rows = self._store_folder().name, super().train_indices()
        cache = self.cache_dir / "vectors"
        return vectors_of_rows(
            self.vectors, self.store, self.encoder, rows, cache, folder, self.seed
        )


class SampledIMDB(_Sampled, IMDB):
    """IMDB with a sample of the train rows.

    Args:
        reviews: Number of train rows.
        **kwargs: As for IMDB.
    """

    def __init__(self, *, reviews: int = 640, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reviews = reviews


class SampledMovieReviews(_Sampled, MovieReviews):
    """MovieReviews with a sample of the train rows.

    Args:
        reviews: Number of train rows.
        **kwargs: As for MovieReviews.
    """

    def __init__(self, *, reviews: int = 640, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reviews = reviews
