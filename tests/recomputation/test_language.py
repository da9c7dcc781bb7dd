"""Every figure of the table of language models, computed a second time from the published files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "experiments" / "results"
NAME = "imdb_language"


def rows() -> dict[str, list[dict]]:
    found: dict[str, list[dict]] = {}
    for line in (FOLDER / f"{NAME}.jsonl").read_text().splitlines():
        row = json.loads(line)
        found.setdefault(row["experiment"], []).append(row)
    return found


def losses(row: dict, part: str = "test") -> tuple[np.ndarray, ...]:
    """-ln p, symbols, characters and movie of each text."""
    with np.load(FOLDER / row["evidence"]["file"]) as file:
        names = ("id_steps", "log_probabilities", "symbols", "characters")
        steps, logs, symbols, characters = (file[f"{part}_{name}"] for name in names)
    with np.load(FOLDER / f"{NAME}.groups.npz") as file:
        split = "test" if part == "test" else "train"
        movies = file[f"{row['corpus_fingerprint']}_{split}"]
    ids = np.cumsum(steps.astype(np.int64))
    return -logs.astype(float), symbols.astype(float), characters.astype(float), movies[ids]


def interval(per_seed: list[np.ndarray], symbols: np.ndarray, movies: np.ndarray) -> list[float]:
    """exp of the mean and of both ends."""
    table = np.stack(per_seed)
    total, seeds = symbols.sum(), len(table)
    mean = table.sum() / (seeds * total)
    rest = table.mean(axis=0) - mean * symbols
    sums = np.array([rest[movies == movie].sum() for movie in np.unique(movies)])
    of_movies = len(sums) / (len(sums) - 1) * (sums**2).sum() / total**2
    of_seeds = (table.sum(axis=1) / total).var(ddof=1) / seeds if seeds > 1 else 0.0
    whole = of_movies + of_seeds
    below = of_seeds / whole / max(1, seeds - 1) + of_movies / whole / (len(sums) - 1)
    t = stats.t.ppf(0.975, min(1 / below, len(sums) - 1))
    return np.exp([mean, mean - t * whole**0.5, mean + t * whole**0.5]).tolist()


def numbers(cell: str) -> list[float]:
    return [float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*\.?\d*", cell)]


def test_the_table_of_the_page() -> None:
    page = (ROOT / "docs" / "language-models.md").read_text()
    place = re.search(r"<!-- language-models -->(.*?)<!-- /language-models -->", page, re.S)
    assert place
    lines = [line.split(" | ") for line in place[1].splitlines() if line.startswith("| `")]
    published = rows()
    assert {cells[0].strip("| `") for cells in lines} == set(published)
    [baseline] = published["ngram_lm"]
    base = losses(baseline)[0]
    shown = []
    for cells in lines:
        runs = published[cells[0].strip("| `")]
        of_runs = [losses(row) for row in runs]
        _, symbols, characters, movies = of_runs[0]
        mean, low, high = interval([one[0] for one in of_runs], symbols, movies)
        assert numbers(cells[1]) == pytest.approx([mean, low, high], abs=0.0501), cells
        assert ("\\*" in cells[1]) == (len(runs) == 1 and not runs[0]["deterministic"])
        if runs[0] is not baseline:
            ratio = interval([one[0] - base for one in of_runs], symbols, movies)
            assert numbers(cells[2]) == pytest.approx(ratio, abs=0.000501), cells
        bits = np.mean([one[0].sum() / np.log(2) / characters.sum() for one in of_runs])
        assert numbers(cells[3]) == pytest.approx([bits], abs=0.000501), cells
        shown.append(mean)
    assert shown == sorted(shown)


def test_the_metrics_of_each_row() -> None:
    for runs in rows().values():
        for row in runs:
            for part in ("val", "test"):
                loss, symbols, characters, _ = losses(row, part)
                found = row[part]
                assert found["log_loss"] == pytest.approx(loss.sum() / symbols.sum())
                assert found["perplexity"] == pytest.approx(np.exp(loss.sum() / symbols.sum()))
                bits = loss.sum() / np.log(2) / characters.sum()
                assert found["bits_per_character"] == pytest.approx(bits)
                sizes = (len(loss), symbols.sum(), characters.sum())
                assert (found["n"], found["symbols"], found["characters"]) == sizes
