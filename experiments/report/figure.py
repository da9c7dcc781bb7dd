"""Figures as Plotly dicts, which the page colours and draws.

The page chooses the colours, because it knows whether it is light or dark: `meta` of a trace names
the role of its colour (`accent`, `muted`, `warm`, or the scales `sequential` and `diverging`).
"""

import math
from typing import Any

Figure = dict[str, Any]


def padded_range(values: list[float]) -> list[float]:
    """Range of the values with a margin at both ends."""
    if not values:
        return [0, 1]
    pad = (max(values) - min(values)) * 0.08 or abs(values[0]) * 0.05 or 1
    return [min(values) - pad, max(values) + pad]


def log_ticks(exponents: list[float]) -> list[float]:
    """Ticks at 1, 2 and 5 of each decade of a log10 range; over more than three decades at 1."""
    digits = (1, 2, 5) if exponents[1] - exponents[0] <= 3 else (1,)
    decades = range(math.floor(exponents[0]), math.ceil(exponents[1]) + 1)
    ticks = [digit * 10.0**decade for decade in decades for digit in digits]
    return [tick for tick in ticks if exponents[0] <= math.log10(tick) <= exponents[1]]
