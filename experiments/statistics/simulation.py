"""Check the statistics on simulated tables: `python -m experiments.statistics.simulation`.

Coverage of the intervals, how often tables of equal models show a difference, how often two unequal
models are told apart, and what ranks and chances of being first are worth. Groups are movies, of
which each model answers the same. `--out docs/statistics.md` writes the figures between the marks
`<!-- simulation -->` and `<!-- /simulation -->`.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.machine.marked import fill
from experiments.records.atomic import replace_bytes
from experiments.statistics.intervals import interval
from experiments.statistics.pairwise_tests import compare_pairs, group_parts, holm_correction
from experiments.statistics.ranks import rank_models
from experiments.statistics.seeds import pool
from experiments.statistics.simulated import MOVIES, REVIEWS, Answers, Reviews, movie_share
from experiments.statistics.simulated import movie_sizes as sizes_of_movies
from experiments.statistics.totals import Totals, count, from_totals

ACCURACY, LEVEL, MODELS, GAP = 0.9, 0.95, 28, 0.015
EFFECTS = (1.0, 1.6)
COVERED = (0.93, 0.98)
MOST_WRONG, LEAST_FOUND = 0.06, 0.8
COVERAGE = (
    (0.9, 1, (0.0,)),
    (0.9, 3, (0.0, 0.002, 0.005, 0.01)),
    (0.9, 5, (0.0, 0.002, 0.005)),
    (0.995, 1, (0.0,)),
    (0.995, 3, (0.001,)),
)
"""Accuracy, seeds (1 for a model that does not draw) and standard deviations over seeds."""
SPREADS: Mapping[str, Sequence[float]] = {
    "0": (0.0,),
    "0.2": (0.002,),
    "0.5": (0.005,),
    "half 0.5, half 0.1": (0.005, 0.001),
    "one 1.0, 27 of 0.1": (0.01, *[0.001] * (MODELS - 1)),
}
"""Standard deviations over seeds of the models of a table, in turn."""
FOUND_AT = "0.2"
Cells = tuple[str, ...]


def coverage(accuracy: float, seeds: int, sd: float, effect: float, draws: int) -> float:
    """Share of intervals that hold the true accuracy; review by review, of one model alone."""
    share = movie_share(effect, accuracy)
    movies = np.repeat(np.arange(MOVIES), sizes_of_movies())
    model = Reviews(accuracy, seeds, sd, effect)
    generator = _generator(accuracy, seeds, sd, effect)
    covered = 0
    for _ in range(draws):
        found = interval(count(model.draw(generator, share), movies), LEVEL)
        covered += found.low <= accuracy <= found.high
    return covered / draws


def wrong_and_found(
    seeds: int, effect: float, draws: int, models: int = MODELS
) -> tuple[dict[str, float], float]:
    """Simulate tables for each of `SPREADS`.

    Returns:
        By name of the spread, of equal models, the share of tables that show any difference; and
        for the spread `FOUND_AT` the share of tables that tell apart the first model, `GAP` / 2
        above the others, and the second, `GAP` / 2 below them.
    """
    answers = Answers(ACCURACY, effect)
    shift = np.zeros((models, 1))
    shift[:2, 0] = GAP / 2, -GAP / 2
    generator = _generator(seeds, effect)
    wrong, found = Counter[str](), 0
    for _ in range(draws):
        drawn = [_totals(one) for one in answers.draw(generator, models, seeds)]
        parts = group_parts(drawn)
        noise = generator.standard_normal((models, seeds))
        for name, spread in SPREADS.items():
            moved = _moved(drawn, np.resize(spread, models)[:, None] * noise)
            shared = pool(moved)
            p = compare_pairs(moved, parts, shared).p
            wrong[name] += bool(holm_correction(p).min() <= 1 - LEVEL)
            if name == FOUND_AT:
                p = compare_pairs(_moved(moved, shift), parts, shared).p
                found += bool(holm_correction(p)[0] <= 1 - LEVEL)
    return {name: wrong[name] / draws for name in SPREADS}, found / draws


def ranking(seeds: int, effect: float, draws: int) -> tuple[float, float, float]:
    """Simulate tables whose models lie evenly between `ACCURACY` - 2 and + 2 points.

    Returns:
        The share of rank intervals that hold the true rank; the mean chance of being first of the
        model that is leading; how often it is in truth the best.
    """
    answers = Answers(ACCURACY, effect)
    truth = np.linspace(0.02, -0.02, MODELS)
    generator = _generator(seeds, effect)
    held, chance, best = 0, 0.0, 0
    for _ in range(draws):
        drawn = [_totals(one) for one in answers.draw(generator, MODELS, seeds)]
        noise = 0.002 * generator.standard_normal((MODELS, seeds))
        moved = _moved(drawn, truth[:, None] + noise)
        ranks = rank_models({str(at): one for at, one in enumerate(moved)}, LEVEL, 1000)
        held += sum(one.low <= at + 1 <= one.high for at, one in enumerate(ranks.values()))
        leader = min(ranks, key=lambda name: ranks[name].rank)
        chance += ranks[leader].first
        best += leader == "0"
    return held / (draws * MODELS), chance / draws, best / draws


def report(draws: int) -> Iterator[str]:
    """Run all cases; lines of Markdown."""
    yield from coverage_table(draws)
    yield ""
    yield from difference_table(draws)
    yield ""
    yield from rank_table(max(draws // 20, 1))  # ranks take long, and there are 28 a draw


def coverage_table(draws: int) -> Iterator[str]:
    """Coverage of the interval of one model alone."""
    low, high = COVERED
    yield from _grid(
        ("accuracy %", "seeds", "sd over seeds", "design effect", f"{low:.0%} to {high:.0%}"),
        (
            (
                f"{100 * accuracy:g}",
                str(seeds) if seeds > 1 else "1, draws nothing",
                f"{100 * sd:g}",
                f"{effect:g}",
                _bar(coverage(accuracy, seeds, sd, effect, draws), low, high),
            )
            for accuracy, seeds, spreads in COVERAGE
            for sd in spreads
            for effect in EFFECTS
        ),
    )


def difference_table(draws: int) -> Iterator[str]:
    """Tables of `MODELS` equal models, and two unequal ones among them."""
    heads = (f"shows a difference (≤ {MOST_WRONG:.0%})", f"tells two apart (≥ {LEAST_FOUND:.0%})")
    yield from _grid(
        ("seeds", "sd over seeds", "design effect", *heads),
        (
            (
                str(seeds),
                name,
                f"{effect:g}",
                _bar(wrong, 0, MOST_WRONG),
                _bar(found, LEAST_FOUND, 1) if name == FOUND_AT else "",
            )
            for seeds in (3, 5)
            for effect in EFFECTS
            for tables, found in [wrong_and_found(seeds, effect, draws)]
            for name, wrong in tables.items()
        ),
    )


def rank_table(draws: int) -> Iterator[str]:
    """Ranks of `MODELS` unequal models, and the chance of the leading one of being first."""
    yield from _grid(
        ("seeds", "design effect", "true rank held", "leader's chance", "leader is the best"),
        (
            (str(seeds), f"{effect:g}", *(f"{value:.1%}" for value in found))
            for seeds in (3, 5)
            for effect in EFFECTS
            for found in [ranking(seeds, effect, draws)]
        ),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the simulation; print its figures or write them into a document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--draws", type=int, default=4000, help="draws a case (default 4000)")
    parser.add_argument("--out", type=Path, help="document with the marks; printed without it")
    chosen = parser.parse_args(arguments)
    lines = []
    for line in report(chosen.draws):
        print(line, file=sys.stderr if chosen.out else sys.stdout, flush=True)
        lines.append(line)
    if chosen.out:
        text = fill(chosen.out.read_text(encoding="utf-8"), "simulation", "\n".join(lines))
        replace_bytes(chosen.out, text.encode())


def _generator(*case: float) -> np.random.Generator:
    """Generator of a case: its figures do not depend on the cases before it."""
    return np.random.default_rng([round(1e4 * number) for number in case])


def _totals(answers: NDArray[np.float32]) -> Totals:
    sizes = sizes_of_movies().astype(np.float64)
    alone = ACCURACY * (1 - ACCURACY) / REVIEWS  # decides of intervals with few errors alone
    return from_totals(answers + ACCURACY * sizes, sizes, alone)


def _moved(models: list[Totals], by: NDArray[np.float64]) -> list[Totals]:
    """Models whose runs are more accurate by float[models, seeds or 1]."""
    return [
        replace(model, accuracies=model.accuracies + shift)
        for model, shift in zip(models, by, strict=True)
    ]


def _bar(value: float, low: float, high: float) -> str:
    """Format a share, with a mark if it misses its bar."""
    return f"{value:.1%}" if low <= value <= high else f"**{value:.1%}** (missed)"


def _grid(heads: Cells, rows: Iterator[Cells]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'|'.join(['---:'] * len(heads))}|"
    for cells in rows:
        yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
