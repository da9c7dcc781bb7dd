"""Figures of the quality of predictions: reliability, kinds of error, accuracy by length."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.report.comparison import EDGES, NAMES, ROW
from experiments.report.figure import HEATMAP, Figure, plain
from experiments.report.tables import Table

_LENGTH_BINS = 8


@dataclass(frozen=True)
class Panel:
    """Small figure of a series.

    Attributes:
        title: Name of the experiment.
        note: Short text beside the title.
        figure: The figure.
    """

    title: str
    note: str
    figure: Figure


def reliability(table: Table) -> list[Panel]:
    """Draw accuracy against confidence, a panel for each experiment."""
    analysis = table.analysis
    if analysis is None:
        return []
    panels = []
    for line in table.lines:
        calibration = analysis.calibration.get(line.experiment)
        if calibration is None:
            continue
        states = (
            ("muted", "unscaled", calibration.diagram_before),
            ("accent", "after scaling", calibration.diagram_after),
        )
        least = min(one.confidence for _, _, bins in states for one in bins)
        traces: list[dict[str, Any]] = [
            {
                "x": [0, 100],
                "y": [0, 100],
                "mode": "lines",
                "line": {"dash": "dot", "width": 1},
                "hoverinfo": "skip",
                "meta": {"role": "rule"},
            }
        ]
        for role, name, bins in states:
            traces.append(
                {
                    "x": [round(100 * one.confidence, 2) for one in bins],
                    "y": [round(100 * one.accuracy, 2) for one in bins],
                    "mode": "lines+markers",
                    "line": {"width": 1.5},
                    "marker": {"size": 4},
                    "cliponaxis": False,
                    "hovertemplate": f"{name}: confidence %{{x:.1f}} %, accuracy %{{y:.1f}} %"
                    "<extra></extra>",
                    "meta": {"role": role},
                }
            )
        low = float(np.floor(least * 10) * 10)
        lowest = min(one.accuracy for _, _, bins in states for one in bins)
        least_right = min(low, float(np.floor(lowest * 10) * 10))
        layout = {
            "xaxis": {"range": [low, 100], "title": {"text": "confidence, %"}},
            "yaxis": {"range": [least_right, 100], "title": {"text": "accuracy, %"}},
            "showlegend": False,
        }
        note = (
            f"ECE {100 * calibration.before.ece:.1f} → {100 * calibration.after.ece:.1f} %, "
            f"T = {np.mean(calibration.temperatures):.2f}"
        )
        panels.append(Panel(line.experiment, note, {"data": traces, "layout": layout}))
    return panels


def confusion(table: Table, experiment: str) -> NDArray[np.float64] | None:
    """Confusion matrix float[C, C], labels by predictions, mean over the seeds."""
    matrices = seed_confusions(table, experiment)
    return None if matrices is None else matrices.mean(axis=0)


def seed_confusions(table: Table, experiment: str) -> NDArray[np.float64] | None:
    """Confusion matrix float[S, C, C] of each seed; None without predictions."""
    analysis = table.analysis
    if analysis is None or experiment not in analysis.probabilities:
        return None
    predicted = analysis.predicted[experiment]  # [S, N]
    seeds, classes = len(predicted), analysis.probabilities[experiment].shape[2]
    rows = np.arange(seeds)[:, None] * classes + analysis.labels
    counts = np.bincount((rows * classes + predicted).ravel(), minlength=seeds * classes**2)
    return counts.reshape(seeds, classes, classes).astype(np.float64)


def errors(table: Table, labels: Sequence[str]) -> Figure | None:
    """Draw the error rate of each of two classes, as bars to either side.

    Args:
        table: A table with its analysis.
        labels: Names of the classes.

    Returns:
        The figure; None without predictions, or unless there are two classes.
    """
    matrices = {
        line.experiment: matrix
        for line in table.lines
        if (matrix := confusion(table, line.experiment)) is not None
    }
    if not matrices or len(labels) != 2:
        return None
    traces, names = [], [plain(label) for label in labels]
    for role, sign, label, called in (("warm", -1, 0, 1), ("accent", 1, 1, 0)):
        shares = [100 * m[label, called] / max(m[label].sum(), 1) for m in matrices.values()]
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "x": [sign * round(share, 3) for share in shares],
                "y": list(matrices),
                "customdata": [round(share, 2) for share in shares],
                "name": f"{names[label]} predicted as {names[called]}",
                "hovertemplate": f"<b>%{{y}}</b>: %{{customdata:.1f}} % of {names[label]} "
                f"predicted as {names[called]}<extra></extra>",
                "meta": {"role": role},
            }
        )
    most = max(abs(x) for trace in traces for x in trace["x"]) * 1.08 or 1.0
    step = next(step for step in (1, 2, 5, 10, 20, 50) if most / step <= 3 or step == 50)
    ticks = [step * at for at in range(-int(most // step), int(most // step) + 1)]
    return {
        "data": traces,
        "layout": {
            "barmode": "overlay",
            "bargap": 0.35,
            "xaxis": {
                "range": [-most, most],
                "tickvals": ticks,
                "ticktext": [f"{abs(tick)}%" for tick in ticks],
                "tickangle": 0,
                "title": {"text": "share of the class"},
            },
            "yaxis": NAMES,
            "height": EDGES + 24 + ROW * len(matrices),
            "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
        },
    }


def by_length(table: Table, lengths: NDArray[np.int64] | None) -> Figure | None:
    """Draw accuracy by length, in parts of equal size from the shortest reviews to the longest.

    Args:
        table: A table with its analysis.
        lengths: Words of each review, in the order of the analysis; None if texts are missing.

    Returns:
        The figure; None without predictions or lengths.
    """
    analysis = table.analysis
    if analysis is None or lengths is None or not analysis.correct:
        return None
    parts = [p for p in np.array_split(np.argsort(lengths, kind="stable"), _LENGTH_BINS) if len(p)]
    heads = [f"{lengths[part].min():,}–{lengths[part].max():,}" for part in parts]
    names = [line.experiment for line in table.lines if line.experiment in analysis.correct]
    right = [analysis.correct[name].mean(axis=0) for name in names]
    values = [[round(100 * float(row[part].mean()), 1) for part in parts] for row in right]
    trace = HEATMAP | {
        "x": heads,
        "y": names,
        "z": values,
        "texttemplate": "%{z:.1f}",
        "hovertemplate": "<b>%{y}</b>, texts of %{x} words: %{z:.1f} %<extra></extra>",
    }
    return {
        "data": [trace],
        "layout": {
            "xaxis": {
                "type": "category",
                "tickmode": "linear",
                "tickangle": 0,
                "tickfont": {"size": 10},
                "title": {"text": "words in the text"},
                "showgrid": False,
            },
            "yaxis": NAMES,
            "height": EDGES + ROW * len(names),
        },
    }
