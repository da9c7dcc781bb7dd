"""Picture of measured speed: parts of a step, rates, and cost against length and batch size."""

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import Any, NamedTuple

from experiments.machine.terminal import shortened
from experiments.report.figure import log_ticks, padded_range
from experiments.report.picture.labels import CHARACTER, FONT
from experiments.report.picture.shapes import draw_line, draw_text
from experiments.report.picture.svg import FONTS
from experiments.report.picture.symbols import LIGHT, NAMES, Theme, symbol
from experiments.report.terminal import compact

WIDTH = 860
PARTS = ("data", "forward", "backward", "optimiser", "other")
_MARGIN, _ROW, _BAR = 16, 26, 16
_HEAD, _GAP = 48, 30  # above a panel, for its title and legend, and below it
_PANEL = 250  # height of the area of a curve
_LONGEST = 34  # characters of a name
_SHAPES = len(NAMES)


class Curve(NamedTuple):
    """Rates of an experiment at some lengths or batch sizes.

    Attributes:
        number: Its place among the experiments, which chooses colour and shape.
        points: Length or batch size, and tokens per second; at least one.
    """

    number: int
    points: list[tuple[float, float]]


def draw_speed(results: dict[str, dict[str, Any]], theme: Theme = LIGHT) -> str:
    """Write the picture as SVG; the same figures give the same bytes.

    Args:
        results: By experiment what `experiments.speed.measure` reports, or its `error`.
        theme: Colours.
    """
    done = {name: one for name, one in results.items() if "error" not in one}
    names = [shortened(name, _LONGEST, "…") for name in done]
    left = _MARGIN + CHARACTER * max(map(len, names), default=0) + 12
    parts, top = list[str](), float(_MARGIN)
    stepping = [(name, one["train"]) for name, one in zip(names, done.values(), strict=True)]
    stepping = [(name, train) for name, train in stepping if train["steps"]]
    if stepping:
        parts += _shares(stepping, left, top, theme)
        top += _HEAD + _ROW * len(stepping) + _GAP
    parts += _rates(names, list(done.values()), left, top, theme)
    top += _HEAD + 2 * _ROW * len(names) + _GAP
    panels = _panels(list(done.values()))
    if panels:
        drawn = {curve.number for _, _, curves in panels for curve in curves}
        keys = [(names[number], number) for number in sorted(drawn)]
        rows = _legend(keys, theme)
        parts += [f'<g transform="translate(0 {top + 4:.1f})">{"".join(rows)}</g>']
        top += 22 * len(rows) + 8
    wide = (WIDTH - 3 * _MARGIN) / 2
    for at, (title, axis, curves) in enumerate(panels):
        x = _MARGIN + (wide + _MARGIN) * (at % 2)
        parts += _panel(title, axis, curves, (x, top, wide), theme)
        if at % 2 or at == len(panels) - 1:
            top += _HEAD + _PANEL + 44
    for line in _notes(results):
        parts.append(draw_text(_MARGIN, top + 4, line, theme.muted))
        top += 18
    height = top + _MARGIN / 2
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
            f'width="{WIDTH}" height="{height:.0f}" font-family="{FONTS}" font-size="{FONT}" '
            'role="img" aria-labelledby="title desc">',
            '<title id="title">Speed of experiments</title>',
            f'<desc id="desc">{escape(summary(done))}</desc>',
            f'<rect width="{WIDTH}" height="{height:.0f}" fill="{theme.ground}"/>',
            *parts,
            "</svg>\n",
        ]
    )


def summary(done: dict[str, dict[str, Any]]) -> str:
    """Describe the picture in one sentence."""
    rates = ", ".join(
        f"{name} {compact(one['train']['tokens_per_second'])} and "
        f"{compact(one['predict']['tokens_per_second'])}"
        for name, one in done.items()
    )
    return f"Real tokens a second in training and in prediction: {rates}."


