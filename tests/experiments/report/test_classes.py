"""Figures of classes: in the terminal, in Markdown, on the page, and the columns that they need."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from sklearn.metrics import precision_recall_fscore_support

from experiments.records.metrics import MATRIX_CLASSES, Metrics, evaluate
from experiments.records.row import Row
from experiments.records.row_schema import row_to_dict
from experiments.records.run_files import read_rows, write_row
from experiments.report import report
from experiments.report.classes import class_figures, print_classes
from experiments.report.tables import build_tables
from experiments.report.terminal import print_tables
from tests.rows import make_predictions, make_row, make_run


def skewed(classes: int, n: int = 600, seed: int = 0) -> Metrics:
    """Metrics of predictions of classes of which each is rarer than the one before."""
    rng = np.random.default_rng(seed)
    chances = 1 / (1 + np.arange(classes)) ** 1.5
    labels = rng.choice(classes, n, p=chances / chances.sum())
    labels[:classes] = np.arange(classes)
    logits = rng.normal(0, 2, (n, classes))
    logits[np.arange(n), labels] += 2
    powers = np.exp(logits)
    return evaluate(labels, powers / powers.sum(axis=1, keepdims=True))


def row_of(metrics: Metrics, names: list[str] | None = None, **changes: Any) -> Row:
    values = {"val": metrics, "test": None, "label_names": names or []}
    return make_row(**(values | changes))


def printed(row: Row, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    print_classes(console, row, Path("runs/fit/cnn/seed-0"))
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(len(line.rstrip()) <= width for line in text.splitlines())
    return text


@pytest.mark.parametrize("classes", [2, 4, MATRIX_CLASSES, MATRIX_CLASSES + 1])
def test_figures_of_classes_are_scikit_learns(classes: int) -> None:
    p = make_predictions(500, classes)
    metrics, predicted = evaluate(p.labels, p.probabilities), p.probabilities.argmax(axis=1)
    assert metrics.per_class is not None
    found = np.array([list(vars(one).values()) for one in metrics.per_class]).T
    expected = precision_recall_fscore_support(p.labels, predicted, zero_division=0)
    assert found == pytest.approx(np.array(expected))
    assert metrics.balanced_accuracy == pytest.approx(expected[1].mean())
    assert metrics.f1 == pytest.approx(expected[2].mean())
    if classes > MATRIX_CLASSES:
        assert metrics.confusion is None
    else:
        assert np.trace(metrics.confusion or []) == round(500 * metrics.accuracy)
        assert np.sum(metrics.confusion or [], axis=1).tolist() == np.bincount(p.labels).tolist()


def test_a_class_without_rows_or_predictions_has_zeros() -> None:
    metrics = evaluate(np.array([0, 0, 1]), np.array([[0.9, 0.1, 0.0]] * 3))
    assert metrics.per_class
    assert [one.support for one in metrics.per_class] == [2, 1, 0]
    assert [one.recall for one in metrics.per_class] == [1, 0, 0]
    assert metrics.balanced_accuracy == 0.5  # of the classes that have rows


def test_the_row_of_150_classes_stays_small() -> None:
    content = json.dumps(row_to_dict(row_of(skewed(150, 3000))), indent=2)
    assert len(content) < 40_000


def test_two_classes_show_their_confusion_matrix() -> None:
    metrics = skewed(2)
    text = printed(row_of(metrics, ["regular", "a very long name of a class, longer than it"]))
    assert "Classes on validation, 600 rows" in text
    assert metrics.confusion and metrics.per_class
    for counts, one in zip(metrics.confusion, metrics.per_class, strict=True):
        cells = (f"{100 * one.precision:.1f}", f"{100 * one.recall:.1f}", *map(str, counts))
        assert any(all(cell in line for cell in cells) for line in text.splitlines())
    assert metrics.unbalanced and f"F1 {100 * metrics.f1:.1f}%" in text
    assert f"(balanced accuracy) {100 * (metrics.balanced_accuracy or 0):.1f}%" in text


@pytest.mark.parametrize("classes", [7, 25, 150])
def test_of_many_classes_the_worst_are_shown_and_how_to_see_the_rest(classes: int) -> None:
    metrics = skewed(classes, 3000)
    names = [f"name-of-class-{number:03d}" for number in range(classes)]
    text = printed(row_of(metrics, names))
    assert metrics.per_class
    order = sorted(range(classes), key=lambda n: metrics.per_class[n].f1)  # type: ignore[index]
    shown = [name for name in names if f"\n{name}" in text]
    assert set(shown) == {names[n] for n in order[:10]}
    assert ("predicted instead" in text) == (classes <= MATRIX_CLASSES)
    rest = f"{classes - 10} more have no lower F1; all: lit-sentiment report runs/fit/cnn/seed-0"
    assert (rest in text) == (classes > 10)


def test_older_rows_print_nothing() -> None:
    older = {"balanced_accuracy": None, "per_class": None, "confusion": None}
    assert printed(row_of(dataclasses.replace(skewed(2), **older))) == ""


def terminal(rows: list[Row], width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    print_tables(console, build_tables(rows))
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def test_runs_without_test_show_the_figures_of_validation() -> None:
    metrics = skewed(3)
    text = terminal([row_of(metrics)])
    assert metrics.balanced_accuracy is not None
    for figure in (metrics.f1, metrics.balanced_accuracy, metrics.ece):
        assert f"{100 * figure:.2f}" in text
    assert f"{metrics.log_loss:.4f}" in text and "Val F1" in text and "Test acc" not in text
    assert "–" not in text


def test_tested_runs_show_those_of_test() -> None:
    metrics = skewed(3, seed=1)
    text = terminal([make_row(val=skewed(3), test=metrics)], 120)
    assert f"{100 * metrics.f1:.2f}" in text and "Val F1" not in text and "Bal acc" in text
    equal = evaluate(np.arange(40) % 2, np.tile([0.6, 0.4], (40, 1)))
    assert "al acc\n" not in terminal([make_row(val=equal, test=equal)]).replace("Val acc", "")


def test_reports_have_a_table_of_classes(tmp_path: Path) -> None:
    for seed in (0, 1):
        folder = make_run(tmp_path, seed, data=seed)
        [row] = read_rows(folder)
        write_row(folder, dataclasses.replace(row, label_names=["neg|ative", "<positive>"]))
    files = report(tmp_path, console=Console(file=io.StringIO()))
    [table] = build_tables(rows := read_rows(tmp_path))
    figures = class_figures(table, table.lines[0])
    recalls = [row.test.per_class[1].recall for row in rows]  # type: ignore[union-attr, index]
    assert figures[1].recall == pytest.approx(100 * np.mean(recalls))
    text = files.markdown.read_text()
    assert "Each class on test, means over seeds." in text
    cells = " | ".join(figures[1].texts)
    assert f"| cnn | \\<positive\\> | {cells} |\n" in text and "neg\\|ative" in text
    page = files.html.read_text()
    assert "&lt;positive&gt;</th>" in page and "neg|ative</th>" in page
