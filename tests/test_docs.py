"""README and docs: commands parse, links resolve, the steps for an architecture work as written."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest

from datamodules.upgrade.__main__ import BEGIN, END, markdown
from datamodules.upgrade.translate import current_words
from experiments.cli.main import main
from experiments.cli.parser import parser
from experiments.cli.words import parse_words
from experiments.records.run_files import read_row
from tests.experiments.conftest import REPOSITORY, TOY, Command
from tests.lit_models.contracts import CHECKS
from tests.warm import ForkServer

PAGES = {
    file.relative_to(REPOSITORY).as_posix(): file.read_text(encoding="utf-8")
    for file in [*sorted(REPOSITORY.glob("*.md")), *sorted((REPOSITORY / "docs").glob("*.md"))]
}
COMMANDS = sorted(
    {
        command
        for text in PAGES.values()
        for command in [
            *re.findall(r"^\s*(lit-sentiment .+)$", text, re.M),
            *(c for c in re.findall(r"`(lit-sentiment [^`]+)`", text) if "…" not in c),
        ]
    }
)


@pytest.mark.parametrize("page", PAGES)
def test_no_merge_is_left_undecided(page: str) -> None:
    assert not re.search(r"^(<{7}|>{7}) ", PAGES[page], re.M)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_understood(command: str) -> None:
    words = shlex.split(re.split("&&|<|#", command)[0])[1:]
    _, rest, unknown = parse_words(words[1:], parser()[1][words[0]])
    assert not unknown, command
    assert current_words(rest, {"model": {"class_path": "lit_models.any.Any"}}) == rest


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_named_exist(page: str) -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"(?:^|`)make ([a-z][a-z-]*)", PAGES[page], re.M)):
        assert re.search(rf"^{target}:", makefile, re.M), target


@pytest.mark.parametrize("page", PAGES)
def test_files_named_exist(page: str) -> None:
    folders = "datamodules|lit_models|experiments|tests|docs"
    for name in re.findall(rf"`((?:{folders})/[\w./-]*)`", PAGES[page]):
        assert (REPOSITORY / name).exists(), name


@pytest.mark.parametrize("page", PAGES)
def test_modules_and_classes_named_exist(page: str) -> None:
    if page == "CHANGELOG.md":
        return  # it names old ones, too
    for name in re.findall(r"\b((?:datamodules|lit_models)(?:\.\w+)+)", PAGES[page]):
        module, _, last = name.rpartition(".")
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            assert hasattr(importlib.import_module(module), last), name


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_pages_and_headings(page: str) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        if link.startswith("http"):
            continue
        name, _, anchor = link.partition("#")
        target = (REPOSITORY / page).parent / name if name else REPOSITORY / page
        assert target.exists(), link
        if anchor:
            text = PAGES[target.resolve().relative_to(REPOSITORY).as_posix()]
            assert anchor in map(_anchor, re.findall(r"^#+ (.+)$", text, re.M)), link


def _anchor(heading: str) -> str:
    """Name that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_the_readme_is_short_and_names_are_those_of_the_table() -> None:
    assert len(PAGES["README.md"].splitlines()) <= 200
    _, _, rest = PAGES["CHANGELOG.md"].partition(BEGIN)
    assert rest.partition(END)[0].strip() == markdown(), (
        "python -m datamodules.upgrade CHANGELOG.md"
    )


@pytest.fixture
def my_models(tmp_path: Path) -> Path:
    """The folder of an architecture that the docs print."""
    blocks = re.findall(
        r"```(?:python|yaml)\n\s*# my_models/(\S+)\n(.*?)```", PAGES["docs/architectures.md"], re.S
    )
    folder = tmp_path / "my_models"
    folder.mkdir()
    for name, block in blocks:
        lines = block.rstrip().splitlines()
        (folder / name).write_text("\n".join(line[3:] for line in lines) + "\n")
    assert sorted(file.suffix for file in folder.iterdir()) == [".py", ".yaml"]
    return folder


def test_an_architecture_is_added_by_the_steps_in_the_docs(
    my_models: Path, lit: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", "--configs", str(my_models)]) == 0
    assert re.search(r"first_words +The maximum of each", capsys.readouterr().out)
    words = ["benchmark", "first_words", "--configs", my_models, "--runs", tmp_path / "runs", *TOY]
    done = lit(*words)
    assert done.returncode == 0 and "first_words" in done.stdout, done.stderr
    row = read_row(tmp_path / "runs" / "quick" / "first_words" / "seed-0")
    assert row.status == "ok" and row.architecture == "FirstWords"


@pytest.mark.slow
def test_it_keeps_the_promises_of_every_architecture(
    my_models: Path, fork_server: ForkServer
) -> None:
    contracts = ["tests/lit_models/test_contracts.py", "--configs", str(my_models)]
    words = [*contracts, "-k", "first_words", "-q", "-p", "no:xdist", "-p", "no:cacheprovider"]
    done = fork_server.run("pytest", *words, timeout=200)
    assert done.returncode == 0, done.stdout
    tests = re.findall(r"^def test_", (REPOSITORY / contracts[0]).read_text(), re.M)
    promises = len(tests) - 1 + len(CHECKS)  # one of the tests runs once for each check
    assert f"{promises} passed" in done.stdout
