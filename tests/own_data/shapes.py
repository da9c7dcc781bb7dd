"""Corpora of odd sizes and shapes: few rows, many classes, rare ones, short and long texts."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pyarrow
import pyarrow.parquet

from tests.own_data.case import (
    SENTIMENT,
    Case,
    listed,
    make_texts,
    make_words,
    reviews,
    tickets,
    write_csv,
)


def rare_class(folder: Path) -> Case:
    """Fraud reports, 3% of 1,500 rows; a model that never says `fraud` is right in 97%.

    Half of the new texts are fraud: there such a model is right in 50%.
    """
    rng = random.Random(40)
    words = make_words(rng, 24)
    signals = {"ok": words[:12], "fraud": words[12:]}
    rows = make_texts(rng, signals, {"ok": 1455, "fraud": 45}, other=0.02)
    probes = make_texts(rng, signals, {"ok": 100, "fraud": 100}, other=0.02)
    file = write_csv(folder / "claims.csv", rows)
    return Case(file, rows, probes, 0.7, says=("(?i)recall", "fraud"))


def uneven(folder: Path) -> Case:
    """Three classes of 70, 20 and 10 per cent of 1,500 rows."""
    rng = random.Random(41)
    words = make_words(rng, 30)
    signals = {name: words[10 * i : 10 * i + 10] for i, name in enumerate(("bug", "ask", "idea"))}
    counts = {"bug": 1050, "ask": 300, "idea": 150}
    form = {"strength": (3, 5), "other": 0.05}
    rows = make_texts(rng, signals, counts, **form)  # type: ignore[arg-type]
    probes = make_texts(rng, signals, dict.fromkeys(signals, 100), **form)  # type: ignore[arg-type]
    return Case(write_csv(folder / "issues.csv", rows), rows, probes, 0.95)


def twenty_rows(folder: Path) -> Case:
    """Twenty rows, as somebody tries a tool out: four words of the class in each."""
    rng = random.Random(42)
    signals = {label: words[:5] for label, words in SENTIMENT.items()}
    form = {"length": (4, 8), "strength": (4, 5), "other": 0.0}
    rows = make_texts(rng, signals, dict.fromkeys(signals, 10), **form)  # type: ignore[arg-type]
    probes = make_texts(rng, signals, dict.fromkeys(signals, 50), **form)  # type: ignore[arg-type]
    return Case(write_csv(folder / "try.csv", rows), rows, probes, 0.9)


def many_classes(folder: Path) -> Case:
    """Intents of a chat bot: 150 classes of 12 short rows each."""
    labels = [f"intent_{number:03d}" for number in range(150)]
    rows, probes = tickets(43, labels, 12, probes=3, length=(2, 6), strength=(2, 3))
    return Case(write_csv(folder / "intents.csv", rows), rows, probes, 0.85)


def intents(folder: Path) -> Case:
    """Twelve intents of 100 short rows each."""
    rows, probes = tickets(44, [f"ask {name}" for name in "abcdefghijkl"], 100, length=(2, 6))
    return Case(write_csv(folder / "bot.csv", rows), rows, probes, 0.95)


def short(folder: Path) -> Case:
    """Search queries of one to three words, no two alike."""
    rng = random.Random(45)
    words = make_words(rng, 90)
    brands = dict(
        zip(("shoes", "phones", "books"), (words[:30], words[30:60], words[60:]), strict=True)
    )
    queries: dict[str, str] = {}
    while len(queries) < 900:
        label = rng.choice(list(brands))
        queries[" ".join(rng.sample(brands[label], k=rng.randint(1, 3)))] = label
    labelled = list(queries.items())
    probes = [row for label in brands for row in [r for r in labelled[700:] if r[1] == label][:50]]
    return Case(write_csv(folder / "queries.csv", labelled[:700]), labelled[:700], probes, 0.9)


def long_reviews(folder: Path) -> Case:
    """Reviews of 150 to 300 words, about fifteen of them with the sentiment; 800 rows."""
    rng = random.Random(46)
    form = {"length": (150, 300), "strength": (12, 18), "other": 1.0}
    rows = make_texts(rng, SENTIMENT, dict.fromkeys(SENTIMENT, 400), **form)  # type: ignore[arg-type]
    probes = make_texts(rng, SENTIMENT, dict.fromkeys(SENTIMENT, 100), **form)  # type: ignore[arg-type]
    return Case(write_csv(folder / "long.csv", rows), rows, probes, 0.95)


def very_long(folder: Path) -> Case:
    """Contracts of 4,000 words, 60 rows; what tells the class is in their last 20 words."""
    rng = random.Random(47)
    body = make_words(rng, 300)
    rows, probes = reviews(47, 60)

    def lengthen(text: str) -> str:
        return " ".join(rng.choices(body, k=4000)) + " " + f"{text} " * 5

    rows, probes = ([(lengthen(t), y) for t, y in part] for part in (rows, probes))
    return Case(write_csv(folder / "contracts.csv", rows), rows, probes, 0.7)


def word_order(folder: Path) -> Case:
    """Two words that are in every text, and whose order tells the class; 1,000 rows."""
    rng = random.Random(48)
    pairs = [tuple(make_words(random.Random(n), 2)) for n in range(480, 484)]
    signals = {
        "buyer first": [f"{a} {b}" for a, b in pairs],
        "seller first": [f"{b} {a}" for a, b in pairs],
    }
    form = {"strength": (3, 4), "other": 0.0}
    rows = make_texts(rng, signals, dict.fromkeys(signals, 500), **form)  # type: ignore[arg-type]
    probes = make_texts(rng, signals, dict.fromkeys(signals, 100), **form)  # type: ignore[arg-type]
    rows, probes = ([(t.lower(), y) for t, y in part] for part in (rows, probes))
    return Case(write_csv(folder / "order.csv", rows), rows, probes, 0.9)


def near_duplicates(folder: Path) -> Case:
    """Press releases, each of 40 in five versions: other case, punctuation, a typo, one more word.

    Ten releases have both labels, in different versions.
    """
    rng = random.Random(49)
    rows, probes = reviews(49, 40)
    versions = []
    for number, (text, label) in enumerate(rows):
        typo = text[:9] + text[10:]
        for version in (text, text.upper(), text.replace(".", " !"), typo, f"{text} (Reuters)"):
            versions.append((version, label))
        if number < 10:
            other = {"negative": "positive", "positive": "negative"}[label]
            versions[-1] = (versions[-1][0], other)
    rng.shuffle(versions)
    return Case(write_csv(folder / "press.csv", versions), versions, probes, 0.7)


def empty_rows(folder: Path) -> Case:
    """A survey: of 140 rows 8 have no text, 6 only spaces, 4 no label and 2 nothing at all."""
    rows, probes = reviews(50)
    holes = [("", "positive")] * 8 + [("   ", "negative")] * 6
    holes += [("No label was given here.", "")] * 4 + [("", "")] * 2
    mixed = rows + holes
    random.Random(50).shuffle(mixed)
    file = write_csv(folder / "survey.csv", mixed)
    return Case(file, rows, probes, 0.9, "either", refusal=(r"(?i)row|line",))


def one_class(folder: Path) -> Case:
    """An export that was filtered by mistake: 80 rows, all of them `positive`."""
    rows, _ = reviews(51, 160)
    rows = [row for row in rows if row[1] == "positive"]
    said = ("positive", r"(?i)\b(one|1|two|2|single)\b")
    return Case(write_csv(folder / "filtered.csv", rows), rows, outcome="refuses", refusal=said)


def noise(folder: Path) -> Case:
    """Labels drawn by lot, 70 to 30: no model can be better than the larger class."""
    rng = random.Random(57)
    rows, _ = reviews(57, 300)
    rows = [(text, rng.choices(("left", "right"), (7, 3))[0]) for text, _ in rows]
    said = ("(?i)no better than|larger class|largest class",)
    return Case(write_csv(folder / "lots.csv", rows), rows, says=said)


def regression(folder: Path) -> Case:
    """Prices instead of classes: 200 numbers, hardly one twice."""
    rng = random.Random(52)
    rows, _ = reviews(52, 200)
    prices = [(text, f"{rng.uniform(1, 500):.2f}") for text, _ in rows]
    said = ("(?i)one row|1 row|single row|once|number|regression", r"\d")
    return Case(write_csv(folder / "prices.csv", prices), prices, outcome="refuses", refusal=said)


def authors(folder: Path) -> Case:
    """Letters of 40 authors, 15 each; an author has one label, a signature and favourite words.

    Rows held out at random have authors that were learnt from, and accuracy is near 100%. New
    authors, as in `probes`, are predicted by the weak words of the class alone.
    """
    rng = random.Random(53)
    weak = {"calm": FAVOUR[:6], "angry": FAVOUR[6:]}
    rows, probes = [], []
    for number in range(80):
        label = ("calm", "angry")[number % 2]
        own = make_words(random.Random(5300 + number), 6)
        signals = {label: own + weak[label][:1], "other": weak["calm"] + weak["angry"]}
        count = {label: 15 if number < 40 else 3}
        texts = make_texts(rng, signals, count, strength=(3, 4), other=0.3)
        (rows if number < 40 else probes).extend((*row, f"author {number}") for row in texts)
    file = write_csv(folder / "letters.csv", rows, ("text", "label", "author"))
    return Case(file, [r[:2] for r in rows], [r[:2] for r in probes], 0.6)


FAVOUR = listed("thanks gladly perhaps gentle soon agreed never again furious demand lawyer last")


def separate_files(folder: Path) -> Case:
    """Train as CSV, validation as Parquet, test as JSONL with its columns in another order."""
    rows, probes = reviews(54)
    (validation, test), file = (reviews(seed)[1] for seed in (55, 56)), folder / "train.csv"
    write_csv(file, [(i, y, t) for i, (t, y) in enumerate(rows)], ("id", "label", "text"))
    columns = {"label": [y for _, y in validation], "text": [t for t, _ in validation]}
    pyarrow.parquet.write_table(pyarrow.table(columns), folder / "dev.parquet")
    lines = [json.dumps({"label": y, "text": t, "id": i}) for i, (t, y) in enumerate(test)]
    (folder / "test.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    words = ("--data.validation", str(folder / "dev.parquet"))
    words += ("--data.test", str(folder / "test.jsonl"), "--test")
    return Case(file, rows, probes, 0.9, options=words, says=("40 validation.*40 test",))
