"""Copies and similar texts, within and across splits."""

from __future__ import annotations

import random
from itertools import combinations

import numpy as np

from experiments.audit.copies import LEAST, Copy, find_copies, similar_pairs
from experiments.audit.words import numbered_words
from tests.corpora import make_review


def found(*splits: list[str], labels: list[int] | None = None) -> list[Copy]:
    texts = [text for split in splits for text in split]
    numbers = np.repeat(np.arange(len(splits)), [len(split) for split in splits])
    of_rows = np.zeros(len(texts), np.int64) if labels is None else np.array(labels)
    return find_copies(texts, numbers, of_rows, numbered_words(texts)[0])


def similarities(texts: list[str]) -> dict[tuple[int, int], float]:
    """Jaccard similarity of the runs of three words of all pairs, by sets."""
    words, _ = numbered_words(texts)
    rows = np.split(words.values, words.offsets[1:-1])
    runs = [{tuple(row[place : place + 3]) for place in range(len(row) - 2)} for row in rows]
    pairs = combinations(range(len(texts)), 2)
    return {(a, b): len(runs[a] & runs[b]) / len(runs[a] | runs[b]) for a, b in pairs}


def test_copies_are_those_of_the_first_row_of_each_split() -> None:
    train = ["A fine film.", "Bad.", "A fine film.", "a FINE<br />film"]
    test = ["Bad.", "bad", "A fine film.", "new"]
    assert [one[:3] for one in found(train, test)] == [
        (2, 0, "exact"),
        (3, 0, "words"),
        (4, 1, "exact"),
        (5, 1, "words"),
        (5, 4, "words"),
        (6, 0, "exact"),
    ]
    assert found(["one text"], ["another"]) == [] and found(["", " "]) == [
        (1, 0, "words", 1.0, None)
    ]


def test_all_earlier_rows_of_a_text_are_compared_for_their_labels() -> None:
    train, test = ["A fine film.", "a fine film", "A fine film.", "other"], ["A fine film."] * 2
    copies = found(train, test, labels=[0, 1, 0, 1, 0, -1])
    assert [(one.row, one.other, one.kind, one.conflict) for one in copies] == [
        (1, 0, "words", 0),
        (2, 0, "exact", 1),  # its first copy has its label, and the second another
        (4, 0, "exact", 1),
        (5, 0, "exact", None),  # it has no label
        (5, 4, "exact", None),
    ]


def test_a_text_is_similar_to_the_copies_of_another_too() -> None:
    base = [f"word{n}" for n in range(40)]
    one, other = " ".join(base), " ".join(base[:38])
    share = 36 / 38
    assert found([one, one, other], [other, one, other]) == [
        (1, 0, "exact", 1.0, None),
        (2, 0, "similar", share, None),
        (3, 2, "exact", 1.0, None),
        (4, 0, "exact", 1.0, None),
        (4, 3, "similar", share, None),  # each is a copy of a row of train
        (5, 2, "exact", 1.0, None),
        (5, 3, "exact", 1.0, None),
    ]


def test_similar_texts_are_found_and_only_those() -> None:
    rng = random.Random(0)
    texts = [make_review(seed, bool(seed % 2)) for seed in range(150)]
    for seed in range(60):  # some words are changed, from one to most of them
        words = texts[seed].split()
        for place in rng.sample(range(len(words)), rng.randint(1, len(words) // 3)):
            words[place] = f"new{rng.randrange(1000)}"
        texts.append(" ".join(words))
    expected = {pair: s for pair, s in similarities(texts).items() if s >= LEAST}
    pairs = similar_pairs(numbered_words(texts)[0], np.arange(len(texts)))
    assert {(one, other): s for one, other, s in pairs} == expected and len(expected) > 15


def test_a_row_has_its_most_similar_one_of_each_split() -> None:
    base = [f"word{n}" for n in range(40)]
    near, nearer = base[:30] + ["x"] * 2, base[:38]
    texts = [" ".join(words) for words in (near, nearer, base)]
    (one,) = (one for one in found(texts[:2], texts[2:]) if one.row == 2)
    assert one == (2, 1, "similar", 36 / 38, None)


def test_a_crowd_of_similar_texts_is_found_whole() -> None:
    base = " ".join(f"word{n}" for n in range(40))
    copies = found([f"{base} number{n}" for n in range(120)])
    assert {one.row for one in copies if one.kind == "similar"} == set(range(1, 120))


def test_scripts_without_spaces_have_words_too() -> None:
    text = "这部电影非常好看演员的表演十分精彩我很喜欢"
    assert [one.kind for one in found([text], [text[:-1] + "爱"])] == ["similar"]
    assert len(numbered_words([text])[1]) > 10
