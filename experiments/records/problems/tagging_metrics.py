"""Metrics of tagging: F1 of each kind of tag, and the mean of the main ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TagFigures:
    """Quality of one kind of tag, such as commas.

    Attributes:
        name: Its name.
        precision: Share of those tagged that are right; None where none is tagged.
        recall: Share of those there are that are tagged; None where there are none.
        f1: Harmonic mean of both, 0 where one of them is; None where neither is known.
        support: Number of those there are.
    """

    name: str
    precision: float | None
    recall: float | None
    f1: float | None
    support: int

    @classmethod
    def of(cls, name: str, right: int, tagged: int, support: int) -> TagFigures:
        """Figures of counts."""
        return cls(
            name,
            precision=right / tagged if tagged else None,
            recall=right / support if support else None,
            f1=2 * right / (tagged + support) if tagged + support else None,
            support=support,
        )


@dataclass(frozen=True)
class TaggingMetrics:
    """Quality of the tags that a model gave to the words of one split.

    Attributes:
        f1: Mean F1 of the main kinds of tags, those that occur: of comma, period and question mark
            where punctuation is put back; of all spans together, or the share of right tags, in a
            corpus with tags of its own.
        log_loss: Mean of -ln p of a word's right tag given the text, in nats.
        n: Number of texts.
        words: Number of words.
        kinds: Figures of each kind.
    """

    f1: float
    log_loss: float
    n: int
    words: int
    kinds: list[TagFigures]

    @property
    def scores(self) -> dict[str, Any]:
        """Figures by name."""
        named = {f"f1 of {kind.name}": kind.f1 for kind in self.kinds}
        return {"f1": self.f1, "log_loss": self.log_loss, "n": self.n, "words": self.words, **named}

    @property
    def headline(self) -> str:
        """The main figure in words."""
        return f"F1 {self.f1:.2%}"

    def of_kind(self, name: str) -> float | None:
        """F1 of a kind; None where there is no such kind, or none of it."""
        return next((kind.f1 for kind in self.kinds if kind.name == name), None)
