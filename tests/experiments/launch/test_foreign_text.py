"""Text from outside is printed as it is: no markup, no emoji codes, and no error."""

from __future__ import annotations

import ast
import io
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress

from datamodules.console import plain_console
from experiments.config.registry import Registry, read_profile
from experiments.launch.benchmark import expand
from experiments.launch.display import ProgressDisplay
from experiments.launch.launcher import record_death
from experiments.records.run_files import read_row, write_row
from experiments.training.outcome import failed_row
from experiments.training.spec import RunSpec
from tests.conftest import Command
from tests.experiments.conftest import REPOSITORY, TOY

TEXTS = [
    "[/encoder/layer]",
    "[bold]x[/bold] [not red]",
    "[link=file:///etc/passwd]here[/link]",
    "C:\\runs\\[a-z]",
    ":smile: and :warning:",
    "[",
    "[@click=quit]x[/]",
]
RAISES = """
import os, sys
from lit_models.bag import Bag

class Raises(Bag):
    \"\"\"A bag whose first step ends in some way.

    Args:
        how: how it ends.
        **kwargs: of `Bag`.
    \"\"\"
    def __init__(self, *, how: str = "", **kwargs):
        super().__init__(**kwargs)
        self.how = how

    def training_step(self, batch, batch_idx):
        if self.how == "markup":
            raise RuntimeError("cannot load [/encoder/layer] :smile: \\udcff")
        if self.how == "exit":
            sys.exit(0)
        if self.how == "gone":
            os._exit(0)
        if self.how == "base":
            raise GeneratorExit("made to fail")
        os.write(1, bytes(range(256)))
        return super().training_step(batch, batch_idx)
"""


def display_in(runs: Path) -> tuple[ProgressDisplay, RunSpec, io.StringIO]:
    plan = expand(Registry(), read_profile("smoke"), names=["bag"], seeds=[0], name="b", runs=runs)
    shown = io.StringIO()
    console = plain_console(file=shown, width=200)
    display = ProgressDisplay(plan.folder, 1, Progress(console=console), console)
    return display, plan.specs[0], shown


@pytest.mark.parametrize("text", TEXTS)
def test_the_console_prints_text_as_it_is(text: str) -> None:
    from rich.table import Table

    shown = io.StringIO()
    console = plain_console(file=shown, width=200)
    console.print(text)
    table = Table(text, title=text)
    table.add_row(text)
    console.print(table)
    assert shown.getvalue().count(text) == 4


@pytest.mark.parametrize("text", TEXTS)
def test_the_display_of_a_benchmark_shows_reasons_as_they_are(text: str, tmp_path: Path) -> None:
    display, spec, shown = display_in(tmp_path)
    display.started(spec)
    display.progressed(spec, text, 0.5)
    display.message(text)
    write_row(spec.folder, failed_row(spec, text, "2026-01-01T00:00:00+00:00"))
    display.ended(spec, "done", 1.0)
    assert f"bag seed 0: failed, {text}" in shown.getvalue()


def test_a_run_that_died_with_such_a_reason_is_a_row(tmp_path: Path) -> None:
    display, spec, shown = display_in(tmp_path)
    display.started(spec)
    record_death(spec, "died of [/encoder/layer] \udcff", "2026-01-01T00:00:00+00:00")
    display.ended(spec, "died of [/encoder/layer] \udcff", 1.0)
    assert read_row(spec.folder).reason == "died of [/encoder/layer] \\udcff"
    assert "[/encoder/layer]" in shown.getvalue()


REASONS = {
    "markup": "RuntimeError: cannot load [/encoder/layer] :smile: \\udcff",
    "exit": "SystemExit: 0",
    "gone": "ended without a row",
    "base": "GeneratorExit: made to fail",
}


@pytest.mark.parametrize(
    "names",
    [["markup", "gone"], pytest.param([*REASONS, "garbage"], marks=pytest.mark.slow)],
    ids=["two", "all"],
)
def test_no_run_ends_another(names: list[str], lit: Command, tmp_path: Path) -> None:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "raises_module.py").write_text(RAISES)
    for how in names:
        model = f"{{class_path: raises_module.Raises, init_args: {{how: {how}}}}}"
        (folder / f"{how}.yaml").write_text(f"# Ends by [/{how}].\nmodel: {model}\n")
    damaged = tmp_path / "b" / "elsewhere" / "seed-0" / "row.json"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"\xff{")
    words = [*names, "bag", "--configs", folder, "--runs", tmp_path, "--name", "b", "--jobs", 2]
    done = lit("benchmark", *words, *TOY)
    assert done.returncode == 1, done.stdout + done.stderr
    for name in [*names, "bag"]:
        row = read_row(tmp_path / "b" / name / "seed-0")
        if name in REASONS:
            same = name != "gone"  # the reason of this one goes on
            assert row.reason == REASONS[name] if same else REASONS[name] in str(row.reason)
        else:
            assert row.status == "ok"
    assert REASONS["markup"] in done.stdout
    assert "elsewhere" in done.stderr and "bag" in (tmp_path / "b" / "report.md").read_text()


def calls(tree: ast.AST, name: str) -> list[ast.Call]:
    """Calls of a function or class by this name."""
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == name
    ]


@pytest.mark.parametrize("package", ["datamodules", "experiments", "lit_models"])
def test_nothing_prints_with_markup(package: str) -> None:
    """Consoles come from one place; a column of progress and a status parse markup on their own."""
    for file in sorted((REPOSITORY / package).rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        name = str(file.relative_to(REPOSITORY))
        if name != "datamodules/console.py":
            assert not calls(tree, "Console"), f"{name}: use plain_console"
        for column in calls(tree, "TextColumn"):
            keywords = {word.arg: word.value for word in column.keywords}
            assert isinstance(keywords.get("markup"), ast.Constant), name
        statuses = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and getattr(node.func, "attr", "") in ("status", "update")
            and getattr(getattr(node.func, "value", None), "id", "") in ("console", "status")
        ]
        for status in statuses:
            given = status.args[0] if status.args else None
            plain = (
                isinstance(given, ast.Constant)
                or getattr(getattr(given, "func", None), "id", "") == "Text"
            )
            assert plain, f"{name}:{status.lineno}: give a Text"


def test_a_console_of_rich_itself_would_fail() -> None:
    from rich.errors import MarkupError

    with pytest.raises(MarkupError):
        Console(file=io.StringIO()).print("[/encoder/layer]")
