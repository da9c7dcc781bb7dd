"""Learning curves: accuracy and loss by epoch, a panel for each experiment."""

import math
from dataclasses import dataclass
from typing import Any

from experiments.report.figure import Figure, padded_range
from experiments.report.tables import Line, Table

# By key of the history: axis, scale, name, role of the colour, dash.
_DRAWN: dict[str, tuple[str, float, str, str, str]] = {
    "val/accuracy": ("y", 100, "validation accuracy", "accent", "solid"),
    "val/log_loss": ("y2", 1, "validation log loss", "accent", "solid"),
    "train/epoch_loss": ("y2", 1, "training loss", "warm", "dot"),
}


@dataclass(frozen=True)
class Curve:
    """Learning curves of one experiment.

    Attributes:
        experiment: Name of the experiment.
        figure: Validation accuracy above validation log loss and training loss, a trace of each
            for each seed.
    """

    experiment: str
    figure: Figure


def curves(table: Table) -> tuple[list[Curve], list[str]]:
    """Draw the learning curves of all experiments on the same axes.

    Returns:
        The curves in the order of the table, and the experiments without any (fitted in one pass,
        or for one epoch).
    """
    drawn: list[tuple[Line, list[dict[str, Any]]]] = []
    without = []
    for line in table.lines:
        traces = [
            trace
            for row in line.rows
            for key in _DRAWN
            if (trace := _trace(row.history, key, row.seed, row.best_epoch))
        ]
        if traces:
            drawn.append((line, traces))
        else:
            without.append(line.experiment)
    everything = [trace for _, traces in drawn for trace in traces]
    values = {
        axis: [y for trace in everything if trace["yaxis"] == axis for y in trace["y"]]
        for axis in ("y", "y2")
    }
    accuracy = {"range": padded_range(values["y"], 0, 100), "title": {"text": "accuracy, %"}}
    loss = {"range": padded_range(values["y2"], 0), "title": {"text": "loss"}}
    layout = {
        "yaxis": {"domain": [0.56, 1], **accuracy},
        "yaxis2": {"domain": [0, 0.44], **loss},
        "showlegend": False,
    }
    return [
        Curve(line.experiment, {"data": traces, "layout": {**layout, "xaxis": _epochs(traces)}})
        for line, traces in drawn
    ], without


def _epochs(traces: list[dict[str, Any]]) -> dict[str, Any]:
    """Axis with a tick at whole epochs alone, at most six of them."""
    last = max(x for trace in traces for x in trace["x"])
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**6) if last / step <= 6)
    ticks = [1, *range(step, int(last) + 1, step)] if step > 1 else list(range(1, int(last) + 1))
    return {
        "anchor": "y2",
        "title": {"text": "epoch"},
        "tickvals": ticks,
        "range": [1 - 0.06 * (last - 1), last + 0.06 * (last - 1)],
    }


def _trace(
    history: list[dict[str, float | None]], key: str, seed: int, best_epoch: int | None
) -> dict[str, Any] | None:
    """Curve of a seed, with a larger marker at the chosen epoch; None for fewer than two epochs."""
    axis, scale, name, role, dash = _DRAWN[key]
    points = [
        (int(epoch["epoch"] or 0), value)
        for epoch in history
        if (value := epoch.get(key)) is not None and math.isfinite(value)
    ]
    if len(points) < 2:
        return None
    chosen = best_epoch if key.startswith("val/") else None
    return {
        "x": [epoch + 1 for epoch, _ in points],
        "y": [float(f"{value * scale:.5g}") for _, value in points],
        "xaxis": "x",
        "yaxis": axis,
        "mode": "lines+markers" if key.startswith("val/") else "lines",
        "line": {"width": 1.5, "dash": dash},
        "marker": {"size": [9 if epoch == chosen else 4 for epoch, _ in points]},
        "hovertemplate": f"{name}, seed {seed}, epoch %{{x}}: %{{y:.4g}}<extra></extra>",
        "meta": {"role": role},
    }
