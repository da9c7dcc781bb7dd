"""Errors that name the new module where an old one is imported."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from datamodules.upgrade.names import MODULES
from datamodules.upgrade.renamed import NAMES


class _MovedModules(MetaPathFinder):
    """Finder that is asked last: for modules, and for names that a package does not have."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        # `from package import name` looks for a module `package.name` where there is no such name.
        if new := MODULES.get(fullname) or NAMES.get(fullname):
            raise ImportError(
                f"{fullname} is {new} today; CHANGELOG.md lists all new names", name=fullname
            )
        return None


def explain_moved_modules() -> None:
    """Let an import of an old module name the new one. Safe to call again."""
    if not any(isinstance(finder, _MovedModules) for finder in sys.meta_path):
        sys.meta_path.append(_MovedModules())
