"""Queue of the table: protocols, order, what is left after a stop, and the commands end to end."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.cli.main import main
from experiments.config.registry import Registry, read_profile
from experiments.launch import halting
from experiments.launch import table as module
from experiments.launch.table import Part, Queue, protocol_of
from experiments.records.run_files import read_row, write_row, write_table
from experiments.training.spec import RunSpec
from tests.experiments.conftest import REPOSITORY, TOY
from tests.rows import make_metrics, make_row
from tests.warm import ForkServer

pytestmark = pytest.mark.usefixtures("within_a_command")

# Seconds of a fit; the last is deterministic.
SECONDS = {"cnn": 300.0, "bag": 20.0, "tfidf_logreg": 5.0}
NAMES = list(SECONDS)


@pytest.mark.parametrize(
    ("seed", "row", "protocol"),
    [
        (0, None, "refit"),
        (0, {"train_seconds": 9000.0}, "refit"),
        (1, None, None),
        (1, {"status": "failed", "reason": "made to fail"}, None),
        (1, {"train_seconds": 1.0, "deterministic": True}, None),
        (1, {"train_seconds": 299.0}, "refit"),
        (2, {"train_seconds": 300.0}, "holdout"),
        (2, {"train_seconds": 299.0, "vectors_seconds": 2.0}, "holdout"),
        (2, {"train_seconds": 599.0, "protocol": "refit"}, "refit"),  # of two fits
        (1, {"train_seconds": 600.0, "protocol": "refit"}, "holdout"),
    ],
)
def test_protocols(seed: int, row: dict[str, object] | None, protocol: str | None) -> None:
    assert protocol_of(seed, None if row is None else make_row(**row)) == protocol


def queue(place: Path, *names: str, published: Path = Path("none")) -> Queue:
    return Queue(
        Registry(),
        read_profile("full"),
        runs=place / "runs",
        published=published,
        names=names or NAMES,
        overrides=TOY,
    )


def finish(spec: RunSpec, **changes: object) -> None:
    """Leave the row of a run, nothing trained."""
    resolved = spec.resolve()
    refit = resolved.run.protocol == "refit"
    values = {
        "experiment": spec.experiment,
        "seed": spec.seed,
        "profile": spec.profile,
        "protocol": resolved.run.protocol,
        "corpus_fingerprint": resolved.corpus_fingerprint(),
        "config": resolved.config,
        "test": make_metrics(),
        "test_refit": make_metrics() if refit else None,
        "train_seconds": SECONDS[spec.experiment] * (2 if refit else 1),
        "deterministic": spec.experiment == "tfidf_logreg",
    }
    write_row(spec.folder, make_row(**values | changes))


def seen(part: Part) -> tuple[int, str, list[str]]:
    return part.seed, part.protocol, [spec.experiment for spec in part.specs]


def test_all_of_seed_0_comes_first_the_fastest_ahead_then_each_further_seed(tmp_path: Path) -> None:
    table, parts = tmp_path / "imdb.jsonl", []
    known = [make_row(experiment=n, train_seconds=SECONDS[n], config={}) for n in ("bag", "cnn")]
    write_table(table, known)
    for part in queue(tmp_path, published=tmp_path).parts():
        parts.append(seen(part))
        for spec in part.specs:
            finish(spec)
    assert parts == [
        (0, "refit", ["bag", "cnn", "tfidf_logreg"]),  # what is not known last
        (1, "refit", ["bag"]),
        (1, "holdout", ["cnn"]),
        (2, "refit", ["bag"]),
        (2, "holdout", ["cnn"]),
    ]
    assert list(queue(tmp_path).parts()) == []


def test_a_stopped_queue_goes_on_and_tries_failed_runs_again(tmp_path: Path) -> None:
    first = next(queue(tmp_path, "bag", "cnn").parts())
    finish(first.specs[0])
    assert not first.is_over()
    parts = queue(tmp_path, "bag", "cnn").parts()
    assert seen(next(parts)) == (0, "refit", ["cnn"])
    finish(first.specs[1], status="failed", reason="made to fail", test=None, test_refit=None)
    assert first.is_over()
    assert seen(next(parts)) == (1, "refit", ["bag"])  # and none of `cnn`
    assert seen(next(queue(tmp_path, "bag", "cnn").parts())) == (0, "refit", ["cnn"])


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({}, (1, "refit", ["bag"])),
        ({"test": None}, (0, "refit", ["bag"])),  # a row from before both weights were tested
        ({"corpus_fingerprint": "f" * 16}, (0, "refit", ["bag"])),
        ({"config": {}, "config_hash": "c" * 16}, (0, "refit", ["bag"])),  # other settings
    ],
)
def test_published_rows_of_present_settings_count_as_made(
    tmp_path: Path, changes: dict[str, object], left: tuple[int, str, list[str]]
) -> None:
    [spec] = next(queue(tmp_path / "one", "bag").parts()).specs
    finish(spec, **changes)
    table = tmp_path / "imdb.jsonl"
    write_table(table, [read_row(spec.folder)])
    assert seen(next(queue(tmp_path / "two", "bag", published=tmp_path).parts())) == left


def test_encoders_of_a_hub_are_left_out(tmp_path: Path) -> None:
    encoders = queue(tmp_path, "bert", "minilm", "minilm_further", "bag")
    assert encoders.left_out == ["bert", "minilm_further"]
    assert list(encoders.specs) == ["minilm", "bag"]


@pytest.fixture
def commands(fork_server: ForkServer, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands of the queue, which run in this process."""
    found: list[list[str]] = []

    def run(command: list[str], lock: Path, say: Callable[..., None], deadline: object) -> int:
        assert command[1:4] == ["-m", "experiments", "benchmark"]
        assert os.environ["OMP_NUM_THREADS"] == "1" and lock.name == "quiet.lock"
        found.append(command)
        return main(command[3:])

    monkeypatch.setattr(halting, "run_halting", run)
    return found


