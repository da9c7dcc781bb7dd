"""The datamodule of a kind of problem, for corpora of texts and for corpora made for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from datamodules.errors import DataError
from datamodules.imdb import IMDB
from datamodules.language import READERS, LanguageData, read_for, task_of
from datamodules.sequences.pronunciation import Pronunciations
from datamodules.tagging.punctuation import Punctuation
from tests.toys import ToyData


def test_a_corpus_is_read_by_the_problem(tmp_path: Path) -> None:
    corpus = ToyData(cache_dir=str(tmp_path))
    problems = {"classification", "multi-label classification", "language modelling"}
    assert set(READERS) == problems | {"transcription", "tagging"}
    assert read_for("classification", corpus) is corpus
    assert isinstance(read_for("language modelling", corpus), LanguageData)
    assert isinstance(read_for("tagging", corpus), Punctuation)


def test_tasks_of_problems_differ() -> None:
    assert task_of("classification", IMDB) == "imdb-v1"
    assert task_of("language modelling", IMDB) == "imdb-v1-language-v1"
    assert task_of("tagging", IMDB) == "imdb-v1-punctuation-v1"
    assert task_of("tagging", ToyData) is None
    assert task_of("transcription", Pronunciations) == "cmudict-v1"


def test_a_corpus_for_one_problem_serves_no_other(tmp_path: Path) -> None:
    corpus = Pronunciations(cache_dir=str(tmp_path))
    assert read_for("transcription", corpus) is corpus
    with pytest.raises(DataError, match="Pronunciations is a corpus for transcription, and the"):
        read_for("tagging", corpus)
