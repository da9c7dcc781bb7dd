"""Runs and files of the version before the great renaming (commit 51e1021) are read as they are.

`tests/old_runs/make.sh` says how each was made. They are never made anew: they stand for what
users have on their disks.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from experiments.cli.main import main
from experiments.config.registry import Registry, layered, read_profile
from experiments.config.resolved import Resolved
from experiments.inference.predictor import Predictor
from experiments.inference.word_table import answer_lines
from experiments.launch.benchmark import Plan, pending
from experiments.launch.slurm import Submission
from experiments.records import test_log
from experiments.records.plan import read_plan
from experiments.records.run_files import read_config, read_row, read_rows
from experiments.training.checkpointing import RESUME_FILE, ResumeCheckpoint
from experiments.training.signals import StopRequest
from experiments.training.spec import RunSpec
from tests.warm import REPOSITORY

OLD = REPOSITORY / "tests" / "old_runs"
EXPECTED = json.loads((OLD / "expected.json").read_text(encoding="utf-8"))
RUNS = EXPECTED["runs"]


@pytest.fixture(autouse=True)
def there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths in the runs are relative to the folder in which they were made."""
    monkeypatch.chdir(OLD)


def spec_of(folder: Path) -> RunSpec:
    """The run that its own config asks for."""
    row = read_row(folder)
    return RunSpec(row.experiment, "old", row.profile, row.seed, folder, row.config)


@pytest.mark.parametrize("run", RUNS)
def test_it_predicts_what_it_predicted(run: str) -> None:
    probabilities = Predictor(Path(run))(EXPECTED["texts"])
    np.testing.assert_allclose(probabilities, RUNS[run]["probabilities"], atol=2e-5)


@pytest.mark.parametrize("run", RUNS)
def test_it_counts_as_done(run: str) -> None:
    row, spec = read_row(Path(run)), spec_of(Path(run))
    assert row.config_hash == RUNS[run]["config_hash"], "the hash of the test log changed"
    if "tests.toys" in row.config["data"]["class_path"] or "source" in str(row.config["model"]):
        assert row.settings_hash == spec.resolve().hash  # its source is not kept
        return
    assert pending(Plan("old", Path("runs/old"), [spec])) == []


SOME = {
    *("runs/bench/bag/seed-0", "runs/old/tfidf_logreg/seed-0", "runs/refit/bag/seed-0"),
    *("runs/old/cnn/seed-0", "runs/file/vector_average_logreg/seed-0"),
}
"""Runs of each kind of model and folder."""


@pytest.mark.parametrize(
    "run", [pytest.param(r, marks=[] if r in SOME else [pytest.mark.slow]) for r in RUNS]
)
def test_it_does_not_count_as_done_under_other_settings(run: str) -> None:
    spec = spec_of(Path(run))
    other = dataclasses.replace(spec, overrides=("--data.eval_batch_size=7",))
    assert pending(Plan("old", Path("runs/old"), [other])) == [other]


def test_the_report_shows_all(tmp_path: Path) -> None:
    assert main(["report", "runs/old", "--out", str(tmp_path)]) == 0
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    names = {row.experiment for row in read_rows(Path("runs/old"))}
    assert len(names) > 30 and all(name in page.replace("\\", "") for name in names)


