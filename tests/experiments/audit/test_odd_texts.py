"""Odd texts: empty, short, foreign and wrongly decoded ones."""

from __future__ import annotations

import pytest

from experiments.audit.odd_texts import OddText, find_odd_texts, misread
from experiments.audit.words import numbered_words
from tests.corpora import make_review

FOREIGN = {
    "German": "Dieser Film ist langweilig, die Handlung dumm und die Schauspieler sind schlecht.",
    "Spanish": "Esta película es una maravilla y los actores están muy bien en cada escena.",
    "Turkish": "Bu film çok güzel ve oyuncular harika, herkese izlemesini tavsiye ederim.",
    "Russian": "Фильм просто великолепен, игра актеров на высоте, всем советую.",
    "Chinese": "这部电影非常好看，演员的表演十分精彩，我很喜欢这部作品。",
}


def odd(*texts: str) -> list[OddText]:
    """Odd ones among 200 reviews and these texts, with the numbers of these."""
    reviews = [make_review(seed, bool(seed % 2)) for seed in range(200)]
    every = [*reviews, *texts]
    found = find_odd_texts(every, numbered_words(every)[0])
    assert all(one.row >= 200 for one in found), found
    return [one._replace(row=one.row - 200) for one in found]


@pytest.mark.parametrize("language", FOREIGN)
def test_another_language_is_foreign(language: str) -> None:
    ((row, kind, detail),) = odd(FOREIGN[language])
    assert (row, kind) == (0, "foreign")
    assert detail.endswith("common" if language in ("German", "Spanish", "Turkish") else "Latin")


def test_a_corpus_in_another_script_is_not_foreign_to_itself() -> None:
    texts = [FOREIGN["Russian"]] * 30 + [FOREIGN["Spanish"]]
    found = find_odd_texts(texts, numbered_words(texts)[0])
    assert [one.row for one in found] == [30] and found[0].detail.endswith("Cyrillic")


def test_empty_and_short_texts() -> None:
    assert odd("", " \t\u200b", "!!!", "x", "two words") == [
        OddText(0, "empty", "no words"),
        OddText(1, "empty", "no words"),
        OddText(2, "short", "0 words"),
        OddText(3, "short", "1 word"),
    ]
    assert find_odd_texts([], numbered_words([])[0]) == []


@pytest.mark.parametrize(
    "text",
    [
        "caf\u00e9",
        "voilà…” CAFÉ” «À»",
        "ÉÈ 5 £",
        "a\tb\r\nc",
        "nbsp\xa0and – dash",
        "фильм",
        "👍🏽",
    ],
)
def test_right_texts_are_not_misread(text: str) -> None:
    assert misread(text) == ""


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
@pytest.mark.parametrize("text", ["café", "don\u2019t", "“so”", "£5", "naïve", "Фильм"])
def test_utf_8_that_was_read_otherwise_is_misread(text: str, encoding: str) -> None:
    wrong = text.encode("utf-8").decode(encoding, "replace")
    assert misread(wrong) and odd(f"{make_review(7, True)} {wrong}")[0].kind == "encoding"


def test_characters_that_no_text_has_are_misread() -> None:
    assert misread("a \x96 b \ufffd c \x1b d \x85") == r"\x96 \ufffd \x1b"
