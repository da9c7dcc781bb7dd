"""Shapes and colours of the families in a picture, for light and dark backgrounds."""

import math
from dataclasses import dataclass

from experiments.report.facts import FAMILIES, OTHER

NAMES = (*FAMILIES, OTHER)
RADIUS = 4.6
_PLUS = [(0.4, 0.4), (0.4, 1.2), (-0.4, 1.2), (-0.4, 0.4), (-1.2, 0.4), (-1.2, -0.4)]
_CROSS = [*_PLUS, *((-x, -y) for x, y in _PLUS)]
# Corners for a radius of 1, y downwards; no corners for a circle.
_CORNERS: dict[str, list[tuple[float, float]]] = {
    "n-grams": [],
    "word vectors": [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
    "bags": [(0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)],
    "recurrent": [(0, -1.2), (1.15, 0.8), (-1.15, 0.8)],
    "convolutional": [(0, 1.2), (-1.15, -0.8), (1.15, -0.8)],
    "attention, capsules": _CROSS,
    "Transformers": [(0.6, -1.05), (1.2, 0), (0.6, 1.05), (-0.6, 1.05), (-1.2, 0), (-0.6, -1.05)],
    "pretrained": [
        (math.sin(at * math.pi / 5) * reach, -math.cos(at * math.pi / 5) * reach)
        for at, reach in enumerate([1.5, 0.65] * 5)
    ],
    "ensembles": [((x - y) / math.sqrt(2), (x + y) / math.sqrt(2)) for x, y in _CROSS],
    OTHER: [(0, -1.3), (1.1, 0.3), (0, 1.3), (0, 0.3)],
}


@dataclass(frozen=True)
class Theme:
    """Colours of a picture.

    Attributes:
        ground: Background.
        ink: Names and titles.
        muted: Numbers on the axes, and lines from points to names.
        rule: Grid lines.
        families: Families in the order of `NAMES`; all but the last differ by at least 0.1 in
            OKLab, in normal sight and in all three kinds of colour blindness; contrast with the
            background is at least 3:1.
    """

    ground: str
    ink: str
    muted: str
    rule: str
    families: tuple[str, ...]

    def colour(self, family: str) -> str:
        """Colour of a family; an unknown one has that of `other`."""
        return self.families[NAMES.index(known_family(family))]


LIGHT = Theme(
    *("#ffffff", "#1f2328", "#59636e", "#e2e6ea"),
    (
        *("#14557d", "#ac5900", "#198375", "#7f1ece"),
        *("#773819", "#4490ff", "#102121", "#ed45b8", "#281390", "#7b828a"),
    ),
)
DARK = Theme(
    *("#0d1117", "#f0f6fc", "#9198a1", "#262c36"),
    (
        *("#5970ff", "#ff770e", "#0fba8e", "#ae6cbe"),
        *("#e3c947", "#b0daff", "#edf4df", "#e684e8", "#ac3c10", "#8b949e"),
    ),
)
THEMES = {"light": LIGHT, "dark": DARK}


def known_family(family: str) -> str:
    """The family itself; `other` for one that has no symbol."""
    return family if family in NAMES else OTHER


def symbol(family: str, x: float, y: float, colours: str) -> str:
    """Draw the shape of a family as SVG.

    Args:
        family: Family of an architecture; an unknown one has the shape of `other`.
        x: Middle of the shape.
        y: Middle of the shape.
        colours: Attributes for fill and stroke.
    """
    shape = _CORNERS[known_family(family)]
    if not shape:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS}" {colours}/>'
    corners = [f"{x + RADIUS * a:.1f},{y + RADIUS * b:.1f}" for a, b in shape]
    return f'<polygon points="{" ".join(corners)}" {colours}/>'
