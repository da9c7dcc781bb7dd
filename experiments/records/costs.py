"""FLOPs counted after publication, kept beside the published table in `<table>.cost.json`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path

from experiments.records.row import ResultsError, Row


def cost_file(table: Path) -> Path:
    """Path of the costs of a published table."""
    return table.with_suffix(".cost.json")


def add_costs(rows: Iterable[Row], folder: Path) -> list[Row]:
    """Fill in the FLOPs that were counted after the rows were published.

    Args:
        rows: Rows of `folder`, or of one table in it.
        folder: A published folder or table. Other folders have no costs: the rows stay as they
            are.

    Raises:
        ResultsError: A file of costs cannot be read.
    """
    flops: dict[str, float] = {}
    home = folder.parent if folder.is_file() else folder
    for path in sorted(home.glob("*.cost.json")):
        flops |= read_costs(path)
    return [
        dataclasses.replace(row, flops_per_review=flops[row.config_hash])
        if row.flops_per_review is None and row.config_hash in flops
        else row
        for row in rows
    ]


def read_costs(path: Path) -> dict[str, float]:
    """Read FLOPs per review, by config hash.

    Raises:
        ResultsError: The file is not a file of costs.
    """
    try:
        content = json.loads(path.read_bytes())
        return {str(key): float(value) for key, value in content.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise ResultsError(
            f"{path}: not a file of costs ({error}); delete it and run `lit-sentiment cost` again"
        ) from error
