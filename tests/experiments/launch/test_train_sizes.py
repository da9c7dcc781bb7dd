"""Learning curves: one experiment on nested train sets of growing size."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.cli.main import main
from experiments.records.predictions import read_predictions
from experiments.records.run_files import VAL_FILE, read_row

pytestmark = pytest.mark.usefixtures("fork_server")


def test_each_size_is_a_row_that_says_how_much_it_learnt_from(tmp_path: Path) -> None:
    words = ["benchmark", "tfidf_logreg", "--profile", "smoke", "--runs", str(tmp_path)]
    words += ["--name", "b", "--train-sizes", "20", "50", "1000", "--data=tests.toys.ToyData"]
    words += ["--data.rows=120", f"--data.cache_dir={tmp_path / 'cache'}"]
    assert main([*words, "--run.wandb_mode=disabled"]) == 0
    folders = [tmp_path / "b" / f"tfidf_logreg-{size}" / "seed-0" for size in (20, 50, 1000)]
    rows = [read_row(folder) for folder in folders]
    assert [row.experiment for row in rows] == [f"tfidf_logreg-{n}" for n in (20, 50, 1000)]
    assert [row.train_rows for row in rows] == [20, 50, 90]  # all of train without validation
    assert rows[0].corpus_fingerprint == rows[1].corpus_fingerprint
    assert rows[0].config_hash != rows[1].config_hash
    ids = [read_predictions(folder / VAL_FILE).ids.tolist() for folder in folders]
    assert ids[0] == ids[1] == ids[2]
    # Each size has its own vocabulary.
    assert rows[0].parameters < rows[1].parameters < rows[2].parameters


def test_a_size_of_one_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["benchmark", "tfidf_logreg", "--runs", str(tmp_path), "--train-sizes", "1"]
    assert main(words) == 1
    assert "--train-sizes 1: a size is at least 2" in capsys.readouterr().err
