"""Pairs of measurements, ours and Keras: medians and table."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from rich.table import Table

SIDES = ("ours", "keras")


def summarise(pairs: Sequence[dict[str, dict[str, Any]]]) -> dict[str, Any]:
    """Summarise measurements: every pair with its ratio, medians, versions.

    The ratios are taken within a pair, since a disturbance of the machine affects both sides.
    """
    ratios = []
    for pair in pairs:
        rates = {side: {k: v for k, v in pair[side].items() if k != "versions"} for side in SIDES}
        ratio = pair["ours"]["reviews_per_second"] / pair["keras"]["reviews_per_second"]
        ratios.append({**rates, "ratio": ratio})
    median = {
        side: statistics.median(pair[side]["reviews_per_second"] for pair in pairs)
        for side in SIDES
    }
    return {
        "median": {**median, "ratio": statistics.median(pair["ratio"] for pair in ratios)},
        "pairs": ratios,
        "versions": {side: pairs[0][side]["versions"] for side in SIDES},
    }


def table(result: dict[str, Any]) -> Table:
    """Pairs and their median as a terminal table, in reviews per second."""
    shown = Table("pair", title="LSTM-128 training, reviews per second")
    for name in (*SIDES, "ratio"):
        shown.add_column(name, justify="right")
    for number, pair in enumerate(result["pairs"], 1):
        rates = [f"{pair[side]['reviews_per_second']:.1f}" for side in SIDES]
        shown.add_row(str(number), *rates, f"{pair['ratio']:.3f}")
    median = result["median"]
    shown.add_section()
    shown.add_row("median", *(f"{median[side]:.1f}" for side in SIDES), f"{median['ratio']:.3f}")
    return shown
