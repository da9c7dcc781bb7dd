"""Texts of tokens: spaces where English has them, and what each tokenizer makes of its own."""

from __future__ import annotations

import pytest

from datamodules.bpe import BpeTokenizer
from datamodules.reading.joining import join_words, texts_of
from datamodules.tokenizers import CharacterTokenizer, Tokenizer, WordTokenizer

TEXTS = [
    "it's good, isn't it? yes!",
    'she said "never again" and left (at 7/10).',
    "a well-made film ... for $5: what a 'film' it was; 100% fun...",
    "the director's cut",
]


@pytest.mark.parametrize("text", TEXTS)
def test_words_are_joined_as_they_were(text: str) -> None:
    tokenizer = WordTokenizer()
    tokenizer.fit(TEXTS, len(TEXTS))
    (row,) = tokenizer.encode([text])
    assert texts_of(tokenizer, [row.tolist()] * 2) == [text.replace("film ...", "film...")] * 2


def test_a_quotation_mark_opens_and_closes() -> None:
    assert join_words(['"', "good", '"', "and", '"', "bad", '"']) == '"good" and "bad"'
    assert join_words(['"', "never", "'", "no", "'", '"', "."]) == "\"never 'no'\"."
    assert join_words([]) == "" and join_words([".", "a"]) == ". a"


@pytest.mark.parametrize("tokenizer", [CharacterTokenizer(), BpeTokenizer(60)])
def test_other_tokenizers_have_spaces_among_their_tokens(tokenizer: Tokenizer) -> None:
    tokenizer.fit(TEXTS, len(TEXTS))
    for text in TEXTS:
        (row,) = tokenizer.encode([text])
        assert texts_of(tokenizer, [row.tolist()] * 2) == [text] * 2
