"""Standard input and output of any encoding, closed, or read by nobody."""

from __future__ import annotations

import codecs
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.text import Text

from datamodules.console import plain_console
from experiments.cli import streams
from experiments.cli.main import main
from tests.experiments.conftest import REPOSITORY, TOY, Command

ASCII = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}


def typed_lines(content: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Lines of a standard input with this content, as the environment would decode it."""
    (tmp_path / "input").write_bytes(content)
    with open(tmp_path / "input", encoding="ascii") as file:
        monkeypatch.setattr(sys, "stdin", file)
        return list(streams.lines_of_input())


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"\xef\xbb\xbfa film\nb\n", ["a film", "b"]),
        (b"a film\r\nb", ["a film", "b"]),
        ("größe\n模型\n".encode(), ["größe", "模型"]),
        (b"\n\na\n", ["", "", "a"]),
        ("a\u2028b\n\ufeffc\n".encode(), ["a\u2028b", "\ufeffc"]),
        (b"", []),
    ],
)
def test_lines_are_utf_8_whatever_the_locale(
    content: bytes, lines: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert typed_lines(content, monkeypatch, tmp_path) == lines


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"good\ncaf\xe9\n", "line 2: byte 0xe9 is not UTF-8; convert the texts"),
        ("film\n".encode("utf-16"), "line 1: byte 0xff is not UTF-8"),
        ("film\n".encode("utf-16-le"), "line 1: has a NUL character, as in UTF-16; convert"),
        (b"a\nb\0\n", "line 2: has a NUL character"),
    ],
)
def test_other_bytes_are_told_with_their_line(
    content: bytes, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(streams.DataError, match=message):
        typed_lines(content, monkeypatch, tmp_path)


def test_a_closed_input_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(streams.DataError, match="standard input is closed; type texts, or < FILE"):
        list(streams.lines_of_input())


def test_a_text_that_is_the_name_of_a_file_is_told(finished: Path, lit: Command) -> None:
    file = finished / "results.jsonl"
    done = lit("predict", finished / "tfidf_logreg" / "seed-0", file, "no-such-file", "x" * 5000)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 3
    assert done.stderr.count("note:") == 1
    assert "is the name of a file; its lines are classified by" in done.stderr
    assert f"< {file}" in done.stderr


def test_an_encoding_without_a_character_gets_a_similar_one(tmp_path: Path) -> None:
    codecs.register_error("plain", streams._plain)
    assert "1 ± 2 → … 模 ✓".encode("ascii", "plain") == b"1 +- 2 -> ... \\u6a21 +"
    assert "é ±".encode("latin-1", "plain") == b"\xe9 \xb1"


def test_a_spinner_is_one_of_the_encoding(tmp_path: Path) -> None:
    for encoding, name in (("ascii", "line"), ("utf-8", "dots")):
        with open(tmp_path / encoding, "w", encoding=encoding) as file:
            assert plain_console(file=file).status("reading").renderable.name == name  # type: ignore[union-attr]


def test_colours_may_be_forced_and_codes_that_move_the_cursor_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Notebooks set FORCE_COLOR; rich then takes every file for a terminal."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    for forced, expected in (("1", "\x1b[31mred\x1b[0m\n"), ("", "red\n")):
        monkeypatch.setenv("FORCE_COLOR", forced)
        monkeypatch.setenv("TERM", "xterm-256color")
        with open(tmp_path / "shown", "w", encoding="utf-8") as file:
            console = plain_console(file=file)
            with console.status("reading"):
                console.print(Text("red", style="red"))
        assert (tmp_path / "shown").read_text(encoding="utf-8") == expected


FIT = ["fit", "-c", "tfidf_logreg", "--profile", "smoke", *TOY, "--run.wandb_mode=disabled"]


def test_fit_ends_well_on_outputs_of_ascii_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / "stdout", tmp_path / "stderr"]
    with files[0].open("w", encoding="ascii") as out, files[1].open("w", encoding="ascii") as err:
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        assert main([*FIT, "--runs", str(tmp_path)]) == 0
    printed = files[0].read_text(encoding="ascii")
    assert "tfidf_logreg" in printed and "Traceback" not in files[1].read_text(encoding="ascii")


@pytest.mark.slow
def test_fit_ends_well_where_the_terminal_knows_ascii_alone(
    cold_lit: Command, tmp_path: Path
) -> None:
    done = cold_lit(*FIT, "--runs", tmp_path, **ASCII)
    assert done.returncode == 0 and done.stdout.isascii(), done.stderr
    assert "tfidf_logreg" in done.stdout and "Traceback" not in done.stderr


def test_nobody_who_reads_is_no_error() -> None:
    command = [sys.executable, "-m", "experiments", "list"]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, cwd=REPOSITORY)
    os.close(writer)
    assert done.returncode == 141 and done.stderr == b""


def test_closed_outputs_end_no_command() -> None:
    code = f"{sys.executable} -m experiments list >&- 2>&- <&-"
    assert subprocess.run(["/bin/sh", "-c", code], cwd=REPOSITORY).returncode == 0


def test_commands_work_without_docstrings() -> None:
    command = [sys.executable, "-OO", "-m", "experiments", "benchmark", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 0 and "All experiments, one table" in done.stdout, done.stderr


def test_no_usable_folder_for_temporary_files_has_a_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nowhere(*arguments: object) -> None:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr("experiments.cli.prepare.registry_of", nowhere)
    assert main(["list"]) == 1
    assert "set $TMPDIR to a folder with space" in capsys.readouterr().err
