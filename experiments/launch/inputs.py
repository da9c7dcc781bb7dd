"""Files that the runs of a benchmark follow from."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from experiments.launch.benchmark import Plan

_PROGRAM = [
    Path(__file__).parents[2] / name for name in ("experiments", "datamodules", "lit_models")
]


def inputs_of(plan: Plan) -> list[Path] | None:
    """The folder of a benchmark, and every file and folder that its settings and corpora name.

    Returns:
        Paths that exist; None where a class of the user's own may read files that nobody names.
    """
    found = {plan.folder, *(Path(one) for spec in plan.specs for one in spec.config_folders)}
    for spec in plan.specs:
        resolved = spec.resolve()
        _, data = resolved.build()
        classes = (type(data), resolved.model_class)
        known = (*_PROGRAM, *map(Path, spec.config_folders))
        if not all(any(_is_in(place, kind) for place in known) for kind in classes):
            return None
        named = (*_texts(resolved.config), *_texts(data.source()))
        found |= {Path(text) for text in named if "\0" not in text and os.path.exists(text)}
    return sorted(found)


def _is_in(folder: Path, kind: type) -> bool:
    file = sys.modules[kind.__module__].__file__
    return file is not None and Path(file).resolve().is_relative_to(folder.resolve())


def _texts(value: Any) -> Iterator[str]:
    """All texts in a nested value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _texts(one)
