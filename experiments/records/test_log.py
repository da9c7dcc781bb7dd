"""Log of test evaluations: a line for each evaluation on an official test split.

Test figures are unbiased only as long as nothing was chosen on the test split. The log is kept with
the code, so that a reader can count how often each configuration was tested.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from experiments.config.identity import setting_hash
from experiments.records import logs
from experiments.records.row import AnyMetrics, ResultsError, Row

LOG = logs.RESULTS / logs.TEST_LOG


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Logged evaluation.

    Attributes:
        time: ISO 8601 time of the evaluation.
        experiment: As in the row, like all attributes that are not listed here.
        git_commit: Commit of the code that evaluated.
        git_dirty: Whether that code had uncommitted changes.
        run: Last three parts of the path of the run folder.
        setting: Hash of the setting, equal for all its seeds and splits
            (`config.identity.setting_hash`); None in older entries whose settings are not known.
    """

    time: str
    experiment: str
    architecture: str
    corpus: str
    corpus_fingerprint: str | None
    protocol: str
    profile: str
    seed: int
    config_hash: str
    git_commit: str | None
    git_dirty: bool | None
    accuracy: float | None
    log_loss: float | None
    n: int
    run: str
    setting: str | None = None


def record_evaluation(
    row: Row, folder: Path, time: str, code: tuple[str | None, bool | None]
) -> None:
    """Append each evaluation of a run, one a protocol, if its corpus has an official test split.

    If the log cannot be written (an installed copy, a read-only disk), a note is printed once.

    Args:
        row: Row of the run, with its test metrics.
        folder: The run folder.
        time: ISO 8601 time of the evaluation.
        code: Commit and whether it had uncommitted changes (`environment.git_state`).
    """
    if not row.tested or not logs.is_official(folder):
        return
    values = {field.name: getattr(row, field.name, None) for field in dataclasses.fields(Entry)}
    values |= {"time": time, "git_commit": code[0], "git_dirty": code[1]}
    values |= {"run": logs.run_of(folder), "setting": setting_hash(row.config)}
    for protocol, metrics in _tested(row).items():
        scores = {name: metrics.scores.get(name) for name in ("accuracy", "log_loss", "n")}
        logs.append(LOG, values | scores | {"protocol": protocol}, "test evaluations")


def read(log: Path | None = None) -> list[Entry]:
    """Read all entries of a log, oldest first; none if there is no log.

    Raises:
        ResultsError: A line is not an entry.
    """
    return logs.read_entries(log or LOG, lambda values: Entry(**values))


def is_logged(entries: Iterable[Entry], row: Row) -> bool:
    """Check whether every test accuracy of a row is in the log, of a language model its loss."""
    logged = {
        (e.protocol, e.log_loss if e.accuracy is None else e.accuracy)
        for e in entries
        if _key(e) == _key(row)
    }
    return set(_figures(row).items()) <= logged


def is_missing(row: Row, folder: Path) -> bool:
    """Check whether the log of this checkout lacks an official test accuracy of a row."""
    official = logs.CHECKOUT and row.tested and logs.is_official(folder)
    return official and not is_logged(read(), row)


def check_logged(row: Row, folder: Path) -> None:
    """Refuse a run whose evaluation on an official test split is not in the log.

    Raises:
        ResultsError: The test accuracy is not in the log.
    """
    if logs.is_official(folder) and not is_logged(read(), row):
        raise ResultsError(
            f"{folder}: its test figure "
            f"({', '.join(map(str, _figures(row).values()))}) is not in {LOG}; run "
            f"`lit-sentiment test {folder}`, which evaluates and logs it, or add the line from the "
            "checkout in which it was tested"
        )


def count_looks(entries: Iterable[Entry], experiment: str) -> int:
    """Count the looks of an experiment at official test splits, whatever the settings of its rows.

    A look is a setting that was evaluated, all its seeds together. A run of protocol `refit`
    evaluates two sets of weights, one under each protocol: each of them is a look.
    """
    own = (entry for entry in entries if entry.experiment == experiment)
    return len({(entry.protocol, entry.setting or entry.config_hash) for entry in own})


def _figures(row: Row) -> dict[str, float | None]:
    """Accuracy of the test part by the protocol of the weights; the loss where there is none."""
    return {
        protocol: metrics.scores.get("accuracy", metrics.scores.get("log_loss"))
        for protocol, metrics in _tested(row).items()
    }


def _tested(row: Row) -> dict[str, AnyMetrics]:
    """Metrics of the test part by the protocol of the weights."""
    metrics = {"holdout": row.test, "refit": row.test_refit}
    return {protocol: value for protocol, value in metrics.items() if value is not None}


def _key(one: Entry | Row) -> tuple:
    return (one.config_hash, one.corpus_fingerprint, one.seed)
