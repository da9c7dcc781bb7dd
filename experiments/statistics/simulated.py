"""Simulated runs: right answers of equal or unequal models, with movies as groups."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

MOVIES, REVIEWS, LARGEST = 3581, 25_000, 30
"""Size of the official test split of IMDB; no movie has more than 30 reviews."""
OF_ALL, OF_MODEL = 0.8, 0.9
"""Shares of a review's ease that all models, and all seeds of a model, have in common.

At an accuracy of 90% the answers of two models then correlate by 0.51 and those of two seeds by
0.65. Of the published runs of 28 experiments two correlate by 0.37 to 0.87, median 0.56.
"""


@cache
def movie_sizes() -> NDArray[np.int64]:
    """Numbers of reviews of the movies: 1 to 30, few large ones, `REVIEWS` in all."""
    places = (np.arange(MOVIES) + 0.5) / MOVIES
    sizes = np.rint(1 + (LARGEST - 1) * places**3.85).astype(np.int64)
    missing = REVIEWS - int(sizes.sum())
    sizes[MOVIES // 2 : MOVIES // 2 + abs(missing)] += np.sign(missing)
    return sizes


@cache
def correlation(shared: float, accuracy: float) -> float:
    """Correlation of two answers whose eases correlate by `shared`, at equal accuracy."""
    from scipy.special import ndtr, ndtri

    points, weights = np.polynomial.hermite_e.hermegauss(201)
    threshold = ndtri(accuracy)
    given = ndtr((threshold + np.sqrt(shared) * points) / np.sqrt(max(1 - shared, 1e-12)))
    both = float((weights * given**2).sum() / weights.sum())
    return (both - accuracy**2) / (accuracy * (1 - accuracy))


@cache
def movie_share(effect: float, accuracy: float) -> float:
    """Share of a review's ease that its movie decides, for a design effect of the accuracy."""
    from scipy.optimize import brentq

    sizes = movie_sizes()
    wanted = (effect - 1) / (float((sizes**2).sum()) / REVIEWS - 1)
    return float(brentq(lambda w: correlation(w, accuracy) - wanted, 0, 0.99)) if wanted else 0.0


@dataclass(frozen=True)
class Reviews:
    """Runs of one model, review by review.

    A review is answered correctly if its ease, which is normal, is below a threshold that gives the
    run its accuracy. The movie decides a share of the ease.

    Attributes:
        accuracy: Mean accuracy over seeds, in 0..1.
        seeds: Number of runs.
        sd: Standard deviation of the accuracy over seeds.
        effect: Design effect of the accuracy.
    """

    accuracy: float
    seeds: int
    sd: float
    effect: float

    def draw(self, generator: np.random.Generator, share: float) -> NDArray[np.bool_]:
        """Draw bool[seeds, REVIEWS]; `share` is that of `movie_share`."""
        from scipy.special import ndtri

        sizes = movie_sizes()

        def ease(runs: int, part: float) -> NDArray[np.float32]:
            movies = generator.standard_normal((runs, MOVIES), dtype=np.float32)
            reviews = generator.standard_normal((runs, REVIEWS), dtype=np.float32)
            movies *= np.float32(np.sqrt(part * share))
            reviews *= np.float32(np.sqrt(part * (1 - share)))
            reviews += np.repeat(movies, sizes, axis=1)
            return reviews

        accuracies = self.accuracy + self.sd * generator.standard_normal((self.seeds, 1))
        thresholds = ndtri(np.clip(accuracies, 0, 1)).astype(np.float32)
        total = ease(1, OF_MODEL) + ease(self.seeds, 1 - OF_MODEL)
        correct: NDArray[np.bool_] = total < thresholds
        return correct


@dataclass(frozen=True)
class Answers:
    """Right answers of many models by movie, without the variation over seeds.

    Sums over the reviews of a movie are drawn at once, as normal ones with the variances and
    correlations that `Reviews` gives answers: a table of 28 models costs as much as one model.

    Attributes:
        accuracy: Of all models, in 0..1.
        effect: Design effect of the accuracy.
    """

    accuracy: float
    effect: float

    def draw(self, generator: np.random.Generator, models: int, seeds: int) -> NDArray[np.float32]:
        """Draw float32[models, seeds, MOVIES], right answers minus their expected number."""
        sizes = movie_sizes()
        alike = (self.effect - 1) / (float((sizes**2).sum()) / REVIEWS - 1)
        scale = np.sqrt(self.accuracy * (1 - self.accuracy) * sizes * (1 + (sizes - 1) * alike))
        of_all = correlation(OF_ALL, self.accuracy)
        of_model = correlation(OF_MODEL, self.accuracy)
        answers = generator.standard_normal((models, seeds, MOVIES), dtype=np.float32)
        answers *= np.float32(np.sqrt(1 - of_model))
        parts = ((of_model - of_all, (models, 1, MOVIES)), (of_all, (1, 1, MOVIES)))
        for share, shape in parts:
            part = generator.standard_normal(shape, dtype=np.float32)
            answers += np.float32(np.sqrt(share)) * part
        answers *= scale.astype(np.float32)
        return answers
