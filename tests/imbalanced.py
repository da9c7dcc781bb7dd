"""A made corpus in which one class is rare and only weakly marked, as spam or faults are."""

from __future__ import annotations

import csv
import random
from pathlib import Path

COMMON, RARE = "regular", "urgent"
_WORDS = [f"word{number}" for number in range(300)]
_HINTS = [f"hint{number}" for number in range(12)]


def write_imbalanced(
    file: Path, rows: int = 2000, share: float = 0.05, seed: int = 0, hints: int = 3
) -> Path:
    """CSV of `rows` texts of 15 words, `share` of them urgent.

    An urgent text has `hints` of twelve hinting words on average, any other one fewer than one, so
    that no model tells all of them apart.
    """
    rng = random.Random(seed)
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "label"])
        for number in range(rows):
            rare = number < rows * share
            chance = hints / 15 if rare else 0.06
            words = [rng.choice(_HINTS if rng.random() < chance else _WORDS) for _ in range(15)]
            writer.writerow([" ".join(words), RARE if rare else COMMON])
    return file
