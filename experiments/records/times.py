"""Times that were measured apart, one experiment at a time, in `<table>.times.json`.

A run of the published table may share its machine with others, and with its own evaluation. These
times are of a fit with nothing beside it, and are shown in place of a row's own.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.config.identity import setting_hash
from experiments.records.atomic import replace_bytes
from experiments.records.row import ResultsError, Row

TIMED = "timed"
"""Entry of `Row.hardware`: the day on which the times of a row were measured apart; None: they are
those of the run itself, though others of its table were measured apart."""


@dataclass(frozen=True, kw_only=True)
class Times:
    """Times of an experiment under one setting, alone on the machine.

    Attributes:
        experiment: Name of the experiment.
        setting: Hash of the setting, equal for all seeds and protocols.
        corpus_fingerprint: As in the row.
        prepare_seconds: What a model learns before its first step, word vectors aside; the whole
            fit of an estimator.
        vectors_seconds: Time in which the word vectors of one fit were learnt; None without.
        seconds_per_epoch: Time of the optimiser steps of an epoch; None for a model without.
        measured_epochs: Number of epochs that were trained to measure it; below 1: a part of one.
        peak_memory_bytes: Largest resident size of the process that fitted.
        latency_ms_p50: As in the row, like the following.
        latency_ms_p95: The 95th percentile.
        reviews_per_second: Throughput at `best_batch_size`.
        best_batch_size: The batch size, of a few, that predicts most reviews per second.
        precision: What was used, for example `32-true`.
        hardware: Machine and threads; `others_busy`: the share of the cores that other processes
            kept busy.
        versions: Version of each package that matters.
        git_commit: Commit of the code.
        git_dirty: Whether the code had uncommitted changes.
        started: ISO 8601 time.
        ended: ISO 8601 time.
    """

    experiment: str
    setting: str
    corpus_fingerprint: str
    prepare_seconds: float
    vectors_seconds: float | None
    seconds_per_epoch: float | None
    measured_epochs: float
    peak_memory_bytes: int
    latency_ms_p50: float
    latency_ms_p95: float
    reviews_per_second: float
    best_batch_size: int
    precision: str
    hardware: dict[str, Any]
    versions: dict[str, str]
    git_commit: str | None
    git_dirty: bool | None
    started: str
    ended: str

    def fit_seconds(self, epochs: int) -> float:
        """Training seconds of a fit of some epochs."""
        return self.prepare_seconds + (self.seconds_per_epoch or 0.0) * epochs


def times_file(table: Path) -> Path:
    """Path of the times of a published table."""
    return table.with_suffix(".times.json")


def read_times(path: Path) -> list[Times]:
    """Read the times of a table; none if there is no file.

    Raises:
        ResultsError: The file is not a file of times.
    """
    if not path.is_file():
        return []
    try:
        times = [Times(**entry) for entry in json.loads(path.read_bytes())]
        for one in times:
            one.fit_seconds(1)
        return times
    except (ValueError, TypeError) as error:
        raise ResultsError(
            f"{path}: not a file of times ({error}); restore it from version control, or delete "
            "it and measure again with `lit-sentiment table-times`"
        ) from error


def keep_times(path: Path, fresh: Times) -> None:
    """Add times to a file; those of the same setting are replaced.

    Raises:
        ResultsError: The file is not a file of times.
        OSError: As raised by the file system.
    """
    times = [one for one in read_times(path) if one.setting != fresh.setting]
    entries = [dataclasses.asdict(one) for one in [*times, fresh]]
    entries.sort(key=lambda entry: (entry["experiment"], entry["setting"]))
    replace_bytes(path, (json.dumps(entries, indent=1) + "\n").encode())


def add_times(rows: Iterable[Row], folder: Path) -> list[Row]:
    """Show the times that were measured apart in place of the rows' own.

    Args:
        rows: Rows of `folder`, or of one table in it.
        folder: A published folder or table. Other folders have no times: the rows stay as they
            are.

    Returns:
        The rows. In a table of which some were measured apart, `hardware` says it of each
        (`TIMED`).

    Raises:
        ResultsError: A file of times cannot be read.
    """
    home = folder.parent if folder.is_file() else folder
    files = sorted(home.glob("*.times.json"))
    known = {(t.setting, t.corpus_fingerprint): t for path in files for t in read_times(path)}
    if not known:
        return list(rows)
    pairs = [(row, _of(row, known)) for row in rows]
    tables = {(row.corpus_fingerprint, row.profile) for row, times in pairs if times}
    shown = []
    for row, times in pairs:
        if times:
            row = _with_times(row, times)
        elif (row.corpus_fingerprint, row.profile) in tables:
            row = dataclasses.replace(row, hardware={**row.hardware, TIMED: None})
        shown.append(row)
    return shown


def _of(row: Row, known: dict[tuple[str, str], Times]) -> Times | None:
    if row.status != "ok" or not row.config:
        return None
    return known.get((setting_hash(row.config), str(row.corpus_fingerprint)))


def _with_times(row: Row, times: Times) -> Row:
    epochs = row.epochs or 0
    best = epochs if row.best_epoch is None else row.best_epoch + 1
    same = ("peak_memory_bytes", "latency_ms_p50", "latency_ms_p95", "reviews_per_second")
    return dataclasses.replace(
        row,
        train_seconds=row.fits * times.fit_seconds(epochs),
        vectors_seconds=_product(row.fits, times.vectors_seconds),
        seconds_to_best=times.fit_seconds(best),
        best_batch_size=times.best_batch_size,
        hardware={**times.hardware, TIMED: times.ended[:10]},
        **{name: getattr(times, name) for name in same},
    )


def _product(fits: int, seconds: float | None) -> float | None:
    return None if seconds is None else fits * seconds
