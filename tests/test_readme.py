"""README's own words: its commands parse, its steps for an architecture work as written."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from experiments.cli.main import main, parser
from experiments.records.run_files import read_row
from tests.experiments.conftest import REPOSITORY, TOY, Command
from tests.warm import ForkServer

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
COMMANDS = sorted(
    set(re.findall(r"^\s*(lit-sentiment .+)$", README, re.M))
    | {c for c in re.findall(r"`(lit-sentiment [^`]+)`", README) if "…" not in c}
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_understood(command: str) -> None:
    words = shlex.split(command.split("&&")[0])[1:]
    options, rest = parser().parse_known_args(words)
    assert not rest or options.overridable, f"{command}: {rest}"


def test_make_targets_named_exist() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"(?:^|`)make ([a-z][a-z-]*)", README, re.M)):
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_files_named_exist() -> None:
    for name in re.findall(r"`((?:datamodules|lit_models|experiments|tests)/[\w./-]*)`", README):
        assert (REPOSITORY / name).exists(), name


def test_an_architecture_is_added_by_the_readmes_own_steps(
    fork_server: ForkServer, lit: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = re.findall(r"```(?:python|yaml)\n\s*# my_models/(\S+)\n(.*?)```", README, re.S)
    folder = tmp_path / "my_models"
    folder.mkdir()
    for name, block in blocks:
        lines = block.rstrip().splitlines()
        (folder / name).write_text("\n".join(line[3:] for line in lines) + "\n")
    assert sorted(file.suffix for file in folder.iterdir()) == [".py", ".yaml"]

    assert main(["list", "--configs", str(folder)]) == 0
    assert re.search(r"first_words +The maximum of each", capsys.readouterr().out)

    contracts = ["tests/lit_models/test_contracts.py", "--configs", str(folder)]
    words = [*contracts, "-k", "first_words", "-q", "-p", "no:xdist", "-p", "no:cacheprovider"]
    done = fork_server.run("pytest", *words, timeout=200)
    assert done.returncode == 0, done.stdout
    promises = re.findall(r"^def test_", (REPOSITORY / contracts[0]).read_text(), re.M)
    assert f"{len(promises)} passed" in done.stdout

    words = ["benchmark", "first_words", "--configs", folder, "--runs", tmp_path / "runs", *TOY]
    done = lit(*words)
    assert done.returncode == 0 and "first_words" in done.stdout, done.stderr
    row = read_row(tmp_path / "runs" / "quick" / "first_words" / "seed-0")
    assert row.status == "ok" and row.architecture == "FirstWords"
