"""Simulated tables: a guard on the methods, and the command that writes their figures."""

from pathlib import Path

import numpy as np
import pytest

from experiments.statistics import simulation
from experiments.statistics.intervals import accuracy_interval
from experiments.statistics.pairwise_tests import differences
from experiments.statistics.simulated import (
    MOVIES,
    OF_ALL,
    OF_MODEL,
    REVIEWS,
    Answers,
    Reviews,
    correlation,
    movie_share,
    movie_sizes,
)


def test_movies_are_those_of_the_official_test_split() -> None:
    sizes = movie_sizes()
    assert (len(sizes), sizes.sum(), sizes.min(), sizes.max()) == (MOVIES, REVIEWS, 1, 30)


@pytest.mark.parametrize("effect", [1.0, 1.6])
def test_simulated_reviews_have_the_accuracy_spread_and_design_effect(effect: float) -> None:
    generator = np.random.default_rng(0)
    groups = np.repeat(np.arange(MOVIES), movie_sizes())
    single = Reviews(0.9, 1, 0.0, effect)
    found = [
        accuracy_interval(single.draw(generator, movie_share(effect, 0.9)), groups=groups)
        for _ in range(30)
    ]
    assert np.mean([one.mean for one in found]) == pytest.approx(0.9, abs=0.002)
    assert np.mean([one.design_effect for one in found]) == pytest.approx(effect, abs=0.06)
    runs = Reviews(0.9, 40, 0.02, effect).draw(generator, movie_share(effect, 0.9))
    assert runs.mean(axis=1).std() == pytest.approx(0.02, rel=0.4)
    pairs = np.corrcoef(runs)[np.triu_indices(40, 1)]
    assert pairs.mean() == pytest.approx(correlation(OF_MODEL, 0.9), abs=0.03)


@pytest.mark.parametrize("effect", [1.0, 1.6])
def test_simulated_totals_have_the_variances_of_simulated_reviews(effect: float) -> None:
    drawn = Answers(0.9, effect).draw(np.random.default_rng(0), 30, 2)
    # Of each run as if its movies were one draw: 25,000 · effect · p · (1 - p).
    squares = (drawn.astype(float) ** 2).sum(axis=2) / (REVIEWS * 0.09)
    assert squares.mean() == pytest.approx(effect, rel=0.05)
    products = np.einsum("img,jmg->ijm", drawn, drawn) / (REVIEWS * 0.09 * effect)
    others = products[~np.eye(30, dtype=bool)].mean()
    assert others == pytest.approx(correlation(OF_ALL, 0.9), rel=0.1)
    own = np.einsum("mg,mg->m", drawn[:, 0], drawn[:, 1]).mean() / (REVIEWS * 0.09 * effect)
    assert own == pytest.approx(correlation(OF_MODEL, 0.9), rel=0.1)


def test_intervals_and_tests_keep_their_word_in_a_few_draws() -> None:
    assert simulation.coverage(0.9, 3, 0.002, 1.6, 60) > 0.88
    tables, found = simulation.wrong_and_found(3, 1.6, 25, models=12)
    assert max(tables.values()) <= 0.16
    assert found >= 0.7


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_equal_models_review_by_review_are_found_to_differ_in_at_most_6_percent() -> None:
    generator = np.random.default_rng(2)
    groups = np.repeat(np.arange(MOVIES), movie_sizes())
    share = movie_share(1.6, 0.9)
    wrong = 0
    for _ in range(1000):
        # Models of independent errors, which is the least that a shared difficulty can do.
        tables = {str(at): Reviews(0.9, 3, 0.002, 1.6).draw(generator, share) for at in range(6)}
        wrong += any(pair.different for pair in differences(tables, groups=groups))
    assert wrong / 1000 <= 0.06


def test_the_command_writes_between_the_marks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulation, "report", lambda draws: iter([f"| {draws} |", "| 5.0% |"]))
    page = tmp_path / "page.md"
    page.write_text("before\n\n<!-- simulation -->\nold\n<!-- /simulation -->\nafter\n")
    simulation.main(["--draws", "7", "--out", str(page)])
    assert page.read_text() == (
        "before\n\n<!-- simulation -->\n\n| 7 |\n| 5.0% |\n\n<!-- /simulation -->\nafter\n"
    )
    simulation.main(["--draws", "7"])
    assert capsys.readouterr().out == "| 7 |\n| 5.0% |\n"
    page.write_text("<!-- simulation -->")
    with pytest.raises(ValueError, match="the document lacks <!-- simulation --> … <!-- /simu"):
        simulation.main(["--out", str(page)])


def test_a_bar_that_is_missed_is_marked() -> None:
    assert simulation._bar(0.07, 0, 0.06) == "**7.0%** (missed)"
    assert simulation._bar(0.06, 0, 0.06) == "6.0%"
