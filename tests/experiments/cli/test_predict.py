"""The command `predict`: typed texts, several runs, bad input, tables."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import pickle
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import experiments
from datamodules.console import plain_console, visible
from experiments import load_run
from experiments.cli.benchmark import _show_use
from experiments.cli.main import main
from experiments.cli.parser import parser
from experiments.cli.words import parse_words
from experiments.config.registry import ConfigError
from experiments.inference.predictor import Predictor
from experiments.records.run_files import read_rows
from tests.experiments.conftest import REPOSITORY


@pytest.fixture(scope="module")
def bag(finished: Path) -> Path:
    return finished / "bag" / "seed-0"


@pytest.fixture(scope="module")
def tfidf(finished: Path) -> Path:
    return finished / "tfidf_logreg" / "seed-0"


def predict(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main(["predict", *map(str, words)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_typed_texts_are_lines_and_a_blank_one_has_a_reason(
    bag: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, printed, told = predict(capsys, bag, "good  film", "", " \t", "=SUM(A1)")
    found = load_run(bag).predict(["good  film", "=SUM(A1)"])
    first, last = (
        f"{label}\t{max(row):.4f}\t{text}"
        for label, row, text in zip(
            found.labels, found.probabilities, ["good film", "=SUM(A1)"], strict=True
        )
    )
    assert code == 0
    assert printed.splitlines() == [first, "\t\t\tempty text", "\t\t\tblank text", last]
    assert "2 of 4 texts have no label, the first is number 2 (empty text)" in told


def test_python_gets_labels_probabilities_and_a_frame(bag: Path) -> None:
    run = experiments.load_run(str(bag))
    texts: list[Any] = ["good film", "", None, float("nan"), 7, "\ud800", "👍", "bad " * 250_000]
    found = run.predict(texts)
    reasons = [None, "empty text", "no text", "no text", "not a text but int", "not valid Unicode"]
    assert found.reasons == [*reasons, None, None] and len(found) == 8
    known = [0, 6, 7]
    assert np.array_equal(found.probabilities[known], Predictor(bag)([texts[k] for k in known]))
    assert np.isnan(found.probabilities[1:6]).all() and found.labels[1:6] == [None] * 5
    frame = found.to_pandas()
    assert list(frame) == ["text", "label", "P(class0)", "P(class1)", "reason"]
    assert frame["label"].tolist()[0] in run.label_names and frame["text"].tolist()[0] == texts[0]
    assert len(run.predict([])) == 0 and isinstance(run.model, torch.nn.Module)
    assert run.row.experiment == "bag" and not run.model.training
    with pytest.raises(TypeError, match=r"write \[text\]"):
        run.predict("good film")
    with pytest.raises(ConfigError, match="'nowhere' cannot"):
        load_run(bag, device="nowhere")


def test_the_package_alone_does_not_load_torch() -> None:
    code = "import sys, experiments; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)
    assert experiments.load_run is load_run


def test_runs_are_side_by_side(bag: Path, tfidf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed, _ = predict(capsys, bag, "good", "bad", "--with", tfidf, "--format", "csv")
    rows = rows_of(printed)
    assert code == 0 and [row["text"] for row in rows] == ["good", "bad"]
    for name, folder in (("bag", bag), ("tfidf_logreg", tfidf)):
        found = load_run(folder).predict(["good", "bad"])
        assert [row[f"{name}: label"] for row in rows] == found.labels
        shown = [float(row[f"{name}: P(class1)"]) for row in rows]
        assert shown == pytest.approx(found.probabilities[:, 1])
    code, _, told = predict(capsys, bag, "--with", tfidf, "a text")
    assert code == 1 and "write texts before --with" in told
    code, _, told = predict(capsys, bag, "a text", "--with", bag)
    assert code == 1 and "a run is given twice" in told


def test_an_ensemble_predicts_by_the_weights_of_the_command_ensemble(
    bag: Path, tfidf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ensemble", "both", str(bag), str(tfidf), "--runs", str(tmp_path)]) == 0
    note = json.loads((tmp_path / "ensemble/both/seed-0/row.json").read_text())["notes"][-1]
    capsys.readouterr()
    words = ["good", "bad", "--with", tfidf, "--ensemble", "--format", "csv"]
    code, printed, told = predict(capsys, bag, *words)
    weights = [float(part.split(" · ")[0]) for part in note.split(" is ")[1].split(" + ")]
    assert code == 0 and all(f"{weight:.3f} · " in told for weight in weights)
    logs = [np.log(load_run(one).predict(["good", "bad"]).probabilities) for one in (bag, tfidf)]
    scores = np.exp(weights[0] * logs[0] + weights[1] * logs[1])
    mean = scores[:, 1] / scores.sum(axis=1)
    assert [float(row["P(class1)"]) for row in rows_of(printed)] == pytest.approx(mean, abs=1e-3)
    assert list(rows_of(printed)[0]) == ["text", "label", "P(class0)", "P(class1)", "reason"]
    code, _, told = predict(capsys, bag, "good", "--ensemble")
    assert code == 1 and "name the others with --with RUN" in told


@pytest.mark.parametrize(
    ("name", "content", "words", "message"),
    [
        ("a.csv", b"id,body\n1,x\n", ["--text-column", "txt"], "columns ['id', 'body']"),
        ("a.csv", b"id,note\n1,x\n", [], "one of its columns ['id', 'note']"),
        ("a.csv", b"text\ngood\ncaf\xe9\n", [], "line 3: byte 13 of the file (0xe9) is not UTF-8"),
        ("a.txt", b"good\ncaf\xe9\n", [], "line 2: byte 8 of the file (0xe9) is not UTF-8"),
        ("a.txt", b"good\0\n", [], "has NUL bytes"),
        ("a.csv", b"text,n\na,1\nb\n", [], "line 3: 1 fields"),
        ("a.csv", b"", [], "the file is empty"),
        ("a.jsonl", b'{"text": "a"}\n{"text"\n', [], "line 2: is not JSON"),
        ("a.jsonl", b'{"text": 1}\n{"text": 2}\n', [], "has no texts but values of type int"),
        ("a.docx", b"PK", [], "'.docx' is unknown"),
        ("a.parquet", b"PAR1", [], "no Parquet file"),
        ("a.txt", b"good\n", ["--encoding", "klingon"], "no encoding of text"),
        ("a.txt", b"good\n", ["typed"], "leave one out"),
        ("a.txt", b"good\n", ["--resume"], "unfinished --out FILE"),
        ("a.txt", b"good\n", ["--format", "parquet"], "name a file with --out"),
    ],
)
def test_bad_files_are_named_before_the_first_prediction(
    name: str,
    content: bytes,
    words: list[str],
    message: str,
    bag: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / name).write_bytes(content)
    code, printed, told = predict(capsys, bag, "--file", tmp_path / name, *words)
    assert (code, printed) == (1, "") and message in told and told.startswith("error: ")


def test_other_encodings_nul_and_one_megabyte(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "a.txt", tmp_path / "out.jsonl"
    texts = ["café", "nul \0 inside", "good " * 200_000]
    file.write_bytes("\n".join(texts).encode("cp1252"))
    words = ["--file", file, "--data.encoding", "cp1252", "--out", out]
    assert predict(capsys, bag, *words)[0] == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["text"] for row in rows] == texts and all(row["label"] for row in rows)


def test_options_of_files_alone_are_refused(bag: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, told = predict(capsys, bag, "good", "--force", "--text-column", "x")
    assert code == 1 and "--text-column, --force goes with --file or --out" in told


def test_standard_input_is_a_file_too(
    bag: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").write_bytes(b"n,text\n1,good\n2,caf\xe9\n")
    words = [bag, "--file", "-", "--input-format", "csv", "--format", "jsonl"]
    with (tmp_path / "in").open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        code, _, told = predict(capsys, *words)
    assert code == 1 and "error: standard input, line 3: byte" in told
    (tmp_path / "in").write_bytes("n,text\n1,good\n2,größe\n".encode())
    with (tmp_path / "in").open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        code, printed, _ = predict(capsys, *words)
    assert code == 0 and [json.loads(line)["n"] for line in printed.splitlines()] == ["1", "2"]


def test_a_table_shows_control_characters_as_escapes(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = ["\x1b[31mred", "\u202eevil", "=1+1", "شكرا", "👨\u200d👩", "tab\tand\x07bell"]
    file = tmp_path / "a.txt"
    file.write_text("\n".join(texts))
    code, printed, _ = predict(capsys, bag, "--file", file)
    shown = ["\\x1b[31mred", "\\u202eevil", "=1+1", "شكرا", "👨\u200d👩", "tab and\\x07bell"]
    head, *lines = printed.splitlines()
    assert code == 0 and head.split()[0] == "label"
    assert [line.endswith(text) for line, text in zip(lines, shown, strict=True)] == [True] * 6
    assert visible("a\nb") == "a b"


@pytest.mark.slow  # a new interpreter; tests/experiments/cli/test_streams.py has a cheaper one
def test_nobody_who_reads_is_no_error(bag: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("good\n" * 3)
    words = ["predict", str(bag), "--file", str(tmp_path / "a.txt"), "--format", "csv"]
    reader, writer = os.pipe()
    os.close(reader)
    code = (
        "import sys; from tests.conftest import REPOSITORY; "
        "from datamodules.trusted import trust_folder; trust_folder(REPOSITORY / 'tests'); "
        "from experiments.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, cwd=REPOSITORY)
    os.close(writer)
    assert done.returncode == 141 and done.stderr == b""


def test_a_benchmark_ends_with_the_commands_that_use_its_best_run(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = read_rows(finished)
    with (console := plain_console(width=40)).capture() as capture:
        _show_use(finished, rows, [], console)
    title, first, second = capture.get().splitlines()
    best = max(rows, key=lambda row: row.val.accuracy if row.val else 0.0)
    assert title.startswith(f"{best.experiment} has the best validation accuracy")
    code, printed, _ = predict(capsys, *shlex.split(first)[2:])
    assert code == 0 and printed.endswith("\tA fine film.\n")
    words = parse_words(shlex.split(second)[2:], parser()[1]["predict"])[0]
    assert words.run == finished / best.experiment / f"seed-{best.seed}" and words.out
    with console.capture() as capture:
        _show_use(finished, [], [], console)
    assert not capture.get()


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (os.environ["MARKER"],)


@pytest.mark.parametrize("fault", ["gone", "edited", "pickle", "junk", "other weights", "version"])
def test_a_run_that_is_not_as_it_was_left_is_refused(
    fault: str, bag: Path, tmp_path: Path, marker: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(bag, run)
    weights, row_file = run / "model.ckpt", run / "row.json"
    row = json.loads(row_file.read_text())
    if fault == "gone":
        weights.unlink()
    elif fault == "edited":
        weights.write_bytes(weights.read_bytes() + b"x")
    elif fault == "version":
        row["schema"] = 99
    elif fault == "pickle":
        torch.save({"hyper_parameters": Evil(), "state_dict": {}}, weights)
    elif fault == "junk":
        weights.write_bytes(pickle.dumps("x" * 10))
    else:
        checkpoint = torch.load(weights, weights_only=True)
        checkpoint["state_dict"] = {"net.other": torch.zeros(1)}
        torch.save(checkpoint, weights)
    if fault in ("pickle", "junk", "other weights"):  # the list of files is forged, too
        row["checksums"]["model.ckpt"] = hashlib.sha256(weights.read_bytes()).hexdigest()
    row_file.write_text(json.dumps(row))
    code, printed, told = predict(capsys, run, "good")
    assert (code, printed) == (1, "") and told.startswith("error: ") and not marker.exists()
    remedy = {"version": "version"}.get(fault, "run the experiment again")
    assert str(run) in told and remedy in told, told
