"""Files that the runs of a benchmark follow from."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from datamodules.errors import Unavailable
from experiments.launch.benchmark import Plan

_PROGRAM = [
    Path(__file__).parents[2] / name for name in ("experiments", "datamodules", "lit_models")
]


def inputs_of(plan: Plan, experiments: Iterable[str] = ()) -> list[Path] | None:
    """The folder of a benchmark, and every file and folder that its settings and corpora name.

    Args:
        plan: the benchmark.
        experiments: as they were typed, some of them perhaps as YAML files.

    Returns:
        Paths that exist; None where a class of the user's own may read files that nobody names, and
        where weights cannot be had.
    """
    found = {plan.folder, *(Path(one) for spec in plan.specs for one in spec.config_folders)}
    found |= {Path(one) for one in experiments if os.path.isfile(one)}
    for spec in plan.specs:
        resolved = spec.resolve()
        folders = (*_PROGRAM, *map(Path, spec.config_folders))
        # Of corpora, those of the suite alone: what identifies another one is known to itself.
        for kind, places in ((resolved.corpus_class, _PROGRAM), (resolved.model_class, folders)):
            if not any(_is_in(place, kind) for place in places):
                return None
        try:
            _, data = resolved.build()
        except Unavailable:  # such as weights that were there when the run was made
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
