"""Published rows know their settings: each has the identity of the experiment as it is today."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from experiments.config.registry import CONFIGS, Registry, layered, read_profile
from experiments.config.resolved import Resolved
from experiments.records.row import Row
from experiments.records.run_files import read_rows
from tests.experiments.conftest import REPOSITORY

TABLE = read_rows(REPOSITORY / "experiments" / "results" / "imdb.jsonl")
ROWS = [row for row in TABLE if not (row.claimed or row.members)]
CHANGED = {"cnn_word2vec", "lstm_word2vec", "centroids_forest", "vector_average_forest"}
"""Experiments with new settings, whose rows are to be made anew."""
PRECISION = {"minilm": "bf16-mixed"}  # what `auto` is not on a processor


def _folders(experiment: str) -> list[Path]:
    if (CONFIGS / f"{experiment}.yaml").is_file():
        return []
    return [file.parent for file in CONFIGS.glob(f"*/{experiment}.yaml")]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.experiment}-{row.protocol}")
def test_its_settings_are_those_of_the_experiment_today(row: Row) -> None:
    settings = layered(Registry(_folders(row.experiment)), row.experiment, read_profile("full"))
    words = [f"--run.protocol={row.protocol}"]
    if row.experiment in PRECISION:
        words.append(f"--run.precision={PRECISION[row.experiment]}")
    resolved = Resolved({**settings, "seed_everything": row.seed}, words)
    assert (row.settings_hash != resolved.hash) == (row.experiment in CHANGED)
    assert row.family != "other"


def test_the_page_names_the_rows_that_are_to_be_made_anew() -> None:
    page = (REPOSITORY / "docs" / "results.md").read_text()
    place = re.search(r"- Settings have changed since the rows of these.*?(?=\n- )", page, re.S)
    named = set(re.findall("`(.*?)`", place[0] if place else ""))
    assert named == CHANGED, "name them under `What to be careful about` in docs/results.md"
