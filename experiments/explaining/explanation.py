"""Explanation of one prediction: contributions of tokens, and what the architecture shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple


@dataclass(frozen=True)
class TokenContribution:
    """Contribution of one token.

    Attributes:
        token: The characters of the token in the text, or its name if it has none there.
        start: Its first character in the text; -1 if it has none.
        end: The character after its last; -1 if it has none.
        contribution: Part of the explained score, in nats; above 0 it speaks for the label.
    """

    token: str
    start: int
    end: int
    contribution: float


class Repeated(NamedTuple):
    """A token with the number of times that a text has it, and the sum of its contributions."""

    token: str
    times: int
    contribution: float


@dataclass(frozen=True)
class Shown:
    """Weight that an architecture gives to a piece of a text.

    Attributes:
        piece: The characters of the piece.
        start: Its first character in the text; -1 if it has none.
        end: The character after its last; -1 if it has none.
        weight: The weight.
    """

    piece: str
    start: int
    end: int
    weight: float


@dataclass(frozen=True)
class Explanation:
    """Explanation of the prediction for one text.

    The explained score is the logarithm of the odds of the label against another class, with
    several other classes the mean of these logarithms; under `exact`, several classes that were
    each fitted against the rest have their own log-odds instead. `score` is that of the text, and
    `base` that of a text without information (see `method`); contributions add up to
    `score - base` exactly, or but for a `gap`, or (occlusion) not at all.

    Attributes:
        text: The text.
        label: Predicted class; None where the text has none, for the `reason`.
        probability: Its probability; None without a label.
        method: `exact`, `integrated gradients` or `occlusion`; empty without a label.
        tokens: Contributions of the tokens that the model read, in their order.
        gap: |Σ contributions - (score - base)| / |score - base| of integrated gradients; None for
            other methods, whose sum is exact or is not meant to be the score.
        score: The explained score of the text, in nats; None without a label.
        base: The score where nothing is known of the text; None for occlusion.
        steps: Points of the path that integrated gradients took; None for other methods.
        reason: Why there is no label.
        shown: Further weights of pieces of the text, by what they are, such as `attention`.
    """

    text: str
    label: str | None
    probability: float | None
    method: str
    tokens: list[TokenContribution]
    gap: float | None = None
    score: float | None = None
    base: float | None = None
    steps: int | None = None
    reason: str | None = None
    shown: Mapping[str, list[Shown]] = field(default_factory=dict)

    def pieces(self) -> list[tuple[str, float | None]]:
        """The text in pieces, in order: those of tokens with a contribution, the others with None.

        Tokens of the same characters, such as the bytes of an emoji, are one piece.
        """
        places: list[tuple[int, int, float]] = []
        for token in sorted(self.tokens, key=lambda token: (token.start, token.end)):
            if token.start < 0:
                continue
            if places and token.start < places[-1][1]:
                start, end, before = places.pop()
                places.append((start, max(end, token.end), before + token.contribution))
            else:
                places.append((token.start, token.end, token.contribution))
        found, done = list[tuple[str, float | None]](), 0
        for start, end, contribution in places:
            if start > done:
                found.append((self.text[done:start], None))
            found.append((self.text[start:end], contribution))
            done = end
        return [*found, (self.text[done:], None)] if done < len(self.text) else found

    def heaviest(self, count: int = 8) -> tuple[list[Repeated], list[Repeated]]:
        """Tokens that speak most for the label and most against it, each once, heaviest first."""
        found: dict[str, Repeated] = {}
        for token in self.tokens:
            before = found.get(token.token.lower(), Repeated(token.token, 0, 0.0))
            total = before.contribution + token.contribution
            found[token.token.lower()] = Repeated(before.token, before.times + 1, total)
        ordered = sorted(found.values(), key=lambda one: -one.contribution)
        speaking = [one for one in ordered[:count] if one.contribution > 0]
        return speaking, [one for one in reversed(ordered[-count:]) if one.contribution < 0]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Attribution:
    """Contributions of the tokens of a row, before they are placed in a text.

    Attributes:
        contributions: One for each token.
        score: See `Explanation`.
        base: See `Explanation`.
        gap: See `Explanation`.
        steps: See `Explanation`.
    """

    contributions: Any  # float64[T]
    score: float
    base: float | None = None
    gap: float | None = None
    steps: int | None = None
