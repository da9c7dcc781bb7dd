"""HTML of answers. Texts, labels and names come from outside: all are escaped."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.explaining.page import coloured, colours, safe
from experiments.explaining.wording import summary
from experiments.inference.similar import Neighbour
from experiments.playground.answers import Answer, Change, Flip, log_odds
from experiments.playground.reviews import Review

STYLE = f"""
{colours()}
.answers {{ display: grid; gap: 1rem; }}
.answers {{ grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); }}
.answer {{ border: 1px solid rgb(128 128 128 / .4); border-radius: .4rem; padding: .6rem .8rem; }}
.answer h3 {{ margin: 0; font-size: 1rem; overflow-wrap: anywhere; }}
.text {{ margin: .6rem 0; }}
.text {{ overflow-wrap: anywhere; white-space: pre-wrap; max-height: 22rem; overflow-y: auto; }}
.small {{ font-size: .85rem; opacity: .85; overflow-wrap: anywhere; }}
.bar {{ background: rgb(128 128 128 / .2); border-radius: .2rem; height: .5rem; }}
.bar div {{ background: rgb(var(--for)); border-radius: .2rem; height: .5rem; }}
.skipped {{ opacity: .6; }}
.removed, mark.removed {{ background: rgb(var(--against) / .4); text-decoration: line-through; }}
.added, mark.added {{ background: rgb(var(--for) / .4); }}
mark {{ color: inherit; border-radius: .2em; background: none; }}
.warning {{ border-left: 3px solid rgb(var(--against)); padding-left: .6rem; }}
"""
_CLASSES = 5


def answers(found: Sequence[Answer]) -> str:
    """Answers side by side: label, probabilities, time, and the text in colours."""
    return f'<div class="answers">{"".join(map(_card, found))}</div>'


def warning(text: str) -> str:
    """Sentence on what cannot be shown, and why."""
    return f'<p class="warning">{safe(text)}</p>'


def pair(first: Answer, second: Answer, pieces: Sequence[Change]) -> str:
    """Two texts and one run: what is removed and added, and how the odds change."""
    label = str(second.explanation.label)
    before, after = log_odds(first, label), log_odds(second, label)
    text = "".join(
        safe(piece.text)
        if piece.kind == "both"
        else f'<mark class="{piece.kind}">{safe(piece.text)}</mark>'
        for piece in pieces
    )
    return (
        f"<p>Log-odds of <b>{safe(label)}</b>: {before:+.3f} → {after:+.3f} "
        f'({after - before:+.3f})</p><p class="text" dir="auto">{text}</p>'
        f"{answers([first, second])}"
    )


def flipped(name: str, text: str, flip: Flip) -> str:
    """Words whose deletion flips the label, struck out in the text."""
    head = f"<h3>{safe(name)}: {safe(flip.before)}"
    if flip.after is None:
        return f'<div class="answer">{head}</h3><p>No small deletion of words flips it.</p></div>'
    parts, done = [], 0
    for start, end in flip.words:
        parts.append(safe(text[done:start]))
        parts.append(f'<mark class="removed">{safe(text[start:end])}</mark>')
        done = end
    parts.append(safe(text[done:]))
    count = len(flip.words)
    how = "one word is enough" if flip.smallest else "none of them can be put back"
    return (
        f'<div class="answer">{head} → {safe(flip.after)} {flip.probability:.4f}</h3>'
        f'<p class="small">{count} word{"s" if count > 1 else ""} deleted; {how}.</p>'
        f'<p class="text" dir="auto">{"".join(parts)}</p></div>'
    )


def neighbours(found: Sequence[Neighbour]) -> str:
    """Similar texts with their labels."""
    if not found:
        return "<p>No text of the corpus has a word in common with it.</p>"
    items = "".join(
        f'<div class="answer"><h3>{safe(str(one.label))} · similarity {one.similarity:.3f}</h3>'
        f'<p class="small">{safe(one.key)}</p><p class="text" dir="auto">{safe(one.text)}</p></div>'
        for one in found
    )
    return f'<div class="answers">{items}</div>'


def disagreements(
    names: Sequence[str], found: Sequence[tuple[Review, float, list[str]]], most: int = 12
) -> str:
    """Texts on which runs are farthest apart: what each says, and the label of the corpus."""
    cards = []
    for review, apart, labels in found[:most]:
        says = " · ".join(f"{safe(n)}: {safe(y)}" for n, y in zip(names, labels, strict=True))
        cards.append(
            f'<div class="answer"><h3>{safe(review.key)}, label {safe(review.label)}</h3>'
            f'<p class="small">{apart:.3f} nats apart. {says}</p>'
            f'<p class="text" dir="auto">{safe(review.text)}</p></div>'
        )
    return f'<div class="answers">{"".join(cards)}</div>'


def _card(one: Answer) -> str:
    explanation = one.explanation
    bars = "".join(
        f'<div class="small">{safe(label)} {probability:.4f}</div>'
        f'<div class="bar"><div style="width: {100 * probability:.1f}%"></div></div>'
        for label, probability in list(one.probabilities.items())[:_CLASSES]
    )
    rest = len(one.probabilities) - _CLASSES
    more = f'<div class="small">and {rest} less probable classes</div>' if rest > 0 else ""
    return (
        f'<div class="answer"><h3>{safe(one.name)}: {safe(str(explanation.label))} '
        f"{explanation.probability:.4f}</h3>"
        f'<p class="small">{one.milliseconds:.1f} ms</p>{bars}{more}'
        f'<p class="text" dir="auto">{coloured(explanation)}</p>'
        f'<p class="small">{safe(summary(explanation))}</p></div>'
    )
