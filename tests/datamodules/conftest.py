"""Corpora of several tests: a small made one, and the official one where there is a copy."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from datamodules.imdb import IMDB
from datamodules.reading.aclimdb import find_corpus, parse_movies
from datamodules.reading.archive import read_tar
from datamodules.store.corpus import Corpus
from tests.corpora import make_aclimdb

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def aclimdb(tmp_path: Path) -> Path:
    """Small corpus in the official layout; tests may change its files."""
    return make_aclimdb(tmp_path / "small")


@pytest.fixture(scope="session")
def official_place() -> Path:
    """Official corpus, a folder or tar: `$LIT_SENTIMENT_IMDB`, or beside the repository."""
    beside = REPOSITORY.parent / "shared" / "data" / "aclImdb.tar.xz"
    path = Path(os.environ.get("LIT_SENTIMENT_IMDB", beside))
    if not path.exists():
        pytest.skip(f"no IMDB corpus at {path}; name a folder or tar with LIT_SENTIMENT_IMDB")
    return find_corpus(path)


@pytest.fixture(scope="session")
def official_corpus(official_place: Path) -> Corpus:
    """Official corpus, read once for all tests."""
    return IMDB(root=str(official_place)).read()


@pytest.fixture(scope="session")
def official_movies(official_place: Path) -> dict[str, np.ndarray]:
    """Title numbers of the official train split, for `neg` and `pos`."""
    lists = {"neg": "train/urls_neg.txt", "pos": "train/urls_pos.txt"}
    if official_place.is_dir():
        contents = {name: (official_place / file).read_bytes() for name, file in lists.items()}
    else:
        files = read_tar(official_place, lambda name: name.endswith(tuple(lists.values())))
        contents = {name[-7:-4]: content for name, content in islice(files, len(lists))}
    return {name: parse_movies(content, lists[name]) for name, content in contents.items()}
