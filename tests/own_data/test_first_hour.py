"""Next commands of a user with a corpus: weights for rare classes, groups, other folders, pipes."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.records.run_files import read_row
from tests.own_data.case import reviews, write_csv
from tests.own_data.catalogue import CASES
from tests.own_data.commands import OWN, Terminal, check_predictions, check_table


@pytest.mark.slow
def test_balanced_weights_find_the_rare_class(tmp_path: Path, terminal: Terminal) -> None:
    case = CASES["rare_class"](tmp_path)
    done = terminal.fit("tfidf_logreg", case, "--model.class_weights", "balanced")
    assert done.code == 0, done.err
    check_predictions(terminal, case, terminal.run("tfidf_logreg"), 0.85)


@pytest.mark.slow
def test_rows_of_an_author_are_held_out_together(tmp_path: Path, terminal: Terminal) -> None:
    """Then validation says what new authors show, which is less than other rows of known ones."""
    case = CASES["authors"](tmp_path)
    run = terminal.run("tfidf_logreg")
    assert terminal.fit("tfidf_logreg", case).code == 0
    rows = read_row(run).val
    words = ("--data.group_column", "author", "--data.validation_fraction", "0.25")
    done = terminal.fit("tfidf_logreg", case, *words)
    assert done.code == 0, done.err
    groups = read_row(run).val
    new = check_predictions(terminal, case, run, case.floor)
    assert rows is not None and rows.accuracy > 0.95
    assert groups is not None and abs(groups.accuracy - new) < 0.15, (groups.accuracy, new)


@pytest.mark.slow
def test_a_corpus_has_the_name_of_its_own_file(tmp_path: Path, terminal: Terminal) -> None:
    case = CASES["semicolons"](tmp_path)
    rows, _ = reviews(90)
    for name in ("january.csv", "february.csv"):
        write_csv(tmp_path / name, rows)
        words = ("--data.train", str(tmp_path / name), "--rerun")
        done = terminal.fit("tfidf_logreg", case, *words)
        assert done.code == 0, done.err
    assert "february" in done.out and "january" not in done.out, done.out


@pytest.mark.slow
def test_a_run_on_relative_paths_is_tested_from_another_folder(
    tmp_path: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, probes = reviews(91)
    write_csv(tmp_path / "train.csv", rows)
    write_csv(tmp_path / "test.csv", probes)
    monkeypatch.chdir(tmp_path)
    words = ("fit", "-c", "tfidf_logreg", *OWN, "--data.train", "train.csv")
    more = ("--data.test", "test.csv", "--runs", "runs", "--run.wandb_mode", "disabled")
    done = terminal.type(*words, *more)
    assert done.code == 0, done.err
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    done = terminal.type("test", str(terminal.run("tfidf_logreg")))
    assert done.code == 0, done.err
    assert "40 test" in done.out


@pytest.mark.slow
def test_a_test_without_a_file_names_the_option(tmp_path: Path, terminal: Terminal) -> None:
    case = CASES["semicolons"](tmp_path)
    write_csv(case.train, case.rows)
    assert terminal.fit("tfidf_logreg", case).code == 0
    done = terminal.type("test", str(terminal.run("tfidf_logreg")))
    assert done.code == 1 and "--data.test" in done.err, done.err


@pytest.fixture
def fitted(tmp_path: Path, terminal: Terminal) -> Path:
    """Folder of a run on English reviews."""
    case = CASES["file_name"](tmp_path)
    check_table(
        terminal.fit("tfidf_logreg", case),
        case,
        "tfidf_logreg",
        run := terminal.run("tfidf_logreg"),
    )
    return run


def test_the_same_text_has_one_probability(fitted: Path, terminal: Terminal) -> None:
    """As an argument, from a pipe, after a byte order mark, and with the line ends of Windows."""
    text = "The room was lovely and the friendly staff rude."
    expected = terminal.type("predict", str(fitted), text).out
    assert text in expected
    for piped in (f"{text}\n", text, f"\N{BOM}{text}\n", f"{text}\r\n"):
        done = terminal.type("predict", str(fitted), stdin=piped)
        assert done.code == 0 and done.out == expected, (piped, done.out, expected)


@pytest.mark.slow
def test_blank_lines_of_a_pipe_keep_the_order(fitted: Path, terminal: Terminal) -> None:
    done = terminal.type("predict", str(fitted), stdin="A lovely room.\n\nAwful, rude, broken.\n")
    labels = [line.split("\t")[0] for line in done.out.splitlines()]
    assert labels[0] == "positive" and labels[-1] == "negative", done.out
    assert len(labels) == 3 or "blank" in done.err or "empty" in done.err, done


@pytest.mark.slow
def test_the_name_of_a_file_is_not_taken_for_a_text_in_silence(
    fitted: Path, terminal: Terminal, tmp_path: Path
) -> None:
    file = tmp_path / "new texts.txt"
    file.write_text("A lovely room.\n", encoding="utf-8")
    done = terminal.type("predict", str(fitted), str(file))
    assert done.code != 0 or file.name in done.err or "A lovely room." in done.out, done


@pytest.mark.parametrize("words", [(), pytest.param(("--run.folds", "2"), marks=pytest.mark.slow)])
def test_unknown_words_are_told_whatever_is_fitted_last(
    words: tuple[str, ...], tmp_path: Path, terminal: Terminal
) -> None:
    """A second fit, on all rows, knows every word of the validation texts."""
    case = CASES["semicolons"](tmp_path)
    rows = [(f"one{i} two{i} three{i} sign{i % 2}", "ab"[i % 2]) for i in range(60)]
    write_csv(case.train, rows)
    done = terminal.fit("tfidf_logreg", case, *words)
    assert done.code == 0, done.err
    assert "75% of the validation tokens are not in training texts" in done.out, done.out
