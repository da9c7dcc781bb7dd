"""Samples of the corpora, the settings of a measurement, and the rows that another library gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules.errors import DataError
from datamodules.imdb import IMDB
from datamodules.text import TextDataModule
from experiments.config.registry import Registry
from experiments.config.resolved import Resolved
from experiments.speed.comparison.exports import export
from experiments.speed.comparison.rivals import PEERS
from experiments.speed.settings import configure
from experiments.training.fitting import build_and_setup
from tests.corpora import SMALL_COUNTS, make_aclimdb

REVIEWS = 34  # of the 36 train rows: two steps, the second with two rows


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small corpus in the official layout, and room for a cache beside it."""
    return make_aclimdb(tmp_path_factory.mktemp("speed")).parent


@pytest.fixture(autouse=True)
def small_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(IMDB, "_COUNTS", SMALL_COUNTS)


def configured(corpus: Path, reviews: int = REVIEWS, seed: int = 0) -> Resolved:
    words = [f"--data.cache_dir={corpus / 'cache'}", f"--seed_everything={seed}"]
    words += [f"--data.seed={seed}"]
    settings: dict[str, Any] = PEERS["keras"].settings
    sample = {"reviews": reviews, "root": str(corpus), "settings": settings}
    return configure(Registry(), "lstm", overrides=words, **sample)  # type: ignore[arg-type]


def opened(resolved: Resolved) -> TextDataModule:
    data: TextDataModule = build_and_setup(resolved)[1]
    return data


def test_a_sample_is_drawn_from_train_by_seed(corpus: Path) -> None:
    data = opened(configured(corpus, 20))
    rows = data.train_dataloader().dataset.rows  # type: ignore[attr-defined]
    assert len(np.unique(rows)) == 20
    assert np.isin(rows, data.store.rows("train")).all()
    again = opened(configured(corpus, 20)).train_dataloader().dataset.rows  # type: ignore[attr-defined]
    other = opened(configured(corpus, 20, seed=1)).train_dataloader().dataset.rows  # type: ignore[attr-defined]
    assert np.array_equal(rows, again)
    assert not np.array_equal(rows, other)


def test_a_sample_larger_than_train_is_refused(corpus: Path) -> None:
    data = opened(configured(corpus, 37))
    with pytest.raises(DataError, match="reviews is 37; it must be 1 to 36"):
        data.train_dataloader()


def test_the_exported_matrix_holds_the_rows_of_the_loader(corpus: Path, tmp_path: Path) -> None:
    resolved = configured(corpus)
    data = opened(resolved)
    job = export(PEERS["keras"], resolved, tmp_path, "lstm")
    with np.load(job["file"], allow_pickle=False) as content:
        matrix, labels = content["tokens"], content["labels"]
    assert matrix.shape == (REVIEWS, 256) and job["reviews"] == REVIEWS
    assert matrix.dtype == labels.dtype == np.int32
    assert 0 < labels[: REVIEWS // 2].mean() < 1, "both classes from the first rows on"
    theirs = sorted(
        (tuple(row[row != 0]), label) for row, label in zip(matrix, labels, strict=True)
    )
    ours = [
        (tuple(row[:length]), label)
        for batch in data.train_dataloader()
        for row, length, label, _ in zip(*(part.numpy() for part in batch), strict=True)
    ]
    assert theirs == sorted(ours)
    assert sum(len(row) for row, _ in ours) == job["tokens"]


def test_word_vectors_are_left_out_where_the_network_is_as_large_without() -> None:
    config = configure(Registry(), "bilstm_tagger", reviews=9).config
    assert config["data"]["init_args"].get("vectors") is None
    assert config["data"]["init_args"]["reviews"] == 9
