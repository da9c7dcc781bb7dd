"""CoNLL-U: what is read, and every way in which a file is no treebank."""

from __future__ import annotations

import pytest

from datamodules.errors import DataError
from datamodules.reading.conllu import read_conllu


def word(number: str, form: str, head: str) -> str:
    return f"{number}\t{form}\t_\t_\t_\t_\t{head}\t_\t_\t_"


def lines_of(*heads: int) -> list[str]:
    return [word(str(n), f"w{n}", str(head)) for n, head in enumerate(heads, start=1)]


def test_sentences_are_read_with_their_comments() -> None:
    lines = ["# newdoc", "# label = good", *lines_of(2, 0), "", "", "# text = x", *lines_of(0), ""]
    one, two = read_conllu([line + "\r\n" for line in lines], "a.conllu")
    assert (one.line, one.comments) == (1, ["newdoc", "label = good"])
    assert (one.words, one.heads, one.lines) == (["w1", "w2"], [2, 0], lines_of(2, 0))
    assert (two.line, two.words, two.heads) == (7, ["w1"], [0])


def test_words_of_several_words_and_empty_nodes_are_left_out() -> None:
    lines = [word("1-2", "don't", "_"), *lines_of(0, 1), word("2.1", "did", "_")]
    (found,) = read_conllu(lines, "a.conllu")
    assert found.words == ["w1", "w2"] and found.heads == [0, 1]


def test_comments_alone_are_no_sentence() -> None:
    assert list(read_conllu(["# a file", "", *lines_of(0)], "a"))[0].line == 3


BROKEN = {
    "two words": (["1 w1 0"], r"a:1: has 1 columns; a word has 10, with tabs"),
    "a broken line": ([*lines_of(0), "2\tw2\t_\t1"], r"a:2: has 4 columns; .* Write _ in those"),
    "a number too many": (
        [*lines_of(0), word("3", "w", "1")],
        r"a:2: the number of the word is '3'; it must be 2, .* empty line missing",
    ),
    "no form": ([word("1", " ", "0")], r"a:1: word 1 has no form; write it"),
    "no head": ([word("1", "w", "_")], r"a:1: the head of word 1 is '_'; it must be the number"),
    "a head below 0": ([word("1", "w", "-1")], r"a:1: the head of word 1 is '-1'"),
    "a head out of range": (
        ["# x", *lines_of(0, 3)],
        r"a:3: the head of word 2 is 3, and the sentence has 2 words; it must be one of them",
    ),
    "two roots": (
        [*lines_of(0, 1), "", *lines_of(0, 1, 0)],
        r"a:6: word 3 is a root \(its head is 0\), and so is word 1; a sentence has one. Split it",
    ),
    "its own head": (lines_of(0, 2), r"a:2: the heads of words 2 → 2 are a cycle"),
    "a cycle": (
        lines_of(2, 0, 4, 5, 3),
        r"a:3: the heads of words 3 → 4 → 5 → 3 are a cycle; from every word .* leave the sentence",
    ),
    "a cycle that others lead to": (lines_of(0, 3, 4, 3), r"a:3: the heads of words 3 → 4 → 3 are"),
    "no root": (lines_of(2, 1), r"a:1: the heads of words 1 → 2 → 1 are a cycle"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_tree_is_an_error_with_its_line(name: str) -> None:
    lines, message = BROKEN[name]
    with pytest.raises(DataError, match=message):
        list(read_conllu(lines, "a"))
