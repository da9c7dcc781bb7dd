"""Submission to the Kaggle contest: predictions of a finished run for its test reviews."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np

from datamodules.kaggle import Kaggle
from experiments.config.registry import ConfigError
from experiments.config.resolved import Resolved
from experiments.inference.predictor import Predictor
from experiments.records.atomic import replace_bytes
from experiments.records.lock import exclusive_lock
from experiments.records.metrics import predicted_classes

SUBMISSION_FILE = "submission.csv"


def write_submission(folder: Path, out: Path | None = None, hard: bool = False) -> tuple[Path, int]:
    """Write `id,sentiment` for every test review of the contest, in the order of its file.

    Args:
        folder: A finished run on the datamodule `Kaggle`.
        out: The file to write; `submission.csv` in the run folder if None.
        hard: Write 0 or 1, by the threshold of the run if it has one, instead of the probability
            of a positive review. The contest scores the area under the ROC curve, for which
            probabilities are better.

    Returns:
        The file and its number of reviews.

    Raises:
        ConfigError: The folder is not a finished run, or the run is on another corpus.
        DataError: The test file of the contest is missing or malformed.
    """
    predictor, out = Predictor(folder), out or folder / SUBMISSION_FILE
    inside = out.resolve().is_relative_to(folder.resolve())
    with exclusive_lock(folder) if inside else nullcontext():
        return _write(folder, out, hard, predictor)


def _write(folder: Path, out: Path, hard: bool, predictor: Predictor) -> tuple[Path, int]:
    resolved = Resolved.of_run(folder)
    _, data = resolved.build()
    if not isinstance(data, Kaggle):
        raise ConfigError(
            f"{folder} was fitted on {type(data).__name__}; the reviews of the contest need a run "
            "on Kaggle: fit with --data datamodules.kaggle.Kaggle --root DIR"
        )
    ids, texts = data.to_submit()
    order = np.argsort(
        [len(text) for text in texts]
    )  # reviews of like length together: little padding
    probabilities = np.empty((len(texts), 2), dtype=np.float32)
    probabilities[order] = predictor([texts[row] for row in order])
    classes = predicted_classes(probabilities, predictor.threshold)
    values = classes.tolist() if hard else [f"{p:.9g}" for p in probabilities[:, 1]]
    lines = [f"{name},{value}\n" for name, value in zip(ids, values, strict=True)]
    replace_bytes(out, "".join(["id,sentiment\n", *lines]).encode())
    return out, len(lines)
