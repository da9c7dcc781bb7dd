"""FLOPs of published rows that have none, counted on new models of the same settings.

The values of the weights do not matter, so nothing is trained. The counts are stored beside the
table, in `<table>.cost.json`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

from experiments.config.registry import Registry, layered, read_profile
from experiments.records.atomic import replace_bytes
from experiments.records.costs import cost_file, read_costs
from experiments.records.row import Row


def count_published(
    table: Path, rows: Iterable[Row], registry: Registry, root: str | None, report: Callable
) -> int:
    """Counts the FLOPs of rows that have none, and stores them beside the table.

    Args:
        table: the published table.
        rows: its rows.
        registry: the experiments.
        root: the official corpus, as in `benchmark --root`.
        report: called with one line for each row.

    Returns:
        Number of stored counts.

    Raises:
        DataError: a corpus that cannot be used.
        ResultsError: the file of costs cannot be read.
    """
    path = cost_file(table)
    known = read_costs(path) if path.is_file() else {}
    for row in rows:
        if row.status != "ok" or row.flops_per_review is not None or row.config_hash in known:
            continue
        if row.experiment not in registry.files:
            report(f"{row.experiment}: no such experiment; name its folder with --configs DIR")
            continue
        flops, reason = _count(row, registry, root)
        report(
            f"{row.experiment}: {reason}" if flops is None else f"{row.experiment}: {flops:,.0f}"
        )
        if flops is not None:
            known[row.config_hash] = flops
            ordered = dict(sorted(known.items()))
            replace_bytes(path, (json.dumps(ordered, indent=1) + "\n").encode())
    return len(known)


def _count(row: Row, registry: Registry, root: str | None) -> tuple[float | None, str]:
    """FLOPs per review of a row's settings, or None and the reason."""
    from experiments.config.resolved import Resolved
    from experiments.training.fitting import build_and_setup
    from experiments.training.flops import flops_per_review
    from lit_models.base.without_steps import WithoutSteps

    settings = layered(registry, row.experiment, read_profile(row.profile))
    words = [f"--run.protocol={row.protocol}", "--trainer.accelerator=cpu"]
    words += [f"--data.root={root}"] if root else []
    resolved = Resolved({**settings, "seed_everything": row.seed}, words)
    # Learning word vectors takes minutes, and their values do not matter.
    if resolved.config["data"].get("init_args", {}).get("vectors"):
        resolved = Resolved(resolved.config, ["--data.vectors=null"])
    if row.protocol == "refit":
        resolved = resolved.refitted()
    model, data = build_and_setup(resolved)
    if isinstance(model, WithoutSteps):
        return None, "not a torch model"
    model.prepare(data.train_view())
    if model.parameter_count != row.parameters:
        return None, (
            f"its settings make {model.parameter_count:,} parameters now and the row has "
            f"{row.parameters:,}: the settings have changed since, so its FLOPs are unknown"
        )
    return flops_per_review(model, data), ""