# As `make.sh` has them.
FILES = "--data=TextFiles --data.train=corpus/train.csv --data.validation=corpus/validation.csv "
FILES += "--data.test=corpus/test.csv --run.wandb_mode=disabled --trainer.max_epochs=3 "
NET = "--data.vocab_size=150 --data.max_length=40 --data.batch_size=2 --model.learning_rate=0.05 "
NET += "--model.embedding_dim=8 --model.vectors_rate=1 "
WORD2VEC = "--data.vectors=datamodules.vectors.Word2Vec --data.vectors.dim=8 "
WORD2VEC += "--data.vectors.min_count=1 --data.vectors.epochs=2 --data.vectors.workers=1 "
CNN = "--model.widths=[2,4] --model.filters=6 --model.layers=2 --model.k_max=2 "
CNN += "--model.vectors_rate=0.5 --model.vectors_frozen_epochs=1 "
CNN += "--model.average=null --model.average_decay=0.999"  # its file sets others today
LSTM = "--model.hidden_size=8 --model.layers=3 --model.layer_dropout=0.1 --model.weight_drop=0.1 "
LSTM += "--model.learning_rate=0.01"
TRANSFORMER = "--model.layers=2 --model.feedforward=12 --model.average_decay=0.8 "
TRANSFORMER += "--model.average=ema"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tfidf_logreg", "--run.protocol=holdout --model.min_documents=2"),
        ("bag", f"{NET} --model.distinct=false"),
        ("cnn", NET + WORD2VEC + CNN),
        ("stacked_lstm", NET + WORD2VEC + LSTM),
        ("transformer", NET + TRANSFORMER),
    ],
)
def test_old_words_of_the_command_line_name_the_same_run(name: str, words: str) -> None:
    settings = layered(Registry(), name, read_profile("full"))
    typed = tuple((FILES + words).split())
    spec = RunSpec(name, "old", "full", 0, Path("runs/old") / name / "seed-0", settings, typed)
    assert pending(Plan("old", Path("runs/old"), [spec])) == []


def test_a_users_old_yaml_is_the_same_run_and_its_new_names_are_said_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = Path("runs/old/my_experiment/seed-0")
    registry = Registry()
    for _ in range(2):
        settings = registry.settings("my_experiment.yaml")
    said = capsys.readouterr().err
    assert said.count("widths of lit_models.cnn.CNN is filter_sizes today") == 1
    assert said.count("datamodules.vectors.Word2Vec is datamodules.vectors.word2vec") == 1
    arguments = read_config(run)["model"]["init_args"]
    for name, value in settings["model"]["init_args"].items():
        assert arguments[name] == (0.2 if name == "dropout" else value), name


@pytest.mark.parametrize("name", ["bag", "tfidf_logreg"])
def test_a_sweep_goes_on_with_the_names_of_its_trials(name: str, tmp_path: Path) -> None:
    shutil.copytree(f"runs/sweep-{name}", tmp_path / f"sweep-{name}")
    files = ["--data=TextFiles", "--data.train=corpus/train.csv"]
    files += ["--data.validation=corpus/validation.csv", "--data.test=corpus/test.csv"]
    words = ["--space", f"spaces/{name}.yaml", "--trials", "3", "--runs", str(tmp_path)]
    words += [*files, "--run.wandb_mode=disabled"]
    assert main(["sweep", name, *words]) == 0  # all three trials are there: none is run
    tuned = Registry().settings(str(tmp_path / f"sweep-{name}" / f"{name}_tuned.yaml"))
    old = {"vectors_rate", "average_decay", "inverse_penalty", "min_documents"}
    assert not old & tuned["model"]["init_args"].keys()


@pytest.mark.parametrize("run", ["stopped", "stopped-refit"])
def test_an_old_checkpoint_is_refused_in_a_line_and_kept(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "seed-0"
    shutil.copytree(f"runs/{run}/bag/seed-0", folder)
    content = (folder / RESUME_FILE).read_bytes()
    identity = f"{spec_of_stopped(folder).hash} fingerprint"
    assert not ResumeCheckpoint(folder, 10.0, identity, StopRequest()).resumes()
    assert (folder / "resume-format-2.ckpt").read_bytes() == content
    assert not (folder / RESUME_FILE).exists()
    assert "is kept as resume-format-2.ckpt" in capsys.readouterr().out


def spec_of_stopped(folder: Path) -> Resolved:
    return Resolved.of_run(folder)


def test_word_vectors_answer_as_they_did() -> None:
    for place, lines in EXPECTED["neighbours"].items():
        assert answer_lines("neighbours", Path(place), ["film"]) == lines, place
    for place, lines in EXPECTED["clusters"].items():
        assert answer_lines("clusters", Path(place), ["film"]) == lines


def test_log_plan_and_submissions_are_read() -> None:
    [entry] = test_log.read(OLD / "test_log.jsonl")
    row = read_row(Path("runs/official/bag/seed-0"))
    assert test_log.is_logged([entry], row)
    assert {run.experiment for run in read_plan(Path("runs/bench"))} == {"bag", "cnn"}
    file = Path("runs/bench/slurm/submissions.json")
    assert [Submission(**one).job for one in json.loads(file.read_bytes())] == ["4711", "4712"]
