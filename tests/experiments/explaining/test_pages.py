"""Explanations in the terminal and on a page: nothing that a text says is obeyed."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from datamodules.console import plain_console
from experiments.explaining.explanation import Explanation, Shown, TokenContribution
from experiments.explaining.page import ShownExplanation, page
from experiments.explaining.terminal import paragraphs

EVIL = "<script>alert(1)</script>"
TEXT = f"{EVIL} \x1b[31mred [bold]x[/bold] & 😀 end"


def made(text: str = TEXT, label: str | None = EVIL, unread: int = 0) -> Explanation:
    tokens = [
        TokenContribution(match[0], match.start(), match.end(), (-1) ** n * 0.5 / (n + 1))
        for n, match in enumerate(re.finditer(r"\w+|[^\w\s]", text))
    ]
    return Explanation(
        text=text + " word" * unread,
        label=label,
        probability=0.75,
        method="integrated gradients",
        tokens=[*tokens, TokenContribution("[CLS]", -1, -1, 0.25)],
        gap=0.013,
        score=1.0,
        base=0.5,
        steps=31,
        shown={EVIL: [Shown("red [bold]", 30, 40, 0.5)]},
    )


def printed(explanation: Explanation, width: int = 80, **options: object) -> str:
    stream = io.StringIO()
    console: Console = plain_console(file=stream, width=width, **options)
    for line in paragraphs(explanation):
        console.print(line)
    return stream.getvalue()


def test_pieces_are_the_text() -> None:
    explanation = made()
    assert "".join(piece for piece, _ in explanation.pieces()) == TEXT
    total = sum(value for _, value in explanation.pieces() if value is not None)
    assert total == pytest.approx(sum(t.contribution for t in explanation.tokens) - 0.25)


def test_tokens_of_one_character_are_one_piece() -> None:
    tokens = [TokenContribution("😀", 1, 2, 0.1) for _ in range(4)]
    explanation = Explanation("a😀b", "x", 1.0, "exact", tokens)
    assert explanation.pieces() == [("a", None), ("😀", pytest.approx(0.4)), ("b", None)]


def test_a_notebook_shows_an_explanation_in_colours() -> None:
    pytest.importorskip("IPython", reason="pip install 'lit-sentiment[dev]'")
    from IPython.core.formatters import HTMLFormatter

    shown = HTMLFormatter()(ShownExplanation(**vars(made())))
    assert '<mark class="for' in shown and "<script" not in shown and "\x1b" not in shown


def test_the_terminal_shows_what_a_text_has_and_obeys_nothing() -> None:
    found = printed(made(), width=200)
    assert f"{EVIL} \\x1b[31mred [bold]x[/bold]" in found and "\x1b" not in found
    assert "score +1.000 = base +0.500" in found and "31 steps, gap 1.3%" in found
    assert f"for {EVIL}: " in found and "against: " in found


def test_colours_only_where_a_terminal_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal = {"force_terminal": True, "color_system": "256"}
    assert re.search(r"\x1b\[[\d;]*48;5;", printed(made(), **terminal))
    assert "\x1b" not in printed(made())
    bold = re.findall(r"\x1b\[1m(.*?)\x1b\[0m", printed(made(label="good"), width=300, **terminal))
    assert bold == ["good 0.7500", "for good: ", "against: ", f"{EVIL}: "]  # and nothing after it
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"48;5;", printed(made(), **terminal))


def test_a_narrow_terminal_breaks_lines() -> None:
    for width in (20, 40):
        assert max(map(len, printed(made(), width=width).splitlines())) <= width


def test_a_text_that_was_not_read_is_named_and_not_printed() -> None:
    long = made(unread=200_000)
    for found in (printed(long), page("run", [long])):
        assert "characters that the model did not" in found and len(found) < 20_000


def test_a_token_that_occurs_often_is_listed_once_with_its_sum() -> None:
    tokens = [TokenContribution(w, 4 * n, 4 * n + 3, 0.25) for n, w in enumerate(("Bad", "bad"))]
    explanation = Explanation("Bad bad", "x", 1.0, "exact", tokens, score=0.5, base=0.0)
    assert "for x: Bad ×2 +0.500\n" in printed(explanation)
    assert "<bdi>Bad</bdi>&nbsp;×2 +0.500</p>" in page("run", [explanation])


def test_a_text_that_was_read_whole_is_printed_in_part() -> None:
    found = printed(made("bad film " * 100_000))
    assert len(found) < 20_000 and "further characters …]" in found


def test_a_text_without_a_label_has_its_reason() -> None:
    explanation = Explanation("", None, None, "", [], reason="empty text")
    assert printed(explanation) == "no label: empty text\n"
    assert "no label: empty text" in page("run", [explanation])


def test_a_page_holds_no_element_of_a_text_and_loads_nothing() -> None:
    found = page(f"runs/{EVIL}\x07", [made(), made('" onmouseover="alert(1)', 'a"b')])
    assert "<script" not in found and "\x1b" not in found and "\x07" not in found
    assert found.count("&lt;script&gt;") >= 3
    assert set(re.findall(r"<(\w+)", found)) <= {
        *("html", "meta", "title", "style", "h1", "h2", "p", "mark", "span", "bdi", "b")
    }
    # Attributes are ours alone: a quotation mark in a text ends none.
    for tag in re.findall(r"<[^>]*>", found):
        assert "onmouseover" not in tag
    assert not re.search(r"(src|href|url)\s*[=(]", found.replace("default-src", ""))
    assert "default-src 'none'" in found
