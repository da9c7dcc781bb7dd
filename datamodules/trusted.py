"""Classes that files name: found on disk before they are imported, and refused if a stranger's.

A run folder may come from somebody else, and to import a module is to run it. What the files of a
run name is imported only from this suite, from the parts of Lightning and torch below, and from
folders that the user has named.
"""

from __future__ import annotations

import site
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import yaml

from datamodules.errors import DataError
from datamodules.upgrade.translate import current_path

PACKAGES = ("datamodules", "lit_models")
"""Packages of this suite whose classes a run's settings may name: those of `experiments` start
processes and write files."""

LIBRARIES = (
    "lightning.fabric.plugins",
    "lightning.fabric.strategies",
    "lightning.pytorch.accelerators",
    "lightning.pytorch.callbacks",
    "lightning.pytorch.loggers",
    "lightning.pytorch.plugins",
    "lightning.pytorch.profilers",
    "lightning.pytorch.strategies",
    "torch.nn",
    "torch.optim",
)
"""Modules of installed libraries whose classes a run's settings may name."""

_SUITE = Path(__file__).resolve().parents[1]
_folders: list[Path] = []
_typed: set[str] = set()


class Untrusted(DataError):
    """A class that a run's files name and that is not imported from where it is."""


def trust_folder(folder: Path) -> None:
    """Let the files of a run name modules of a folder, in this process."""
    _folders.append(folder.resolve())


def trust_typed(path: str) -> None:
    """Let the files of a run name a class that the user has named himself, in this process.

    Its module is also looked for in the current folder, after all other places.
    """
    _typed.add(path)
    top = path.partition(".")[0]
    if top not in sys.modules and _find(top, None) is None:
        here = Path.cwd()
        if (here / top).is_dir() or (here / f"{top}.py").is_file():
            sys.path.append(str(here))


def check_trusted(path: str) -> None:
    """Refuse a dotted path from a run's files that is not one of a trusted place. Imports nothing.

    Args:
        path: of a class or function, of any version.

    Raises:
        Untrusted: its module is not found, or is somewhere else.
    """
    path = current_path(path)
    if path in _typed:
        return
    rule = (
        "what a run's files name is imported only from this suite, from the parts of Lightning and "
        "torch that it uses, and from folders named with --configs"
    )
    remedy = "if you trust it, give its folder with --configs DIR"
    files = list(_files(path))
    if not files:
        raise Untrusted(f"{path}: its module is not found; {rule}: {remedy}")
    for file in files:
        if file is None or not _is_trusted(path, file):
            raise Untrusted(f"{path} is in {file or 'Python itself'}; {rule}: {remedy}")


def check_settings(settings: Any) -> None:
    """Refuse settings from a run's files with a class that is not one of a trusted place.

    Looks at each `class_path`, and at each string that a parser may take for a dotted path, for
    YAML, or for the name of a YAML file. A string such as `email.csv` may be a file's name: one
    that names a module of Python or of a library is refused if that has the name. Imports nothing.

    Args:
        settings: nested settings.

    Raises:
        Untrusted: a class, a function or a module is not one of a trusted place.
    """
    if isinstance(settings, Mapping):
        for name, value in settings.items():
            if name == "class_path" and isinstance(value, str):
                check_trusted(value)
            else:
                check_settings(value)
    elif isinstance(settings, list):
        for value in settings:
            check_settings(value)
    elif isinstance(settings, str):
        _check_text(settings)


def _check_text(text: str) -> None:
    texts = [text]
    if text.endswith((".yaml", ".yml", ".json")):
        with suppress(OSError, UnicodeDecodeError):
            texts.append(Path(text).read_text(encoding="utf-8"))
    for text in texts:
        if "." in text and all(part.isidentifier() for part in text.split(".")):
            if (files := list(_files(current_path(text)))) and _may_have(files[-1], text):
                check_trusted(text)
        elif set(text) & set("{[:\"'\n"):
            with suppress(yaml.YAMLError):
                if (content := yaml.safe_load(text)) != text:
                    check_settings(content)


def _may_have(file: Path | None, path: str) -> bool:
    """Tell whether to import a path would do anything.

    A stranger's module runs even if it lacks the name.
    """
    if file is None or not _is_installed(file):
        return True
    name = path.rpartition(".")[2]
    return name in (file.stem, file.parent.name) or name.encode() in file.read_bytes()


def import_trusted(path: str) -> type:
    """Import a class that a run's files name.

    Raises:
        Untrusted: it is not one of a trusted place.
        ImportError, AttributeError: its module cannot be imported, or has no such name.
        TypeError: it is no class.
    """
    path = current_path(path)
    module, _, name = path.rpartition(".")
    if not module:
        raise ImportError(f"{path} is no dotted path")
    check_trusted(path)
    found = getattr(import_module(module), name)
    if not isinstance(found, type):
        raise TypeError(f"{path} is no class")
    if found.__module__ != module:
        check_trusted(f"{found.__module__}.{found.__qualname__}")
    return found


def _is_trusted(path: str, file: Path) -> bool:
    if any(_between(_SUITE / package, file) is not None for package in PACKAGES):
        return True
    if any(_is_in(file, folder) for folder in _folders):
        return True
    return _is_installed(file) and f"{path}.".startswith(tuple(f"{name}." for name in LIBRARIES))


def _is_in(file: Path, folder: Path) -> bool:
    """Tell whether a module lies in a folder itself or in a package there.

    A folder below it that is no package may be somebody else's, such as a run.
    """
    inner = _between(folder, file)
    return inner is not None and all((place / "__init__.py").is_file() for place in inner)


def _is_installed(file: Path) -> bool:
    return any(_between(folder, file) is not None for folder in _installed())


def _between(folder: Path, file: Path) -> list[Path] | None:
    """Folders between a folder and a file in it; None if the file is not in it.

    Some installers link files or folders of a package instead of copying them: what lies in the
    folder as it is named does too.
    """
    for way in (file.absolute(), file.resolve()):
        for number, parent in enumerate(way.parents):
            if parent.resolve() == folder:
                return list(way.parents[:number])
    return None


def _files(path: str) -> Iterator[Path | None]:
    """Files of the modules on a dotted path, from the outermost; None for a module without one."""
    name = ""
    search: list[str] | None = None
    for part in path.split("."):
        name = f"{name}.{part}" if name else part
        folders = [Path(place) / part for place in (sys.path if search is None else search)]
        module = sys.modules.get(name)
        try:
            spec = module.__spec__ if module is not None else _find(name, search)
        except KeyError:  # a namespace package asks for its parent, which is not imported
            search = [str(folder) for folder in folders if folder.is_dir()]
            continue
        if spec is None:
            return
        if spec.origin is None:  # a namespace package has no file, and importing it runs nothing
            search = [str(folder) for folder in folders if folder.is_dir()]
        elif spec.has_location:
            yield Path(spec.origin)
            search = list(spec.submodule_search_locations or [])
        else:
            yield None  # built in
            search = []
        if not search:
            return


def _find(name: str, search: Sequence[str] | None) -> ModuleSpec | None:
    """Spec of a module whose parent has the given path; `importlib.util` imports the parent."""
    for finder in sys.meta_path:
        spec = finder.find_spec(name, search)
        if spec is not None:
            return spec
    return None


@cache
def _installed() -> list[Path]:
    """Folders of Python and of installed packages."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    places = {sysconfig.get_path(name) for name in names}
    places |= {*site.getsitepackages(), site.getusersitepackages()}
    return [Path(place).resolve() for place in places]
