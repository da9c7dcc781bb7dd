"""Each corpus goes from its file to a table and to predictions by the first commands, or is
refused with a reason and a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.own_data.catalogue import CASES, marked
from tests.own_data.commands import Terminal, check_predictions, check_refusal, check_table

FAILING = {
    "chinese": "a clause is one token; at chance, without a word",
    "thai": "a sentence is a few tokens; at chance, without a word",
    "noise": "nothing is said of a result that is no better than the largest class",
    "rare_class": "no recall of the rare class is shown",
    "regression": "numbers are taken for classes, and the message speaks of too few texts",
    "booleans": "`true` of JSON and `True` of CSV are two labels",
    "case_and_width": "labels that differ in case or width alone are classes, without a word",
    "exotic": "a label with a line break becomes two lines of `predict`",
    "invisible": "labels with other spaces or composition are classes, without a word",
    "missing": "`nan`, `NaN` and `None` are classes, without a word",
    "numbers": "0 and 0.0 are two classes",
    "numbers_of_formats": "1 of JSON and 1.0 of CSV are two labels",
    "truths": "`True`, `TRUE` and `true` are three classes, without a word",
    "excel_separator": "`sep=;` is taken for a column's name",
    "gzipped": ".gz is not read",
    "json_lines_in_json": ".json is not read",
    "json_records": ".json is not read",
    "label_first_no_header": "no option for a file without header",
    "latin1": "no option for the encoding",
    "no_header": "no option for a file without header",
    "odd_columns": "a column's name with a colon or brackets is read as YAML",
    "pipes": "other delimiters are not guessed, and .txt is refused",
    "semicolons": "other delimiters are not guessed",
    "tabs_in_csv": "other delimiters are not guessed",
    "two_text_columns": "the message offers a name that two columns have",
    "unquoted": "a quotation mark begins a field in every TSV",
    "utf16": "no option for the encoding",
}
SLOW = {"one_megabyte", "many_classes", "very_long", "long_reviews", "intents", "uneven"}
NAIVE_BAYES = ["emoji", "word_order"]


@pytest.mark.parametrize("name", marked(list(CASES), FAILING, SLOW))
def test_from_file_to_table_to_prediction(name: str, tmp_path: Path, terminal: Terminal) -> None:
    _fit_and_predict("tfidf_logreg", name, tmp_path, terminal)


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
    if case.probes:
        check_predictions(terminal, case, terminal.run(experiment), case.floor)
