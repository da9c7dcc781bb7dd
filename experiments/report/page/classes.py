"""Quality of each class: its name, its figures, and what it is confused with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.report.classes import ClassFigures
from experiments.report.comparison import EDGES, NAMES, ROW
from experiments.report.figure import HEATMAP, Figure, plain
from experiments.report.provenance import run_folder
from experiments.report.quality import seed_confusions
from experiments.report.tables import Table
from experiments.report.texts import ReviewTexts

WRITTEN = 12  # most classes whose confusion matrix is written in numbers
_DRAWN, _COLUMNS = 60, 30  # most classes of a drawn matrix, and of the figure of all experiments
_PAIRS, _LISTED = 10, 20
_LONGEST = 24  # characters of a name on an axis


@dataclass(frozen=True)
class Confusion:
    """Confusions of an experiment.

    Attributes:
        classes: Figures of each class, the lowest F1 first, at most 20.
        left_out: Number of further classes.
        pairs: Label, prediction, number of texts and their share of the label in percent; the most
            frequent first.
        matrix: Share of the row and text of each cell, for at most 12 classes; else empty.
        figure: The matrix as a picture, for more classes.
    """

    classes: list[ClassFigures]
    left_out: int
    pairs: list[tuple[str, str, str, float]]
    matrix: list[list[tuple[float, str]]]
    figure: Figure | None


def class_names(table: Table, folder: Path, texts: ReviewTexts | None) -> list[str]:
    """Names of the classes: from the rows, the corpus, a run folder, or the task; else numbers.

    Args:
        table: A table with its analysis; without one there are no classes.
        folder: Folder that was read.
        texts: The test texts, if they are available.
    """
    if table.analysis is None:
        return []
    classes = next(iter(table.analysis.probabilities.values())).shape[2]
    rows = [row for line in table.lines for row in line.rows]
    known = [list(getattr(row, "label_names", None) or []) for row in rows]
    known.append(list(texts.labels) if texts else [])
    known += (_of_run(run_folder(folder, row)) for row in rows if not any(map(len, known)))
    if table.task is not None and classes == 2:  # those of this suite's own corpora
        known.append(["negative", "positive"])
    named = next((names for names in known if len(names) == classes), None)
    return named or [f"class {number}" for number in range(classes)]


def _of_run(run: Path | None) -> list[str]:
    try:
        content = json.loads((run / "encoder.json").read_bytes()) if run else {}
        return [str(name) for name in content["label_names"]]
    except (OSError, ValueError, KeyError, TypeError):  # none, or damaged: an optional part
        return []


def confusions(table: Table, experiment: str, labels: Sequence[str]) -> Confusion | None:
    """Describe what an experiment confuses; None without predictions."""
    matrices = seed_confusions(table, experiment)
    if matrices is None:
        return None
    counts = matrices.mean(axis=0)
    figures = sorted(_figures(matrices, labels), key=lambda one: one.f1)
    matrix = [
        [(cell / max(sum(row), 1), f"{cell:,.0f}") for cell in row] for row in counts.tolist()
    ]
    many = len(labels) > WRITTEN
    if not many:
        figures.sort(key=lambda one: labels.index(one.name))
    return Confusion(
        classes=figures[:_LISTED],
        left_out=len(figures[_LISTED:]),
        pairs=_pairs(counts, labels) if many else [],
        matrix=[] if many else matrix,
        figure=_matrix(counts, labels) if many else None,
    )


def _figures(matrices: NDArray[np.float64], labels: Sequence[str]) -> list[ClassFigures]:
    """Figures of each class from the matrices of the seeds, float[S, C, C]: means over seeds."""
    right = np.diagonal(matrices, axis1=1, axis2=2)  # [S, C]
    given, called = matrices.sum(axis=2), matrices.sum(axis=1)
    precision = right / np.maximum(called, 1)
    recall = right / np.maximum(given, 1)
    f1 = 2 * right / np.maximum(given + called, 1)
    means = (100 * one.mean(axis=0) for one in (precision, recall, f1))
    columns = (labels, given[0].astype(int).tolist(), *(mean.tolist() for mean in means))
    return [ClassFigures(*of_class) for of_class in zip(*columns, strict=True)]


def _pairs(counts: NDArray[np.float64], labels: Sequence[str]) -> list[tuple[str, str, str, float]]:
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_PAIRS]
    cells = [divmod(int(at), len(labels)) for at in order]
    return [
        (labels[a], labels[b], f"{wrong[a, b]:,.3g}", 100 * wrong[a, b] / max(counts[a].sum(), 1))
        for a, b in cells
        if wrong[a, b] > 0
    ]


def _matrix(counts: NDArray[np.float64], labels: Sequence[str]) -> Figure:
    """Draw the shares of each label; of very many classes those with the most errors."""
    wrong = counts.sum(axis=0) + counts.sum(axis=1) - 2 * np.diag(counts)
    shown = np.sort(np.argsort(-wrong, kind="stable")[:_DRAWN])
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [_short(labels[at]) for at in shown]
    # Up to the largest error: the diagonal would leave it pale.
    off = shares[np.ix_(shown, shown)] * (1 - np.eye(len(shown)))
    darkest = max(5.0, float(np.ceil(off.max())))
    trace = HEATMAP | {
        "x": list(range(len(names))),
        "y": list(range(len(names))),
        "z": shares[np.ix_(shown, shown)].round(1).tolist(),
        "customdata": [[plain(f"{labels[a]} → {labels[b]}") for b in shown] for a in shown]
        if len(shown) <= _COLUMNS + 1
        else None,
        "hovertemplate": "%{customdata}: %{z:.1f} % of the label<extra></extra>"
        if len(shown) <= _COLUMNS + 1
        else "row %{y}, column %{x}: %{z:.1f} % of the label<extra></extra>",
        "zmin": 0,
        "zmax": darkest,
    }
    ticks = {"tickmode": "array", "tickvals": list(range(len(names))), "ticktext": names}
    size = ROW if len(names) <= 30 else 15
    return {
        "data": [trace],
        "layout": {
            "xaxis": {
                **ticks,
                "tickangle": -60,
                "showgrid": False,
                "title": {
                    "text": f"predicted (the strongest colour: {darkest:.0f}% of the label or more)"
                },
            },
            "yaxis": {**NAMES, **ticks, "title": {"text": "label"}},
            "height": EDGES + 150 + size * len(names),
        },
    }


def f1_by_class(table: Table, labels: Sequence[str]) -> tuple[Figure | None, int]:
    """Draw the F1 of each class of each experiment.

    Returns:
        The figure, None without predictions, and the number of classes that it leaves out: with
        many classes those of the highest F1.
    """
    matrices = {
        line.experiment: matrix
        for line in table.lines
        if (matrix := seed_confusions(table, line.experiment)) is not None
    }
    if not matrices:
        return None, 0
    figures = [_figures(matrix, labels) for matrix in matrices.values()]
    scores = np.array([[one.f1 for one in of_classes] for of_classes in figures])
    hardest = np.argsort(scores.mean(axis=0), kind="stable")[:_COLUMNS]
    shown = [int(at) for at in (hardest if len(labels) > _COLUMNS else range(len(labels)))]
    support = [one.support for one in figures[0]]
    few = len(shown) <= WRITTEN
    heads = [f"{_short(labels[at])} ({support[at]:,})" for at in shown]
    trace = HEATMAP | {
        "x": list(range(len(shown))),
        "y": list(matrices),
        "z": scores[:, shown].round(1).tolist(),
        "texttemplate": "%{z:.1f}" if few else "%{z:.0f}",
        "customdata": [heads for _ in matrices],
        "hovertemplate": "<b>%{y}</b>, %{customdata}: F1 %{z:.1f} %<extra></extra>",
    }
    return {
        "data": [trace],
        "layout": {
            "xaxis": {
                "tickmode": "array",
                "tickvals": list(range(len(shown))),
                "ticktext": heads,
                "tickangle": 0 if len(shown) <= 4 else -60,
                "showgrid": False,
                "side": "top",
            },
            "yaxis": NAMES,
            "height": EDGES + (20 if len(shown) <= 4 else 150) + ROW * len(matrices),
        },
    }, len(labels) - len(shown)


def _short(name: str) -> str:
    return plain(name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…")
