"""Parts of documents that commands write, between two marks."""

from __future__ import annotations


def fill(text: str, mark: str, body: str) -> str:
    """Replace what is between the marks `<!-- mark -->` and `<!-- /mark -->` of a document.

    Raises:
        ValueError: The document lacks the marks.
    """
    first, last = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    before, _, rest = text.partition(first)
    _, closing, after = rest.partition(last)
    if not closing:
        raise ValueError(f"the document lacks {first} … {last}; put them where figures belong")
    return f"{before}{first}\n\n{body}\n\n{last}{after}"
