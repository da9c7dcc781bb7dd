"""An estimator whose solver did not converge says so in its notes."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from experiments.report.tables import build_tables
from experiments.report.terminal import print_tables
from experiments.training.run import execute
from lit_models.base.estimator import LitEstimator
from lit_models.linear_svm import LinearSVM
from lit_models.nb_logreg import NBLogReg
from lit_models.tfidf_logreg import TfidfLogReg
from lit_models.vector_average_logreg import VectorAverageLogReg
from tests.batches import make_view
from tests.experiments.training.test_refit import spec_of
from tests.lit_models.test_classics import LABELS, TRAIN

# Each text twice, sometimes with two labels: no plane divides them.
RANDOM = np.random.default_rng(0).integers(0, 2, 2 * len(TRAIN)).tolist()
VECTORS = np.random.default_rng(0).normal(size=(33, 8)).astype(np.float32)


def notes_of(kind: type[LitEstimator], labels: list[int] = LABELS, **settings: Any) -> list[str]:
    model = kind(**settings)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.prepare(make_view((TRAIN * 2)[: len(labels)], labels, 33, VECTORS))
    return list(model.notes)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (TfidfLogReg, {"max_iter": 1}),
        (NBLogReg, {"max_iter": 1}),
        (VectorAverageLogReg, {"max_iter": 1}),
        (LinearSVM, {"C": 1e3, "ngrams": 2, "min_df": 1, "labels": RANDOM}),
    ],
)
def test_a_fit_that_did_not_converge_is_noted(kind: Any, settings: dict[str, Any]) -> None:
    [note] = notes_of(kind, **settings)
    assert note.startswith("the fit did not converge (")
    assert note.endswith("; raise --model.max_iter") == ("max_iter" in settings)


@pytest.mark.parametrize("kind", [TfidfLogReg, NBLogReg, VectorAverageLogReg, LinearSVM])
def test_a_fit_that_converged_has_no_note(kind: Any) -> None:
    assert notes_of(kind) == []


def test_it_stands_in_the_row_and_in_the_terminal(tmp_path: Path) -> None:
    spec = dataclasses.replace(
        spec_of(tmp_path / "run", "holdout", "tfidf_logreg"), overrides=("--model.max_iter=1",)
    )
    row = execute(spec)
    assert row is not None
    [note] = row.notes
    assert note.startswith("tfidf_logreg: the fit did not converge (lbfgs failed to converge")
    console = Console(record=True, width=200, quiet=False, file=(tmp_path / "out").open("w"))
    print_tables(console, build_tables([row]))
    assert "The fit did not converge (" in console.export_text()
