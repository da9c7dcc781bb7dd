"""The commands `audit` and `search`, on a corpus with planted faults and on runs."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.cells import cell_len

from experiments.audit.out_of_fold import out_of_fold
from experiments.audit.output import report_lines
from experiments.cli.main import main
from experiments.records.run_files import read_row
from tests.conftest import Command
from tests.corpora import make_review
from tests.experiments.conftest import REPOSITORY, TOY

NAMES = ("neg", "pos")
WRONG = (10, 51, 90, 131)
EVIL = "it was \x1b[31m <script>alert(1)</script> [/b] the film cafÃ© and the\nstory moving superb"


def write(file: Path, rows: list[tuple[str, str, str]]) -> Path:
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("text", "label", "author"), *rows])
    return file


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """240 reviews of 60 authors, then one of each fault; a test file with a copy of a train row."""
    folder = tmp_path_factory.mktemp("faults")
    rows = []
    for row in range(240):
        label = (row % 2) ^ (row in WRONG)
        rows.append((make_review(row, bool(row % 2)), NAMES[label], f"author{row // 4}"))
    words = rows[6][0].split()
    rows += [
        (rows[3][0], "pos", "a"),  # row 240, an exact copy
        (rows[4][0].upper().replace("<BR /><BR />", " "), "pos", "b"),  # 241, of another label
        (" ".join([*words[:-2], "really", *words[-2:]]), "neg", "c"),  # 242, similar
        ("", "neg", "d"),  # 243
        ("x", "neg", "d"),  # 244
        ("Der Film ist langweilig und die Handlung dumm, man fragt sich warum", "neg", "d"),  # 245
        (EVIL, "pos", "=SUM(A1)"),  # 246
    ]
    tests = [(make_review(900 + row, bool(row % 2)), NAMES[row % 2], "t") for row in range(20)]
    write(folder / "test.csv", [*tests, (rows[0][0], "neg", "t")])
    return write(folder / "train.csv", rows)


def audit(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main(["audit", *map(str, words)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_every_planted_fault_is_found(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "findings.csv"
    words = [corpus, "--data.test", corpus.with_name("test.csv"), "--out", out]
    code, printed, told = audit(capsys, *words)
    assert code == 0 and "247 train, 21 test" in printed
    assert "the labels of test are not judged; name a run" in told
    with out.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    found = {(one["finding"], one["split"], int(one["row"])): one for one in rows}
    for row in WRONG:
        one = found["label", "train", row]
        assert (one["label"], one["suggestion"]) == (NAMES[1 - row % 2], NAMES[row % 2])
        assert one["key"] == f"train.csv:{row + 2}" and float(one["score"]) < 0.5
    scores = [float(one["score"]) for one in rows if one["finding"] == "label"]
    assert scores == sorted(scores)
    others = {key: one["other"] for key, one in found.items() if one["other"]}
    assert others == {
        ("copy", "train", 240): "train.csv:5",
        ("copy but for markup", "train", 241): "train.csv:6",
        ("similar text", "train", 242): "train.csv:8",
        ("copy", "test", 20): "train.csv:2",
    }
    assert found["copy but for markup", "train", 241]["detail"] == "the other has label neg"
    odd = {key for key in found if key[0] in ("empty", "short", "foreign", "encoding")}
    kinds = zip(("empty", "short", "foreign", "encoding"), range(243, 247), strict=True)
    assert odd == {(kind, "train", row) for kind, row in kinds}
    assert found["encoding", "train", 246]["text"] == EVIL  # in the file it is what it was
    assert "\x1b" not in printed and "test in train" in printed

    before = out.read_bytes()
    code, _, told = audit(capsys, *words)
    assert code == 1 and "exists; add --force" in told and out.read_bytes() == before


def test_json_has_the_figures_and_groups_are_kept_together(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "audit.json"
    words = [corpus, "--data.group_column", "author", "--folds", 3, "--show", 1, "--out", out]
    code, printed, _ = audit(capsys, *words)
    report = json.loads(out.read_text(encoding="utf-8"))
    assert code == 0 and printed.count("→") == 1
    (labels,) = report["labels"]
    assert labels["by"] == "tfidf_logreg in 3 folds" and labels["rows"] == 247
    assert labels["likely_wrong"] == sum(one["finding"] == "label" for one in report["findings"])
    assert report["copies"]["train in train"] == {
        "copy": 1,
        "copy but for markup": 1,
        "similar text": 1,
    }
    assert report["other_labels"] == 1 and report["odd"]["encoding"] == 1


def test_no_row_is_judged_by_a_model_that_learnt_from_its_group(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from experiments.audit.parts import read_rows
    from experiments.cli import corpora
    from experiments.cli.parser import parser

    options = parser()[1]["audit"].parse_args([str(corpus)])
    model, data = corpora._corpus(options, ["--data.group_column=author"])
    rows, learnt = read_rows(data), list[set[int]]()
    from datamodules.store.train_view import TrainView

    build = TrainView.build

    def spy(store: Any, encoder: Any, numbers: np.ndarray, vectors: Any) -> TrainView:
        learnt.append(set(numbers.tolist()))
        return build(store, encoder, numbers, vectors)

    monkeypatch.setattr(TrainView, "build", spy)
    probabilities = out_of_fold(model, data, rows, folds=4)
    assert probabilities.shape == (247, 2) and not np.isnan(probabilities).any()
    held_out = [set(range(247)) - one for one in learnt]
    assert sorted(row for one in held_out for row in one) == list(range(247))
    assert rows.groups is not None
    for one, others in zip(held_out, learnt, strict=True):
        assert not {rows.groups[row] for row in one} & {rows.groups[row] for row in others}
    assert any({3, 240} <= one for one in held_out)  # copies of a text, too


def test_a_label_that_other_folds_do_not_have_is_not_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [(make_review(row, bool(row % 2)), NAMES[row % 2], "a") for row in range(40)]
    write(tmp_path / "rare.csv", [*rows, ("a text of its own class", "mixed", "a")])
    code, printed, told = audit(capsys, tmp_path / "rare.csv")
    assert code == 0 and "40 judged, 1 not judged" in printed, told


def test_a_copy_names_the_row_whose_label_is_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [(make_review(n, bool(n % 2)), NAMES[n % 2], "a") for n in range(40)]
    rows += [("one text, three rows", NAMES[label], "a") for label in (0, 1, 0)]
    out = tmp_path / "found.json"
    code, printed, told = audit(capsys, write(tmp_path / "own.csv", rows), "--out", out)
    assert code == 0 and "2  copies whose text has another label before" in printed, told
    copies = [f for f in json.loads(out.read_text())["findings"] if f["finding"] == "copy"]
    assert [(one["row"], one["other"], one["detail"]) for one in copies] == [
        (41, "own.csv:42", "the other has label neg"),
        (42, "own.csv:42", "own.csv:43 has label pos"),
    ]


def test_a_corpus_without_validation_rows_is_judged_in_folds_where_it_can_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All `pos` are of one author, so that `fit` can set none aside, and a fold has them all."""
    authors = ["a"] * 6 + ["b", "b", "c", "c", "d", "d", "e", "e"]
    labels = ["pos"] * 6 + ["neg"] * 4 + ["mixed"] * 4
    rows = [(make_review(n, n < 6), *of) for n, of in enumerate(zip(labels, authors, strict=True))]
    file = write(tmp_path / "few.csv", rows)
    words = [file, "--data.group_column", "author"]
    assert main(["fit", "-c", "tfidf_logreg", "--data", *map(str, words)]) == 1
    assert "too few groups" in capsys.readouterr().err
    code, printed, told = audit(capsys, *words)
    assert code == 0 and "8 judged, 6 not judged" in printed, told
    assert main(["search", str(file), "a moving film", "--data.group_column=author"]) == 0


