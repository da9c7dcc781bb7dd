"""Spans of tags such as B-PER, I-PER and O, as the script `conlleval` counts them."""

from __future__ import annotations

from collections.abc import Sequence


def spans_of(tags: Sequence[str]) -> set[tuple[str, int, int]]:
    """Type, first and last word of each span of a sentence.

    A word goes on with the span before it if it has I or E, the word before has B or I, and both
    are of one type. Any other word but O begins a span, so that a span may begin with I.

    Args:
        tags: `O`, or a letter of B, I, E and S, a hyphen and a type.
    """
    found, before = list[tuple[str, int, int]](), "O"
    for place, tag in enumerate(tags):
        if tag[0] in "IE" and before[0] in "BI" and tag[2:] == before[2:]:
            found[-1] = *found[-1][:2], place
        elif tag != "O":
            found.append((tag[2:], place, place))
        before = tag
    return set(found)
