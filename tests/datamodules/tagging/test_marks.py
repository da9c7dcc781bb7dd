"""Words without punctuation and capitals, and the tags that put both back."""

from __future__ import annotations

import random

import pytest

from datamodules.tagging.marks import TAGS, restore, tagged_words, words_of


def named(text: str) -> list[tuple[str, str]]:
    words, tags = tagged_words(text)
    return [(word, TAGS[tag]) for word, tag in zip(words, tags, strict=True)]


def test_there_is_a_tag_for_each_mark_and_case() -> None:
    assert len(TAGS) == len(set(TAGS)) == 15
    assert TAGS[:4] == ("word", "Word", "WORD", "word,") and TAGS[-1] == "WORD!"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Well, it was.", [("well", "Word,"), ("it", "word"), ("was", "word.")]),
        ("Really?! Yes!!", [("really", "Word?"), ("yes", "Word!")]),  # the first that ends
        ("so, (he) said.", [("so", "word,"), ("he", "word"), ("said", "word.")]),
        ("great,... but", [("great", "word."), ("but", "word")]),  # an end before a comma
        ("Bad…", [("bad", "Word.")]),
        ("one<br /><br />TWO<br>three.", [("one", "word"), ("two", "WORD"), ("three", "word.")]),
        ("the end.The next", [(w, t) for w, t in [("the", "word"), ("end", "word.")]]
         + [("the", "Word"), ("next", "word")]),
        ("isn't well-known 'quoted'", [("isn't", "word"), ("well-known", "word"),
         ("quoted", "word")]),
        ("1,000 of 3.5 at 10/10.", [("1,000", "word"), ("of", "word"), ("3.5", "word"),
         ("at", "word"), ("10/10", "word.")]),
        ("I saw the U.S. and TV", [("i", "Word"), ("saw", "word"), ("the", "word"),
         ("u.s", "WORD."), ("and", "word"), ("tv", "WORD")]),
        ("iPhone McDonald TV's 3D", [("iphone", "word"), ("mcdonald", "Word"), ("tv's", "Word"),
         ("3d", "Word")]),
        ("film--it (a; b: c)", [("film", "word"), ("it", "word"), ("a", "word"), ("b", "word"),
         ("c", "word")]),
        ("Être ÉTÉ naïve", [("être", "Word"), ("été", "WORD"), ("naïve", "word")]),
        ("नमस्ते, दुनिया", [("नमस्ते", "word,"), ("दुनिया", "word")]),
        (", ?! word", [("word", "word")]),  # marks before the first word
        ("", []),
        ("... <br />!", []),
    ],
)  # fmt: skip
def test_words_and_tags(text: str, expected: list[tuple[str, str]]) -> None:
    assert named(text) == expected


def test_control_characters_and_markup_are_no_words() -> None:
    assert words_of("a\x85b \x96 c\x00d \u200bq\u2019s") == ["a", "b", "c", "d", "q\u2019s"]


@pytest.mark.parametrize(
    "text",
    [
        "Well, it was. REALLY? Yes! The 3.5 of U.S. in 1,000 a.",
        "a, B. C, it's Don't.",
        "no marks at all",
    ],
)
def test_a_text_of_single_marks_comes_back_whole(text: str) -> None:
    assert restore(*tagged_words(text)) == text


def test_words_of_words_are_the_same_words() -> None:
    """So that the words of a text can be written as a text, and read again."""
    rng = random.Random(0)
    signs = "aB1ß.,:/!?-'’ …\n<br />éİ٣ǅ&_\x85日"
    for _ in range(2_000):
        text = "".join(rng.choice(signs) for _ in range(rng.randrange(30)))
        words, tags = tagged_words(text)
        assert words == words_of(text) and len(tags) == len(words)
        assert words_of(" ".join(words)) == words
        assert words_of(restore(words, tags)) == words or "ß" in text or "ǅ" in text or "İ" in text
