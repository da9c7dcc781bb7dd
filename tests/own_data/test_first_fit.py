"""Each corpus goes from its file to a table and to predictions by the first commands, or is
refused with a reason and a remedy."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.own_data.catalogue import CASES, marked
from tests.own_data.commands import Terminal, check_predictions, check_refusal, check_table

# The most telling ones, half of them refused; the others are slow together.
FAST = {
    *("chinese", "rare_class", "missing", "odd_columns", "unquoted", "pipes"),
    *("regression", "no_header", "two_text_columns", "json_columns", "ragged", "header_only"),
}
NAIVE_BAYES = ["emoji", "word_order"]


@pytest.mark.parametrize("name", marked(list(CASES), {}, set(CASES) - FAST))
def test_from_file_to_table_to_prediction(name: str, tmp_path: Path, terminal: Terminal) -> None:
    _fit_and_predict("tfidf_logreg", name, tmp_path, terminal)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAIVE_BAYES)
def test_the_same_with_naive_bayes(name: str, tmp_path: Path, terminal: Terminal) -> None:
    _fit_and_predict("nb_logreg", name, tmp_path, terminal)


def _fit_and_predict(experiment: str, name: str, folder: Path, terminal: Terminal) -> None:
    case = CASES[name](folder)
    done = terminal.fit(experiment, case)
    if done.code != 0:
        check_refusal(done, case, terminal.runs)
        assert case.outcome != "works", done.err
        if not case.remedy:
            return
        done = terminal.fit(experiment, case, *case.remedy)
    assert case.outcome != "refuses", done.out
    check_table(done, case, experiment, terminal.run(experiment))
    if case.advice:
        assert all(word in done.out for word in case.advice), done.out
        done = terminal.fit(experiment, case, *case.advice)
        check_table(done, dataclasses.replace(case, says=()), experiment, terminal.run(experiment))
    if case.probes:
        check_predictions(terminal, case, terminal.run(experiment), case.floor)