def _shares(
    stepping: Sequence[tuple[str, dict[str, Any]]], left: float, top: float, theme: Theme
) -> list[str]:
    """A bar for each experiment, divided into the parts of a training step."""
    lines = [draw_text(_MARGIN, top + 12, "Parts of a training step", theme.ink, more=_BOLD)]
    x = left
    for part in PARTS:
        lines.append(_rectangle(x, top + 24, 11, 11, _colour(part, theme)))
        lines.append(draw_text(x + 16, top + 34, part, theme.ink))
        x += 16 + CHARACTER * len(part) + 18
    scale = WIDTH - _MARGIN - left
    for row, (name, train) in enumerate(stepping):
        y, x = top + _HEAD + _ROW * row, left
        lines.append(draw_text(left - 10, y + 12, name, theme.ink, "end"))
        for part in PARTS:
            # What is left over may be below 0 by the error of the clocks.
            share = max(0.0, train["shares"][part])
            title = f"{name}, {part}: {share:.1%}"
            lines.append(_rectangle(x, y, share * scale, _BAR, _colour(part, theme), title))
            if share * scale > 30:
                middle = x + share * scale / 2
                lines.append(draw_text(middle, y + 12, f"{share:.0%}", theme.ground, "middle"))
            x += share * scale
    return lines


def _rates(
    names: Sequence[str], measured: Sequence[dict[str, Any]], left: float, top: float, theme: Theme
) -> list[str]:
    """Two bars for each experiment: real tokens per second in training and in prediction."""
    lines = [draw_text(_MARGIN, top + 12, "Real tokens a second", theme.ink, more=_BOLD)]
    colours = {"train": theme.families[0], "predict": theme.families[5]}
    for at, (part, text) in enumerate((("train", "training"), ("predict", "prediction"))):
        lines.append(_rectangle(left + 110 * at, top + 24, 11, 11, colours[part]))
        lines.append(draw_text(left + 110 * at + 16, top + 34, text, theme.ink))
    rates = [one[part]["tokens_per_second"] for one in measured for part in colours]
    scale = (WIDTH - _MARGIN - left - 56) / max(rates, default=1.0)
    for row, (name, one) in enumerate(zip(names, measured, strict=True)):
        y = top + _HEAD + 2 * _ROW * row
        lines.append(draw_text(left - 10, y + _BAR + 5, name, theme.ink, "end"))
        for at, (part, colour) in enumerate(colours.items()):
            rate, low = one[part]["tokens_per_second"], y + (_BAR + 2) * at
            title = f"{name}, {part}: {rate:,.0f} tokens a second"
            lines.append(_rectangle(left, low, rate * scale, _BAR, colour, title))
            lines.append(draw_text(left + rate * scale + 6, low + 12, compact(rate), theme.muted))
    return lines


def _panels(measured: Sequence[dict[str, Any]]) -> list[tuple[str, str, list[Curve]]]:
    """Title, axis and curves of each panel that has any."""
    rate, text, batch = "tokens_per_second", "length", "batch size"
    wanted = (
        (f"Training, tokens a second by {text}", text, "lengths", rate),
        (f"Prediction, tokens a second by {text}", text, "lengths", f"predicted_{rate}"),
        (f"Training, tokens a second by {batch}", batch, "batch_sizes", rate),
    )
    panels = []
    for title, axis, key, rate in wanted:
        curves = []
        for number, one in enumerate(measured):
            entry = axis.replace(" ", "_")
            points = [(at[entry], at[rate]) for at in one.get(key) or [] if rate in at]
            if points:
                curves.append(Curve(number, sorted(points)))
        if curves:
            panels.append((title, axis, curves))
    return panels


