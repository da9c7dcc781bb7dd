"""Result of a generator, and the texts that generators share."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Labelled = tuple[str, str]
Outcome = Literal["works", "refuses", "either"]


@dataclass(frozen=True)
class Case:
    """A corpus on disk, and what may be expected of a classifier on it.

    Attributes:
        train: The file that the user names.
        rows: The texts of the file with their labels, as a person who opens it reads them.
        probes: New texts from the same source, equally many of each class.
        floor: Accuracy on `probes` that the corpus allows; scikit-learn reaches it on `rows`.
        outcome: `works`: the first command must end in a table. `refuses`: it must not. `either`:
            a table whose model reaches `floor`, or a plain refusal.
        says: Regular expressions that the output of the first command has, whatever the outcome.
        refusal: Regular expressions that a refusal has beside the name of the file.
        options: Further words of the first command.
        remedy: Words that a refusal must offer, and with which the command must work.
        advice: Words that a table must offer because the model has learnt little, and with which
            it must reach `floor`.
        analyzer: What the reference of scikit-learn counts: `word`, or `char` for n-grams.
        folded: Whether labels that differ in case, width or invisible characters alone count as
            one; a command that keeps them apart must say so.
    """

    train: Path
    rows: Sequence[Labelled]
    probes: Sequence[Labelled] = ()
    floor: float = 0.0
    outcome: Outcome = "works"
    says: Sequence[str] = ()
    refusal: Sequence[str] = ()
    options: Sequence[str] = ()
    remedy: Sequence[str] = ()
    advice: Sequence[str] = ()
    analyzer: Literal["word", "char"] = "word"
    folded: bool = False

    @property
    def classes(self) -> set[str]:
        """The labels, as a person reads them."""
        return {label for _, label in self.rows}


def listed(*lines: str) -> list[str]:
    """Words between spaces."""
    return " ".join(lines).split()


FILLER = listed(
    "the a and to of it was is I we in for on with that this have at but not as you my so they had",
    "very just from what when about up one out there get would been after said time then an all",
    "them some if her no there's how can back did really into two which more could again went",
    "came asked order day week phone person store card page screen morning answer email number",
    "thing place line water table hour room door ticket letter friend call question car train",
)
PRAISE = listed(
    "wonderful excellent superb friendly perfect delightful lovely recommend flawless generous",
    "charming reliable thankful impressed helpful brilliant",
)
BLAME = listed(
    "terrible awful broken rude useless disappointing faulty refund dirty horrible annoying",
    "defective overpriced careless unacceptable waste",
)
SENTIMENT = {"negative": BLAME, "positive": PRAISE}


def make_texts(
    rng: random.Random,
    signals: Mapping[str, Sequence[str]],
    counts: Mapping[str, int],
    *,
    filler: Sequence[str] = FILLER,
    length: tuple[int, int] = (8, 24),
    strength: tuple[int, int] = (2, 4),
    other: float = 0.1,
    between: str = " ",
    end: str = ".",
) -> list[Labelled]:
    """Texts of common words, of which the first are the most frequent, with words of their class.

    Args:
        rng: the source of chance.
        signals: words of each class.
        counts: texts of each class.
        filler: words of no class.
        length: fewest and most words of no class.
        strength: fewest and most words of the class.
        other: probability of one word of another class.
        between: what is between words.
        end: what ends a sentence.

    Returns:
        Texts with their labels in random order, no text twice.
    """
    weights = [1 / (rank + 3) for rank in range(len(filler))]
    rows: dict[str, str] = {}
    for label, count in counts.items():
        left = count
        while left:
            words = rng.choices(filler, weights, k=rng.randint(*length))
            words += rng.choices(signals[label], k=rng.randint(*strength))
            if rng.random() < other:
                stranger = rng.choice([name for name in signals if name != label])
                words.append(rng.choice(signals[stranger]))
            rng.shuffle(words)
            cut = rng.randint(1, len(words))
            halves = [between.join(half) for half in (words[:cut], words[cut:]) if half]
            text = " ".join(half[:1].upper() + half[1:] + end for half in halves)
            if text not in rows:
                rows[text] = label
                left -= 1
    labelled = list(rows.items())
    rng.shuffle(labelled)
    return labelled


def make_words(rng: random.Random, count: int) -> list[str]:
    """Made words of two or three syllables, no word twice."""
    words: dict[str, None] = {}
    while len(words) < count:
        syllables = ("".join(map(rng.choice, ("bdfgklmnprstvz", "aeiou"))) for _ in range(3))
        words["".join(syllables)[: rng.choice((4, 5, 6))]] = None
    return list(words)


def reviews(seed: int, rows: int = 120, probes: int = 40) -> tuple[list[Labelled], list[Labelled]]:
    """English reviews in two classes, and as many new ones of each class as `probes` is halved."""
    rng = random.Random(seed)
    train = make_texts(rng, SENTIMENT, dict.fromkeys(SENTIMENT, rows // 2))
    return train, make_texts(rng, SENTIMENT, dict.fromkeys(SENTIMENT, probes // 2))


def tickets(
    seed: int, labels: Sequence[str], each: int, *, probes: int = 10, **texts: tuple[int, int]
) -> tuple[list[Labelled], list[Labelled]]:
    """Support tickets: eight made words of its own for each label, `each` rows and `probes`."""
    rng = random.Random(seed)
    words = make_words(rng, 8 * len(labels))
    signals = {label: words[8 * i : 8 * i + 8] for i, label in enumerate(labels)}
    return tuple(  # type: ignore[return-value]
        make_texts(rng, signals, dict.fromkeys(labels, count), **texts)  # type: ignore[arg-type]
        for count in (each, probes)
    )


def write_csv(
    file: Path,
    rows: Iterable[Sequence[object]],
    header: Sequence[str] | None = ("text", "label"),
    *,
    delimiter: str = ",",
    encoding: str = "utf-8",
    newline: str = "\n",
    quoting: Literal[0, 1, 2, 3] = csv.QUOTE_MINIMAL,
) -> Path:
    """Write a table as spreadsheets and pandas do, and return its path."""
    with file.open("w", encoding=encoding, newline="") as stream:
        writer = csv.writer(stream, delimiter=delimiter, lineterminator=newline, quoting=quoting)
        if header:
            writer.writerow(header)
        writer.writerows(rows)
    return file
