"""Generated run folders with chosen accuracies, all on the same reviews."""

from pathlib import Path

import numpy as np

from experiments.records.metrics import evaluate
from experiments.records.predictions import write_predictions
from experiments.records.problems.class_predictions import Predictions
from experiments.records.run_files import checksums, write_row
from tests.rows import make_row

LABELS = np.random.default_rng(99).integers(0, 2, 1000)


def answers(accuracy: float, draw: int, labels: np.ndarray) -> Predictions:
    """Predictions of which this share is right, the confidence drawn."""
    generator = np.random.default_rng(draw)
    right = generator.random(len(labels)) < accuracy
    sure = generator.uniform(0.55, 0.99, len(labels))
    of_label = np.where(right, sure, 1 - sure)
    first = np.where(labels == 0, of_label, 1 - of_label)
    probabilities = np.stack([first, 1 - first], axis=1).astype(np.float32)
    return Predictions(np.arange(len(labels)), labels.astype(np.int64), probabilities)


def made_run(
    root: Path,
    experiment: str,
    accuracy: float,
    seed: int = 0,
    *,
    labels: np.ndarray = LABELS,
    tested: bool = True,
    **changes: object,
) -> Path:
    """A finished run folder of the current form, checksums included."""
    folder = root / experiment / f"seed-{seed}"
    draw = sum(map(ord, experiment)) * 100 + seed
    test, val = answers(accuracy, draw, labels), answers(accuracy, draw + 50, labels[:100])
    write_predictions(folder / "val_predictions.parquet", val)
    if tested:
        write_predictions(folder / "predictions.parquet", test)
    row = make_row(
        experiment=experiment,
        seed=seed,
        test=evaluate(test.labels, test.probabilities) if tested else None,
        val=evaluate(val.labels, val.probabilities),
        **{"checksums": checksums(folder), **changes},
    )
    write_row(folder, row)
    return folder
