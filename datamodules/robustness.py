"""Pairs of reviews that differ in little and have opposite labels: contrast sets, counterfactuals.

Gardner et al. 2020, "Evaluating Models' Local Decision Boundaries via Contrast Sets" (experts
rewrote 588 reviews), and Kaushik, Hovy and Lipton 2020, "Learning the Difference That Makes a
Difference with Counterfactually-Augmented Data" (crowd workers rewrote 2,440). Both took their
originals from the official *train* split: only a model that never saw them can be judged by them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datamodules.errors import DataError
from datamodules.reading.download import download_resumable
from datamodules.reading.tables import Table
from datamodules.splits import drop_copies, text_key
from datamodules.store.corpus import Corpus, TextSplit

_CONTRAST = "https://raw.githubusercontent.com/allenai/contrast-sets/main/IMDb/data"
_COUNTERFACTUAL = (
    "https://raw.githubusercontent.com/acmi-lab/counterfactually-augmented-data/master/"
    "sentiment/combined/paired"
)
ROWS = {"contrast_sets_dev": 100, "contrast_sets_test": 488}
"""Rows of each half of the contrast sets: `…_original.tsv` and `…_contrast.tsv`."""
PAIRS = {"counterfactual_train": 1707, "counterfactual_dev": 245, "counterfactual_test": 488}
"""Pairs in each file of counterfactuals, `…_paired.tsv`."""
SOURCES = {
    **{
        f"contrast_sets_{part}_{half}.tsv": f"{_CONTRAST}/{part}_{half}.tsv"
        for part in ("dev", "test")
        for half in ("original", "contrast")
    },
    **{
        f"counterfactual_{part}_paired.tsv": f"{_COUNTERFACTUAL}/{part}_paired.tsv"
        for part in ("train", "dev", "test")
    },
}
"""Where each file comes from, by the name it has here."""
_LABELS = {"Negative": 0, "Positive": 1}


@dataclass(frozen=True)
class Pairs:
    """N originals and what was made of them.

    Attributes:
        originals: N texts of the official train split.
        revised: N texts, the i-th made of the i-th original.
        original_labels: int64[N], 0 negative, 1 positive, as the authors of the pairs give them.
        revised_labels: int64[N], the opposite.
    """

    originals: list[str]
    revised: list[str]
    original_labels: np.ndarray
    revised_labels: np.ndarray


def find_folder(given: str | None, root: str | None, cache_dir: Path) -> Path:
    """The folder of the seven files: the one given, `robustness` beside the corpus, or the cache.

    Files that are missing from the cache are downloaded from the two projects' repositories (5 MB).

    Raises:
        DataError: the folder lacks files; or they cannot be downloaded, and it says what to do.
    """
    beside = Path(root).expanduser() / "robustness" if root is not None else None
    if given is not None or (beside is not None and beside.is_dir()):
        folder = Path(given).expanduser() if given is not None else beside
        assert folder is not None
        missing = [name for name in SOURCES if not (folder / name).is_file()]
        if missing:
            raise DataError(
                f"{folder}: lacks {', '.join(missing)}; {missing[0]} is {SOURCES[missing[0]]}"
            )
        return folder
    folder = cache_dir / "downloads" / "robustness"
    for name, url in SOURCES.items():
        if not (folder / name).is_file():
            download_resumable(url, folder / name)
    return folder


def contrast_sets(folder: Path) -> Pairs:
    """The 588 pairs of the contrast sets.

    Raises:
        DataError: a file is missing, or not as published.
    """
    halves: dict[str, list[Labelled]] = {"original": [], "contrast": []}
    for part, count in ROWS.items():
        for half, rows in halves.items():
            rows += _read(folder / f"{part}_{half}.tsv", count)
    return _opposite(folder, halves["original"], halves["contrast"])


def counterfactuals(folder: Path, train: TextSplit) -> Pairs:
    """The 2,439 counterfactual pairs whose original can be told; of one it cannot.

    A file gives the two texts of a pair in the order of their labels and does not say which came
    first. The original is the one that stands in the official train split. In six pairs both do,
    since they differ in markup or spacing at most: the one with the review's own label is then the
    original. In one pair neither does, since both were changed; it is left out.

    Args:
        folder: from `find_folder`.
        train: the official train split, whole.

    Raises:
        DataError: a file is missing, or not as published; more pairs have no original in `train`.
    """
    known = _labels(train)
    originals, revised = [], []
    for pair in _pairs(folder):
        of_train = [row for row in pair if text_key(row[0]) in known]
        if len(of_train) == 2:
            of_train = [row for row in pair if known[text_key(row[0])] == row[1]]
        if of_train:
            originals.append(of_train[0])
            revised.append(pair[1 - pair.index(of_train[0])])
    if len(originals) < sum(PAIRS.values()) - 1:
        raise DataError(
            f"{folder}: only {len(originals):,} of the counterfactual pairs have a text in train, "
            f"and {sum(PAIRS.values()) - 1:,} should; give the official corpus as root"
        )
    return _opposite(folder, originals, revised)


def leave_out(corpus: Corpus, folder: Path) -> Corpus:
    """The corpus without the reviews that the pairs were written from, and copies of them.

    Rows keep their numbers: what is left out merely belongs neither to the rows that are learnt
    from nor to validation. Unlabelled copies are dropped, since they have no such lists.

    Raises:
        DataError: a file is missing or not as published; an original is not in train.
    """
    contrast = contrast_sets(folder)
    pairs = [[first, second] for first, second in _pairs(folder)]
    pairs += [[(text, 0)] for text in contrast.originals]
    known = _labels(corpus.train)
    texts = [text for pair in pairs for text, _ in pair]
    # Of a pair whose original was itself changed, the train review that shares most words.
    strays = [pair for pair in pairs if not any(text_key(text) in known for text, _ in pair)]
    texts += [corpus.train.texts[_nearest(pair[0][0], corpus.train.texts)] for pair in strays]
    keys = {text_key(text) for text in texts}
    out = np.flatnonzero([text_key(text) in keys for text in corpus.train.texts])
    if len(strays) > 1:
        raise DataError(
            f"{folder}: {len(strays):,} originals are not in train, such as "
            f"{strays[0][0][0][:60]!r}; exclude is for the official corpus"
        )
    unlabelled = corpus.unlabelled
    return Corpus(
        name=corpus.name,
        label_names=corpus.label_names,
        train=corpus.train,
        train_rows=np.setdiff1d(corpus.train_rows, out),
        val_rows=np.setdiff1d(corpus.val_rows, out),
        test=corpus.test,
        unlabelled=None if unlabelled is None else drop_copies(unlabelled, texts),
        notes=(
            *corpus.notes,
            f"{len(out):,} train reviews, those of the robustness sets, are neither learnt from "
            "nor validated on.",
        ),
    )


Labelled = tuple[str, int]


def _labels(train: TextSplit) -> dict[bytes, int]:
    return {text_key(t): label for t, label in zip(train.texts, train.labels.tolist(), strict=True)}


def _pairs(folder: Path) -> Iterator[tuple[Labelled, Labelled]]:
    """The pairs of all three files of counterfactuals, as the files order them."""
    for part, count in PAIRS.items():
        file = folder / f"{part}_paired.tsv"
        rows = _read(file, 2 * count)
        names = [name for _, _, name in Table(file).rows("Text", "batch_id")]
        for at in range(0, len(rows), 2):
            if names[at] != names[at + 1]:
                raise _changed(file, f"rows {at + 1} and {at + 2} have different batch_id")
            yield rows[at], rows[at + 1]


def _read(file: Path, count: int) -> list[Labelled]:
    rows = []
    for number, text, label in Table(file).rows("Text", "Sentiment"):
        if label not in _LABELS:
            raise _changed(file, f"line {number} has sentiment {label!r}, not of {list(_LABELS)}")
        rows.append((text, _LABELS[label]))
    if len(rows) != count:
        raise _changed(file, f"it has {len(rows):,} rows, must have {count:,}")
    return rows


def _nearest(text: str, texts: Sequence[str]) -> int:
    """The row of the text that shares the largest part of its words (Jaccard index)."""
    words = set(text.split())

    def shared(other: str) -> float:
        found = set(other.split())
        return len(words & found) / len(words | found)

    return max(range(len(texts)), key=lambda row: shared(texts[row]))


def _opposite(folder: Path, originals: list[Labelled], revised: list[Labelled]) -> Pairs:
    first = np.array([label for _, label in originals], dtype=np.int64)
    second = np.array([label for _, label in revised], dtype=np.int64)
    if (first == second).any():
        at = int((first == second).argmax())
        raise _changed(folder, f"both texts of a pair have one label: {originals[at][0][:60]!r}")
    return Pairs([text for text, _ in originals], [text for text, _ in revised], first, second)


def _changed(file: Path, why: str) -> DataError:
    return DataError(f"{file}: not as it was published ({why}); get it again")
