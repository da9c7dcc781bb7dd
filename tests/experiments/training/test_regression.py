"""Regressions by real training: errors in stars, from the names of reviews to published rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from datamodules.imdb import IMDB
from experiments.config.registry import Registry, layered, merge, read_profile
from experiments.records.predictions import read_outputs
from experiments.records.problems.regressions import Regressions
from experiments.records.publishing import publish, verify_published
from experiments.records.run_files import REFIT, TEST_FILE, VAL_FILE, read_row
from experiments.report.columns import columns_of, shown
from experiments.training.run import execute
from experiments.training.spec import RunSpec
from tests.corpora import SMALL_COUNTS, make_aclimdb
from tests.recomputation.metrics import metrics
from tests.recomputation.published import read_answers, read_lines


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of tested runs over a small made corpus, by experiment."""
    folder = tmp_path_factory.mktemp("regression")
    registry, root = Registry(), str(make_aclimdb(folder))
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(IMDB, "_COUNTS", SMALL_COUNTS)
        for name in ("linear_regression", "linear_regression_stars"):
            data = {"root": root, "cache_dir": str(folder / "cache"), "validation_fraction": 0.3}
            small = {"data": {"init_args": data}, "run": {"wandb_mode": "disabled"}}
            settings = merge(layered(registry, name, read_profile("full")), small)
            found[name] = folder / "runs" / name / "seed-0"
            execute(RunSpec(name, "b", "full", 0, found[name], settings, test=True))
    return found


def test_rows_have_the_error_in_the_unit_that_was_fitted(runs: dict[str, Path]) -> None:
    for name, unit, low, high in (
        ("linear_regression", "sign", -1, 1),
        ("linear_regression_stars", "stars", 2, 9),
    ):
        row = read_row(runs[name])
        assert row.status == "ok", row.reason
        files = {"val": VAL_FILE, "test": TEST_FILE, "test_refit": f"{REFIT}/{TEST_FILE}"}
        for part, file in files.items():
            outputs = read_outputs(runs[name] / file)
            assert isinstance(outputs, Regressions) and outputs.unit == unit
            assert (outputs.targets == np.where(outputs.labels == 1, high, low)).all()
            error = np.abs(outputs.values - outputs.targets).mean()
            assert getattr(row, part).mae == pytest.approx(error)
        assert row.test is not None and row.test.mae is not None
        # Always naming the middle would be wrong by half of the distance.
        assert row.test.accuracy > 0.8 and row.test.mae < 0.4 * (high - low)


def test_published_errors_are_those_of_the_evidence(runs: dict[str, Path], tmp_path: Path) -> None:
    rows = publish(runs.values(), "small", tmp_path)
    assert verify_published(tmp_path) == rows
    for line in read_lines(tmp_path / "small.jsonl"):
        for part, answers in read_answers(tmp_path, line).items():
            assert line[part]["mae"] == pytest.approx(metrics(answers)["mae"], abs=1e-9)
    keys = [column.key for column in columns_of("classification") if shown(column, rows)]
    assert "mae" in keys and "refit_mae" in keys and "val_mae" not in keys
