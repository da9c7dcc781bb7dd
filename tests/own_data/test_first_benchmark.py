"""A benchmark and its report on one file, or on files of different formats."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from tests.conftest import Command
from tests.own_data.case import Case
from tests.own_data.catalogue import CASES
from tests.own_data.commands import OWN, shown

pytestmark = [pytest.mark.networks, pytest.mark.timeout(900)]

EXPERIMENTS = ("tfidf_logreg", "nb_logreg", "cnn")


def _benchmark(lit: Command, case: Case, runs: Path) -> str:
    words = ("--data.train", case.train, *case.options, "--runs", runs, "--name", "own")
    given = [word for word in words if word != "--test"]  # a benchmark always tests
    done = lit("benchmark", *EXPERIMENTS, *OWN, *given, timeout=800)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["german", "uneven", "exotic", "file_name", "separate_files"])
def test_benchmark_and_report_on_own_files(name: str, tmp_path: Path, lit: Command) -> None:
    case = CASES[name](tmp_path)
    printed = _benchmark(lit, case, tmp_path / "runs")
    for experiment in EXPERIMENTS:
        assert re.search(rf"^{experiment} .*\d\d\.\d", printed, re.M), printed
    assert "refit" not in printed or "holdout" not in printed, "two protocols in one benchmark"
    assert re.search("(?i)largest class|majority", printed), "no row of the largest class"
    done = lit("report", tmp_path / "runs" / "own")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "runs" / "own" / "report.html").read_text(encoding="utf-8")
    read = html.unescape(page)
    for label in case.classes:
        assert label in read or shown(label) in read, label
    done = lit("predict", tmp_path / "runs" / "own" / "cnn" / "seed-0", case.probes[0][0])
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\t")[0] in {shown(label) for label in case.classes}
