"""Pretrained weights for nodes without network: fetched once on a machine with one.

Weights are fetched into the Hugging Face cache by the code that loads them in runs; their names are
stored in this project's cache. Launchers then set `HF_HUB_OFFLINE` for their runs, so that none
waits for a hub that cannot be reached.
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

_FILE = "weights.json"  # names of the fetched models, in this project's cache


def sources_of(config: dict[str, Any]) -> set[str]:
    """Names of the hub's models that a run needs."""
    model = (config["model"].get("init_args") or {}).get("source")
    tokenizer = (config["data"].get("init_args") or {}).get("tokenizer") or {}
    chosen = {} if isinstance(tokenizer, str) else tokenizer.get("init_args") or {}
    names = (model, chosen.get("source"))
    return {name for name in names if name and not name.startswith(WHEEL) and _on_hub(name)}


def fetch(spec: RunSpec) -> set[str]:
    """Fetches the weights and the tokenizer of a run and stores their names in the cache.

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
        content = sorted(names | fetched_names())
        replace_bytes(folder / _FILE, (json.dumps(content, indent=1) + "\n").encode())
    return names


def fetch_vectors(resolved: Resolved) -> Path | None:
    """Fetches the published word vectors of a run and returns their file; None if it uses none."""
    _, data = resolved.build()
    if not isinstance(data.vectors, VectorFile):
        return None
    return data.vectors.place(data.cache_dir / "downloads")


def _on_hub(source: str) -> bool:
    return not Path(locate(source)).is_dir()


def fetched_names() -> set[str]:
    """Names of the hub's models that were fetched."""
    file = default_cache_dir() / _FILE
    return set(json.loads(file.read_bytes())) if file.exists() else set()


def offline_variables(specs: Sequence[RunSpec]) -> dict[str, str]:
    """Environment variables that keep runs from asking the hub for models fetched already."""
    fetched = fetched_names()
    if not fetched:
        return {}
    needed = set().union(*(sources_of(spec.resolve().config) for spec in specs))
    return {"HF_HUB_OFFLINE": "1"} if needed and needed <= fetched else {}
