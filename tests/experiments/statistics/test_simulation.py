"""Coverage of intervals and error rate of tests, in thousands of simulated benchmarks.

A review is classified correctly if its difficulty is below a threshold. The difficulty is a sum
of terms shared by all models, by the seeds of a model, and drawn for each run. The threshold gives
each run its accuracy, about 90% with a spread between seeds of 0 to 0.5 points. The correlation of
correctness is about 0.6 to 0.7 for two seeds of a model and 0.4 to 0.6 for two models, as in
published runs.
"""

import numpy as np
import pytest
from scipy.special import ndtri

from experiments.statistics.intervals import accuracy_interval
from experiments.statistics.pairwise_tests import differences

ACCURACY = 0.9
DRAWS = 2000
pytestmark = pytest.mark.timeout(1800)  # minutes each where cores are shared


def benchmark(
    generator: np.random.Generator,
    models: int,
    seeds: int,
    reviews: int,
    spread: float,
    shared: float,
    offsets: float,
) -> np.ndarray:
    """bool[models, seeds, reviews] of equally good models.

    Args:
        spread: standard deviation of a seed's accuracy.
        shared: share of a review's ease that all models have in common.
        own: share that the seeds of one model have in common.
    """

    def normal(*shape: int) -> np.ndarray:
        return generator.standard_normal(shape, dtype=np.float32)

    accuracies = ACCURACY + spread * generator.standard_normal((models, seeds, 1))
    ease = np.sqrt(np.float32(1 - shared - offsets)) * normal(models, seeds, reviews)
    ease += np.sqrt(np.float32(offsets)) * normal(models, 1, reviews)
    ease += np.sqrt(np.float32(shared)) * normal(reviews)
    return ease < ndtri(accuracies).astype(np.float32)


@pytest.mark.parametrize(
    ("seeds", "spread", "alike"),
    [
        (3, 0.005, 0.85),
        pytest.param(3, 0.0, 0.85, marks=pytest.mark.slow),
        pytest.param(3, 0.001, 0.9, marks=pytest.mark.slow),
        pytest.param(3, 0.002, 0.9, marks=pytest.mark.slow),
        pytest.param(3, 0.003, 0.95, marks=pytest.mark.slow),
        pytest.param(5, 0.0, 0.85, marks=pytest.mark.slow),
        pytest.param(5, 0.001, 0.9, marks=pytest.mark.slow),
        pytest.param(5, 0.002, 0.9, marks=pytest.mark.slow),
        pytest.param(5, 0.005, 0.95, marks=pytest.mark.slow),
    ],
)
def test_an_interval_of_95_percent_covers_the_truth_in_93_to_97(
    seeds: int, spread: float, alike: float
) -> None:
    generator = np.random.default_rng(int(seeds * 1e4 + spread * 1e4))
    covered = 0
    for _ in range(DRAWS):
        [correct] = benchmark(generator, 1, seeds, 25_000, spread, 0.0, alike)
        interval = accuracy_interval(correct)
        covered += interval.low <= ACCURACY <= interval.high
    print(f"coverage with {seeds} seeds, spread {spread}: {covered / DRAWS:.4f}")
    assert 0.93 <= covered / DRAWS <= 0.97


@pytest.mark.parametrize(
    ("models", "seeds", "spread"),
    [
        (4, 3, 0.005),
        pytest.param(8, 3, 0.0, marks=pytest.mark.slow),
        pytest.param(8, 3, 0.002, marks=pytest.mark.slow),
        pytest.param(8, 3, 0.005, marks=pytest.mark.slow),
        pytest.param(8, 5, 0.0, marks=pytest.mark.slow),
        pytest.param(8, 5, 0.005, marks=pytest.mark.slow),
    ],
)
def test_equal_models_are_found_to_differ_in_at_most_6_percent_of_tables(
    models: int, seeds: int, spread: float
) -> None:
    generator = np.random.default_rng(int(models * 1e5 + seeds * 1e4 + spread * 1e4))
    wrong = covered = 0
    names = [f"model {number}" for number in range(models)]
    for _ in range(DRAWS):
        made = benchmark(generator, models, seeds, 10_000, spread, 0.7, 0.2)
        pairs = differences(dict(zip(names, made, strict=True)))
        wrong += any(pair.different for pair in pairs)
        covered += np.mean([pair.low <= 0 <= pair.high for pair in pairs])
    print(
        f"{models} models, {seeds} seeds, spread {spread}: a difference in {wrong / DRAWS:.4f}, "
        f"coverage {covered / DRAWS:.4f}"
    )
    assert wrong / DRAWS <= 0.06
    assert 0.93 <= covered / DRAWS <= 0.97
