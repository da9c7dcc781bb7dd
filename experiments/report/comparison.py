"""Figures that compare experiments: accuracies with intervals, and differences of all pairs."""

from typing import Any

from experiments.report.figure import Figure
from experiments.report.tables import Table

ROW, EDGES = 21, 74  # pixels: height of a row, and of the space around all rows
# An axis of names, one for each row, the first on top.
NAMES = {
    "autorange": "reversed",
    "tickmode": "linear",
    "showgrid": False,
    "ticks": "outside",  # transparent: they keep names at a distance
    "tickcolor": "rgba(0,0,0,0)",
}


def intervals(table: Table) -> Figure | None:
    """Draw the mean accuracy of each experiment with its 95% interval and its seeds.

    Returns:
        The figure; None if no experiment has an interval.
    """
    analysis = table.analysis
    lines = [line for line in table.lines if line.interval]
    if not lines or analysis is None:
        return None
    split = "Validation" if analysis.part == "val" else "Test"
    known = [(line, line.interval) for line in lines if line.interval]
    means = [100 * interval.mean for _, interval in known]
    letters = [f"  ({line.group})" if line.group else "" for line in lines]
    mean = {
        "x": means,
        "y": [line.experiment for line in lines],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [100 * (one.high - one.mean) for _, one in known],
            "arrayminus": [100 * (one.mean - one.low) for _, one in known],
            "thickness": 1.5,
            "width": 0,
        },
        "mode": "markers",
        "marker": {"size": 7},
        "customdata": [[100 * one.low, 100 * one.high] for _, one in known],
        "text": letters,
        "hovertemplate": "<b>%{y}</b>%{text}<br>%{x:.2f} % [%{customdata[0]:.2f}, "
        "%{customdata[1]:.2f}]<extra></extra>",
        "meta": {"role": "accent"},
    }
    single = [
        (line.experiment, seed, 100 * float(right))
        for line in lines
        if len(analysis.seeds[line.experiment]) > 1
        for seed, right in zip(
            analysis.seeds[line.experiment],
            analysis.correct[line.experiment].mean(axis=1),
            strict=True,
        )
    ]
    seeds = {
        "x": [accuracy for _, _, accuracy in single],
        "y": [name for name, _, _ in single],
        "mode": "markers",
        "marker": {"size": 8, "symbol": "line-ns-open"},
        "customdata": [seed for _, seed, _ in single],
        "hovertemplate": "%{y}, seed %{customdata}: %{x:.2f} %<extra></extra>",
        "meta": {"role": "warm"},
    }
    return {
        "data": [mean, seeds] if single else [mean],
        "layout": {
            "xaxis": {"title": {"text": f"{split} accuracy, %"}},
            "yaxis": NAMES | {"autorange": False, "range": [len(lines) - 0.4, -0.6]},
            "height": EDGES + ROW * len(lines),
            "showlegend": False,
        },
    }


def pairs(table: Table) -> Figure | None:
    """Draw the difference of every pair, row minus column, blank unless it is significant.

    Returns:
        The figure; None for fewer than two experiments with predictions.
    """
    analysis = table.analysis
    if analysis is None or not analysis.differences:
        return None
    names = [line.experiment for line in table.lines if line.interval]
    place = {name: at for at, name in enumerate(names)}
    values: list[list[float | None]] = [[None] * len(names) for _ in names]
    words = [[""] * len(names) for _ in names]
    for one in analysis.differences:
        row, column = place[one.first], place[one.second]
        signs = ((row, column, 1, one.low, one.high), (column, row, -1, -one.high, -one.low))
        for here, there, sign, low, high in signs:
            test = f"p = {_p(one.p_holm)}, Holm-corrected"
            words[here][there] = (
                f"<b>{names[here]}</b> − {names[there]}: {100 * sign * one.difference:+.2f} points "
                f"[{100 * low:+.2f}, {100 * high:+.2f}]<br>"
                f"{'not tested: one seed' if one.reviews_only else test}"
            )
            if one.different:
                values[here][there] = round(100 * sign * one.difference, 3)
    largest = max((abs(v) for row in values for v in row if v is not None), default=1.0)
    trace: dict[str, Any] = {
        "type": "heatmap",
        "x": names,
        "y": names,
        "z": values,
        "text": words,
        "hovertemplate": "%{text}<extra></extra>",
        "hoverongaps": True,
        "zmin": -largest,
        "zmax": largest,
        "xgap": 1,
        "ygap": 1,
        "colorbar": {"title": {"text": "points"}, "thickness": 10, "len": 0.6},
        "meta": {"role": "diverging"},
    }
    return {
        "data": [trace],
        "layout": {
            "xaxis": {"tickangle": -60, "tickmode": "linear", "showgrid": False, "ticks": ""},
            "yaxis": NAMES,
            "height": EDGES + 130 + ROW * len(names),
        },
    }


def _p(value: float) -> str:
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}"
