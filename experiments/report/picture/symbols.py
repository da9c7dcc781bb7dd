"""Shapes and colours that tell the families apart in a picture, on light and on dark ground."""

import math
from dataclasses import dataclass

from experiments.report.families import FAMILIES, OTHER

NAMES = (*FAMILIES, OTHER)
RADIUS = 4.6
_PLUS = [(0.4, 0.4), (0.4, 1.2), (-0.4, 1.2), (-0.4, 0.4), (-1.2, 0.4), (-1.2, -0.4)]
# Corners for a radius of 1, y downwards; without any it is a circle.
_CORNERS: dict[str, list[tuple[float, float]]] = {
    "n-grams": [],
    "word vectors": [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
    "bags": [(0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)],
    "recurrent": [(0, -1.2), (1.15, 0.8), (-1.15, 0.8)],
    "convolutional": [(0, 1.2), (-1.15, -0.8), (1.15, -0.8)],
    "attention, capsules": [*_PLUS, *((-x, -y) for x, y in _PLUS)],
    "Transformers": [(0.6, -1.05), (1.2, 0), (0.6, 1.05), (-0.6, 1.05), (-1.2, 0), (-0.6, -1.05)],
    "pretrained": [
        (math.sin(at * math.pi / 5) * reach, -math.cos(at * math.pi / 5) * reach)
        for at, reach in enumerate([1.5, 0.65] * 5)
    ],
    OTHER: [(0, -1.3), (1.1, 0.3), (0, 1.3), (0, 0.3)],
}


@dataclass(frozen=True)
class Theme:
    """Colours of a picture.

    Attributes:
        ground: Behind everything.
        ink: Of names and titles.
        muted: Of numbers on the axes, and of lines from points to names.
        rule: Of the grid.
        families: In the order of `NAMES`; apart in normal sight and in all three kinds of colour
            blindness (at least 0.1 in OKLab, the last apart), at least 3:1 against the ground.
    """

    ground: str
    ink: str
    muted: str
    rule: str
    families: tuple[str, ...]

    def colour(self, family: str) -> str:
        """The colour of a family."""
        return self.families[NAMES.index(family)]


LIGHT = Theme(
    *("#ffffff", "#1f2328", "#59636e", "#e2e6ea"),
    (
        *("#14557d", "#ac5900", "#198375", "#7f1ece"),
        *("#773819", "#4490ff", "#102121", "#ed45b8", "#7b828a"),
    ),
)
DARK = Theme(
    *("#0d1117", "#f0f6fc", "#9198a1", "#262c36"),
    (
        *("#5970ff", "#ff770e", "#0fba8e", "#ae6cbe"),
        *("#e3c947", "#b0daff", "#edf4df", "#e684e8", "#8b949e"),
    ),
)
THEMES = {"light": LIGHT, "dark": DARK}


def symbol(family: str, x: float, y: float, colours: str) -> str:
    """Write the shape of a family as SVG.

    Args:
        family: One of `NAMES`.
        x: Its middle.
        y: Its middle.
        colours: Attributes for fill and stroke.
    """
    if not _CORNERS[family]:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS}" {colours}/>'
    corners = [f"{x + RADIUS * a:.1f},{y + RADIUS * b:.1f}" for a, b in _CORNERS[family]]
    return f'<polygon points="{" ".join(corners)}" {colours}/>'
