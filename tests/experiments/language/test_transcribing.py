"""Strings for texts by a finished run: what is written, and what is refused."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from datamodules.sequences import pronunciation
from datamodules.sequences.pronunciation import PHONES
from experiments.cli.main import main
from experiments.records.run_files import read_row

SMALL = [
    *("--data.train_limit=200", "--data.test_size=40", "--data.validation_size=40"),
    *("--model.hidden_size=16", "--trainer.max_epochs=1", "--data.batch_size=32"),
]


LETTERS = {"b": "B", "d": "D", "m": "M", "n": "N", "t": "T", "w": "W", "z": "Z"}
VOWELS = {"a": "AE1", "e": "EH0", "i": "IH1", "o": "OW1", "oo": "UW1"}


def write_dictionary(path: Path) -> None:
    """Words of one to three syllables, each with its phones."""
    syllables = [(c + v, f"{p} {q}") for c, p in LETTERS.items() for v, q in VOWELS.items()]
    words = [*syllables]
    words += [(a + b, f"{p} {q}") for a, p in syllables for b, q in syllables[:8]]
    path.write_text("".join(f"{word} {phones}\n" for word, phones in words))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Finished run of `seq2seq` on a few made words."""
    folder = tmp_path_factory.mktemp("runs")
    write_dictionary(folder / "small.dict")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pronunciation, "find_file", lambda: folder / "small.dict")
        patch.setattr(pronunciation.read_dictionary, "__defaults__", (None,))
        cache = f"--data.cache_dir={folder / 'cache'}"
        assert main(["fit", "-c", "seq2seq", "--runs", str(folder), "--test", cache, *SMALL]) == 0
    yield folder / "fit" / "seq2seq" / "seed-0"


def test_a_run_has_a_row_of_its_problem(run: Path) -> None:
    row = read_row(run)
    assert row.status == "ok" and row.problem == "transcription" and row.task is None
    assert row.test is not None and row.test.n == 40 and row.label_names == list(PHONES)
    assert row.val is not None and row.val.symbol_error_rate > 0  # type: ignore[union-attr]


def test_words_get_phones(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["transcribe", str(run), "tomato", "zoo", "--beam", "4", "--best", "2"]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == ["tomato", "tomato", "zoo", "zoo"]
    assert all(set(line[1].split()) <= set(PHONES) for line in lines)
    logs = [float(line[2]) for line in lines]
    assert logs[0] >= logs[1] and logs[2] >= logs[3] and max(logs) <= 0


def test_words_of_standard_input(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"moo\ntwo\n")))
    capsys.readouterr()
    assert main(["transcribe", str(run)]) == 0
    assert [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()] == ["moo", "two"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([""], "'' is empty text; give a word"),
        (["日本"], "has letters that training never saw: '日' '本'"),
        (["zoo", "--best", "3", "--beam", "2"], "choose 1 ≤ best ≤ beam"),
        (["zoo", "--beam", "0"], "choose 1 ≤ best ≤ beam"),
        (["zoo", "--best", "0"], "choose 1 ≤ best ≤ beam"),
    ],
)
def test_bad_words_are_refused(
    words: list[str], reason: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["transcribe", str(run), *words]) == 1
    assert reason in capsys.readouterr().err


def test_a_run_of_another_problem_is_refused(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["transcribe", str(finished / "bag" / "seed-0"), "zoo"]) == 1
    assert "is a model of classification and writes no strings" in capsys.readouterr().err
