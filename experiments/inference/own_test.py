"""A finished run on a file of labelled texts that it was not fitted with."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from datamodules.errors import DataError
from datamodules.reading.classes import listed
from datamodules.reading.label_cells import LabelCells
from datamodules.reading.labels import spelling
from datamodules.reading.opening import FileSettings
from datamodules.reading.tables import Table
from datamodules.splits import text_key
from datamodules.store.label_sets import multi_hot
from experiments.config.registry import ConfigError
from experiments.config.resolved import Resolved
from experiments.config.run_config import TEXT_FILES
from experiments.inference.predictor import Predictor
from experiments.records.atomic import replace_bytes
from experiments.records.metrics import Metrics
from experiments.records.predictions import write_predictions
from experiments.records.problems.class_predictions import Predictions
from experiments.records.problems.label_metrics import MultiLabelMetrics
from experiments.records.problems.label_sets import LabelSets
from experiments.records.row import Row
from experiments.records.run_files import TEST_FILE, checksum, read_config

FOLDER = "tests"
MANY_UNKNOWN = 0.2
"""Share of unknown tokens from which on a sentence says so."""


@dataclass(frozen=True)
class OwnTest:
    """Labelled texts for a finished run.

    Attributes:
        path: the file.
        text_column: name of the column of texts; None: the one with a common name.
        label_column: name of the column of labels; None: the one with a common name.
        settings: how the file is read.
        label_separator: what divides several labels of a text; None: what does in the run's files.
        label_map: labels of the run by those of the file that are spelt otherwise.
    """

    path: Path
    text_column: str | None = None
    label_column: str | None = None
    settings: FileSettings = FileSettings()
    label_separator: str | None = None
    label_map: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_plain(self) -> bool:
        """Whether nothing is said of how the file is read."""
        named = self.text_column, self.label_column, self.label_separator
        return (
            named == (None, None, None) and not self.label_map and self.settings == FileSettings()
        )


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


def evaluate_beside(
    folder: Path, own: OwnTest
) -> tuple[Path, Metrics | MultiLabelMetrics, list[str]]:
    """Evaluates the last weights of a run on a file; the run keeps its row and predictions.

    Returns:
        The folder of predictions and `metrics.json`, the metrics, and sentences on the texts.

    Raises:
        ConfigError: the folder is not a finished run.
        DataError: the file is malformed, or has a label that the run does not know.
    """
    predictor = Predictor(folder, several_labels=True)
    names, several = predictor.encoder.label_names, predictor.model.multi_label
    check_label_map(own.label_map, names)
    table = Table(own.path, own.settings)
    columns = table.find_columns(own.text_column, own.label_column)
    sets = _label_sets(folder, own, table, columns[1]) if several else None
    texts, labels = list[str](), list[list[int]]()
    for number, text, label, _ in table.rows(*columns, sets=sets):
        of_text = label if isinstance(label, tuple) else (str(label),)
        known = [own.label_map.get(one, one) for one in of_text]
        for one in known:
            if one not in names:
                raise DataError(
                    f"{table.where(number)}: label {one!r} is none of those of the run, which are "
                    f"{listed(names)}; spell it alike, name it with --data.label_map {one}="
                    f"{names[0]}, or remove the row"
                )
        texts.append(text)
        labels.append([names.index(one) for one in known])
    if not texts:
        raise DataError(f"{own.path}: has no rows; give a file with at least one")
    notes = [*table.remarks(), *table.notes(), *_overlap(folder, texts)]
    notes += unknown_notes(predictor, texts)
    ids, probabilities = np.arange(len(texts)), predictor(texts)
    outputs: Predictions | LabelSets
    if several:
        outputs = LabelSets(ids, multi_hot(labels, len(names)), probabilities)
    else:
        truth = np.array([number for (number,) in labels], dtype=np.int64)
        outputs = Predictions(ids, truth, probabilities)
    metrics = outputs.evaluate(predictor.threshold)
    content = checksum(own.path)
    place = folder / FOLDER / f"{table.stem}-{content[:8]}"
    place.mkdir(parents=True, exist_ok=True)
    write_predictions(place / TEST_FILE, outputs)
    figures = dataclasses.asdict(metrics)
    record = {"file": str(own.path), "sha256": content, **figures, "notes": notes}
    replace_bytes(place / "metrics.json", (json.dumps(record, indent=1) + "\n").encode())
    return place, metrics, notes


def read_label_map(pairs: Sequence[str]) -> dict[str, str]:
    """Labels of a run by those of a file, from words such as `positivo=pos`.

    Raises:
        ConfigError: a word of another form, or a label that is given twice.
    """
    found = dict[str, str]()
    for pair in pairs:
        name, mark, label = pair.rpartition("=")
        name = spelling(name)
        if not (mark and name and label.strip()):
            raise ConfigError(
                f"--data.label_map has {pair!r}; write LABEL_OF_THE_FILE=LABEL_OF_THE_RUN, such as "
                "positivo=pos"
            )
        if name in found:
            raise ConfigError(f"--data.label_map names {name!r} twice; name each label once")
        found[name] = spelling(label)
    return found


def check_label_map(label_map: Mapping[str, str], names: Sequence[str]) -> None:
    """Refuse a map to labels that a run does not have.

    Raises:
        ConfigError: it is one.
    """
    for name, label in label_map.items():
        if label not in names:
            raise ConfigError(
                f"--data.label_map has {name}={label}, and {label!r} is none of the labels of the "
                f"run, which are {listed(tuple(names))}"
            )


def unknown_notes(predictor: Predictor, texts: Sequence[str]) -> list[str]:
    """Sentence on tokens that a run does not know, where they are many."""
    unknown = predictor.encoder.token_truncation.unk_id
    ids = [batch.ragged().values for _, batch in predictor.batches(texts)]
    share = float((np.concatenate(ids) == unknown).mean())
    if share < MANY_UNKNOWN:
        return []
    return [
        f"{share:.0%} of the tokens of these texts are unknown to the run. Texts in another "
        "language than those that it learnt from need a model of both, such as bert_multilingual."
    ]


def figures_of(metrics: Metrics | MultiLabelMetrics) -> str:
    """The figures of a file in words."""
    first, loss = metrics.headline, f"log loss {metrics.log_loss:.4f}"
    if isinstance(metrics, MultiLabelMetrics):
        return f"{first}, all right {metrics.accuracy:.2%}, {loss}"
    return f"{first}, F1 {metrics.f1:.2%}, {loss}, ECE {metrics.ece:.2%}"


def _label_sets(folder: Path, own: OwnTest, table: Table, column: str) -> LabelCells | None:
    """Format of several labels of a text; None: each text of the file has one."""
    if table.has_lists(column):
        return LabelCells(own.label_separator)
    arguments = (read_config(folder).get("data") or {}).get("init_args") or {}
    separator = own.label_separator or arguments.get("label_separator")
    return None if separator is None else LabelCells(str(separator))


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
