"""Picture for a README: test accuracy against number of parameters, as SVG.

Written directly, so that it needs no browser and the same rows give the same bytes.
"""

from collections.abc import Sequence
from html import escape

from experiments.records.row import ResultsError
from experiments.report.picture.labels import FONT, Label
from experiments.report.picture.points import (
    AREA,
    HEIGHT,
    WIDTH,
    Point,
    drawable,
    lay_out,
    parameter_count,
)
from experiments.report.picture.shapes import draw_line, draw_text
from experiments.report.picture.symbols import NAMES, THEMES, Theme, known_family, symbol
from experiments.report.readme.grids import wrap
from experiments.report.readme.top import Candidate, find_candidates
from experiments.report.tables import Table
from experiments.report.terminal import compact

FILES = {theme: f"accuracy-{theme}.svg" for theme in THEMES}
FONTS = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
NOTE = "Points that would cover each other are moved apart."
HOLLOW = "refit"
_PROTOCOLS = {
    "holdout": "filled: holdout, trained on the train part",
    HOLLOW: "hollow: refit, trained once more on all of train",
}
_LETTER = 6.2  # width in the legend, whose gaps leave room for wide fonts


def picture(tables: Sequence[Table], name: str, folder: str) -> tuple[str, dict[str, str]]:
    """Draw every tested row of a published table.

    Args:
        tables: Tables of each profile and corpus.
        name: Name of the published table.
        folder: Folder of the files, relative to the Markdown file; empty for the same folder.

    Returns:
        The Markdown that shows the picture, with the rows left out; and the SVG of each theme by
        file name.

    Raises:
        ResultsError: No row can be drawn, or the rows have several corpora or profiles.
    """
    drawn = drawable(find_candidates(tables, name))
    if not drawn:
        raise ResultsError(
            f"table {name} has no tested row with a number of parameters, and its picture needs one"
        )
    shown = {one.line.experiment for one in drawn}
    left_out = [
        f"`{line.experiment}`"
        for table in tables
        for line in table.lines
        if line.experiment not in shown
    ]
    places = {theme: escape(f"{folder}{file}") for theme, file in FILES.items()}
    lines = [
        "<picture>",
        f'  <source media="(prefers-color-scheme: dark)" srcset="{places["dark"]}">',
        f'  <img src="{places["light"]}" alt="{escape(summary(drawn))}">',
        "</picture>",
    ]
    if left_out:
        lacking = "without test accuracy or number of parameters"
        lines += ["", wrap(f"Not drawn, {lacking}: {', '.join(left_out)}.")]
    return "\n".join(lines), {file: draw_svg(drawn, THEMES[theme]) for theme, file in FILES.items()}


def summary(drawn: Sequence[Candidate]) -> str:
    """Summarise the picture in one sentence."""
    best, largest = drawn[0], max(drawn, key=parameter_count)
    text = (
        f"Test accuracy of {len(drawn)} rows against their number of parameters: the best, "
        f"{best.line.experiment}, reaches {_figures(best)}"
    )
    if largest is not best:
        text += f"; the largest, {largest.line.experiment}, {_figures(largest)}"
    return text + "."


def draw_svg(drawn: Sequence[Candidate], theme: Theme) -> str:
    """Write the picture as SVG.

    Args:
        drawn: From `drawable`, by falling accuracy; at least one.
        theme: Colours of the picture.
    """
    shown = lay_out(drawn)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" font-family="{FONTS}" font-size="{FONT}" role="img" '
        'aria-labelledby="title desc">',
        '<title id="title">Test accuracy against number of parameters</title>',
        f'<desc id="desc">{escape(summary(drawn))}</desc>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{theme.ground}"/>',
        *_legend(shown.points, theme),
        *_axes(shown.x_ticks, shown.y_ticks, theme),
        *(_interval(point, theme) for point in shown.points if point.high < point.low),
        *(_mark(point, theme) for point in reversed(shown.points)),
        *(_name(label, theme) for label in shown.names),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _legend(points: Sequence[Point], theme: Theme) -> list[str]:
    families = {known_family(point.candidate.line.family) for point in points}
    protocols = {point.candidate.protocol for point in points}
    rows = (
        [(name, name, f'fill="{theme.colour(name)}"') for name in NAMES if name in families],
        [
            (NAMES[0], text, _colours(name, theme.muted, theme))
            for name, text in _PROTOCOLS.items()
            if name in protocols
        ],
    )
    parts = []
    for row, entries in enumerate(rows):
        x, y = 14.0, 16.0 + 22 * row
        letters = sum(len(text) for _, text, _ in entries)
        gap = min(32.0, (WIDTH - x - letters * _LETTER) / max(len(entries), 1))
        for family, text, colours in entries:
            parts += [symbol(family, x, y, colours), draw_text(x + 11, y + 4, text, theme.ink)]
            x += len(text) * _LETTER + gap
    if any(point.high < point.low for point in points):
        parts.append(draw_line(x, y - 9, x, y + 9, theme.muted))
        parts.append(draw_text(x + 8, y + 4, "95% interval", theme.ink))
    return parts


def _axes(
    x_ticks: Sequence[tuple[float, str]], y_ticks: Sequence[tuple[float, str]], theme: Theme
) -> list[str]:
    parts = []
    for y, text in y_ticks:
        parts.append(draw_line(AREA.left, y, AREA.right, y, theme.rule))
        parts.append(draw_text(AREA.left - 8, y + 4, text, theme.muted, "end"))
    for x, text in x_ticks:
        parts.append(draw_line(x, AREA.top, x, AREA.bottom, theme.rule))
        parts.append(draw_text(x, AREA.bottom + 18, text, theme.muted, "middle"))
    middle = (AREA.left + AREA.right) / 2
    return [
        *parts,
        draw_line(AREA.left, AREA.bottom, AREA.right, AREA.bottom, theme.muted),
        draw_text(8, AREA.top - 10, "Test accuracy, %", theme.ink),
        draw_text(AREA.right, AREA.top - 10, NOTE, theme.muted, "end"),
        draw_text(middle, HEIGHT - 10, "Number of parameters (log scale)", theme.ink, "middle"),
    ]


def _interval(point: Point, theme: Theme) -> str:
    colour = theme.colour(point.candidate.line.family)
    return draw_line(point.x, point.high, point.x, point.low, colour, ' stroke-opacity="0.5"')


def _mark(point: Point, theme: Theme) -> str:
    one = point.candidate
    title = f"{one.line.experiment}, {one.protocol}: {_figures(one)}"
    colours = _colours(one.protocol, theme.colour(one.line.family), theme)
    mark = symbol(one.line.family, point.x, point.y, colours)
    return f'<g class="point"><title>{escape(title)}</title>{mark}</g>'


def _name(label: Label, theme: Theme) -> str:
    leader = draw_line(*label.leader, theme.muted, ' stroke-width="0.8"') if label.leader else ""
    halo = f' class="name" stroke="{theme.ground}" stroke-width="3" paint-order="stroke"'
    y = label.box.bottom - 4
    return leader + draw_text(label.x, y, label.text, theme.ink, label.anchor, halo)


def _colours(protocol: str, colour: str, theme: Theme) -> str:
    if protocol == HOLLOW:
        return f'fill="{theme.ground}" stroke="{colour}" stroke-width="1.8"'
    return f'fill="{colour}" stroke="{theme.ground}" stroke-width="0.8"'


def _figures(one: Candidate) -> str:
    return f"{one.accuracy:.2f}% with {compact(parameter_count(one))} parameters"
