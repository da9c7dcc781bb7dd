"""Paragraph vectors: topics apart, texts alone, and the same after loading."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules.errors import DataError
from datamodules.store.ragged import Ragged
from lit_models.classics.paragraph_vectors import Tagged
from lit_models.doc2vec_logreg import Doc2VecLogReg
from tests.batches import make_view
from tests.lit_models.classics.test_vector_average import ragged

SMALL: dict[str, Any] = {"dim": 8, "epochs": 30, "min_count": 1, "sample": 0}


def topics(texts: int, seed: int) -> tuple[list[list[int]], list[int]]:
    """Rows of 15 words from 2–11 or from 12–21, by turns; between them stands 22."""
    rng = random.Random(seed)
    labels = [text % 2 for text in range(texts)]
    rows = [
        [word for _ in range(15) for word in (rng.randrange(10) + 2 + 10 * label, 22)]
        for label in labels
    ]
    return rows, labels


def fitted(**options: Any) -> Doc2VecLogReg:
    np.random.seed(0)
    model = Doc2VecLogReg(**(SMALL | options))
    model.prepare(make_view(*topics(200, 0), 25))
    return model


@pytest.mark.parametrize("architecture", ["dbow", "dm", "dbow+dm"])
@pytest.mark.parametrize("infer_train", [False, True])
def test_new_texts_are_told_apart(architecture: str, infer_train: bool) -> None:
    # In PV-DM the words around must leave something to tell: within 1 there is only 22.
    model = fitted(architecture=architecture, infer_train=infer_train, window=1)
    rows, labels = topics(200, 1)
    probabilities = model.predict_proba(ragged(rows))
    assert (probabilities.argmax(axis=1) == labels).mean() > 0.9
    assert probabilities.shape == (200, 2)


@pytest.mark.parametrize("architecture", ["dbow", "dm"])
def test_inference_changes_nothing_and_sees_one_text_at_a_time(architecture: str) -> None:
    model = fitted(architecture=architecture)
    before = {name: array.copy() for name, array in model.arrays().items()}
    rows, _ = topics(6, 1)
    together = model.features(ragged(rows))
    alone = np.concatenate([model.features(ragged([row])) for row in reversed(rows)])[::-1]
    assert np.array_equal(together, alone)
    assert len({tuple(row) for row in together.tolist()}) == 6
    assert all(np.array_equal(array, before[name]) for name, array in model.arrays().items())


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["dbow", "dbow+dm"])
def test_the_same_in_another_process_from_what_was_kept(architecture: str, tmp_path: Path) -> None:
    model = fitted(architecture=architecture)
    model.save(tmp_path)
    # Words that are unknown, and a text without any known word.
    rows = [*topics(5, 2)[0], [24, 1], [2, 24, 3]]
    expected = model.predict_proba(ragged(rows))
    code = (
        "import sys, numpy as np; from pathlib import Path\n"
        "from lit_models.doc2vec_logreg import Doc2VecLogReg\n"
        "from tests.lit_models.classics.test_vector_average import ragged\n"
        f"found = Doc2VecLogReg.load(Path({str(tmp_path)!r})).predict_proba(ragged({rows}))\n"
        "np.save(sys.argv[1], found)"
    )
    file = tmp_path / "found.npy"
    subprocess.run([sys.executable, "-c", code, str(file)], check=True)  # another hash seed
    assert np.array_equal(np.load(file), expected)


def test_the_seed_decides_the_vectors() -> None:
    first, again = fitted().arrays(), fitted().arrays()
    assert all(np.array_equal(first[name], again[name]) for name in first)


def test_texts_are_met_in_an_order_drawn_by_the_seed() -> None:
    rows, _ = topics(60, 0)
    tagged = Tagged(ragged(rows), seed=3)
    first, again = list(tagged), list(tagged)
    numbers = [text.tags[0] for text in first]
    assert sorted(numbers) == list(range(60)) != numbers
    assert [text.tags[0] for text in again] == numbers
    assert [text.tags[0] for text in Tagged(ragged(rows), seed=4)] != numbers
    assert all(text.words == [str(word) for word in rows[text.tags[0]]] for text in first)


def test_texts_without_labels_are_learnt_from_where_that_is_asked_for() -> None:
    view = make_view(*topics(20, 0), 25)
    more = Ragged(np.array([23, 23, 1, 2], np.int32), np.array([0, 2, 4]))
    without_any = Doc2VecLogReg(**SMALL, text="train+unlabelled")
    assert without_any.learn_features(view).shape == (20, 8)
    object.__setattr__(view, "unlabelled", more)
    for text, known in (("train", False), ("train+unlabelled", True)):
        model = Doc2VecLogReg(**SMALL, text=text)  # type: ignore[arg-type]
        assert model.learn_features(view).shape == (20, 8)
        assert any("unlabelled" in note for note in model.notes) == known
        assert (23 in model.arrays()["dbow.words"]) == known
        assert 1 not in model.arrays()["dbow.words"]


def test_a_min_count_that_leaves_nothing_is_told() -> None:
    with pytest.raises(DataError, match="no word occurs 100000 times in the 200 texts.*lower min"):
        fitted(min_count=100_000)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"dim": 0}, "model.dim is 0; it must be at least 1"),
        ({"epochs": 0}, "model.epochs is 0; it must be at least 1"),
        ({"architecture": "dn"}, "model.architecture is 'dn'; choose one of"),
        ({"text": "test"}, "model.text is 'test'; choose one of"),
    ],
)
def test_what_cannot_be_is_refused(option: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Doc2VecLogReg(**option)
