"""FLOPs of rows that were published before rows had them: counted again on fresh models.

The weights' values do not matter, so nothing is trained: an untrained model of the same settings
does the same operations. What was counted lies beside the table, in `<table>.cost.json`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable
from pathlib import Path

from experiments.atomic import replace_bytes
from experiments.config import Registry, layered, read_profile
from experiments.row import ResultsError, Row


def cost_file(table: Path) -> Path:
    """Where the costs of a published table lie."""
    return table.with_suffix(".cost.json")


def with_costs(rows: Iterable[Row], folder: Path) -> list[Row]:
    """The rows, with the FLOPs that were counted for them later.

    Args:
        rows: from `folder`, or from one table in it.
        folder: a published folder, or any other, which changes nothing.

    Raises:
        ResultsError: a file of costs that is none.
    """
    found: dict[str, float] = {}
    home = folder.parent if folder.is_file() else folder
    for path in sorted(home.glob("*.cost.json")):
        found |= _read(path)
    return [
        dataclasses.replace(row, flops_per_review=found[row.config_hash])
        if row.flops_per_review is None and row.config_hash in found
        else row
        for row in rows
    ]


def count_published(
    table: Path, rows: Iterable[Row], registry: Registry, root: str | None, tell: Callable
) -> int:
    """Counts what no row and no earlier call has counted, and keeps it beside the table.

    Args:
        table: the published table.
        rows: its rows.
        registry: the experiments.
        root: the official corpus, as in `benchmark --root`.
        tell: told of each row in a sentence.

    Returns:
        How many figures there are now.

    Raises:
        DataError: a corpus that cannot be used.
        ResultsError: a file of costs that is none.
    """
    path = cost_file(table)
    known = _read(path) if path.is_file() else {}
    for row in rows:
        if row.status != "ok" or row.flops_per_review is not None or row.config_hash in known:
            continue
        if row.experiment not in registry.files:
            tell(f"{row.experiment}: no such experiment; name its folder with --configs DIR")
            continue
        flops, why = _count(row, registry, root)
        tell(f"{row.experiment}: {why}" if flops is None else f"{row.experiment}: {flops:,.0f}")
        if flops is not None:
            known[row.config_hash] = flops
            ordered = dict(sorted(known.items()))
            replace_bytes(path, (json.dumps(ordered, indent=1) + "\n").encode())
    return len(known)


def _count(row: Row, registry: Registry, root: str | None) -> tuple[float | None, str]:
    """FLOPs per review of a row's settings, or why there are none."""
    from experiments.fitting import ready
    from experiments.flops import flops_per_review
    from experiments.parsing import Resolved
    from lit_models.estimator import LitEstimator

    settings = layered(registry, row.experiment, read_profile(row.profile))
    words = [f"--run.protocol={row.protocol}", "--trainer.accelerator=cpu"]
    words += [f"--data.root={root}"] if root else []
    resolved = Resolved({**settings, "seed_everything": row.seed}, words)
    # Vectors are given, not computed with, and learning them takes minutes.
    if resolved.config["data"].get("init_args", {}).get("vectors"):
        resolved = Resolved(resolved.config, ["--data.vectors=null"])
    if row.protocol == "refit":
        resolved = resolved.refitted()
    model, data = ready(resolved)
    if isinstance(model, LitEstimator):
        return None, "no model of torch's"
    model.prepare(data.train_view())
    if model.parameter_count != row.parameters:
        return None, (
            f"its settings make {model.parameter_count:,} parameters now and the row has "
            f"{row.parameters:,}: they have changed since, and nothing is said of it"
        )
    return flops_per_review(model, data), ""


def _read(path: Path) -> dict[str, float]:
    try:
        content = json.loads(path.read_bytes())
        return {str(key): float(value) for key, value in content.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise ResultsError(
            f"{path}: no file of costs ({error}); delete it and run `lit-sentiment cost` again"
        ) from error
