"""Small made corpora in the layouts of the real ones, with words that reveal the label."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from datamodules import robustness
from datamodules.imdb import IMDB, Counts

GOOD = ("wonderful", "superb", "moving", "delightful", "brilliant")
BAD = ("dreadful", "tedious", "awful", "clumsy", "pointless")
NOUNS = ("film", "story", "actor", "scene", "plot", "camera", "music", "train", "town", "ending")
OTHERS = ("the", "it", "was", "and", "with", "for", "this", "two", "shows", "who", "through", "an")

SMALL_COUNTS = Counts(per_class=20, unlabelled=20, copies=2)


class SmallIMDB(IMDB):
    """IMDB of `make_aclimdb`: 40 reviews in train, 40 in test, 20 without labels."""

    _COUNTS = SMALL_COUNTS


def make_review(seed: int, positive: bool) -> str:
    """Review of 12 to 40 words, three of them with the sentiment; different for each seed."""
    rng = random.Random(seed)
    words = rng.choices(NOUNS + OTHERS, k=rng.randint(9, 37))
    words += rng.choices(GOOD if positive else BAD, k=3)
    rng.shuffle(words)
    half = len(words) // 2
    return f"{' '.join(words[:half])}.<br /><br />{' '.join(words[half:])}, number {seed}!"


def make_aclimdb(folder: Path, counts: Counts = SMALL_COUNTS) -> Path:
    """Writes `folder/aclImdb` in the official layout and returns it.

    In the first two thirds of train, two neighbouring reviews of each class share a movie; the
    others have a movie each, so that splits of any size can be filled. The first `counts.copies`
    unlabelled reviews are copies of test reviews with other case and markup.
    """
    root = folder / "aclImdb"
    for offset, split in enumerate(("train", "test")):
        for label, name in enumerate(("neg", "pos")):
            (root / split / name).mkdir(parents=True)
            titles = []
            for number in range(counts.per_class):
                seed = (2 * offset + label) * 1_000_000 + number
                rating = (2, 9)[label]
                text = make_review(seed, positive=bool(label))
                path = root / split / name / f"{number}_{rating}.txt"
                path.write_text(text, encoding="utf-8")
                shared = number < counts.per_class * 2 // 3
                titles.append(offset * 1_000_000 + (number // 2 if shared else seed + 100_000))
            write_movies(root / split / f"urls_{name}.txt", titles)
    write_movies(root / "train" / "urls_unsup.txt", range(5_000_000, 5_000_000 + counts.unlabelled))
    (root / "train" / "unsup").mkdir()
    for number in range(counts.unlabelled):
        text = make_review(9_000_000 + number, positive=number % 2 == 0)
        if number < counts.copies:
            copied = (root / "test" / "neg" / f"{number}_2.txt").read_text("utf-8")
            text = copied.replace("<br /><br />", " ").upper()
        (root / "train" / "unsup" / f"{number}_0.txt").write_text(text, encoding="utf-8")
    return root


def write_movies(file: Path, titles: Iterable[int]) -> None:
    """Writes a list of movies, one line a review, as the official corpus has them."""
    lines = (f"http://www.imdb.com/title/tt{title:07d}/usercomments" for title in titles)
    file.write_text("\n".join(lines) + "\n", "utf-8")


def make_kaggle(folder: Path, reviews: int = 40, rating: int = 0) -> Path:
    r"""Writes the contest's three files into `folder`, in their published form, and returns it.

    Fields are in quotation marks, those within are written `\"`, and an id ends in the rating,
    moved by `rating` within its class. The first two unlabelled reviews are copies of test reviews.
    """
    folder.mkdir(parents=True, exist_ok=True)

    def review(seed: int, positive: bool) -> str:
        return f'It is "{make_review(seed, positive)}"'.replace('"', '\\"')

    lines = {"labeledTrainData": ["id\tsentiment\treview"], "testData": ['"id"\t"review"']}
    lines["unlabeledTrainData"] = ["id\treview"]
    for number in range(reviews):
        stars = (1 + rating, 10 - rating)[number % 2]
        sentiment = number % 2
        train, test = review(number, bool(sentiment)), review(500 + number, bool(sentiment))
        lines["labeledTrainData"].append(f'"{number}_{stars}"\t{sentiment}\t"{train}"')
        lines["testData"].append(f'"{700 + number}_{stars}"\t"{test}"')
        unlabelled = test.upper() if number < 2 else review(900 + number, bool(sentiment))
        lines["unlabeledTrainData"].append(f'"{number}_0"\t"{unlabelled}"')
    for name, content in lines.items():
        (folder / f"{name}.tsv").write_text("\r\n".join(content) + "\r\n", encoding="utf-8")
    return folder


NAMES = ("Negative", "Positive")


def review(root: Path, label: int, number: int) -> str:
    """Text of a train review of `make_aclimdb`."""
    path = root / "train" / ("neg", "pos")[label] / f"{number}_{(2, 9)[label]}.txt"
    return path.read_text(encoding="utf-8")


def revise(text: str) -> str:
    """Revision of an original in the made robustness sets."""
    return f"On the contrary: {text}"


def make_robustness(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Writes `aclImdb/` and `robustness/` into a folder and returns it.

    Train reviews 0..7 of each class are originals: 0 and 1 in the contrast sets, 2..7 in the
    counterfactual pairs, which list the negative text first, as published.
    """
    corpus = make_aclimdb(folder)
    place = folder / "robustness"
    place.mkdir()
    monkeypatch.setattr(robustness, "ROWS", {"contrast_sets_dev": 2, "contrast_sets_test": 2})
    for number, part in enumerate(("dev", "test")):
        original = [(NAMES[label], review(corpus, label, number)) for label in (0, 1)]
        other = [(NAMES[1 - label], revise(review(corpus, label, number))) for label in (0, 1)]
        _write(place / f"contrast_sets_{part}_original.tsv", original, ("Sentiment", "Text"))
        _write(place / f"contrast_sets_{part}_contrast.tsv", other, ("Sentiment", "Text"))
    pairs = {f"counterfactual_{part}": 4 for part in ("train", "dev", "test")}
    monkeypatch.setattr(robustness, "PAIRS", pairs)
    for position, part in enumerate(pairs):
        rows = []
        for number in (2 + 2 * position, 3 + 2 * position):
            for label in (0, 1):
                text = review(corpus, label, number)
                pair = [(label, text), (1 - label, revise(text))]
                batch_id = f"{number}{label}"
                rows += [(NAMES[sentiment], words, batch_id) for sentiment, words in sorted(pair)]
        _write(place / f"{part}_paired.tsv", rows, ("Sentiment", "Text", "batch_id"))
    return folder


def _write(file: Path, rows: list[tuple[str, ...]], columns: tuple[str, ...]) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
        writer.writerows([columns, *rows])
