"""Picture of where a transcription model looks: letters across, the symbols written downwards."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.report.picture.labels import CHARACTER, FONT
from experiments.report.picture.svg import FONTS
from experiments.report.picture.symbols import LIGHT, Theme

CELL = 26
_MARGIN, _GAP = 16, 22
_SHOWN = 0.05  # smaller weights are shades without a figure
END = "end"


class Alignment(NamedTuple):
    """Weights of the letters of a text before each symbol that was written for it.

    Attributes:
        letters: Letters of the text.
        symbols: Symbols that were written, the end included.
        weights: float[symbols, letters]; each row sums to 1.
    """

    letters: tuple[str, ...]
    symbols: tuple[str, ...]
    weights: NDArray[np.float64]

    def described(self) -> str:
        """One sentence: at which letter each symbol looks most."""
        looks = ", ".join(
            f"{symbol} at {self.letters[place]}"
            for symbol, place in zip(self.symbols, self.weights.argmax(1), strict=True)
        )
        return f"In {''.join(self.letters)} most weight lies for {looks}."


def draw_alignments(alignments: Sequence[Alignment], theme: Theme = LIGHT) -> str:
    """Write an SVG with one grid for each text; the darker a cell, the larger its weight.

    Weights of at least 0.05 are written in their cells, in hundredths.

    Args:
        alignments: At least one.
        theme: Colours.
    """
    widest = max(len(symbol) for one in alignments for symbol in one.symbols)
    left = _MARGIN + CHARACTER * widest + 8
    width = left + CELL * max(len(one.letters) for one in alignments) + _MARGIN
    tops, top = [], float(_MARGIN)
    for one in alignments:
        tops.append(top + _GAP)
        top += _GAP + CELL * len(one.symbols) + _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {top:.0f}" '
        f'width="{width:.0f}" height="{top:.0f}" font-family="{FONTS}" font-size="{FONT}" '
        'role="img" aria-labelledby="title desc">',
        '<title id="title">Letters that each symbol looks at</title>',
        f'<desc id="desc">{escape(" ".join(one.described() for one in alignments))}</desc>',
        f'<rect width="{width:.0f}" height="{top:.0f}" fill="{theme.ground}"/>',
    ]
    for one, y in zip(alignments, tops, strict=True):
        parts += _grid(one, left, y, theme)
    return "\n".join([*parts, "</svg>\n"])


def _grid(one: Alignment, left: float, top: float, theme: Theme) -> list[str]:
    """Letters above, symbols on the left, a square for each pair."""
    parts = [
        f'<text x="{left + CELL * (place + 0.5):.1f}" y="{top - 7:.1f}" text-anchor="middle" '
        f'fill="{theme.ink}">{escape(letter)}</text>'
        for place, letter in enumerate(one.letters)
    ]
    for row, (symbol, weights) in enumerate(zip(one.symbols, one.weights, strict=True)):
        y = top + CELL * row
        parts.append(
            f'<text x="{left - 8:.1f}" y="{y + CELL / 2 + 4:.1f}" text-anchor="end" '
            f'fill="{theme.muted if symbol == END else theme.ink}">{escape(symbol)}</text>'
        )
        for place, weight in enumerate(weights):
            x = left + CELL * place
            parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{CELL}" height="{CELL}" '
                f'fill="{theme.families[0]}" fill-opacity="{weight:.3f}" stroke="{theme.rule}"/>'
            )
            if weight >= _SHOWN:
                ink = theme.ground if weight > 0.5 else theme.ink
                parts.append(
                    f'<text x="{x + CELL / 2:.1f}" y="{y + CELL / 2 + 4:.1f}" '
                    f'text-anchor="middle" font-size="10" fill="{ink}">{100 * weight:.0f}</text>'
                )
    return parts
