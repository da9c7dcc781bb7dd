"""Figures that compare experiments: accuracies with intervals, and differences of all pairs."""

from typing import Any

from experiments.report.columns import ACCURACY
from experiments.report.facts import order_families
from experiments.report.figure import Figure, even_ticks, family_mark, padded_range
from experiments.report.tables import Line, Table

# Pixels: height of a row, of one with two intervals, and of the space around all rows.
ROW, TWICE, EDGES = 21, 28, 74
WRITTEN = 12  # most experiments whose differences are written into the cells
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

    Under both protocols where there are two: the first fit filled, the second one open, below it.

    Returns:
        The figure; None if no experiment has an interval of its accuracy.
    """
    lines = [line for line in table.lines if line.intervals]
    keys = [key for key in ACCURACY.values() if any(key in line.intervals for line in lines)]
    if not keys:
        return None
    height = ROW if len(keys) == 1 else TWICE
    data = [
        trace
        for number, key in enumerate(keys)
        for trace in _means(lines, key, 0 if len(keys) == 1 else 0.34 * number - 0.17, number == 0)
    ]
    data += [trace for trace in (_seeds(table, lines, keys),) if trace]
    ends = [
        100 * end
        for line in lines
        for one in line.intervals.values()
        for end in (one.low, one.high)
    ]
    split = "Validation" if keys == [ACCURACY["val"]] else "Test"
    span = padded_range(ends, 0, 100)
    return {
        "data": data,
        "layout": {
            "xaxis": {
                "title": {"text": f"{split} accuracy, %"},
                "range": span,
                "tickvals": even_ticks(*span),
            },
            "yaxis": NAMES
            | {
                "autorange": False,
                "range": [len(lines) - 0.4, -0.6],
                "tickmode": "array",
                "tickvals": list(range(len(lines))),
                "ticktext": [line.experiment for line in lines],
            },
            "height": EDGES + height * len(lines),
            "showlegend": False,
        },
    }


def _means(lines: list[Line], key: str, down: float, filled: bool) -> list[dict[str, Any]]:
    """Means with intervals of one accuracy, a trace for each family."""
    traces = []
    what = "trained again on all of train" if key == ACCURACY["test_refit"] else "first fit"
    for family in order_families(line.family for line in lines):
        role, shape = family_mark(family, filled)
        group = [
            (place, line, line.intervals[key])
            for place, line in enumerate(lines)
            if line.family == family and key in line.intervals
        ]
        if not group:
            continue
        traces.append(
            {
                "x": [100 * one.mean for _, _, one in group],
                "y": [place + down for place, _, _ in group],
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": [100 * (one.high - one.mean) for _, _, one in group],
                    "arrayminus": [100 * (one.mean - one.low) for _, _, one in group],
                    "thickness": 1.5,
                    "width": 0,
                },
                "mode": "markers",
                "marker": {"size": 8, "symbol": shape},
                "cliponaxis": False,
                "customdata": [
                    [line.experiment, 100 * one.low, 100 * one.high, line.groups.get(key) or "none"]
                    for _, line, one in group
                ],
                "hovertemplate": "<b>%{customdata[0]}</b>, " + what + "<br>%{x:.2f} % "
                "[%{customdata[1]:.2f}, %{customdata[2]:.2f}]<br>group: %{customdata[3]}"
                f"<extra>{family}</extra>",
                "meta": {"role": role},
            }
        )
    return traces


def _seeds(table: Table, lines: list[Line], keys: list[str]) -> dict[str, Any] | None:
    """Accuracy of each seed of the experiments with several, as strokes."""
    single = []
    for number, key in enumerate(keys):
        analysis = table.analyses[key]
        down = 0 if len(keys) == 1 else 0.34 * number - 0.17
        for place, line in enumerate(lines):
            name = line.experiment
            seeds = analysis.seeds.get(name, ())
            if len(seeds) > 1:
                right = analysis.correct[name].mean(axis=1)
                single += [
                    (100 * float(share), place + down, name, seed)
                    for seed, share in zip(seeds, right, strict=True)
                ]
    if not single:
        return None
    return {
        "x": [x for x, _, _, _ in single],
        "y": [y for _, y, _, _ in single],
        "mode": "markers",
        "marker": {"size": 8, "symbol": "line-ns-open"},
        "cliponaxis": False,
        "customdata": [[name, seed] for _, _, name, seed in single],
        "hovertemplate": "%{customdata[0]}, seed %{customdata[1]}: %{x:.2f} %<extra></extra>",
        "meta": {"role": "muted"},
    }


def pairs(table: Table) -> Figure | None:
    """Draw the difference of every tested pair, row minus column, blank unless significant.

    Returns:
        The figure; None if no pair of experiments differs significantly.
    """
    analysis = table.analysis
    if analysis is None or not any(one.different for one in analysis.differences):
        return None
    names = compared(table)
    place = {name: at for at, name in enumerate(names)}
    values: list[list[float | None]] = [[None] * len(names) for _ in names]
    words = [[""] * len(names) for _ in names]
    for one in analysis.differences:
        if one.first not in place or one.second not in place:
            continue
        row, column = place[one.first], place[one.second]
        signs = ((row, column, 1, one.low, one.high), (column, row, -1, -one.high, -one.low))
        for here, there, sign, low, high in signs:
            words[here][there] = (
                f"<b>{names[here]}</b> − {names[there]}: {100 * sign * one.difference:+.2f} points "
                f"[{100 * low:+.2f}, {100 * high:+.2f}]<br>"
                f"p = {_p(one.p_holm)}, Holm-corrected"
            )
            if one.different:
                values[here][there] = round(100 * sign * one.difference, 3)
    largest = max((abs(v) for row in values for v in row if v is not None), default=1.0)
    trace: dict[str, Any] = {
        "type": "heatmap",
        "x": names,
        "y": names,
        "z": values,
        "customdata": words,
        "hovertemplate": "%{customdata}<extra></extra>",
        "hoverongaps": True,
        "zmin": -largest,
        "zmax": largest,
        "xgap": 1,
        "ygap": 1,
        "meta": {"role": "diverging"},
    }
    few = len(names) <= WRITTEN
    if few:
        trace |= {"texttemplate": "%{z:+.2f}", "showscale": False}
    else:
        trace["colorbar"] = {"title": {"text": "points"}, "thickness": 10, "len": 0.6}
    return {
        "data": [trace],
        "layout": {
            "xaxis": {"tickangle": -40, "tickmode": "linear", "showgrid": False, "ticks": ""},
            "yaxis": NAMES,
            "height": EDGES + 130 + ROW * len(names),
        },
    }


def compared(table: Table) -> list[str]:
    """Experiments whose differences are tested: several seeds, or a model that draws nothing."""
    analysis = table.analysis
    if analysis is None:
        return []
    return [
        line.experiment
        for line in table.lines
        if line.interval and line.experiment not in analysis.untested
    ]


def _p(value: float) -> str:
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}"
