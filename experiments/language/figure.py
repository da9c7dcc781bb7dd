"""Figure of language models: perplexity of short, middle and long texts, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from experiments.report.picture.labels import FONT
from experiments.report.picture.svg import FONTS
from experiments.report.picture.symbols import THEMES, Theme

FILES = {theme: f"perplexity-{theme}.svg" for theme in THEMES}
WIDTH, ROW = 720, 30
_LEFT, _RIGHT, _TOP, _BOTTOM = 110, 24, 40, 44
_RADIUS = 4.5
PARTS = ("shortest third", "middle third", "longest third")


class Dots(NamedTuple):
    """Line of the figure.

    Attributes:
        name: Name of the model.
        values: Perplexity of each third of the texts, the shortest first.
    """

    name: str
    values: tuple[float, ...]


def summary(lines: Sequence[Dots]) -> str:
    """Describe the figure in one sentence."""
    best = lines[0]
    return (
        f"Perplexity of the shortest, the middle and the longest third of the held-out texts by "
        f"{len(lines)} models: that of {best.name} is {best.values[0]:.0f}, {best.values[1]:.0f} "
        f"and {best.values[2]:.0f}."
    )


def draw_svg(lines: Sequence[Dots], theme: Theme) -> str:
    """Write the figure; the same figures give the same bytes.

    Args:
        lines: From the best to the worst; at least one.
        theme: Colours.
    """
    height = _TOP + ROW * len(lines) + _BOTTOM
    values = [value for line in lines for value in line.values]
    step = next(
        s for s in (5, 10, 20, 50, 100, 200, 500, 10**4) if max(values) - min(values) < 8 * s
    )
    low, high = (min(values) // step) * step, (max(values) // step + 1) * step

    def x(value: float) -> float:
        return _LEFT + (value - low) / (high - low) * (WIDTH - _LEFT - _RIGHT)

    bottom = _TOP + ROW * len(lines)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" font-family="{FONTS}" font-size="{FONT}" role="img" '
        'aria-labelledby="title desc">',
        '<title id="title">Perplexity by length of the text</title>',
        f'<desc id="desc">{escape(summary(lines))}</desc>',
        f'<rect width="{WIDTH}" height="{height}" fill="{theme.ground}"/>',
    ]
    for tick in range(int(low), int(high) + 1, step):
        parts.append(
            f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{_TOP - 6}" y2="{bottom}" '
            f'stroke="{theme.rule}"/><text x="{x(tick):.1f}" y="{bottom + 16}" '
            f'text-anchor="middle" fill="{theme.muted}">{tick}</text>'
        )
    parts.append(
        f'<text x="{(_LEFT + WIDTH - _RIGHT) / 2:.1f}" y="{bottom + 34}" text-anchor="middle" '
        f'fill="{theme.muted}">perplexity</text>'
    )
    for number, part in enumerate(PARTS):
        at = _LEFT + 150 * number
        parts += [
            _dot(at, 14, number, theme),
            f'<text x="{at + 10}" y="18" fill="{theme.ink}">{part}</text>',
        ]
    for place, line in enumerate(lines):
        y = _TOP + ROW * (place + 0.5)
        ends = x(min(line.values)), x(max(line.values))
        parts += [
            f'<text x="{_LEFT - 12}" y="{y + 4:.1f}" text-anchor="end" fill="{theme.ink}">'
            f"{escape(line.name)}</text>",
            f'<line x1="{ends[0]:.1f}" x2="{ends[1]:.1f}" y1="{y:.1f}" y2="{y:.1f}" '
            f'stroke="{theme.muted}" stroke-width="1.5"/>',
            *(_dot(x(value), y, number, theme) for number, value in enumerate(line.values)),
        ]
    return "\n".join([*parts, "</svg>\n"])


def _dot(x: float, y: float, number: int, theme: Theme) -> str:
    """Mark of a third: hollow, half as large, filled."""
    fill = (theme.ground, theme.muted, theme.families[0])[number]
    stroke = (theme.families[0], theme.ground, theme.families[0])[number]
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{_RADIUS if number != 1 else 3}" fill="{fill}" '
        f'stroke="{stroke}" stroke-width="2"/>'
    )
