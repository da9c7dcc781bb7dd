"""Own classes in an installed package: `--configs` names its folder, or that of its package."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from datamodules import trusted
from experiments.cli.main import main
from tests.experiments.config.test_run_config import changed
from tests.warm import REPOSITORY

OWN = """
from datamodules.files import TextFiles
from lit_models.bag import Bag
class Net(Bag): ...
class Texts(TextFiles): ...
"""
# Files of a package, and the module that its classes are named in.
LAYOUTS: dict[str, tuple[dict[str, str], str]] = {
    "module": ({"own_one.py": OWN}, "own_one"),
    "package": ({"own_two/__init__.py": "", "own_two/nets.py": OWN}, "own_two.nets"),
    "nested": (
        {f"own_three/{name}": "" for name in ("__init__.py", "a/__init__.py", "a/b/__init__.py")}
        | {"own_three/a/b/nets.py": OWN},
        "own_three.a.b.nets",
    ),
    "exported": (
        {"own_four/__init__.py": "from own_four._a import Net, Texts", "own_four/_a.py": OWN},
        "own_four",
    ),
    "namespace": ({"own_five/nets.py": OWN}, "own_five.nets"),
}
# Each layout as it is, and the links where they matter most: of a file to a module, of files within
# a package, of a package whose classes are deep in it. The other links are slow.
LINKED = {("module", "files"), ("package", "files"), ("nested", "folder")}
CASES = [
    pytest.param(
        *(layout, links, folder),
        marks=[] if links == "none" or (layout, links) in LINKED else pytest.mark.slow,
    )
    for layout in LAYOUTS
    for links in ("none", "files", "folder")
    for folder in ("site", "package")
    # A module has no folder of its own, and a folder without __init__.py is no package.
    if (layout, folder) not in (("module", "package"), ("namespace", "site"))
]


@pytest.fixture(autouse=True)
def nothing_trusted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(trusted, "_folders", [])
    monkeypatch.setattr(trusted, "_typed", set())
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    for name in [name for name in sys.modules if name.startswith("own_")]:
        del sys.modules[name]


def install(layout: str, links: str, place: Path) -> tuple[Path, str]:
    """Writes a package; some installers link its files or folders instead of copying them.

    Returns:
        The folder of installed packages, and the module that has the classes.
    """
    files, module = LAYOUTS[layout]
    site, store = place / "site", place / "store"
    for name, content in files.items():
        real = (site if links == "none" else store) / name
        for file in (real, site / name) if links == "files" else (real, site):
            file.parent.mkdir(parents=True, exist_ok=True)
        real.write_text(content)
        if links == "files":
            (site / name).symlink_to(real)
    if links == "folder":
        site.mkdir(exist_ok=True)
        for entry in store.iterdir():
            (site / entry.name).symlink_to(entry)
    return site, module


@pytest.mark.parametrize(("layout", "links", "folder"), CASES)
def test_a_run_of_an_installed_package_is_opened_with_its_folder(
    layout: str, links: str, folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site, module = install(layout, links, tmp_path / "env")
    sys.path.append(str(site))

    def change(settings: dict[str, Any]) -> None:
        settings["model"]["class_path"] = f"{module}.Net"
        settings["data"]["class_path"] = f"{module}.Texts"

    run = changed(tmp_path, change)
    commands = ["predict", str(run), "a text"], ["test", str(run)]
    assert [main(words) for words in commands] == [1, 1]
    said = capsys.readouterr().err
    assert said.count(f"error: {module}.") == 2 and said.count("--configs DIR") == 2
    place = site if folder == "site" else site / module.partition(".")[0]
    assert [main([*words, "--configs", str(place)]) for words in commands] == [0, 0]


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["site", "package"])
def test_so_it_is_in_a_process_of_its_own(folder: str, tmp_path: Path) -> None:
    site, module = install("nested", "files", tmp_path / "env")
    run = changed(tmp_path, lambda s: s["model"].update(class_path=f"{module}.Net"))
    place = site if folder == "site" else site / "own_three"
    for given, code in ([], 1), (["--configs", str(place)], 0):
        done = subprocess.run(
            [sys.executable, "-m", "experiments", "predict", str(run), "a text", *given],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": os.pathsep.join((str(REPOSITORY), str(site)))},
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stderr
