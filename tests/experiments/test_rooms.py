"""The rooms of `experiments/`: which may import which, and how large a room or a file may be."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.experiments.conftest import REPOSITORY

# Each room and those that it may import. What a room may import never leads back to it.
GROUND = {"machine": set(), "config": {"machine"}, "records": {"machine", "config"}}
ROOMS: dict[str, set[str]] = {
    **GROUND,
    "statistics": {*GROUND},
    "forms": {*GROUND},
    "explaining": {*GROUND, "statistics", "forms"},
    "inference": {*GROUND, "statistics", "forms", "explaining"},
    "export": {*GROUND, "statistics", "forms", "explaining", "inference"},
    "playground": {*GROUND, "statistics", "forms", "explaining", "inference"},
    "audit": {*GROUND, "statistics", "forms", "explaining", "inference"},
    "training": {*GROUND},
    "language": {*GROUND, "statistics", "forms", "explaining", "inference", "training", "report"},
    "unlabelled": {*GROUND, "statistics", "forms", "explaining", "inference", "training"},
    "report": {*GROUND, "statistics", "forms", "explaining", "inference", "training"},
    "speed": {*GROUND, "statistics", "forms", "explaining", "training", "inference"},
    "launch": {*GROUND, "training"},
    "tuning": {*GROUND, "training", "launch"},
}
ROOMS["cli"] = set(ROOMS)
PACKAGES = ("datamodules", "lit_models", "experiments")
MAY_IMPORT = {"datamodules": set(), "lit_models": {"datamodules"}, "experiments": set(PACKAGES)}
LARGE = {"lit_models", "lit_models/layers"}  # the list of architectures, and their parts
MOST_MODULES, MOST_LINES = 20, 300


def imported(file: Path) -> set[str]:
    """Dotted names of the modules that a file imports, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{file}: write imports in full"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def modules(package: str) -> list[Path]:
    return sorted((REPOSITORY / package).rglob("*.py"))


def test_every_room_is_listed() -> None:
    rooms = {file.relative_to(REPOSITORY).parts[1] for file in modules("experiments")}
    assert rooms - {"__init__.py", "__main__.py"} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_those_below_it_alone(room: str) -> None:
    for file in modules(f"experiments/{room}"):
        used = {name.split(".")[1] for name in imported(file) if name.startswith("experiments.")}
        assert used <= ROOMS[room] | {room}, file


def test_no_circle_of_rooms() -> None:
    left = dict(ROOMS)
    while left:
        ground = {room for room, below in left.items() if not below & set(left)}
        assert ground, f"a circle among {sorted(left)}"
        left = {room: below for room, below in left.items() if room not in ground}


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_in_one_direction(package: str) -> None:
    for file in modules(package):
        used = {name.split(".")[0] for name in imported(file)} & set(PACKAGES)
        assert used <= MAY_IMPORT[package] | {package}, file


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_have_no_circle(package: str) -> None:
    files = {".".join(f.relative_to(REPOSITORY).with_suffix("").parts): f for f in modules(package)}
    left = {}
    for name, file in files.items():
        names = imported(file)
        left[name] = ((names | {n.rpartition(".")[0] for n in names}) & set(files)) - {name}
    while left:
        ground = {name for name, below in left.items() if not below & set(left)}
        assert ground, f"a circle among {sorted(left)}"
        left = {name: below for name, below in left.items() if name not in ground}


@pytest.mark.parametrize("package", PACKAGES)
def test_folders_and_files_stay_readable(package: str) -> None:
    for folder in {file.parent for file in modules(package)}:
        name = folder.relative_to(REPOSITORY).as_posix()
        count = len([file for file in folder.glob("*.py") if file.name != "__init__.py"])
        assert count <= MOST_MODULES or name in LARGE, f"{name} has {count} modules"
    for file in modules(package):
        lines = len(file.read_text(encoding="utf-8").splitlines())
        assert lines <= MOST_LINES, f"{file.relative_to(REPOSITORY)} has {lines} lines"