def _panel(
    title: str, axis: str, curves: Sequence[Curve], place: tuple[float, float, float], theme: Theme
) -> list[str]:
    """Curves over two logarithmic axes; `place` has left, top and width."""
    begin, top, wide = place
    left, right, high, low = begin + 46, begin + wide - 8, top + 30, top + 30 + _PANEL
    places = sorted({x for curve in curves for x, _ in curve.points})
    spans = [
        padded_range([math.log10(point[at]) for curve in curves for point in curve.points])
        for at in (0, 1)
    ]
    x, y = _scale(spans[0], left, right), _scale(spans[1], low, high)
    lines = [draw_text(begin, top + 12, title, theme.ink, more=_BOLD)]
    for tick in log_ticks(spans[1]):
        lines.append(draw_line(left, y(tick), right, y(tick), theme.rule))
        lines.append(draw_text(left - 6, y(tick) + 4, compact(tick), theme.muted, "end"))
    shown = -math.inf
    for tick in places:
        lines.append(draw_line(x(tick), high, x(tick), low, theme.rule))
        text = f"{tick:,.0f}"
        if x(tick) - CHARACTER * len(text) / 2 > shown:  # not over the number before it
            lines.append(draw_text(x(tick), low + 16, text, theme.muted, "middle"))
            shown = x(tick) + CHARACTER * len(text) / 2
    lines.append(draw_line(left, low, right, low, theme.muted))
    unit = "tokens a text" if axis == "length" else "texts a batch"
    lines.append(draw_text((left + right) / 2, low + 34, unit, theme.ink, "middle"))
    for curve in curves:
        colour = theme.families[curve.number % _SHAPES]
        corners = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in curve.points)
        dashes = ' stroke-dasharray="5 3"' if curve.number >= _SHAPES else ""
        lines.append(
            f'<polyline points="{corners}" fill="none" stroke="{colour}" '
            f'stroke-width="1.8"{dashes}/>'
        )
        lines += [_mark(curve.number, x(a), y(b), theme) for a, b in curve.points]
    return lines


def _scale(span: Sequence[float], begin: float, end: float) -> Callable[[float], float]:
    """Position of a value on a logarithmic axis."""
    return lambda value: begin + (math.log10(value) - span[0]) / (span[1] - span[0]) * (end - begin)


def _legend(keys: Sequence[tuple[str, int]], theme: Theme) -> list[str]:
    """Rows of symbols with the names of experiments."""
    rows, x = [""], float(_MARGIN)
    for name, number in keys:
        width = 16 + CHARACTER * len(name) + 18
        if rows[-1] and x + width > WIDTH - _MARGIN:
            rows.append("")
            x = _MARGIN
        y = 22 * (len(rows) - 1) + 8
        rows[-1] += _mark(number, x + 6, y, theme) + draw_text(x + 16, y + 4, name, theme.ink)
        x += width
    return rows


def _mark(number: int, x: float, y: float, theme: Theme) -> str:
    colours = f'fill="{theme.families[number % _SHAPES]}" stroke="{theme.ground}"'
    return symbol(NAMES[number % _SHAPES], x, y, colours)


def _notes(results: dict[str, dict[str, Any]]) -> list[str]:
    """Sentences on what could not be measured."""
    notes = []
    for name, one in results.items():
        if "error" in one:
            notes.append(f"{name} could not be measured.")
        for key, entry, unit in (
            ("lengths", "length", "tokens"),
            ("batch_sizes", "batch_size", "texts a batch"),
        ):
            failed = [at for at in one.get(key) or [] if "error" in at]
            notes += [f"{name}, {at[entry]:,} {unit}: {at['error']}" for at in failed]
    return [shortened(note, int((WIDTH - 2 * _MARGIN) / CHARACTER), "…") for note in notes]


def _colour(part: str, theme: Theme) -> str:
    """Colour of a part of a step."""
    return theme.families[-1] if part == "other" else theme.families[PARTS.index(part)]


def _rectangle(
    x: float, y: float, width: float, height: float, colour: str, title: str = ""
) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height}"'
    return f'<rect {place} fill="{colour}"><title>{escape(title)}</title></rect>'


_BOLD = ' font-weight="600"'
