"""Rows from outside: files of predictions, their faults, and the row that is published."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from experiments.cli.main import main
from experiments.config.registry import Registry
from experiments.records import logs
from experiments.records.claims import PER_CLASS, read_claim
from experiments.records.counts import counts
from experiments.records.metrics import evaluate
from experiments.records.problems.class_predictions import Predictions
from experiments.records.publishing import (
    SUPERSEDED,
    publish,
    read_published_evidence,
    store,
    verify_published,
)
from experiments.records.row import ResultsError, Row
from experiments.records.run_files import read_table
from experiments.report import read_tables, report
from experiments.report.provenance import find_origin
from experiments.report.readme.grids import full_table
from experiments.report.readme.top import find_candidates
from experiments.report.terminal import print_tables
from experiments.statistics.comparison import compare
from tests.rows import make_row, make_run

N = 2 * PER_CLASS
LABELS = np.arange(N) // PER_CLASS
PAPER = "https://example.org/papers/a_very/deep-one.pdf"


def probabilities(seed: int = 0, accuracy: float = 0.9) -> np.ndarray:
    generator = np.random.default_rng(seed)
    sure = generator.uniform(0.5, 1, N)
    return np.where((generator.random(N) < accuracy) == (LABELS == 1), sure, 1 - sure)


def official(number: int) -> str:
    """Key of a row in the archive; the rating is any of its class."""
    return f"test/{('neg', 'pos')[number // PER_CLASS]}/{number % PER_CLASS}_{number % 4 + 1}"


def text_of(values: np.ndarray, name: Callable[[int], str] = official, both: bool = False) -> str:
    lines = ["id,prob_0,prob_1" if both else "id,prob_1"]
    for at, value in enumerate(values):
        lines.append(f"{name(at)},{1 - value:.8f},{value:.8f}" if both else f"{name(at)},{value}")
    return "\n".join(lines) + "\n"


def claim(home: Path, text: str, *words: str, name: str = "theirs") -> int:
    file = home / "claim.csv"
    home.mkdir(parents=True, exist_ok=True)
    file.write_text(text, newline="")
    fixed = ["publish", "--predictions", str(file), "--name", name, "--paper", PAPER]
    return main([*fixed, "--results", str(home), *words])


def test_all_metrics_are_computed_and_the_row_says_what_it_is(tmp_path: Path) -> None:
    values = probabilities()
    assert claim(tmp_path, text_of(values)) == 0
    [row] = verify_published(tmp_path)
    assert (row.experiment, row.origin, row.paper) == ("theirs", "claimed", PAPER)
    assert (row.task, row.corpus, row.profile, row.seed) == ("imdb-v1", "imdb", "full", 0)
    assert row.val is None and row.parameters is None and row.track == "open weights"
    expected = evaluate(LABELS, np.stack([1 - values, values], axis=1))
    assert row.test and row.test.n == N
    assert row.test.accuracy == expected.accuracy
    assert row.test.log_loss == pytest.approx(expected.log_loss, abs=1e-4)
    evidence = read_published_evidence(tmp_path, row)
    assert evidence.parts.keys() == {"test"}
    groups = evidence.parts["test"].groups
    assert groups is not None and 3000 < len(np.unique(groups)) < 4000
    # Its reviews and labels are those of our rows.
    home = logs.RESULTS
    ours = next(one for one in read_table(home / "imdb.jsonl") if one.experiment == "nb_bag")
    test = read_published_evidence(home, ours).parts["test"]
    assert np.array_equal(test.labels, LABELS) and np.array_equal(test.groups, groups)
    assert ours.corpus_fingerprint == row.corpus_fingerprint


@pytest.mark.parametrize(
    "name",
    [
        official,
        lambda at: official(at).removeprefix("test/"),
        lambda at: f"{official(at)}.txt",
        str,
    ],
)
@pytest.mark.parametrize("both", [False, True])
def test_every_form_of_an_id_and_any_order(
    tmp_path: Path, name: Callable[[int], str], both: bool
) -> None:
    values = probabilities()
    head, *lines = text_of(values, name, both).splitlines()
    order = np.random.default_rng(0).permutation(N)
    mixed = "\r\n".join([head, *(lines[at] for at in order)])  # no last line ending
    (tmp_path / "claim.csv").write_text("\ufeff" + mixed + "\r\n\r\n", newline="")
    found = read_claim(tmp_path / "claim.csv", N)
    assert found[:, 1] == pytest.approx(values, abs=1e-7)
    assert found.sum(axis=1) == pytest.approx(np.ones(N))


def replaced(line: int, by: str) -> Callable[[list[str]], list[str]]:
    return lambda lines: [*lines[:line], *([by] if by else []), *lines[line + 1 :]]


@pytest.mark.parametrize(
    ("edit", "error"),
    [
        (replaced(7, ""), r"1 of 25,000 ids are missing, the first is test/neg/6_… \(row 6\)"),
        (lambda lines: lines[:1], "25,000 of 25,000 ids are missing"),
        (lambda lines: [*lines, "test/neg/6_1,0.5"], r"row 25002: id 'test/neg/6_1' \(row 6\) occ"),
        (replaced(3, "6,0.5"), r"row 8: id 'test/neg/6_3' \(row 6\) occurs twice"),
        (replaced(3, "test/neg/2_3,nan"), "row 4: 'nan' is no probability; .* in 0..1"),
        (replaced(3, "test/neg/2_3,inf"), "'inf' is no probability"),
        (replaced(3, "test/neg/2_3,1.01"), "'1.01' is no probability"),
        (replaced(3, "test/neg/2_3,-0.1"), "'-0.1' is no probability"),
        (replaced(3, "test/neg/2_3,"), "'' is no probability"),
        (replaced(3, "test/neg/2_3,yes"), "'yes' is no probability"),
        (replaced(3, "test/neg/2_3"), "row 4 has 1 values; it must have 2"),
        (replaced(3, "test/neg/2_3,0.5,0.5"), "row 4 has 3 values; it must have 2"),
        (replaced(3, "test/neg/12500_3,0.5"), "'test/neg/12500_3' is no id of 25,000 reviews"),
        (replaced(3, "train/neg/2_3,0.5"), "'train/neg/2_3' is no id .*such as test/neg/10003_3"),
        (replaced(3, "25000,0.5"), "'25000' is no id"),
        (replaced(3, "-1,0.5"), "'-1' is no id"),
        (replaced(3, "\u0663,0.5"), "is no id"),
        (replaced(3, ",0.5"), "'' is no id"),
        (replaced(0, "id,prob"), "the header is 'id,prob'; it must be id,prob_1 or id,prob_0,pro"),
        (replaced(0, "id,prob_1,prob_0"), "the header is 'id,prob_1,prob_0'"),
        (replaced(0, "id;prob_1"), "the header is 'id;prob_1'"),
        (replaced(0, ""), "the header is 'test/neg/0_1,"),
        (lambda lines: [], "the header is ''"),
        (replaced(3, f"{'x' * 2**20},0.5"), r"not a CSV file in UTF-8 \(field larger"),
        (replaced(3, f"{'x' * 10**5},0.5"), r"row 4: 'x{60}…' is no id"),
        (replaced(3, f"test/neg/2_3,{'9' * 10**5}"), r"row 4: '9{60}…' is no probability"),
        (replaced(0, "x" * 10**5), r"the header is 'x{60}…'"),
    ],
)
def test_a_fault_is_named_and_nothing_is_written(
    tmp_path: Path,
    edit: Callable[[list[str]], list[str]],
    error: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = edit(text_of(np.full(N, 0.25)).splitlines())
    with pytest.raises(ResultsError, match=error):
        file = tmp_path / "claim.csv"
        file.write_text("\n".join(lines), encoding="utf-8")
        read_claim(file, N)
    assert claim(tmp_path, "\n".join(lines)) == 1
    assert len(capsys.readouterr().err) < 600
    assert [file.name for file in tmp_path.iterdir()] == ["claim.csv"]


def test_sums_and_bytes(tmp_path: Path) -> None:
    file = tmp_path / "claim.csv"
    text = text_of(np.full(N, 0.25), both=True)
    file.write_text(text.replace("0.75000000,", "0.75050000,", 1))
    assert np.isfinite(read_claim(file, N)).all()
    file.write_text(text.replace("0.75000000,", "0.75200000,", 1))
    with pytest.raises(
        ResultsError, match="row 2: the probabilities sum to 1.002; .* within 0.001"
    ):
        read_claim(file, N)
    file.write_bytes(text.encode("utf-16"))
    with pytest.raises(ResultsError, match="not a CSV file in UTF-8"):
        read_claim(file, N)
    with pytest.raises(ResultsError, match="none.csv: no such file"):
        read_claim(tmp_path / "none.csv", N)


def test_publishing_again_replaces_the_row(tmp_path: Path) -> None:
    assert claim(tmp_path, text_of(probabilities())) == 0
    [first] = verify_published(tmp_path)
    assert claim(tmp_path, text_of(probabilities(1))) == 0
    [second] = verify_published(tmp_path)
    assert first.test != second.test
    [kept] = verify_published(tmp_path / SUPERSEDED)
    assert kept.test == first.test
    assert claim(tmp_path, text_of(probabilities(2)), "--seed", "1", "--track", "labels") == 0
    assert [row.seed for row in verify_published(tmp_path)] == [0, 1]


def ours(folder: Path, name: str = "cnn", seed: int = 0) -> None:
    """Publish a row of a run on the official test reviews beside claimed ones."""
    [claimed] = [row for row in read_table(folder / "imdb.jsonl") if row.claimed]
    parts = read_published_evidence(folder, claimed).parts
    values = probabilities(5, 0.8)
    columns = np.stack([1 - values, values], axis=1)
    test = dataclasses.replace(parts["test"], probabilities=columns)
    val = Predictions(np.arange(100), LABELS[::250].copy(), columns[::250])
    same = {n: getattr(claimed, n) for n in ("corpus", "corpus_fingerprint", "profile", "task")}
    row = make_row(experiment=name, seed=seed, **same).with_parts(
        {p: evaluate(x.labels, x.probabilities) for p, x in (("val", val), ("test", test))}
    )
    store([(row, {"val": val, "test": test})], "imdb", folder)


def test_a_table_with_both_kinds_says_which_is_which(tmp_path: Path) -> None:
    assert claim(tmp_path, text_of(probabilities())) == 0
    ours(tmp_path)
    [table], _ = read_tables(tmp_path)
    assert [(line.label, line.group) for line in table.lines] == [("theirs†", ""), ("cnn", "")]
    [note] = [note for note in table.notes if note.startswith("†")]
    assert PAPER in note and "was not run" in note
    assert set(table.analyses["test_accuracy"].calibration) == {"cnn"}
    files = report(tmp_path)
    console = Console(width=100, file=io.StringIO(), color_system=None)
    print_tables(console, [table])
    assert isinstance(console.file, io.StringIO)
    markdown = files.markdown.read_text()
    page = files.html.read_text().partition("<body")[2]
    for text in (markdown, page, console.file.getvalue(), full_table([table], "imdb", Registry())):
        assert "theirs†" in text or "`theirs`†" in text
        assert "† Claimed" in " ".join(text.split()) and "cnn†" not in text
    assert "theirs†</a>" in page and "theirs† <span>" in page
    assert [one.line.experiment for one in find_candidates([table], "imdb")] == ["cnn"]
    line = table.lines[0]
    assert find_origin(line, "imdb", tmp_path, []).commands == [
        f"lit-sentiment publish --predictions FILE --name theirs --paper {PAPER}"
    ]
    # Nobody knows the looks of others.
    (tmp_path / logs.TEST_LOG).write_bytes((logs.RESULTS / logs.TEST_LOG).read_bytes())
    assert set(counts(read_table(tmp_path / "imdb.jsonl"), tmp_path)) == {"cnn"}
    assert compare(tmp_path, tmp_path).missing == []


def test_a_table_of_claimed_rows_alone(tmp_path: Path) -> None:
    assert claim(tmp_path, text_of(probabilities())) == 0
    report(tmp_path)
    [table], _ = read_tables(tmp_path)
    assert "Protocol" not in dict(table.facts)
    text = full_table([table], "imdb", Registry())
    assert "benchmark" not in text and "Protocol" not in text


@pytest.mark.parametrize("first", ["claimed", "recomputed"])
def test_a_name_has_one_origin(
    tmp_path: Path, first: str, capsys: pytest.CaptureFixture[str]
) -> None:
    [run] = [make_run(tmp_path / "runs", experiment="theirs", seed=3)]
    home = tmp_path / "home"
    if first == "claimed":
        assert claim(home, text_of(probabilities())) == 0
        with pytest.raises(ResultsError, match="'theirs' would name claimed and recomputed rows"):
            publish([run], "imdb", home)
    else:
        publish([run], "imdb", home)
        assert claim(home, text_of(probabilities())) == 1
        assert "give the claimed ones another --name" in capsys.readouterr().err
    assert len(verify_published(home)) == 1


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["RUN", "--predictions", "F", "--name", "n", "--paper", PAPER], "and no run folders"),
        (["--predictions", "F", "--name", "n"], "--predictions takes --name and --paper"),
        (["--predictions", "F", "--paper", PAPER], "--predictions takes --name and --paper"),
        (["RUN", "--table", "imdb", "--name", "n"], "add --predictions FILE"),
        (["RUN"], "no table is named"),
        (["--table", "imdb"], "0 runs were given"),
        (["--predictions", "F", "--name", "a/b", "--paper", PAPER], "'a/b' must be a plain"),
        (["--predictions", "F", "--name", "n", "--paper", "paper.pdf"], "must be an address"),
        (["--predictions", "F", "--name", "n", "--paper", "file:///x/y"], "must be an address"),
        (["--predictions", "F", "--name", "n", "--paper", "https://x/<b>"], "must be an address"),
    ],
)
def test_words_that_do_not_go_together(
    words: list[str], error: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["publish", *words, "--results", str(tmp_path)]) == 1
    assert error in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["val", "parameters", "epochs", "precision"])
def test_only_a_claimed_row_may_lack_what_a_run_has(missing: str) -> None:
    with pytest.raises(ResultsError, match=f"{missing} is None; an ok row must have it"):
        make_row(**{missing: None})
    lacking = {missing: None, "origin": "claimed", "paper": PAPER}
    assert isinstance(make_row(**lacking), Row)
    with pytest.raises(ResultsError, match="test is None"):
        make_row(**lacking, test=None)
