"""Made benchmark of any size: run folders with rows and predictions, without training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from experiments.records.metrics import evaluate
from experiments.records.predictions import write_predictions
from experiments.records.problems.class_predictions import Predictions
from experiments.records.run_files import checksums, write_row
from tests.rows import make_row

CLASSES = {
    "NBLogReg": "n-grams",
    "TfidfLogReg": "n-grams",
    "LinearSVM": "n-grams",
    "VectorAverageLogReg": "word vectors",
    "Bag": "bags",
    "FastText": "bags",
    "MLP": "bags",
    "LSTM": "recurrent",
    "GRU": "recurrent",
    "BidirectionalLSTM": "recurrent",
    "CNN": "convolutional",
    "DPCNN": "convolutional",
    "Capsule": "attention, capsules",
    "Transformer": "Transformers",
    "BERT": "pretrained",
}
"""Family of each architecture."""


def make_benchmark(
    folder: Path,
    experiments: int = 20,
    seeds: int = 3,
    rows: int = 25_000,
    val: int = 2_500,
    step: float = 0.03,
) -> Path:
    """Experiments of increasing skill on the same reviews, some of them hard for all.

    Returns:
        Folder of the benchmark.
    """
    for number in range(experiments):
        for seed in range(seeds):
            name = f"experiment_{number:02d}" + ("_with_a_long_name" if number % 5 == 0 else "")
            architecture = [*CLASSES][number % len(CLASSES)]
            _make_run(folder, name, architecture, number, seed, (rows, val), 1.15 + step * number)
    return folder


def _make_run(
    folder: Path,
    name: str,
    architecture: str,
    number: int,
    seed: int,
    sizes: tuple[int, int],
    skill: float,
) -> None:
    generator = np.random.default_rng([number, seed])
    parts = [
        _predict(generator, np.random.default_rng(split), size, skill)
        for split, size in enumerate(sizes)
    ]
    test, validation = parts
    metrics = [evaluate(part.labels, part.probabilities) for part in parts]
    run = folder / name / f"seed-{seed}"
    write_predictions(run / "predictions.parquet", test)
    write_predictions(run / "val_predictions.parquet", validation)
    config = {"data": {"class_path": "tests.toys.ToyData"}, "model": {"init_args": {"size": 8}}}
    (run / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
    history = [
        {
            "epoch": epoch,
            "val/log_loss": 0.3 + 0.3 / (epoch + 1) + 0.01 * float(generator.normal()),
            "val/accuracy": metrics[1].accuracy - 0.1 / (epoch + 1) ** 2,
        }
        for epoch in range(6)
    ]
    row = make_row(
        experiment=name,
        architecture=architecture,
        family=CLASSES[architecture],
        seed=seed,
        test=metrics[0],
        val=metrics[1],
        train_seconds=float(10 ** (0.5 + 0.12 * number + 0.05 * generator.normal())),
        latency_ms_p50=float(10 ** (0.1 * (number % 7) + 0.02 * generator.normal())),
        checkpoint_bytes=int(1e6 * (1 + (number * 7) % 20)),
        flops_per_review=1e6 * (1 + (number * 11) % 20),
        history=history if number % 4 else [],
        checksums=checksums(run),
    )
    write_row(run, row)


def _predict(
    generator: np.random.Generator, common: np.random.Generator, rows: int, skill: float
) -> Predictions:
    """Predictions from a review's difficulty, the same in every run, and noise of the run."""
    labels = common.integers(0, 2, rows)
    hardness = common.normal(0, 1, rows)
    logits = (2 * labels - 1) * (skill - hardness) + generator.normal(0, 0.5, rows)
    positive = 1 / (1 + np.exp(-1.7 * logits))
    probabilities = np.stack([1 - positive, positive], axis=1).astype(np.float32)
    return Predictions(np.arange(rows), labels, probabilities)
