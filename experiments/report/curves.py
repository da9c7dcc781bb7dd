"""Learning curves: validation accuracy and log loss by epoch, a panel for each experiment."""

from dataclasses import dataclass
from typing import Any

from experiments.report.figure import Figure, padded_range
from experiments.report.tables import Line, Table


@dataclass(frozen=True)
class Curve:
    """Learning curves of one experiment.

    Attributes:
        experiment: Name of the experiment.
        figure: Validation accuracy above validation log loss, one trace for each seed.
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
            for key, axis, scale in (("val/accuracy", "", 100), ("val/log_loss", "2", 1))
            if (trace := _trace(row.history, key, axis, scale, row.seed, row.best_epoch))
        ]
        if traces:
            drawn.append((line, traces))
        else:
            without.append(line.experiment)
    everything = [trace for _, traces in drawn for trace in traces]
    ranges = {
        axis: padded_range(
            [y for trace in everything if trace["yaxis"] == axis for y in trace["y"]]
        )
        for axis in ("y", "y2")
    }
    layout = {
        "xaxis": {"anchor": "y2", "title": {"text": "epoch"}, "tickformat": "d"},
        "yaxis": {"domain": [0.56, 1], "range": ranges["y"], "title": {"text": "accuracy, %"}},
        "yaxis2": {"domain": [0, 0.44], "range": ranges["y2"], "title": {"text": "log loss"}},
        "showlegend": False,
    }
    return [Curve(line.experiment, {"data": t, "layout": layout}) for line, t in drawn], without


def _trace(
    history: list[dict[str, float | None]],
    key: str,
    axis: str,
    scale: float,
    seed: int,
    best_epoch: int | None,
) -> dict[str, Any] | None:
    """Curve of a seed, with a larger marker at the chosen epoch; None for fewer than two epochs."""
    points = [(epoch["epoch"], value) for epoch in history if (value := epoch.get(key)) is not None]
    if len(points) < 2:
        return None
    return {
        "x": [(epoch or 0) + 1 for epoch, _ in points],
        "y": [value * scale for _, value in points],
        "xaxis": "x",
        "yaxis": f"y{axis}",
        "mode": "lines+markers",
        "line": {"width": 1.5},
        "marker": {"size": [9 if epoch == best_epoch else 4 for epoch, _ in points]},
        "hovertemplate": f"seed {seed}, epoch %{{x}}: %{{y:.4g}}<extra></extra>",
        "meta": {"role": "accent"},
    }
