"""A submission to the Kaggle contest: a finished run's word on reviews without labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from datamodules.kaggle import Kaggle
from experiments.config.registry import ConfigError
from experiments.config.resolved import Resolved
from experiments.inference.predictor import Predictor
from experiments.records.atomic import replace_bytes

SUBMISSION_FILE = "submission.csv"


def write_submission(folder: Path, out: Path | None = None, hard: bool = False) -> tuple[Path, int]:
    """Writes `id,sentiment` for every test review of the contest, in the order of its file.

    Args:
        folder: a finished run on the datamodule `Kaggle`.
        out: the file; None: `submission.csv` in the run folder.
        hard: 0 or 1 in place of the probability of a positive review. The contest scores the area
            under the ROC curve, which needs probabilities.

    Returns:
        The file and its number of reviews.

    Raises:
        ConfigError: no finished run there, or one on another corpus.
        DataError: the contest's test file is missing or malformed.
    """
    predictor = Predictor(folder)
    resolved = Resolved.of_run(folder)
    _, data = resolved.build()
    if not isinstance(data, Kaggle):
        raise ConfigError(
            f"{folder} was fitted on {type(data).__name__}, and the contest's reviews come with "
            "Kaggle; fit with --data datamodules.kaggle.Kaggle --root DIR"
        )
    ids, texts = data.to_submit()
    order = np.argsort([len(text) for text in texts])  # little padding in a batch
    positive = np.empty(len(texts), dtype=np.float32)
    positive[order] = predictor([texts[row] for row in order])[:, 1]
    values = (positive > 0.5).astype(int).tolist() if hard else [f"{p:.9g}" for p in positive]
    lines = [f"{name},{value}\n" for name, value in zip(ids, values, strict=True)]
    out = out or folder / SUBMISSION_FILE
    replace_bytes(out, "".join(["id,sentiment\n", *lines]).encode())
    return out, len(lines)
