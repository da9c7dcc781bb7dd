"""Plain estimators saved as arrays: the same predictions, no skops, nothing else accepted."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import skops.io
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from sklearn.base import BaseEstimator
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from datamodules.errors import DataError
from lit_models.base.estimator import ARRAYS_FILE, ESTIMATOR_FILE, LitEstimator
from lit_models.base.fitted_values import fitted_arrays, restore
from lit_models.naive_bayes import NaiveBayes
from lit_models.nb_logreg import NBLogReg
from lit_models.tfidf_logreg import TfidfLogReg
from tests.batches import make_view, random_rows

TRAIN = random_rows([3 + number % 40 for number in range(60)], 30, seed=1)
OTHER = make_view(random_rows([1, 5, 9, 30, 80], 33, seed=2), [0] * 5, 33).tokens


def fitted(kind: type[LitEstimator], classes: int) -> LitEstimator:
    model = kind(num_classes=classes)
    model.prepare(make_view(TRAIN, [sum(row) % classes for row in TRAIN], 33))
    return model


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("kind", [TfidfLogReg, NBLogReg, NaiveBayes])
def test_they_predict_the_same_as_from_skops_which_is_not_imported(
    kind: type[LitEstimator], classes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fitted(kind, classes)
    (tmp_path / ESTIMATOR_FILE).write_bytes(b"of an earlier fit")
    skops.io.dump(model.estimator, tmp_path / "apart.skops")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "skops.io", None)
        model.save(tmp_path)
        loaded = kind.load(tmp_path)
    assert not (tmp_path / ESTIMATOR_FILE).exists()
    assert np.array_equal(loaded.predict_proba(OTHER), model.predict_proba(OTHER))
    assert loaded.parameter_count == model.parameter_count
    loaded.estimator = skops.io.load(tmp_path / "apart.skops")
    assert np.array_equal(loaded.predict_proba(OTHER), model.predict_proba(OTHER))


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("first", [StandardScaler(), TfidfTransformer(sublinear_tf=True)])
def test_so_do_pipelines_over_dense_features(
    first: BaseEstimator, classes: int, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    features, labels = rng.integers(0, 9, (200, 37)).astype(float), rng.integers(0, classes, 200)
    whole = make_pipeline(first, LogisticRegression(max_iter=500)).fit(features, labels)
    arrays = fitted_arrays(whole)
    assert arrays is not None
    save_file({k: np.ascontiguousarray(a) for k, a in arrays.items()}, tmp_path / "a")
    again = make_pipeline(type(first)(**first.get_params()), LogisticRegression(max_iter=500))
    again = restore(again, load_file(tmp_path / "a"), tmp_path / "a", classes)
    skops.io.dump(whole, tmp_path / "s")
    expected = skops.io.load(tmp_path / "s").predict_proba(features)
    assert np.array_equal(again.predict_proba(features), expected)


CHANGES = [
    ({"estimator.0.coef_": None}, "estimator.0.coef_ is missing"),
    ({"estimator.0.extra": np.zeros(2)}, "estimator.0.extra belongs to no part of it"),
    ({"estimator.1.idf_": np.zeros(2)}, "estimator.1.idf_ belongs to no part of it"),
    (
        {"estimator.0.coef_": np.zeros((2, 7)), "estimator.0.intercept_": np.zeros(2)},
        "coef_ has 2 rows, and 2 classes need 1",
    ),
    ({"estimator.0.coef_": np.zeros(7)}, r"estimator.0.coef_ is float64 \[7\]"),
    ({"estimator.0.intercept_": np.zeros(2)}, r"estimator.0.intercept_ is float64 \[2\]"),
    ({"estimator.0.intercept_": np.zeros((1, 1))}, r"intercept_ is float64 \[1, 1\]"),
    ({"estimator.0.intercept_": np.zeros(1, int)}, r"intercept_ is int64 \[1\]"),
    ({"estimator.0.classes_": np.zeros(2)}, r"classes_ is float64 \[2\]"),
    ({"estimator.0.classes_": np.array([0, 7])}, r"classes_ is \[0, 7\], and the model has 2"),
    ({"estimator.0.classes_": np.array([-1, 1])}, r"classes_ is \[-1, 1\], and the model has 2"),
    ({"estimator.0.classes_": np.array([1, 0])}, r"classes_ is \[1, 0\], and the model has 2"),
]


@pytest.mark.parametrize(("change", "message"), CHANGES)
def test_other_arrays_are_refused(
    change: dict[str, np.ndarray | None], message: str, tmp_path: Path
) -> None:
    fitted(TfidfLogReg, 2).save(tmp_path)
    file = tmp_path / ARRAYS_FILE
    with safe_open(file, framework="numpy") as opened:
        metadata = opened.metadata()
    arrays = load_file(file) | change
    save_file({k: a for k, a in arrays.items() if a is not None}, file, metadata)
    with pytest.raises(DataError, match=message) as raised:
        TfidfLogReg.load(tmp_path)
    assert str(file) in str(raised.value) and "restore the file" in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        (NaiveBayes, "estimator.0.feature_log_prob_", "estimator was fitted to"),
        (TfidfLogReg, "estimator.0.coef_", "estimator was fitted to"),
        (TfidfLogReg, "idf", "weights of them; restore the files"),
    ],
)
def test_arrays_of_other_features_are_refused_where_they_predict(
    kind: type[LitEstimator], name: str, message: str, tmp_path: Path
) -> None:
    fitted(kind, 2).save(tmp_path)
    file = tmp_path / ARRAYS_FILE
    with safe_open(file, framework="numpy") as opened:
        metadata = opened.metadata()
    arrays = load_file(file)
    size = len(arrays["ngram_keys"])
    save_file(arrays | {name: np.ascontiguousarray(arrays[name][..., 3:])}, file, metadata)
    with pytest.raises(DataError, match=f"has {size:,} features, and .*{message}"):
        kind.load(tmp_path).predict_proba(OTHER)
