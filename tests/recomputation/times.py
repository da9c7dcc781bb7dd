"""Times of rows, from docs/results.md: those of one fit, measured apart where they were."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from tests.recomputation.published import read_lines

MARK = "‡"
_FITS = {"holdout": 1, "refit": 2}


class Times:
    """Times of the rows of a published table.

    Args:
        folder: The published folder.
        name: Name of the table.
        rows: Its rows.
    """

    def __init__(self, folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
        file = folder / f"{name}.times.json"
        entries = json.loads(file.read_text()) if file.exists() else []
        self.apart = {(one["setting"], one["corpus_fingerprint"]): one for one in entries}
        self.settings = _settings(folder)
        self.some = any(self._measured(row) for row in rows)

    def mark(self, rows: list[dict[str, Any]]) -> str:
        """Mark of an experiment whose times are those of its runs, though others' are not."""
        own = [row for row in rows if not self._measured(row) and row["origin"] != "claimed"]
        return MARK if self.some and own else ""

    def training(self, row: dict[str, Any]) -> float | None:
        """Training seconds of one fit."""
        if (one := self._measured(row)) is None:
            total = row["train_seconds"]
            return None if total is None else total / _FITS[row["protocol"]]
        return one["prepare_seconds"] + (one["seconds_per_epoch"] or 0) * row["epochs"]

    def latency(self, row: dict[str, Any]) -> float | None:
        """Median milliseconds of a prediction."""
        return (self._measured(row) or row)["latency_ms_p50"]

    def _measured(self, row: dict[str, Any]) -> dict[str, Any] | None:
        place = (row["experiment"], row["seed"], row["config_hash"])
        settings = self.settings.get(place, set())
        keys = [(setting, row["corpus_fingerprint"]) for setting in settings]
        return next((self.apart[key] for key in keys if key in self.apart), None)


@cache
def _settings(folder: Path) -> dict[tuple[str, int, str], set[str]]:
    """Hashes of the setting of a run, by experiment, seed and hash of all its settings."""
    found: dict[tuple[str, int, str], set[str]] = {}
    for line in read_lines(folder / "test_log.jsonl"):
        place = (line["experiment"], line["seed"], line["config_hash"])
        found.setdefault(place, set()).add(line.get("setting"))
    return found
