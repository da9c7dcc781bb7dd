"""Sentences on an explanation, for terminal and page."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.explaining.explanation import Explanation, Shown

STRENGTHS = 5
SEPARATOR = " · "  # pieces of a text have commas
UNREAD = 200  # characters between two tokens, above which a text goes on elsewhere
_MOST_SHOWN = 8


def summary(explanation: Explanation) -> str:
    """Score of the text, from what it is made up, and by which method."""
    total = sum(token.contribution for token in explanation.tokens)
    score, method = explanation.score, explanation.method
    if explanation.base is None:
        return f"score {score:+.3f}; {method}: what is lost without each token"
    how = method
    if explanation.gap is not None:
        how += f", {explanation.steps} steps, gap {_percent(explanation.gap)}"
    return f"score {score:+.3f} = base {explanation.base:+.3f} + tokens {total:+.3f} ({how})"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%" if share < 10 else "above 1,000%"


def strength(contribution: float, largest: float) -> int:
    """Strength of a colour, 0 … `STRENGTHS`, beside the largest absolute contribution."""
    return round(STRENGTHS * abs(contribution) / largest) if largest > 0 else 0


def readable(piece: str) -> str:
    """Piece between tokens; a long one is what the model did not read, and is named."""
    if len(piece) <= UNREAD:
        return piece
    return f" [… {len(piece):,} characters that the model did not read …] "


def shown_first(pieces: list[Shown]) -> list[Shown]:
    """The pieces of the largest weights."""
    weighty = [piece for piece in pieces if piece.weight]
    return sorted(weighty, key=lambda piece: -abs(piece.weight))[:_MOST_SHOWN]


def lists(explanation: Explanation) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield titles, each with pieces of the text and their numbers; none is empty."""
    speaking, against = explanation.heaviest()
    for title, tokens in ((f"for {explanation.label}", speaking), ("against", against)):
        times = [f"×{token.times} " if token.times > 1 else "" for token in tokens]
        if tokens:
            yield (
                title,
                [
                    (token.token, f"{often}{token.contribution:+.3f}")
                    for token, often in zip(tokens, times, strict=True)
                ],
            )
    for title, pieces in explanation.shown.items():
        if first := shown_first(pieces):
            yield title, [(piece.piece, f"{piece.weight:.3g}") for piece in first]
