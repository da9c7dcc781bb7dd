"""Contrast sets and counterfactuals: pairs of similar reviews with opposite labels.

Gardner et al. 2020, "Evaluating Models' Local Decision Boundaries via Contrast Sets" (experts
rewrote 588 reviews), and Kaushik, Hovy and Lipton 2020, "Learning the Difference That Makes a
Difference with Counterfactually-Augmented Data" (crowd workers rewrote 2,440). The originals of
both are in the official *train* split, so they evaluate only a model that was trained without them.
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
"""URL of each file, by its name here."""
_LABELS = {"Negative": 0, "Positive": 1}

Labelled = tuple[str, int]
"""Text and label."""


@dataclass(frozen=True)
class Pairs:
    """N original reviews and their revisions.

    Attributes:
        originals: N texts of the official train split.
        revised: N texts, each the revision of the original at its place.
        original_labels: int64[N], 0 negative, 1 positive, according to the authors of the pairs.
        revised_labels: int64[N], the opposite labels.
    """

    originals: list[str]
    revised: list[str]
    original_labels: np.ndarray
    revised_labels: np.ndarray


def find_folder(given: str | None, root: str | None, cache_dir: Path) -> Path:
    """Folder of the seven files.

    Args:
        given: the folder. None: `robustness` in `root` if it exists, else the cache, where missing
            files are downloaded from the two projects' repositories (5 MB).
        root: folder of the corpus, or None.
        cache_dir: the cache folder.

    Raises:
        DataError: files are missing from the folder, or cannot be downloaded.
    """
    beside = Path(root).expanduser() / "robustness" if root is not None else None
    if given is not None or (beside is not None and beside.is_dir()):
        folder = Path(given).expanduser() if given is not None else beside
        assert folder is not None
        missing = [name for name in SOURCES if not (folder / name).is_file()]
        if missing:
            raise DataError(
                f"{folder}: {', '.join(missing)} missing; get {missing[0]} from "
                f"{SOURCES[missing[0]]}"
            )
        return folder
    folder = cache_dir / "downloads" / "robustness"
    for name, url in SOURCES.items():
        if not (folder / name).is_file():
            download_resumable(url, folder / name)
    return folder


def contrast_sets(folder: Path) -> Pairs:
    """588 pairs of the contrast sets.

    Raises:
        DataError: a file is missing, or differs from the published one.
    """
    halves: dict[str, list[Labelled]] = {"original": [], "contrast": []}
    for part, count in ROWS.items():
        for half, rows in halves.items():
            rows += _read(folder / f"{part}_{half}.tsv", count)
    return _opposite(folder, halves["original"], halves["contrast"])


def counterfactuals(folder: Path, train: TextSplit) -> Pairs:
    """2,439 counterfactual pairs: all but one, whose original is unknown.

    A file has the two texts of a pair in the order of their labels, without saying which is the
    original: it is the one in the official train split. Both are there in six pairs, which differ
    in markup or spacing at most; the one with the label of the train review is then the original.
    Neither is there in one pair, both of whose texts were changed; it is left out.

    Args:
        folder: from `find_folder`.
        train: the whole official train split.

    Raises:
        DataError: a file is missing, or differs from the published one; or more than one pair has
            no original in `train`.
    """
    train_labels = _labels(train)
    originals, revised = [], []
    for pair in _pairs(folder):
        in_train = [row for row in pair if text_key(row[0]) in train_labels]
        if len(in_train) == 2:
            in_train = [row for row in pair if train_labels[text_key(row[0])] == row[1]]
        if in_train:
            originals.append(in_train[0])
            revised.append(pair[1 - pair.index(in_train[0])])
    expected = sum(PAIRS.values()) - 1
    if len(originals) < expected:
        raise DataError(
            f"{folder}: {len(originals):,} of the counterfactual pairs have a text in train, must "
            f"be {expected:,}; set data.root to the official corpus"
        )
    return _opposite(folder, originals, revised)


def leave_out(corpus: Corpus, folder: Path) -> Corpus:
    """Corpus without the originals of the pairs, and copies of them, in training and validation.

    Rows keep their numbers: an excluded review is neither a training nor a validation row.
    Unlabelled copies are dropped.

    Args:
        corpus: the official corpus.
        folder: from `find_folder`.

    Raises:
        DataError: a file is missing, or differs from the published one; or an original is not in
            train.
    """
    contrast = contrast_sets(folder)
    pairs = [[first, second] for first, second in _pairs(folder)]
    pairs += [[(text, 0)] for text in contrast.originals]
    train_labels = _labels(corpus.train)
    texts = [text for pair in pairs for text, _ in pair]
    # Of a pair that is not in train, the original is the train review that shares most words.
    changed = [p for p in pairs if not any(text_key(text) in train_labels for text, _ in p)]
    texts += [corpus.train.texts[_nearest(pair[0][0], corpus.train.texts)] for pair in changed]
    keys = {text_key(text) for text in texts}
    excluded = np.flatnonzero([text_key(text) in keys for text in corpus.train.texts])
    if len(changed) > 1:
        raise DataError(
            f"{folder}: {len(changed):,} originals are not in train, such as "
            f"{changed[0][0][0][:60]!r}; set data.root to the official corpus, or data.exclude to "
            "null"
        )
    unlabelled = corpus.unlabelled
    return Corpus(
        name=corpus.name,
        label_names=corpus.label_names,
        train=corpus.train,
        train_rows=np.setdiff1d(corpus.train_rows, excluded),
        val_rows=np.setdiff1d(corpus.val_rows, excluded),
        test=corpus.test,
        unlabelled=None if unlabelled is None else drop_copies(unlabelled, texts),
        notes=(
            *corpus.notes,
            f"{len(excluded):,} train reviews, those of the robustness sets, are excluded from "
            "training and validation.",
        ),
    )


def _labels(train: TextSplit) -> dict[bytes, int]:
    return {text_key(t): label for t, label in zip(train.texts, train.labels.tolist(), strict=True)}


def _pairs(folder: Path) -> Iterator[tuple[Labelled, Labelled]]:
    """Pairs of all three files of counterfactuals, in the order of the files."""
    for part, count in PAIRS.items():
        file = folder / f"{part}_paired.tsv"
        rows = _read(file, 2 * count)
        names = [name for _, _, name, _ in Table(file).rows("Text", "batch_id")]
        for row in range(0, len(rows), 2):
            if names[row] != names[row + 1]:
                raise _changed(file, f"rows {row + 1} and {row + 2} have different batch_id")
            yield rows[row], rows[row + 1]


def _read(file: Path, count: int) -> list[Labelled]:
    rows = []
    for number, text, label, _ in Table(file).rows("Text", "Sentiment"):
        if label not in _LABELS:
            raise _changed(
                file, f"line {number} has sentiment {label!r}, not one of {list(_LABELS)}"
            )
        rows.append((text, _LABELS[label]))
    if len(rows) != count:
        raise _changed(file, f"it has {len(rows):,} rows, must have {count:,}")
    return rows


def _nearest(text: str, texts: Sequence[str]) -> int:
    """Number of the text that shares the largest part of its words (Jaccard index)."""
    words = set(text.split())

    def jaccard(other: str) -> float:
        other_words = set(other.split())
        return len(words & other_words) / len(words | other_words)

    return max(range(len(texts)), key=lambda row: jaccard(texts[row]))


def _opposite(folder: Path, originals: list[Labelled], revised: list[Labelled]) -> Pairs:
    first = np.array([label for _, label in originals], dtype=np.int64)
    second = np.array([label for _, label in revised], dtype=np.int64)
    if (first == second).any():
        row = int((first == second).argmax())
        raise _changed(folder, f"both texts of a pair have one label: {originals[row][0][:60]!r}")
    return Pairs([text for text, _ in originals], [text for text, _ in revised], first, second)


def _changed(file: Path, reason: str) -> DataError:
    return DataError(f"{file}: differs from the published file ({reason}); get it again")
