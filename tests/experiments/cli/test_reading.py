"""Commands that only read a run leave its folder, and the folder that it is in, as they are."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from experiments.cli.main import main
from experiments.inference.word_table import read_table
from experiments.records.lock import exclusive_lock
from tests.corpora import make_kaggle
from tests.experiments.test_strangers import OLD

READING = {
    "predict": ["RUN", "a text"],
    "vectors": ["neighbours", "RUN", "WORD"],
    "publish": ["RUN", "--table", "t", "--results", "OUT"],
    "compare": ["BENCHMARK", "RUN", "--json", "OUT/compared.json"],
    "report": ["BENCHMARK", "--out", "OUT"],
    "report of a run": ["RUN", "--out", "OUT"],
    "submit": ["KAGGLE", "--out", "OUT/submission.csv"],
}


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished runs, one of them on the files of the Kaggle contest."""
    runs = tmp_path_factory.mktemp("runs")
    contest = make_kaggle(tmp_path_factory.mktemp("kaggle"), reviews=80)
    words = ["fit", "-c", "nb_logreg", "--data", "datamodules.kaggle.Kaggle", "--root", contest]
    words += ["--runs", runs, "--name", "b", "--run.wandb_mode=disabled", "--model.min_df=1"]
    assert main(list(map(str, words))) == 0
    shutil.copytree(OLD / "runs/old/bidirectional_gru", runs / "b" / "bidirectional_gru")
    return runs / "b"


@pytest.mark.parametrize("command", READING)
def test_a_command_that_reads_a_run_changes_nothing_there(
    command: str, benchmark: Path, tmp_path: Path
) -> None:
    run, kaggle = benchmark / "bidirectional_gru" / "seed-0", benchmark / "nb_logreg" / "seed-0"
    word = read_table(run).words[0]
    places = {"WORD": word, "RUN": run, "BENCHMARK": benchmark, "KAGGLE": kaggle, "OUT": tmp_path}
    words = [str(places.get(word, word)).replace("OUT", str(tmp_path)) for word in READING[command]]

    def content() -> dict[Path, int]:
        """Times of files, and of folders, which change when a file comes or goes."""
        return {place: place.stat().st_mtime_ns for place in [benchmark, *benchmark.rglob("*")]}

    with exclusive_lock(run), exclusive_lock(kaggle):  # another process may work there
        before = content()
        assert main([command.partition(" ")[0], *words]) == 0
        assert content() == before
