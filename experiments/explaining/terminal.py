"""Explanation in the terminal: the text in colours, and the heaviest tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from datamodules.console import escaped
from experiments.explaining.explanation import Explanation
from experiments.explaining.wording import SEPARATOR, lists, readable, strength, summary

# Blue for the label, orange against it; the reader's own colours where nothing speaks.
_FOR = ("#e3eefa", "#c3dbf3", "#9ac3ea", "#6ba7de", "#3f8bd0")
_MOST_CHARACTERS = 10_000  # of a text
_AGAINST = ("#fdeadb", "#fbd2b1", "#f7b07d", "#f08c46", "#e06c1a")


def paragraphs(explanation: Explanation) -> Iterator[Text]:
    """Yield the paragraphs of an explanation; nothing in them is markup or obeyed."""
    if explanation.label is None:
        yield Text(f"no label: {explanation.reason}")
        return
    label = escaped(explanation.label)
    prediction = f"{label} {explanation.probability:.4f}"
    yield Text.assemble((prediction, "bold"), f"  {summary(explanation)}")
    yield _coloured(explanation)
    for title, pairs in lists(explanation):
        yield _listed(escaped(title), pairs)


def _coloured(explanation: Explanation) -> Text:
    text, pieces = Text(), explanation.pieces()
    largest = max((abs(value) for _, value in pieces if value is not None), default=0.0)
    for number, (piece, value) in enumerate(pieces):
        if len(text) > _MOST_CHARACTERS:
            rest = sum(len(piece) for piece, _ in pieces[number:])
            return text.append(f" [… {rest:,} further characters …]")
        if value is None:
            text.append(_line(readable(piece)))
        else:
            colours = _FOR if value > 0 else _AGAINST
            level = strength(value, largest)
            text.append(_line(piece), f"black on {colours[level - 1]}" if level else "")
    return text


def _listed(title: str, pairs: Sequence[tuple[str, str]]) -> Text:
    content = SEPARATOR.join(f"{_line(piece)} {value}" for piece, value in pairs)
    return Text.assemble((f"{title}: ", "bold"), content)


def _line(piece: str) -> str:
    return escaped("".join(" " if character.isspace() else character for character in piece))
