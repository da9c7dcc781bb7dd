"""Difficult reviews: those that all experiments get wrong, and those that divide them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.report.tables import Table
from experiments.report.texts import ReviewTexts

SHOWN, LONGEST, BRIEF = 10, 3000, 220
_MARKUP = re.compile(r"<br\s*/?>", re.I)


@dataclass(frozen=True)
class Review:
    """Review with the predictions of the experiments.

    Attributes:
        name: Name in the corpus, or its number in the test split.
        label: Name of its class.
        right: Experiments that are right in most seeds, the best first.
        wrong: The other experiments.
        chance: Mean probability of the label over all experiments, in 0..1.
        brief: The beginning of its text; None if the text is not available.
        rest: The text after that, up to 3,000 characters.
    """

    name: str
    label: str
    right: list[str]
    wrong: list[str]
    chance: float
    brief: str | None
    rest: str


@dataclass(frozen=True)
class Reviews:
    """Lists of difficult reviews.

    Attributes:
        all_wrong: Number of test reviews that no experiment has right in most seeds.
        all_right: Number of test reviews that all have right.
        total: Number of test reviews.
        hardest: Reviews that all have wrong, the lowest probability of the label first.
        divisive: Reviews that divide the experiments in halves, the most confident first.
    """

    all_wrong: int
    all_right: int
    total: int
    hardest: list[Review]
    divisive: list[Review]


def reviews(table: Table, texts: ReviewTexts | None, labels: Sequence[str] = ()) -> Reviews | None:
    """List the difficult reviews.

    Args:
        table: A table with its analysis.
        texts: The test reviews; None if they are not available.
        labels: Names of the classes; those of the texts if empty, or numbers without any.

    Returns:
        The lists; None for fewer than three tested experiments.
    """
    analysis = table.analysis
    names = [line.experiment for line in table.lines if line.interval]
    if analysis is None or analysis.part == "val" or len(names) < 3:
        return None
    right = np.stack([analysis.correct[name].mean(axis=0) > 0.5 for name in names])  # [M, N]
    columns = np.arange(len(analysis.labels))
    chances = np.stack(
        [analysis.probabilities[name].mean(axis=0)[columns, analysis.labels] for name in names]
    )
    share, mean = right.mean(axis=0), chances.mean(axis=0)
    # Mean confidence of all experiments, of those that are right and those that are wrong.
    confidence = [analysis.probabilities[name].mean(axis=0).max(axis=1) for name in names]
    sure = np.stack(confidence).mean(axis=0)
    hardest = np.lexsort((mean, share))[:SHOWN]
    divisive = np.lexsort((-sure, np.abs(share - 0.5).round(2)))[:SHOWN]

    names_of_classes = labels or (texts.labels if texts else ())

    def show(at: int) -> Review:
        number = int(analysis.ids[at])
        brief, rest = (None, "") if texts is None else _cut(texts.texts[number])
        label = int(analysis.labels[at])
        return Review(
            name=f"row {number}" if texts is None else texts.keys[number],
            label=names_of_classes[label] if names_of_classes else f"class {label}",
            right=[name for name, good in zip(names, right[:, at], strict=True) if good],
            wrong=[name for name, good in zip(names, right[:, at], strict=True) if not good],
            chance=float(mean[at]),
            brief=brief,
            rest=rest,
        )

    return Reviews(
        all_wrong=int((share == 0).sum()),
        all_right=int((share == 1).sum()),
        total=len(share),
        hardest=[show(at) for at in hardest if share[at] == 0],
        divisive=[show(at) for at in divisive if 0 < share[at] < 1],
    )


def _cut(text: str) -> tuple[str, str]:
    """Split a text, without markup, into its beginning, up to the end of a word, and the rest."""
    plain = " ".join(_MARKUP.sub(" ", text).split())
    if len(plain) <= BRIEF:
        return plain, ""
    edge = plain.rfind(" ", 0, BRIEF)
    edge = edge if edge > 0 else BRIEF
    rest = plain[edge:LONGEST]
    return plain[:edge], rest + ("…" if len(plain) > LONGEST else "")
