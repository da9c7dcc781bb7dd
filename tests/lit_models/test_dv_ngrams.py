"""DV-ngrams: both parts of a row of one text, texts alone, and the same after loading."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules.store.ragged import Ragged
from lit_models.base.ngrams import class_documents, log_count_ratios
from lit_models.dv_ngrams import DVNgrams
from lit_models.nb_logreg import NBLogReg
from tests.batches import make_view
from tests.lit_models.classics.test_cosine_vectors import counts_of
from tests.lit_models.classics.test_vector_average import ragged
from tests.lit_models.test_doc2vec_logreg import topics

SMALL: dict[str, Any] = {
    "dim": 8,
    "epochs": 5,
    "vector_min_df": 1,
    "vector_scale": 1.0,
    "min_df": 1,
    "ngrams": 2,
}
WORDS = 25


def fitted(rows: Any, labels: Any, **options: Any) -> DVNgrams:
    np.random.seed(0)
    model = DVNgrams(**(SMALL | {"num_classes": max(labels) + 1} | options))
    model.prepare(make_view(rows, labels, WORDS))
    return model


def test_the_vector_and_the_ngrams_of_a_row_are_of_one_text() -> None:
    """Rows joined with those of other texts of their class are the error behind 97.42%."""
    rows, labels = topics(30, 0)
    np.random.seed(0)
    model = DVNgrams(**SMALL)
    train = model.learn_features(make_view(rows, labels, WORDS)).toarray()
    others = topics(8, 1)[0]
    for texts, found in ((rows, train), (others, model.features(ragged(others)).toarray())):
        for text, row in zip(texts, found, strict=True):
            vector = model.vectors.infer(model.vector_counter.count(ragged([text])))[0]
            ngrams = NBLogReg.features(model, ragged([text])).toarray()[0]
            assert np.array_equal(row[:8], vector.astype(np.float64))
            assert np.array_equal(row[8:], ngrams)
        # A mix-up of two texts of a class would show: every text has a vector of its own.
        assert len(np.unique(found[:, :8], axis=0)) == len(texts)


def test_ngrams_and_vectors_are_those_of_nb_logreg_and_weighted() -> None:
    rows, labels = topics(20, 0)
    plain = NBLogReg(min_df=1, ngrams=2)
    expected = plain.learn_features(make_view(rows, labels, WORDS)).toarray()
    for scale in (1.0, 0.5):
        np.random.seed(0)
        model = DVNgrams(**SMALL | {"vector_scale": scale})
        found = model.learn_features(make_view(rows, labels, WORDS)).toarray()
        assert np.array_equal(found[:, 8:], expected)
        assert np.allclose(np.linalg.norm(found[:, :8], axis=1), scale)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_prediction_depends_on_its_text_alone(classes: int) -> None:
    rows, _ = topics(30, 0)
    model = fitted(rows, [number % classes for number in range(30)])
    others = [*topics(6, 1)[0], [24], [1], [3]]  # 24 is unknown
    together = model.predict_proba(ragged(others))
    alone = [model.predict_proba(ragged([row]))[0] for row in reversed(others)]
    assert np.array_equal(together, alone[::-1])
    assert together.shape == (9, classes) and np.allclose(together.sum(axis=1), 1)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_same_after_loading(classes: int, tmp_path: Path) -> None:
    rows, _ = topics(30, 0)
    model = fitted(rows, [number % classes for number in range(30)])
    model.save(tmp_path)
    loaded = DVNgrams.load(tmp_path)
    others = ragged([*topics(5, 2)[0], [24, 1], [2, 24, 3]])
    assert np.array_equal(loaded.predict_proba(others), model.predict_proba(others))
    assert loaded.parameter_count == model.parameter_count


def test_new_texts_are_classified_and_the_seed_decides() -> None:
    rows, labels = topics(60, 0)
    model, again = fitted(rows, labels), fitted(rows, labels)
    others, expected = topics(60, 1)
    found = model.predict_proba(ragged(others))
    assert (found.argmax(axis=1) == expected).mean() > 0.9
    assert np.array_equal(found, again.predict_proba(ragged(others)))


def test_texts_without_labels_are_learnt_from_where_that_is_asked_for() -> None:
    view = make_view(*topics(20, 0), WORDS)
    for text in ("train", "train+unlabelled"):
        assert DVNgrams(**SMALL, text=text, weighted=False).learn_features(view).shape[0] == 20  # type: ignore[arg-type]
    object.__setattr__(view, "unlabelled", Ragged(np.array([23, 23], np.int32), np.array([0, 2])))
    for text, known in (("train", False), ("train+unlabelled", True)):
        model = DVNgrams(**SMALL, text=text, weighted=False)  # type: ignore[arg-type]
        assert model.learn_features(view).shape[0] == 20
        assert any("unlabelled" in note for note in model.notes) == known
        assert (23 + 1 in model.vector_counter.keys) == known
        assert 23 + 1 not in model.counter.keys


def test_unlabelled_texts_change_no_weight() -> None:
    view, found = make_view(*topics(20, 0), WORDS), list[dict[Any, Any]]()
    for _ in range(2):
        model = DVNgrams(**SMALL)
        model.learn_features(view)
        found.append(dict(zip(model.vector_counter.keys, model.vectors.weights, strict=True)))
        object.__setattr__(view, "unlabelled", ragged([[2, 12, 3, 13]] * 7))
    common = found[0].keys() & found[1].keys()
    assert len(common) > 5 and {found[0][key] for key in common} != {1.0}
    assert all(found[0][key] == found[1][key] for key in common)


def test_ngrams_of_one_class_count_more_and_those_of_no_class_have_no_vector() -> None:
    rows = [[2, 3, 4], [2, 3, 4], [5, 6, 4], [5, 4, 3]]  # 4 is in every text, 3 in three of them
    model = fitted(rows, [0, 0, 1, 1], vector_ngrams=1, least_ratio=0.2)
    weights = dict(zip(model.vector_counter.keys - 1, model.vectors.weights, strict=True))
    assert weights.keys() == {2, 3, 5, 6} and weights[2] == weights[5] > weights[3]
    documents = class_documents(counts_of(rows, 7), np.array([0, 0, 1, 1]), 2)
    ratios = np.abs(log_count_ratios(documents, model.smoothing)).max(axis=0)
    assert ratios[2] > 1  # and counts as 1
    for word, weight in weights.items():
        assert weight == pytest.approx(min(ratios[word], 1)), word
    plain = fitted(rows, [0, 0, 1, 1], vector_ngrams=1, weighted=False)
    assert plain.vectors.weights.tolist() == [1] * 5
    with pytest.raises(ValueError, match=r"least_ratio is 9.0, and the largest .* lower it"):
        fitted(rows, [0, 0, 1, 1], least_ratio=9.0)


@pytest.mark.parametrize("rows", [[[2], [3]], [[2, 3], [1]]])
def test_few_and_short_texts(rows: list[list[int]]) -> None:
    model = fitted(rows, [0, 1])
    assert np.isfinite(model.predict_proba(ragged([[2], [9], [3, 2, 3]]))).all()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"dim": 0}, "model.dim is 0; it must be at least 1"),
        ({"epochs": 0}, "model.epochs is 0; it must be at least 1"),
        ({"alpha": 0.0}, "model.alpha is 0.0; it must be above 0"),
        ({"text": "test"}, "model.text is 'test'; choose one of"),
    ],
)
def test_settings_out_of_range_are_refused(option: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DVNgrams(**option)
