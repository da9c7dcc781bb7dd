"""Corpora whose texts are easy and whose labels are odd."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

from tests.own_data.case import Case, Labelled, reviews, tickets, write_csv

# What a message says of labels that a person takes for one.
ALIKE = r"(?i)case|capital|spell|spelt|alike|differ|same|invisible|unicode|normal|merged|read as"


def _spelt(rows: Sequence[Labelled], spellings: dict[str, Sequence[str]]) -> list[Labelled]:
    """Rows in which each label is spelt in turn in each of its ways."""
    count = dict.fromkeys(spellings, 0)
    spelt = []
    for text, label in rows:
        ways = spellings[label]
        spelt.append((text, ways[count[label] % len(ways)]))
        count[label] += 1
    return spelt


def _named(rows: Sequence[Labelled], names: dict[str, str]) -> list[Labelled]:
    return [(text, names[label]) for text, label in rows]


def numbers(folder: Path) -> Case:
    """Labels 0 and 1, of which a spreadsheet has written every second one as 0.0 and 1.0."""
    rows, probes = reviews(20)
    names = {"negative": "0", "positive": "1"}
    ways = {"negative": ("0", "0.0"), "positive": ("1", "1.0")}
    file = write_csv(folder / "scores.csv", _spelt(rows, ways))
    return Case(file, _named(rows, names), _named(probes, names), 0.9)


def numbers_of_formats(folder: Path) -> Case:
    """Labels as numbers in a JSONL file (1), and as pandas' floats in the CSV of the test (1.0)."""
    rows, probes = reviews(21)
    names = {"negative": "0", "positive": "1"}
    lines = (json.dumps({"text": t, "label": int(names[y])}) for t, y in rows)
    file = folder / "train.jsonl"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    more, _ = reviews(22)
    test = write_csv(folder / "test.csv", [(t, f"{names[y]}.0") for t, y in more])
    words = ("--data.test", str(test), "--test")
    return Case(file, _named(rows, names), _named(probes, names), 0.9, options=words)


def booleans(folder: Path) -> Case:
    """Truth values: `true` and `false` of JSON in train, Python's `True` and `False` in test."""
    rows, probes = reviews(23)
    names = {"negative": "false", "positive": "true"}
    lines = (json.dumps({"text": t, "label": y == "positive"}) for t, y in rows)
    file = folder / "train.jsonl"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    more, _ = reviews(24)
    test = write_csv(folder / "test.csv", [(t, y == "positive") for t, y in more])
    words = ("--data.test", str(test), "--test")
    return Case(file, _named(rows, names), _named(probes, names), 0.9, options=words)


def truths(folder: Path) -> Case:
    """Labels `True`, `TRUE`, `true` and `False`, `FALSE`, `false` in one CSV, of three tools."""
    rows, probes = reviews(25)
    ways = {"negative": ("False", "FALSE", "false"), "positive": ("True", "TRUE", "true")}
    file = write_csv(folder / "flags.csv", _spelt(rows, ways))
    names = {name: spellings[0] for name, spellings in ways.items()}
    return Case(
        *(file, _named(rows, names), _named(probes, names), 0.9, "either"),
        folded=True,
        says=(ALIKE, "(?i)true"),
        refusal=(ALIKE, "(?i)true"),
    )


def invisible(folder: Path) -> Case:
    """Labels that look alike: with a space after them, a no-break space, a zero-width space, and
    an `ü` of two characters."""
    rows, probes = reviews(26)
    names = {"negative": "ungenügend", "positive": "gut"}
    ways = {
        "negative": ("ungenügend", "ungenu\N{COMBINING DIAERESIS}gend", "ungenügend "),
        "positive": ("gut", "gut\N{NO-BREAK SPACE}", "gut\N{ZERO WIDTH SPACE}"),
    }
    file = write_csv(folder / "noten.csv", _spelt(rows, ways))
    return Case(
        *(file, _named(rows, names), _named(probes, names), 0.9, "either"),
        folded=True,
        says=(ALIKE, "gut"),
        refusal=(ALIKE, "gut"),
    )


EXOTIC = (
    "very bad",
    'so-called "good"',
    "it's fine",
    "yes, no, maybe",
    "first line\nsecond line",
    "😀👍🏽",
    "a\tb",
    "#hash: [x] {y}",
    "=SUM(A1)",
    "C:\\temp\\new",
    "مرحبا",
    "-",
)


def exotic(folder: Path) -> Case:
    """Labels with spaces, quotation marks, commas, a line break, a tab, emoji, markup and YAML."""
    rows, probes = tickets(27, EXOTIC, 20)
    return Case(write_csv(folder / "exotic.csv", rows), rows, probes, 0.9)


def yaml_words(folder: Path) -> Case:
    """Labels that YAML reads as something else: yes, no, on, off, null, ~, 1:30, 1e3, 0x10."""
    rows, probes = tickets(28, ("yes", "no", "on", "off", "null", "~", "1:30", "1e3", "0x10"), 20)
    file = write_csv(folder / "answers.csv", rows)
    # One number has one spelling, as in JSON.
    rows, probes = ([(t, y.replace("1e3", "1000")) for t, y in part] for part in (rows, probes))
    return Case(file, rows, probes, 0.9, "either", says=("'1e3' .* is read as '1000'",))


def missing(folder: Path) -> Case:
    """Two classes, and 12 rows whose label pandas has written as `nan` or `None`."""
    rows, probes = reviews(29)
    more, _ = reviews(30, 12)
    blank = [(text, ("nan", "None", "NaN")[i % 3]) for i, (text, _) in enumerate(more)]
    mixed = rows + blank
    random.Random(29).shuffle(mixed)
    file = write_csv(folder / "export.csv", mixed)
    return Case(file, mixed, probes, 0.9, "either", says=("(?i)nan",), refusal=("(?i)nan",))


def leading_zeros(folder: Path) -> Case:
    """Product codes `001` to `010`, and `1` and `10` beside them, which are other products."""
    codes = [f"{number:03d}" for number in range(1, 11)] + ["1", "10"]
    rows, probes = tickets(31, codes, 20)
    return Case(write_csv(folder / "codes.csv", rows), rows, probes, 0.9)


def dates(folder: Path) -> Case:
    """Labels that are days, as a support queue has them."""
    rows, probes = tickets(32, ["2026-01-05", "2026-02-02", "03/04/2026", "1.5.2026"], 30)
    return Case(write_csv(folder / "queue.csv", rows), rows, probes, 0.9)


def long_labels(folder: Path) -> Case:
    """Whole paragraphs as labels, equal in their first 300 characters."""
    start = "The customer agrees that the following clause of the contract applies " * 5
    labels = [start + end for end in ("in full.", "in part.", "not at all.")]
    rows, probes = tickets(33, labels, 40)
    return Case(write_csv(folder / "clauses.csv", rows), rows, probes, 0.9)


def case_and_width(folder: Path) -> Case:
    """Labels of different people: `Spam`, `spam`, `SPAM`, full-width `ｓｐａｍ`; `Ham`, `ham`."""
    rows, probes = reviews(34)
    ways = {"negative": ("Spam", "spam", "SPAM", "ｓｐａｍ"), "positive": ("Ham", "ham")}
    file = write_csv(folder / "mails.csv", _spelt(rows, ways))
    names = {"negative": "Spam", "positive": "Ham"}
    return Case(
        *(file, _named(rows, names), _named(probes, names), 0.9, "either"),
        folded=True,
        says=(ALIKE, "(?i)spam"),
        refusal=(ALIKE, "(?i)spam"),
    )
