"""Explanations as one HTML page that needs nothing else and runs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from datamodules.console import escaped
from experiments.explaining.explanation import Explanation
from experiments.explaining.wording import SEPARATOR, STRENGTHS, lists, readable, strength, summary

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.7 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  overflow-wrap: anywhere; }
h1 { font-size: 1.3rem; } h2 { font-size: 1.1rem; margin: 2rem 0 0; } p { margin: .5rem 0; }
.text { white-space: pre-wrap; } .small { font-size: .85rem; }
.skipped { opacity: .6; }
mark { color: inherit; border-radius: .2em; background: none; }
"""
_HEAD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
"""


def page(title: str, explanations: Sequence[Explanation]) -> str:
    """HTML of explanations; texts, labels and names are escaped.

    Args:
        title: Heading, such as the experiment.
        explanations: In the order of the page.
    """
    key = (
        '<p class="small"><mark class="for3">blue</mark> speaks for the label, '
        '<mark class="against3">orange</mark> against it; the number of a token is shown when the '
        "pointer is over it.</p>"
    )
    body = "\n".join(map(_section, explanations))
    return (
        f"{_HEAD}<title>{safe(title)}</title>\n<style>{_STYLE}{colours()}</style>\n"
        f"<h1>{safe(title)}</h1>\n{key}\n{body}\n</html>\n"
    )


def colours() -> str:
    """Style of contributions: `for1` … `for5` speak for the label, `against1` … against it."""
    return ":root { --for: 63 139 208; --against: 224 108 26; }\n" + "".join(
        f".{kind}{level} {{ background: rgb(var(--{kind}) / {level / STRENGTHS * 0.75:.2f}); }}\n"
        for kind in ("for", "against")
        for level in range(1, STRENGTHS + 1)
    )


def _section(explanation: Explanation) -> str:
    if explanation.label is None:
        return f"<h2>no label: {safe(str(explanation.reason))}</h2>"
    parts = [
        f"<h2>{safe(explanation.label)} {explanation.probability:.4f}</h2>",
        f'<p class="small">{safe(summary(explanation))}</p>',
        f'<p class="text" dir="auto">{coloured(explanation)}</p>',
    ]
    parts += [_list(title, pairs) for title, pairs in lists(explanation)]
    return "\n".join(parts)


class ShownExplanation(Explanation):
    """Explanation that a notebook shows in colours."""

    def _repr_html_(self) -> str:
        style = f"<style>{colours()}mark {{ background: none; }}</style>"
        return f"{style}\n{_section(self)}"


def coloured(explanation: Explanation) -> str:
    """HTML of the text, its tokens in the classes of `colours`."""
    pieces = explanation.pieces()
    largest = max((abs(value) for _, value in pieces if value is not None), default=0.0)
    found = []
    for piece, value in pieces:
        if value is None:
            short = readable(piece)
            hidden = short != piece
            found.append(f'<span class="skipped">{safe(short)}</span>' if hidden else safe(piece))
            continue
        kind, level = "for" if value > 0 else "against", strength(value, largest)
        colour = f' class="{kind}{level}"' if level else ""
        found.append(f'<mark{colour} title="{value:+.4f}">{safe(piece)}</mark>')
    return "".join(found)


def _list(name: str, pairs: Sequence[tuple[str, str]]) -> str:
    items = SEPARATOR.join(f"<bdi>{safe(piece)}</bdi>&nbsp;{value}" for piece, value in pairs)
    return f'<p class="small"><b>{safe(name)}:</b> {items}</p>'


def safe(text: str) -> str:
    """Text with escapes for markup and control characters; line breaks stay."""
    return escape("\n".join(escaped(line) for line in text.split("\n")))
