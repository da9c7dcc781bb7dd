"""Networks with their defaults on small corpora, where naive Bayes shows what can be reached."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from experiments.records.run_files import read_row
from tests.conftest import Command
from tests.own_data.case import write_csv
from tests.own_data.catalogue import CASES, marked
from tests.own_data.commands import OWN, Terminal, check_predictions, check_refusal, check_table

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MIDDLE = ["arabic", "german", "intents", "long_reviews", "short", "uneven", "word_order"]
FAILING_OF_MIDDLE: dict[str, str] = {}
ODD = [
    *("chinese", "thai", "hindi", "emoji", "mixed", "rare_class", "twenty_rows", "many_classes"),
    *("very_long", "near_duplicates", "noise", "exotic", "one_megabyte", "line_breaks"),
]
FAILING_OF_ODD: dict[str, str] = {}
NO_BETTER = "(?i)no better than|largest class|larger class"


@pytest.mark.parametrize("name", marked(MIDDLE, FAILING_OF_MIDDLE))
def test_cnn_reaches_95_percent_where_naive_bayes_reaches_98(
    name: str, tmp_path: Path, terminal: Terminal
) -> None:
    """On 700 to 2,000 rows, each with its defaults, on new texts."""
    case = CASES[name](tmp_path)
    assert 700 <= len(case.rows) <= 2000
    for experiment, floor in (("nb_logreg", 0.98), ("cnn", 0.95)):
        done = terminal.fit(experiment, case)
        check_table(done, case, experiment, terminal.run(experiment))
        check_predictions(terminal, case, terminal.run(experiment), floor)


@pytest.mark.parametrize("name", marked(ODD, FAILING_OF_ODD))
def test_cnn_learns_says_that_it_does_not_or_refuses(
    name: str, tmp_path: Path, terminal: Terminal
) -> None:
    case = CASES[name](tmp_path)
    done = terminal.fit("cnn", case)
    if done.code != 0:
        assert case.outcome != "works", done.err
        check_refusal(done, case, terminal.runs)
        return
    check_table(done, case, "cnn", terminal.run("cnn"))
    if case.probes and not re.search(NO_BETTER, done.out):
        check_predictions(terminal, case, terminal.run("cnn"), case.floor)


@pytest.mark.parametrize("experiment", ["nb_logreg", "nb_bag"])
def test_many_classes_cost_at_most_as_much_more_as_there_are_more_of_them(
    experiment: str, lit: Command, tmp_path: Path
) -> None:
    """150 classes against 2 on the same texts: at most 75 times the time of training."""
    case = CASES["many_classes"](tmp_path)
    halves = [(text, "even" if int(label[-1]) % 2 == 0 else "odd") for text, label in case.rows]
    files = {"two": write_csv(tmp_path / "two.csv", halves), "many": case.train}
    seconds, parameters = {}, {}
    for name, file in files.items():
        words = ("fit", "-c", experiment, *OWN, "--data.train", file, "--run.wandb_mode")
        try:
            done = lit(*words, "disabled", "--runs", tmp_path / name, timeout=240)
        except subprocess.TimeoutExpired:
            pytest.fail(f"{name} classes: not done after four minutes")
        assert done.returncode == 0, done.stderr
        row = read_row(tmp_path / name / "fit" / experiment / "seed-0")
        seconds[name], parameters[name] = row.train_seconds, row.parameters
    assert seconds["many"] <= 75 * seconds["two"]
    assert parameters["many"] <= 75 * parameters["two"], parameters
