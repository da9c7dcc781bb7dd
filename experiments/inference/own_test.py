"""A finished run on a file of labelled texts that it was not fitted with."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datamodules.errors import DataError
from datamodules.reading.classes import listed
from datamodules.reading.opening import FileSettings
from datamodules.reading.tables import Table
from datamodules.splits import text_key
from experiments.config.registry import ConfigError
from experiments.config.resolved import Resolved
from experiments.config.run_config import TEXT_FILES
from experiments.inference.predictor import Predictor
from experiments.records.atomic import replace_bytes
from experiments.records.metrics import Metrics, evaluate
from experiments.records.predictions import Predictions, write_predictions
from experiments.records.row import Row
from experiments.records.run_files import TEST_FILE, checksum, read_config

FOLDER = "tests"


@dataclass(frozen=True)
class OwnTest:
    """Labelled texts for a finished run.

    Attributes:
        path: the file.
        text_column: name of the column of texts; None: the one with a common name.
        label_column: name of the column of labels; None: the one with a common name.
        settings: how the file is read.
    """

    path: Path
    text_column: str | None = None
    label_column: str | None = None
    settings: FileSettings = FileSettings()

    @property
    def is_plain(self) -> bool:
        """Whether nothing is said of how the file is read."""
        columns = self.text_column, self.label_column
        return columns == (None, None) and self.settings == FileSettings()


def joins_row(folder: Path, row: Row, own: OwnTest) -> bool:
    """Whether a file becomes the test part of a run, as if it had been named when it was fitted.

    That is so for a run on a user's own files that has no test file, if the file is read as those
    are. Another file is evaluated beside the row (`evaluate_beside`).
    """
    data = read_config(folder).get("data") or {}
    arguments = row.config.get("data", {}).get("init_args") or {}
    if data.get("class_path") != TEXT_FILES or not own.is_plain:
        return False
    return arguments.get("test") in (None, str(own.path))


def evaluate_beside(folder: Path, own: OwnTest) -> tuple[Path, Metrics, list[str]]:
    """Evaluates the last weights of a run on a file; the run keeps its row and predictions.

    Returns:
        The folder of predictions and `metrics.json`, the metrics, and sentences on the texts.

    Raises:
        ConfigError: the folder is not a finished run.
        DataError: the file is malformed, or has a label that the run does not know.
    """
    predictor = Predictor(folder)
    names = predictor.encoder.label_names
    table = Table(own.path, own.settings)
    texts, labels = [], []
    for number, text, label, _ in table.rows(
        *table.find_columns(own.text_column, own.label_column)
    ):
        if label not in names:
            raise DataError(
                f"{table.where(number)}: label {label!r} is none of those of the run, which are "
                f"{listed(names)}; spell it alike, or remove the row"
            )
        texts.append(text)
        labels.append(names.index(label))
    if not texts:
        raise DataError(f"{own.path}: has no rows; give a file with at least one")
    notes = [*table.remarks(), *table.notes(), *_overlap(folder, texts)]
    ids, truth = np.arange(len(texts)), np.asarray(labels, dtype=np.int64)
    probabilities = predictor(texts)
    metrics = evaluate(truth, probabilities, predictor.threshold)
    content = checksum(own.path)
    place = folder / FOLDER / f"{table.stem}-{content[:8]}"
    place.mkdir(parents=True, exist_ok=True)
    write_predictions(place / TEST_FILE, Predictions(ids, truth, probabilities))
    figures = dataclasses.asdict(metrics)
    record = {"file": str(own.path), "sha256": content, **figures, "notes": notes}
    replace_bytes(place / "metrics.json", (json.dumps(record, indent=1) + "\n").encode())
    return place, metrics, notes


def _overlap(folder: Path, texts: list[str]) -> list[str]:
    """Sentence on texts that are also in what the run learnt from, if that is known here."""
    try:
        _, data = Resolved.of_run(folder).build()
        if not data.corpus_folder.exists():
            raise DataError("the corpus is not in the cache")
        known = {text_key(text) for text in data.texts("train")}
    except (ConfigError, DataError):
        return ["The texts that the run was fitted on are not here, to look for copies of them."]
    copies = sum(text_key(text) in known for text in texts)
    return [f"{copies:,} of the {len(texts):,} texts are also in the train data."] if copies else []
