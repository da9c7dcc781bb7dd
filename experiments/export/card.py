"""Model card: what an exported model was learnt from, how well it does, and how to run it.

Every figure comes from the row and the predictions of the run; every string of the run is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from experiments.config.track import TRACKS
from experiments.export.check import Check
from experiments.inference.robustness import FILE as ROBUSTNESS_FILE
from experiments.inference.robustness import read_result
from experiments.records.metrics import Metrics
from experiments.records.problems.class_predictions import Predictions
from experiments.records.row import Part, Row
from experiments.records.run_files import Weights
from experiments.statistics.intervals import Interval
from experiments.statistics.reading import read_run_predictions
from experiments.statistics.table import analyse_runs

_PARTS: dict[Part, str] = {
    "val": "validation",
    "test": "test",
    "test_refit": "test",
}
_PROTOCOLS = {
    "holdout": "trained on the train part; every choice was made on validation",
    "refit": "every choice was made on validation; then trained once more on all of train",
}
_MARKS = re.compile(r"([\\`*_{}\[\]<>()#+\-!|~:&.@$])")  # also of links without brackets


@dataclass(frozen=True)
class Exported:
    """Export that a card describes.

    Attributes:
        row: Row of the run.
        folder: Its folder.
        weights: Fit whose weights were exported.
        labels: Names of the classes.
        to: Format.
        quantize: `int8`, or None.
        check: Comparison with the run.
        limits: Sentences on what the model does with texts, such as truncation.
        size: Size of the model's files in bytes.
    """

    row: Row
    folder: Path
    weights: Weights
    labels: tuple[str, ...]
    to: str
    quantize: str | None
    check: Check
    limits: list[str]
    size: int


def one_line(text: str) -> str:
    """Text without line breaks and control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def escape(text: str) -> str:
    """One line of plain text in Markdown: no markup, link or HTML of its own."""
    return _MARKS.sub(r"\\\1", one_line(text))


def model_card(exported: Exported) -> str:
    """The card as Markdown, with the header that Hugging Face reads."""
    row, folder = exported.row, exported.folder
    predictions = read_run_predictions(row, folder)
    tested: Part = "test_refit" if exported.weights == "refit" else "test"
    part: Part = tested if row.parts[tested] else "val"
    metrics = row.classified(part)
    assert metrics is not None, "an ok row has validation metrics"
    analysis = analyse_runs([(row, predictions)], folder, part=part)
    assert analysis is not None
    interval = analysis.intervals[row.experiment]
    sections = [
        _header(exported, metrics, part),
        f"# {escape(row.experiment)}\n",
        f"A text classifier ({escape(row.architecture)}) of {len(exported.labels)} classes: "
        f"{', '.join(map(escape, exported.labels))}.\n",
        _how_to_run(exported),
        _section("Data", _data(exported)),
        _section("Protocol", _protocol(exported)),
        "## Scores\n",
        _scores(metrics, interval, part, exported),
        _classes(predictions[part], exported.labels),
        _section("Calibration", _calibration(analysis.calibration.get(row.experiment), metrics)),
        _robustness(folder, row),
        _section("Limits", _limits(exported)),
        _section("Check of this export", [f"Against the run on {exported.check}"]),
        _section("Licence", _licence(row)),
    ]
    return "\n".join(part for part in sections if part)


def _section(title: str, lines: Iterable[str]) -> str:
    return f"## {title}\n\n" + "".join(f"- {line}\n" for line in lines)


def _header(exported: Exported, metrics: Metrics, part: Part) -> str:
    row = exported.row
    library = {"onnx": "onnx", "pt2": "pytorch", "huggingface": "transformers"}[exported.to]
    dataset = {"name": one_line(row.corpus), "type": "text", "split": _PARTS[part]}
    measured = [
        {"type": "accuracy", "value": round(metrics.accuracy, 4)},
        {"type": "f1", "value": round(metrics.f1, 4), "name": "F1 (macro)"},
    ]
    result = {
        "task": {"type": "text-classification"},
        "dataset": dataset,
        "metrics": measured,
    }
    header: dict[str, Any] = {
        "library_name": library,
        "pipeline_tag": "text-classification",
        "license": "other",
        "license_name": "see-licence-section",
        "tags": ["text-classification", "lit-sentiment", one_line(row.family)],
        "model-index": [{"name": one_line(row.experiment), "results": [result]}],
    }
    return f"---\n{yaml.safe_dump(header, sort_keys=False)}---\n"


def _how_to_run(exported: Exported) -> str:
    if exported.to == "huggingface":
        return (
            "## How to run\n\n```python\nfrom transformers import pipeline\n\n"
            'classifier = pipeline("text-classification", "PATH OF THIS FOLDER", truncation=True)\n'
            'classifier("A fine film.")\n```\n'
        )
    return (
        "## How to run\n\n```\npip install -r requirements.txt\n"
        'python runner.py "A fine film."\n```\n\n```python\nfrom runner import Classifier\n\n'
        "classifier = Classifier()\n"
        'classifier.predict(["A fine film."])  # [(label, probability)]\n```\n'
    )


