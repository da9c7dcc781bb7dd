"""Generators give the same files each time, and scikit-learn reaches the floor that they state."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from tests.own_data.catalogue import CASES

LEARNT = [name for name in CASES if name not in ("header_only", "nothing")]


def _files(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


@pytest.mark.parametrize("name", CASES)
def test_a_generator_repeats_itself_and_is_documented(name: str, tmp_path: Path) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
        CASES[name](folder)
    assert _files(folders[0]) == _files(folders[1])
    assert len((CASES[name].__doc__ or "").split()) > 2
    sizes = sum(map(len, _files(folders[0]).values()))
    assert sizes < 2_500_000


@pytest.mark.parametrize("name", LEARNT)
def test_scikit_learn_reaches_the_floor(name: str, tmp_path: Path) -> None:
    case = CASES[name](tmp_path)
    if case.outcome == "refuses" or not case.probes:
        return
    longest = {"word": 2, "char": 4}[case.analyzer]
    model = make_pipeline(
        TfidfVectorizer(analyzer=case.analyzer, ngram_range=(1, longest)),
        LinearSVC(class_weight="balanced"),
    )
    texts, labels = zip(*case.rows, strict=True)
    model.fit(texts, labels)
    new, expected = zip(*case.probes, strict=True)
    reached = float(np.mean(model.predict(new) == np.array(expected)))
    chance = 1 / len(case.classes)
    assert reached >= case.floor > chance, (reached, case.floor, chance)
    print(f"{name}: scikit-learn {reached:.3f}, floor {case.floor}")
