"""Costs in a row: what was trained, how long, and beside what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from experiments.training.run import execute
from experiments.training.spec import RunSpec

VECTORS = {
    "class_path": "datamodules.vectors.word2vec.Word2Vec",
    "init_args": {"dim": 6, "min_count": 2, "epochs": 1},
}
CNN = {"embedding_dim": 6, "num_filters": 4}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "frozen": ("cnn.CNN", CNN | {"vectors_lr_scale": 0.0}),
    "cnn": ("cnn.CNN", CNN),
    "average": ("vector_average_logreg.VectorAverageLogReg", {}),
    "bag": ("bag.Bag", {"embedding_dim": 6}),
    "tfidf_logreg": ("tfidf_logreg.TfidfLogReg", {}),
}
VOCABULARY = 5000


def spec_of(folder: Path, name: str, protocol: str = "holdout", **trainer: Any) -> RunSpec:
    module, options = MODELS[name]
    data = {"rows": 64, "batch_size": 8, "cache_dir": str(folder.parent / "cache")}
    data |= {"vocab_size": VOCABULARY}
    data |= {} if name in ("bag", "tfidf_logreg") else {"vectors": VECTORS}
    settings = {
        "model": {"class_path": f"lit_models.{module}", "init_args": options},
        "data": {"class_path": "tests.toys.ToyData", "init_args": data},
        "trainer": {"max_epochs": 2, "accelerator": "cpu", **trainer},
        "run": {"protocol": protocol, "wandb_mode": "disabled"},
    }
    return RunSpec(name, "b", "smoke", 0, folder, settings)


@pytest.mark.parametrize("name", ["frozen", "cnn", "bag", "tfidf_logreg"])
def test_a_row_says_how_many_parameters_were_trained(name: str, tmp_path: Path) -> None:
    row = execute(spec_of(tmp_path / "run", name))
    assert row is not None and row.parameters is not None
    frozen = VOCABULARY * 6 if name == "frozen" else 0
    assert row.trainable_parameters == row.parameters - frozen > 0
    words = f"{row.trainable_parameters:,} of {row.parameters:,} parameters were trained"
    assert [words in note for note in row.notes] == ([True] if frozen else [False] * len(row.notes))
