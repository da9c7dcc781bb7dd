"""Pretrained weights for nodes without network: fetched once where there is one, then used offline.

They are fetched by the very code that runs load them with, into the Hugging Face cache; which ones
are there is noted in this project's cache. Launchers then set `HF_HUB_OFFLINE` for their runs, so
that none waits for a hub out of reach.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datamodules.pretrained import WHEEL, locate
from datamodules.store.cache import default_cache_dir, locked
from datamodules.vectors.files import VectorFile
from experiments.config.registry import ConfigError
from experiments.config.resolved import Resolved
from experiments.records.atomic import replace_bytes
from experiments.training.spec import RunSpec

_FILE = "weights.json"


def sources_of(config: dict[str, Any]) -> set[str]:
    """The names on the hub of which a run needs files."""
    model = (config["model"].get("init_args") or {}).get("source")
    tokenizer = (config["data"].get("init_args") or {}).get("tokenizer") or {}
    named = (model, (tokenizer.get("init_args") or {}).get("source"))
    return {name for name in named if name and not name.startswith(WHEEL) and _on_hub(name)}


def fetch(spec: RunSpec) -> set[str]:
    """Fetches the weights and the tokenizer of a run, and notes that they are there.

    Returns:
        Their names on the hub.

    Raises:
        Unavailable: the hub cannot be reached, or has no such model.
        ConfigError: the experiment takes nothing from the hub.
    """
    resolved = spec.resolve()
    names = sources_of(resolved.config)
    if not names:
        raise ConfigError(
            f"--weights {spec.experiment}: it takes no weights from the hub; name experiments "
            "such as bert, or leave --weights out"
        )
    _, data = resolved.build()
    data.tokenizer.settings()
    folder = default_cache_dir()
    with locked(folder / _FILE):
        content = sorted(names | fetched())
        replace_bytes(folder / _FILE, (json.dumps(content, indent=1) + "\n").encode())
    return names


def fetch_vectors(resolved: Resolved) -> Path | None:
    """Fetches the published word vectors of a run; None where it has none."""
    _, data = resolved.build()
    if not isinstance(data.vectors, VectorFile):
        return None
    return data.vectors.place(data.cache_dir / "downloads")


def _on_hub(source: str) -> bool:
    return not Path(locate(source)).is_dir()


def fetched() -> set[str]:
    """The names whose files were fetched."""
    file = default_cache_dir() / _FILE
    return set(json.loads(file.read_bytes())) if file.exists() else set()


def variables(specs: Sequence[RunSpec]) -> dict[str, str]:
    """What the environment of some runs needs so that none asks a hub for what is here already."""
    there = fetched()
    if not there:
        return {}
    needed = set().union(*(sources_of(spec.resolve().config) for spec in specs))
    return {"HF_HUB_OFFLINE": "1"} if needed and needed <= there else {}
