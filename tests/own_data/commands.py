"""The first commands of a user, in this process, and what their output must be like."""

from __future__ import annotations

import io
import re
import sys
import traceback
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import lightning.pytorch  # noqa: F401  its log keeps the standard error that it is imported with
import pytest

from experiments.cli.main import main
from experiments.records.row import Row
from experiments.records.run_files import read_row
from tests.own_data.case import Case

OWN = ("--data", "datamodules.files.TextFiles")


@dataclass(frozen=True)
class Done:
    """A command that has ended: its exit code and what it printed."""

    code: int
    out: str
    err: str


class Terminal:
    """Types commands and reads what they print.

    Args:
        folder: where the runs go.
        capsys: takes what is printed.
        patch: gives the commands their standard input.
    """

    def __init__(
        self, folder: Path, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch
    ) -> None:
        self.runs, self.capsys, self.patch = folder / "runs", capsys, patch

    def type(self, *words: str, stdin: str = "") -> Done:
        """Run one command; an exception that leaves it is a traceback on its standard error."""
        data = io.BytesIO(stdin.encode())
        self.patch.setattr(sys, "stdin", io.TextIOWrapper(data, encoding="utf-8"))
        self.capsys.readouterr()
        try:
            code = main(words)
        except SystemExit as end:  # of argparse
            code = end.code if isinstance(end.code, int) else 1
        except Exception:
            code = 1
            traceback.print_exc()
        return Done(code, *self.capsys.readouterr())

    def fit(self, experiment: str, case: Case, *words: str) -> Done:
        """Fit an experiment to a corpus by the first command of the README."""
        given = ("fit", "-c", experiment, *OWN, "--data.train", str(case.train))
        quiet = ("--runs", str(self.runs), "--run.wandb_mode", "disabled")
        return self.type(*given, *case.options, *words, *quiet)

    def run(self, experiment: str, benchmark: str = "fit") -> Path:
        """Folder of the run."""
        return self.runs / benchmark / experiment / "seed-0"

    def predict(self, run: Path, texts: Sequence[str]) -> list[str]:
        """Labels that a run gives to texts, one a line on standard input."""
        lines = [" ".join(text.split()) for text in texts]
        done = self.type("predict", str(run), stdin="\n".join(lines) + "\n")
        assert done.code == 0, done.err
        printed = done.out.rstrip("\n").split("\n")
        assert len(printed) == len(lines), printed[:5]
        return [line.split("\t")[0] for line in printed]


def shown(label: str, folded: bool = False) -> str:
    """A label as one line of a terminal can show it: composed, line breaks and tabs escaped."""
    if folded:
        visible = label.replace("\N{ZERO WIDTH SPACE}", "").strip()
        return unicodedata.normalize("NFKC", visible).casefold()
    composed = unicodedata.normalize("NFC", label)
    return composed.replace("\n", "\\n").replace("\t", "\\t")


def check_refusal(done: Done, case: Case, runs: Path) -> None:
    """A refusal is one message with file, value, rule and remedy, and leaves no result."""
    assert "Traceback" not in done.err and "Error:" not in done.err, done.err[-600:]
    assert done.code == 1, (done.code, done.err)
    assert len(re.findall("^error: ", done.err, re.M)) == 1, done.err
    assert len(done.err) < 1000 and done.err.count("\n") <= 4, done.err
    assert case.train.name in done.err, done.err
    message = done.err.replace(str(case.train.parent), "")  # whose digits say nothing
    for pattern in (*case.refusal, *map(re.escape, case.remedy[:1])):
        assert re.search(pattern, message), (pattern, message)
    remedy = (
        r"--data\.\w+|\b(remove|give|save|write|name|use|add|quote|fill|convert|choose|set|put)\b"
    )
    assert re.search(remedy, message), f"no remedy: {message}"
    assert not list(runs.rglob("row.json"))


def check_table(done: Done, case: Case, experiment: str, run: Path) -> Row:
    """A table names experiment and corpus, and every row of the file is used or counted."""
    assert done.code == 0, done.err[-600:]
    assert "Traceback" not in done.out + done.err
    assert experiment in done.out and "validation" in done.out, done.out
    row = read_row(run)
    assert row.status == "ok" and row.val is not None and row.train_rows is not None
    used = row.train_rows
    if row.protocol == "holdout" and "--data.validation" not in case.options:
        used += row.val.n  # `refit` has learnt from them, too
    if "--data.test" not in case.options:
        tested = re.search(r"([\d,]+) test ", done.out)
        used += int(tested[1].replace(",", "")) if tested else 0
    if row.protocol == "refit" and "--data.validation" in case.options:
        used -= row.val.n
    lost = len(case.rows) - used
    assert lost >= 0, f"{-lost} rows more than the file has"
    assert lost == 0 or re.search(rf"\b{lost}\b", done.out), f"{lost} rows lost without a word"
    for pattern in case.says:
        assert re.search(pattern, done.out, re.S), (pattern, done.out)
    return row


def check_predictions(terminal: Terminal, case: Case, run: Path, floor: float) -> float:
    """New texts get the labels that the user wrote, and as many right ones as `floor` says."""
    predicted = terminal.predict(run, [text for text, _ in case.probes])
    given = [shown(label, case.folded) for label in predicted]
    strangers = set(given) - {shown(label, case.folded) for label in case.classes}
    assert not strangers, f"labels that nobody wrote so: {sorted(strangers)}"
    hits = [a == shown(b, case.folded) for a, (_, b) in zip(given, case.probes, strict=True)]
    right = sum(hits) / len(hits)
    assert right >= floor, f"{right:.3f} of new texts are right; the corpus allows {case.floor}"
    return right
