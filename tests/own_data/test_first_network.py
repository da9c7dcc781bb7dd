"""Networks with their defaults on small corpora, where naive Bayes shows what can be reached."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.own_data.catalogue import CASES
from tests.own_data.commands import Terminal, check_predictions, check_refusal, check_table

pytestmark = [pytest.mark.networks, pytest.mark.timeout(900)]

MIDDLE = ["arabic", "german", "intents", "long_reviews", "short", "uneven", "word_order"]
ODD = [
    *("chinese", "thai", "hindi", "emoji", "mixed", "rare_class", "twenty_rows", "many_classes"),
    *("very_long", "near_duplicates", "noise", "exotic", "one_megabyte", "line_breaks"),
]
NO_BETTER = "(?i)no better than|largest class|larger class"


@pytest.mark.parametrize("name", MIDDLE)
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


@pytest.mark.parametrize("name", ODD)
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
