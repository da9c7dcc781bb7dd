"""Texts of the test reviews, if the corpus is available. They are never published."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datamodules.errors import DataError
from datamodules.store.cache import default_cache_dir


@dataclass(frozen=True)
class ReviewTexts:
    """Test reviews of a corpus.

    Attributes:
        labels: Names of the classes.
        texts: Texts by id.
        keys: Names in the corpus, by id.
    """

    labels: tuple[str, ...]
    texts: list[str]
    keys: list[str]

    def lengths(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count the words of reviews, separated by white space."""
        return np.array([len(self.texts[number].split()) for number in ids.tolist()])


def find_texts(fingerprint: str | None, root: str | None = None) -> ReviewTexts | None:
    """Find the test reviews of a corpus in the cache, or of the official one under `root`.

    Args:
        fingerprint: Fingerprint of the corpus.
        root: The official corpus, as in `benchmark --root`; it is read into the cache if needed.

    Returns:
        The reviews; None if no corpus with that fingerprint is available.

    Raises:
        DataError: `root` is not a corpus, or the cached one is damaged.
    """
    if fingerprint is None:
        return None
    folder = _cached(fingerprint)
    if folder is None and root is not None:
        from datamodules.imdb import IMDB
        from datamodules.store.corpus import Corpus

        data = IMDB(root=root)
        if not data.corpus_folder.exists():
            data.read().save(data.corpus_folder)
        if Corpus.load(data.corpus_folder).fingerprint == fingerprint:
            folder = data.corpus_folder
    return None if folder is None else _read(folder)


def _cached(fingerprint: str) -> Path | None:
    for head in sorted((default_cache_dir() / "corpora").glob("*/corpus.json")):
        try:
            if json.loads(head.read_text(encoding="utf-8"))["fingerprint"] == fingerprint:
                return head.parent
        except (OSError, ValueError, KeyError, TypeError):
            continue  # a damaged corpus, reported when it is used
    return None


def _read(folder: Path) -> ReviewTexts | None:
    import pyarrow.parquet as pq

    file = folder / "test.parquet"
    if not file.is_file():
        return None
    try:
        head = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
        table = pq.read_table(file, columns=["text", "key"], page_checksum_verification=True)
        names = tuple(head["label_names"])
        return ReviewTexts(names, table["text"].to_pylist(), table["key"].to_pylist())
    except (OSError, ValueError, KeyError) as error:  # pyarrow's errors are these two
        raise DataError(
            f"{folder}: the cached corpus is damaged ({error}); delete the folder and run again"
        ) from error