@pytest.mark.parametrize(
    ("texts", "words", "message"),
    [
        (["good film", "bad film", "fine one", "awful one"], [], "too few for 5 folds"),
        (
            ["good film", "bad film", "fine one", "awful one"],
            ["--folds", 2],
            "TfidfLogReg cannot be fitted to the 2 rows outside fold 1 of 2: min_df 2 leaves no "
            "n-gram of the 2 texts; lower it (a setting is given as --model.NAME VALUE)",
        ),
        (["good", "bad"], ["--folds", 2], "no label can be judged: without the fold of a row"),
        (["good film", "bad film"] * 9, ["--folds", 2], "(18 rows in 2 groups, 2 folds)"),
    ],
)
def test_a_corpus_too_small_to_judge_says_why(
    texts: list[str],
    words: list[object],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [(text, NAMES[number % 2], "a") for number, text in enumerate(texts)]
    code, _, told = audit(capsys, write(tmp_path / "few.csv", rows), *words)
    assert code == 1 and message in told, told


@pytest.fixture(scope="module")
def judges(fork_server: object, lit: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs on a made corpus: one with folds, and one that was tested."""
    runs = tmp_path_factory.mktemp("judges")
    for words in (["--run.folds", "3", "--name", "folds"], ["--test", "--name", "tested"]):
        done = lit("fit", "-c", "tfidf_logreg", "--runs", runs, *TOY, *words)
        assert done.returncode == 0, done.stderr
    return runs


def test_stored_predictions_judge(
    judges: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [judges / name / "tfidf_logreg" / "seed-0" for name in ("folds", "tested")]
    toy, out = ["tests.toys.ToyData", "--data.rows=120"], tmp_path / "a.json"
    code, printed, told = audit(capsys, *toy, "--run", *runs, "--out", out)
    assert code == 0 and "fold 1" not in told, told
    labels = {one["split"]: one for one in json.loads(out.read_text())["labels"]}
    for split, run, part in (("train", runs[0], "val"), ("test", runs[1], "test")):
        metrics = read_row(run).parts[part]
        assert labels[split]["accuracy"] == pytest.approx(metrics.accuracy)
        assert labels[split]["rows"] == metrics.n
    code, _, told = audit(capsys, "tests.toys.ToyData", "--data.rows=140", "--run", runs[1])
    assert code == 1 and "name a run on the same corpus" in told


def test_lines_fit_a_narrow_terminal(
    corpus: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = []
    import experiments.audit.output as output

    monkeypatch.setattr(output, "report_lines", lambda r, *a: kept.append(r) or report_lines(r, *a))
    assert audit(capsys, corpus)[0] == 0
    for width in (20, 40, 200):
        lines = list(report_lines(kept[0], 3, width))
        assert max(map(cell_len, lines)) <= width and all(line.isprintable() for line in lines)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere.csv"], "nowhere.csv"),
        (["no/such/folder"], "no such file or folder"),
        (["Nothing"], "Nothing"),
        (["{corpus}", "--out", "a.docx"], "'.docx' says no format"),
        (["{corpus}", "--out", "no/where.csv"], "there is no folder no"),
        (["{corpus}", "--force"], "--force replaces an --out FILE"),
        (["{corpus}", "--folds", "1"], "--folds is 1; it must be at least 2"),
        (["{corpus}", "--folds", "4000"], "too few for 4000 folds"),
        (["{corpus}", "--model", "cnn"], "CNN is not fitted in a few seconds"),
        (["{corpus}", "--model", "nothing"], "no experiment 'nothing'"),
        (["{corpus}", "--run", "nowhere"], "nowhere: no finished run"),
        (["{corpus}", "--label-audit", "f.json"], "the corpus has no test rows"),
        (["{corpus}", "--data.label_column", "none"], "none"),
        (["{folder}"], "neither aclImdb/ nor aclImdb*.tar*"),
        (["{folder}", "--root", "x"], "both name the corpus"),
        (["{run}"], "is a run, and an audit reads a corpus; name imdb, the official folder"),
        (["{run}"], "a run judges its labels after --run"),
        (["{benchmark}"], "{benchmark}: is a folder of runs, such as {run}, and an audit reads"),
        (
            ["{corpus}", "--root", "x"],
            "--root x: is the place of the official corpus",
        ),
        (["{corpus}", "--data", "x.csv"], "both name a corpus"),
        (
            ["{corpus}", "--run.folds=3"],
            "--run.folds=3: would change nothing here; settings can be",
        ),
    ],
)
def test_bad_input_ends_with_a_message(
    words: list[str], message: str, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = REPOSITORY / "tests/old_runs/runs/file/vector_average_logreg/seed-0"
    names = {"corpus": corpus, "folder": corpus.parent, "run": run, "benchmark": run.parents[1]}
    code, printed, told = audit(capsys, *(word.format(**names) for word in words))
    assert code == 1 and message.format(**names) in told and "Traceback" not in told, told
    assert not printed