@pytest.mark.slow
def test_the_command_makes_every_row_once(
    tmp_path: Path,
    commands: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(module, "FAST_SECONDS", 0.0)
    words = ["table", str(tmp_path), "bag", "tfidf_logreg", "--budget", "9m", *TOY]
    assert main(words) == 0, capsys.readouterr().out
    assert len(commands) == 3 and all("--budget=" in command[-1] for command in commands)
    rows = [read_row(folder) for folder in sorted(tmp_path.glob("runs/imdb/*/seed-*"))]
    assert [(row.experiment, row.seed, row.protocol) for row in rows] == [
        ("bag", 0, "refit"),
        ("bag", 1, "holdout"),
        ("bag", 2, "holdout"),
        ("tfidf_logreg", 0, "refit"),
    ]
    assert all(row.test and bool(row.test_refit) == (row.protocol == "refit") for row in rows)
    assert (tmp_path / "cache" / "corpora").is_dir()
    capsys.readouterr()
    assert main(words) == 0
    assert len(commands) == 3 and capsys.readouterr().out == "the table is whole\n"


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
def test_make_table_works_in_a_clean_clone_of_the_commit(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    git = ["git", "-C", str(home), "-c", "user.name=n", "-c", "user.email=e"]
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(REPOSITORY / name, home)
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "One"]):
        subprocess.run([*git, *words], check=True)
    commit = subprocess.run(
        [*git, "rev-parse", "--short=8", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    (home / "pyproject.toml").write_text("changed")

    # An environment that is newer than the clone, so that nothing is installed.
    place = tmp_path / "table" / commit
    program = place / ".venv" / "bin" / "lit-sentiment"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "$(nice) $*"\n')
    program.chmod(0o755)
    (stamp := place / ".venv" / ".stamp").touch()
    os.utime(stamp, (2**31, 2**31))

    def make(*words: str) -> subprocess.CompletedProcess[str]:
        command = ["make", "-s", "-C", str(home), "table", f"TABLE={place.parent}", *words]
        return subprocess.run(command, capture_output=True, text=True)

    done = make("ROOT=/corpus", "ARGS=bag --budget 9m")
    assert done.returncode == 0, done.stderr
    assert "uncommitted changes are not part of the table" in done.stdout
    assert f"19 table {place} bag --budget 9m --root /corpus" in done.stdout
    assert (place / "clone" / "pyproject.toml").read_text() != "changed"
    assert make("ROOT=/corpus").returncode == 0
    assert "ROOT is empty" in make().stderr
    assert "COMMIT is none, which is no commit" in make("ROOT=/corpus", "COMMIT=none").stderr


def test_a_language_model_is_fitted_once_with_each_seed(tmp_path: Path) -> None:
    parts = queue(tmp_path, "lstm_lm", "bag").parts()
    assert seen(next(parts)) == (0, "refit", ["bag"])  # `NAMES` of one protocol at a time
    assert seen(next(queue(tmp_path, "lstm_lm").parts())) == (0, "holdout", ["lstm_lm"])
    assert protocol_of(1, make_row(train_seconds=2.0), refits=False) == "holdout"


def test_the_queue_plans_experiments_of_every_problem(tmp_path: Path) -> None:
    """With the official corpus named, as `make table` does."""
    names = ["ngram_lm", "ctc", "seq2seq_attention"]
    queue = Queue(
        Registry(),
        read_profile("full"),
        runs=tmp_path / "runs",
        published=tmp_path / "published",
        names=names,
        overrides=["--data.root=DIR"],
    )
    first = next(iter(queue.parts()))
    assert {spec.experiment for spec in first.specs} == set(names)
    assert first.protocol == "holdout"