def _data(exported: Exported) -> list[str]:
    row = exported.row
    lines = [
        f"Corpus: {escape(row.corpus)}, fingerprint {escape(str(row.corpus_fingerprint))[:16]}"
    ]
    if row.train_rows is not None:
        lines.append(f"Learnt from {row.train_rows:,} labelled texts")
    lines.append(f"Track: {TRACKS[row.track]}")
    if row.excluded:
        lines.append(f"Kept out of training: {escape(row.excluded)}")
    return [*lines, *map(escape, row.notes)]


def _protocol(exported: Exported) -> list[str]:
    row = exported.row
    lines = [f"{row.protocol}: {_PROTOCOLS.get(row.protocol, '')}"]
    if row.protocol == "refit":
        which = "second fit" if exported.weights == "refit" else "first fit, on the train part"
        lines.append(f"The exported weights are those of the {which}")
    precision = escape(str(row.precision))
    lines.append(f"Seed {row.seed}, profile {escape(row.profile)}, precision {precision}")
    if row.best_epoch is not None and row.epochs:
        lines.append(f"Epoch {row.best_epoch + 1} of {row.epochs}")
    trials = row.tuning.get("trials")
    if isinstance(trials, int):
        lines.append(f"Settings tried on validation: {trials:,}")
    if row.git_commit:
        changed = ", with uncommitted changes" if row.git_dirty else ""
        lines.append(f"Code: commit {escape(row.git_commit[:12])}{changed}")
    return [*lines, f"Hash of the settings: {escape(row.settings_hash)}"]


def _scores(metrics: Metrics, interval: Interval, part: Part, exported: Exported) -> str:
    reviews_only = ", over reviews alone: there is one seed" if interval.reviews_only else ""
    auroc = "–" if metrics.auroc is None else f"{metrics.auroc:.4f}"
    text = (
        f"On {metrics.n:,} {_PARTS[part]} texts, as the run predicted them.\n\n"
        "| figure | value |\n| --- | ---: |\n"
        f"| accuracy | {_percent(interval.mean)} |\n"
        f"| its 95% interval{reviews_only} | {_percent(interval.low)} to "
        f"{_percent(interval.high)} |\n"
        f"| F1, mean over classes | {metrics.f1:.4f} |\n"
        f"| AUROC, mean over classes | {auroc} |\n"
        f"| log loss, in nats | {metrics.log_loss:.4f} |\n"
    )
    if part == "val":
        text += "\nThe run was not evaluated on test. Choices were made on these texts.\n"
        if exported.weights == "refit":
            text += (
                "They are of the first fit; the exported weights learnt from these texts, too.\n"
            )
    if exported.quantize:
        text += "\nThese are figures of the run in fp32, not of this export in 8 bits.\n"
    return text


def _classes(predictions: Predictions, labels: tuple[str, ...]) -> str:
    predicted, lines = predictions.probabilities.argmax(axis=1), []
    for number, name in enumerate(labels):
        is_class, says = predictions.labels == number, predicted == number
        right = int((is_class & says).sum())
        recall, precision = (_share(right, int(of.sum())) for of in (is_class, says))
        lines.append(f"| {escape(name)} | {int(is_class.sum()):,} | {precision} | {recall} |\n")
    return "| class | texts | precision | recall |\n| --- | ---: | ---: | ---: |\n" + "".join(lines)


def _calibration(calibration: Any, metrics: Metrics) -> list[str]:
    lines = [f"Expected calibration error: {_percent(metrics.ece)} (15 bins of equal mass)"]
    if calibration is not None:
        (temperature,) = calibration.temperatures
        lines.append(
            f"A temperature of {temperature:.3f}, fitted on validation, would make it "
            f"{_percent(calibration.after.ece)}; the export does not apply it"
        )
    return lines


def _robustness(folder: Path, row: Row) -> str:
    if not (folder / ROBUSTNESS_FILE).is_file():
        return _section("Robustness", ["Not measured on this run"])
    result = read_result(folder / ROBUSTNESS_FILE)
    if result.run.get("config_hash") != row.config_hash:
        return _section("Robustness", ["Not measured on this run as it is"])
    return _section(
        "Robustness",
        [f"{escape(name)}: {_percent(value)}" for name, value in result.figures().items()],
    )


def _limits(exported: Exported) -> list[str]:
    return [
        "It knows texts like those of its corpus. Of others, such as another subject, language or "
        "time, these figures say nothing",
        "It always answers with one of its classes, also for a text that belongs to none",
        *exported.limits,
        f"Size of the model: {exported.size / 1e6:,.1f} MB",
    ]


def _licence(row: Row) -> list[str]:
    lines = [
        "`runner.py` and the program that made this folder, lit-sentiment, are under the Apache "
        "License 2.0",
        "The weights were learnt from the corpus above, whose terms apply to their use",
    ]
    if row.track == "open weights":
        model = row.config.get("model")
        arguments = model.get("init_args") if isinstance(model, dict) else None
        source = arguments.get("source") if isinstance(arguments, dict) else None
        named = f" ({escape(str(source))})" if source else ""
        lines.append(f"They started from published weights or vectors{named}: their licence, too")
    return lines


def _percent(share: float) -> str:
    return f"{100 * share:.2f}%"


def _share(part: int, whole: int) -> str:
    return _percent(part / whole) if whole else "–"


def model_size(folder: Path) -> int:
    """Bytes of the model, its tokenizer and its arrays."""
    files = [file for file in folder.iterdir() if file.suffix not in (".py", ".md", ".txt")]
    return int(np.sum([file.stat().st_size for file in files]))
