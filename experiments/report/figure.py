"""Figures as Plotly dicts, which the page colours and draws.

The page chooses the colours, because it knows whether it is light or dark: `meta` of a trace names
the role of its colour: `accent`, `muted`, `warm`, `rule`, that of a family (`family-3`), or one of
the scales `sequential` and `diverging`. `meta` of a layout has what is another on a phone.
"""

import math
from typing import Any

from experiments.report.picture.symbols import NAMES, known_family

Figure = dict[str, Any]
HEATMAP: dict[str, Any] = {
    "type": "heatmap",
    "xgap": 1,
    "ygap": 1,
    "showscale": False,
    "meta": {"role": "sequential"},
}
"""Properties that the heat maps of one direction share."""
# Plotly's shapes of the families, in the order of `NAMES`.
_SHAPES = (
    *("circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "hexagon2"),
    *("star", "x", "diamond-tall"),
)


def family_mark(family: str, filled: bool = True) -> tuple[str, str]:
    """Role of the colour of a family, and its shape."""
    number = NAMES.index(known_family(family))
    return f"family-{number}", _SHAPES[number] + ("" if filled else "-open")


def plain(text: str) -> str:
    """Free text, such as the name of a class, without what Plotly would take for markup."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("%{", "% {")


def padded_range(
    values: list[float], least: float = -math.inf, most: float = math.inf
) -> list[float]:
    """Range of the values with a margin at both ends, but not beyond what a value can be.

    Args:
        values: What is drawn.
        least: Smallest possible value, such as 0 of a log loss.
        most: Largest possible value, such as 100 of a percentage.
    """
    if not values:
        return [0, 1]
    pad = (max(values) - min(values)) * 0.08 or abs(values[0]) * 0.05 or 1
    return [max(min(values) - pad, least), min(max(values) + pad, most)]


def log_ticks(exponents: list[float]) -> list[float]:
    """Ticks of a log10 range: at 1, 2 and 5 of each decade; at 1 over more than three decades.

    A range with fewer than three of them has round numbers at equal distances instead.
    """
    digits = (1, 2, 5) if exponents[1] - exponents[0] <= 3 else (1,)
    decades = range(math.floor(exponents[0]), math.ceil(exponents[1]) + 1)
    ticks = [digit * 10.0**decade for decade in decades for digit in digits]
    ticks = [tick for tick in ticks if exponents[0] <= math.log10(tick) <= exponents[1]]
    return ticks if len(ticks) >= 3 else even_ticks(10 ** exponents[0], 10 ** exponents[1])


def even_ticks(low: float, high: float) -> list[float]:
    """Three to eight multiples of 1, 2 or 5 times a power of ten within a range."""
    power = 10.0 ** math.floor(math.log10((high - low) / 3))
    steps = (power * size for size in (10, 5, 2, 1, 0.5))
    for step in steps:
        multiples = range(math.ceil(low / step), math.floor(high / step) + 1)
        if len(multiples) >= 3:
            break
    return [float(f"{step * number:.12g}") for number in multiples]
