"""LSALogReg against scikit-learn's own pipeline, and its vectors against a full decomposition."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from datamodules.errors import DataError
from datamodules.store.ragged import Ragged
from lit_models.base.estimator import ESTIMATOR_FILE
from lit_models.lsa_logreg import LSALogReg
from tests.batches import make_view, random_rows

TRAIN = random_rows([3 + number % 40 for number in range(60)], 30, seed=1)
LABELS = [int(2 in row) for row in TRAIN]
OTHER = random_rows([1, 5, 9, 30, 80], 33, seed=2)


def fitted(seed: int = 0, **settings: Any) -> LSALogReg:
    torch.manual_seed(seed)
    model = LSALogReg(**{"ngrams": 2, "min_df": 2, "num_components": 8} | settings)
    model.prepare(make_view(TRAIN, LABELS, 33))
    return model


def ragged(rows: list[list[int]]) -> Ragged:
    return make_view(rows, [0] * len(rows), 33).tokens


def texts(rows: list[list[int]]) -> list[str]:
    return [" ".join(f"w{token}" for token in row) for row in rows]


def names(model: LSALogReg) -> list[str]:
    """N-grams of the model's columns in their order: random vectors have a number for each."""
    base = model.counter.base
    pairs = (divmod(key, base) for key in model.counter.keys.tolist())
    return [f"w{two - 1}" if one == 0 else f"w{one - 1} w{two - 1}" for one, two in pairs]


def test_it_is_scikit_learns_pipeline() -> None:
    model = fitted(C=5.0)
    vectorizer = TfidfVectorizer(
        ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+", vocabulary=names(model)
    )
    svd = TruncatedSVD(8, n_iter=5, random_state=0)
    theirs = make_pipeline(vectorizer, svd, LogisticRegression(C=5.0, max_iter=500))
    theirs.fit(texts(TRAIN), LABELS)
    found = model.predict_proba(ragged(OTHER))
    assert np.allclose(found, theirs.predict_proba(texts(OTHER)), atol=1e-5)
    features = theirs[:-1].transform(texts(OTHER))
    assert np.allclose(model.features(ragged(OTHER)), features, atol=1e-6)
    ngrams = len(vectorizer.idf_)
    assert model.parameter_count == ngrams + 8 * ngrams + 8 + 1


def test_min_df_leaves_out_what_scikit_learn_does() -> None:
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=3, token_pattern=r"\S+")
    assert set(names(fitted(min_df=3))) == set(vectorizer.fit(texts(TRAIN)).vocabulary_)


def test_its_vectors_are_the_largest_right_singular_vectors() -> None:
    model = fitted(ngrams=1, power_iterations=30)
    X = model.idf.transform(model.counter.count(ragged(TRAIN))).toarray()
    V = np.linalg.svd(X)[2][:8]
    assert np.allclose(np.abs(V @ model.vectors), np.eye(8), atol=1e-4)


def test_neither_the_seed_nor_earlier_draws_change_it() -> None:
    one = fitted(seed=0)
    np.random.seed(7)
    assert np.array_equal(fitted(seed=1).vectors, one.vectors) and one.deterministic


def test_it_is_saved_as_arrays_alone(tmp_path: Path) -> None:
    model = fitted()
    model.save(tmp_path)
    assert not (tmp_path / ESTIMATOR_FILE).exists()
    loaded = LSALogReg.load(tmp_path)
    assert np.array_equal(loaded.predict_proba(ragged(OTHER)), model.predict_proba(ragged(OTHER)))
    loaded.vectors = loaded.vectors[:-1]
    with pytest.raises(DataError, match="LSALogReg has .* n-grams, .* restore the files"):
        loaded.predict_proba(ragged(OTHER))


def test_a_small_corpus_has_fewer_components_and_the_run_notes_it() -> None:
    model = fitted(num_components=500)
    assert model.vectors.shape[1] == 60
    (note,) = model.notes
    assert note.startswith("60 components, the most of 60 texts with")
    assert note.endswith("n-grams, where model.num_components is 500")
    assert not fitted().notes


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_components": 0}, "model.num_components is 0; it must be at least 1"),
        ({"power_iterations": -1}, "model.power_iterations is -1; it must be at least 0"),
        ({"max_iter": 0}, "model.max_iter is 0; it must be at least 1"),
        ({"C": 0.0}, "model.C is 0.0; it must be above 0"),
        ({"C": float("nan")}, "model.C is nan; it must be above 0"),
        ({"min_df": 99}, "min_df 99 leaves no n-gram of the 60 texts"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fitted(**settings)
