"""Shapes and colours of the picture."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from experiments.report.facts import FAMILIES
from experiments.report.picture.symbols import LIGHT, NAMES, OTHER, THEMES, Theme, symbol


def test_every_family_has_a_shape_of_its_own() -> None:
    assert len({symbol(name, 0, 0, "") for name in NAMES}) == len(FAMILIES) + 1
    assert symbol("strange", 0, 0, "") == symbol(OTHER, 0, 0, "")
    assert LIGHT.colour("strange") == LIGHT.colour(OTHER)


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_colours_keep_apart_for_colour_blind_readers_too(theme: Theme) -> None:
    assert len(theme.families) == len(NAMES)
    for colour in theme.families:
        assert contrast(colour, theme.ground) >= 3, colour
    for colour in (theme.ink, theme.muted):
        assert contrast(colour, theme.ground) >= 4.5, colour
    for matrix in SIGHTS:
        seen = [oklab(matrix @ linear(colour)) for colour in theme.families[:-1]]
        assert min(float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2)) >= 0.1


def linear(colour: str) -> np.ndarray:
    value = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def contrast(one: str, two: str) -> float:
    """As the Web Content Accessibility Guidelines define it."""
    low, high = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, two))
    return (high + 0.05) / (low + 0.05)


def oklab(rgb: np.ndarray) -> np.ndarray:
    """Linear sRGB in Björn Ottosson's OKLab, where distances are about as they are seen."""
    to_cones = [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
    to_lab = [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
    return np.array(to_lab) @ np.cbrt(np.array(to_cones) @ rgb.clip(0, 1))


# Normal sight, then protan-, deuter- and tritanopia (Machado, Oliveira and Fernandes, 2009).
SIGHTS = [
    np.eye(3),
    np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
]


# The short table
