"""The command line as a user types it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.cli.main import main
from experiments.config.registry import Registry
from experiments.records.lock import exclusive_lock
from experiments.records.publishing import verify_published
from experiments.records.run_files import read_row
from tests.experiments.conftest import REPOSITORY, TOY, Command

SETTINGS = ["--profile", "smoke", *TOY]
SMALL = ["--profile", "smoke", "--data=tests.toys.ToyData"]
OWN = ["--data", "datamodules.files.TextFiles"]
OLD = REPOSITORY / "tests" / "old_runs"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fit", "-c", "cnnn"], "no experiment 'cnnn', did you mean 'cnn'"),
        (["fit", "-c", "cnn", "--model.dropuot=1"], "'dropuot', did you mean 'dropout'"),
        (["benchmark", "tfidf"], "no experiment 'tfidf'"),
        (["benchmark", "--profile", "quik"], "no profile 'quik'; choose one of"),
        (["benchmark", "--name", "a/b"], "--name 'a/b' must be a plain folder name"),
        (["benchmark", "--seeds", "0", "0"], "is named twice"),
        (["benchmark", "--seeds", "-1"], "seed -1 is negative"),
        (["benchmark", "--seed_everything", "5"], "seeds are given with --seed"),
        (["benchmark", "--budget", "soon"], "--budget 'soon' is not a time"),
        (["benchmark", "--budget", "9"], "--budget 9 is less than 60 s"),
        (
            ["benchmark", "--root", "here"],
            "--root here: profile 'quick' has its own offline corpus",
        ),
        (["benchmark", "cnn", "--model.dropuot", "0.3"], "'dropuot', did you mean 'dropout'"),
        (["fit", "-c", "bag", "--profile", "smoke", "--data.max_length", "0"], "max_length is 0"),
        (["fit", "-c", "bag", "--data.refit", "true", *SMALL], "data.refit is true"),
        (["fit", "-c", "bag", "--trainer.num_nodes", "2", *SMALL], "trainer.num_nodes is 2"),
        (["fit", "-c", "bag", *OWN, "--data.train", "no.csv"], "no.csv"),
        (["test", "nowhere"], "nowhere"),
        (["report", "nowhere"], "nowhere"),
        (["predict", "nowhere", "x"], "nowhere: not a finished run"),
        (["predict", f"{OLD}/runs/file", "x"], f"but a folder of runs, such as {OLD}/runs/file/v"),
        (
            ["fit", "-c", "bag", "--data", f"{OLD}/corpus/train.csv", "--root", "x"],
            f"--root x: is the place of the official corpus, and {OLD}/corpus/train.csv is a file",
        ),
        (["submit", "nowhere"], "nowhere: not a finished run"),
        (["fit", "-c", "bag", "--root", "/no/such/place"], "/no/such/place"),
    ],
)
def test_bad_input_gets_one_clear_line_and_exit_code_1(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    runs = ["--runs", str(tmp_path)] if words[0] in ("fit", "benchmark") else []
    assert main([*words, *runs]) == 1
    told = capsys.readouterr().err
    assert message in told and told.startswith("error: ")
    assert not list(tmp_path.rglob("row.json"))


def own_csv(file: Path, labels: tuple[str, str]) -> Path:
    """A CSV whose first label belongs to texts that say so."""
    lines = [f"text {i} of {i % 2} sign{i % 2},{labels[i % 2]}" for i in range(60)]
    file.write_text("\n".join(["text,label", *lines]) + "\n")
    return file


def test_a_bad_setting_leaves_the_finished_run_alone_and_changed_data_is_noticed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = own_csv(tmp_path / "own.csv", ("good", "bad"))
    words = ["fit", "-c", "tfidf_logreg", *OWN, "--data.train", str(file)]
    words += ["--runs", str(tmp_path), "--run.wandb_mode", "disabled"]
    folder = tmp_path / "fit" / "tfidf_logreg" / "seed-0"
    assert main(words) == 0
    first = read_row(folder)
    assert main([*words, "--model.ngrams", "0"]) == 1
    assert main([*words[:-2], "--data.max_length", "0"]) == 1
    assert main(words) == 0
    assert "is done already" in capsys.readouterr().out
    assert read_row(folder) == first

    own_csv(file, ("bad", "good"))
    assert main(words) == 0
    second = read_row(folder)
    assert second.config_hash == first.config_hash
    assert second.corpus_fingerprint != first.corpus_fingerprint


def test_test_figures_of_a_corpus_without_test_rows_are_refused_before_anything_is_trained(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = [*OWN, "--data.train", str(own_csv(tmp_path / "own.csv", ("good", "bad")))]
    words += ["--runs", str(tmp_path), "--profile", "full"]
    assert main(["fit", "-c", "tfidf_logreg", "--test", *words]) == 1
    assert "no test rows; name a file of them with --data.test" in capsys.readouterr().err
    assert not list(tmp_path.rglob("row.json"))


def test_one_folder_has_one_benchmark_at_a_time(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with exclusive_lock(tmp_path / "b"):
        words = ["--name", "b", "--runs", str(tmp_path), *SMALL]
        assert main(["benchmark", "tfidf_logreg", *words]) == 1
    assert "another process works in" in capsys.readouterr().err


def test_fit_shows_validation_and_test_adds_the_test_columns(lit: Command, tmp_path: Path) -> None:
    words = ["fit", "-c", "tfidf_logreg", "--runs", tmp_path, *SETTINGS]
    folder = tmp_path / "fit" / "tfidf_logreg" / "seed-0"
    assert lit(*words).returncode == 0
    assert read_row(folder).test is None and not (folder / "predictions.parquet").exists()
    before = read_row(folder)

    again = lit(*words)
    assert again.returncode == 0 and "is done already" in again.stdout
    assert read_row(folder) == before

    assert lit("test", folder, "--configs", REPOSITORY).returncode == 0
    after = read_row(folder)
    assert after.test is not None and after.val == before.val
    assert (folder / "predictions.parquet").exists()


@pytest.mark.parametrize("name", ["tfidf_logreg", "bag"])
def test_test_adds_its_figures_to_every_file(name: str, lit: Command, tmp_path: Path) -> None:
    folder = tmp_path / "fit" / name / "seed-0"
    assert lit("fit", "-c", name, "--runs", tmp_path, *SETTINGS).returncode == 0
    before = json.loads((folder / "metrics.json").read_text())
    assert lit("test", folder, "--configs", REPOSITORY).returncode == 0
    row = read_row(folder)
    assert row.test is not None
    after = json.loads((folder / "metrics.json").read_text())
    assert after["final"]["test/accuracy"] == row.test.accuracy
    figures = {key: figure for key, figure in after["final"].items() if key[:4] != "test"}
    assert figures == before["final"] and after["history"] == before["history"]
    [line] = (tmp_path / "fit" / "results.jsonl").read_text().splitlines()
    assert json.loads(line)["test"]["accuracy"] == row.test.accuracy


def test_test_of_a_run_folder_alone_looks_at_nothing_beside_it(
    finished: Path, lit: Command, tmp_path: Path
) -> None:
    folder = tmp_path / "kept" / "here" / "seed-0"
    shutil.copytree(finished / "tfidf_logreg" / "seed-0", folder)
    assert lit("test", folder, "--configs", REPOSITORY).returncode == 0
    assert not (tmp_path / "kept" / "results.jsonl").exists()


def test_a_run_predicts_new_texts_and_an_empty_one(finished: Path, lit: Command) -> None:
    for experiment in ("bag", "tfidf_logreg"):
        texts = ["class1sign0 class1sign1 class1sign2", "class0sign0 class0sign1 class0sign2", ""]
        done = lit("predict", finished / experiment / "seed-0", *texts)
        lines = [line.split("\t") for line in done.stdout.splitlines()]
        assert len(lines) == 3, done.stderr
        if experiment == "tfidf_logreg":  # two epochs at toy size teach `bag` little
            assert [line[0] for line in lines[:2]] == ["class1", "class0"]
        assert all(0.5 <= float(line[1]) <= 1 for line in lines[:2])
        assert lines[2] == ["", "", "", "empty text"]


def test_published_rows_follow_from_their_evidence(
    finished: Path, lit: Command, tmp_path: Path
) -> None:
    runs = [finished / name / "seed-0" for name in ("bag", "tfidf_logreg")]
    words = ["--table", "toy", "--results", tmp_path, "--configs", REPOSITORY]
    done = lit("publish", *runs, *words)
    assert done.returncode == 0, done.stderr
    rows = verify_published(tmp_path)
    assert [row.experiment for row in rows] == ["bag", "tfidf_logreg"]
    for row in rows:
        original = read_row(finished / row.experiment / "seed-0")
        assert row.test is not None and original.test is not None
        assert row.test.accuracy == original.test.accuracy
    shown = lit("report", tmp_path, "--out", tmp_path / "page")
    assert shown.returncode == 0 and "tfidf_logreg" in shown.stdout
    assert (tmp_path / "page" / "report.html").exists()


def test_list_shows_every_experiment(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in Registry().files)


def test_print_config_lists_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["fit", "-c", "cnn", "--print_config"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "num_filters: 100" in shown and "patience: 3" in shown


def test_commands_start_without_heavy_imports() -> None:
    code = "import sys, experiments.cli.main; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True
    )
    assert done.stdout.strip() == "False"


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    names = ["fit", "test", "benchmark", "report", "publish", "list", "prepare", "predict"]
    names += ["submit"]
    assert all(name in told for name in names)
