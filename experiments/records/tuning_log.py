"""Log of trials: a line for each run that was measured on validation of an official corpus.

Settings are chosen by such measurements, so a table must say how many there were. A trial is a
setting, whatever its seed, its split seed and its protocol (`config.identity.setting_hash`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.config.identity import setting_hash
from experiments.records import logs
from experiments.records.row import Row

LOG = logs.RESULTS / logs.TUNING_LOG


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Logged measurement on validation.

    Attributes:
        time: ISO 8601 time of its end.
        experiment: Name of the experiment; of a trial of a sweep that of the sweep.
        setting: Hash of the setting, equal for all its seeds, split seeds and protocols.
        config_hash: As in the row, like all attributes that are not listed here.
        split_seed: Seed of the draw of validation rows, or of the folds.
        chosen_on: `validation`, or `5 folds of train`.
        accuracy: Share of these rows that are predicted correctly; None if the run was pruned or
            failed, like the other metrics.
        log_loss: Log loss on these rows, in nats.
        n: Number of these rows.
        git_commit: Commit of the code.
        run: Last three parts of the path of the run folder.
    """

    time: str
    experiment: str
    setting: str
    config_hash: str
    corpus: str
    corpus_fingerprint: str | None
    profile: str
    seed: int
    split_seed: int | None
    chosen_on: str
    accuracy: float | None
    log_loss: float | None
    n: int | None
    git_commit: str | None
    git_dirty: bool | None
    run: str


@dataclass(frozen=True, kw_only=True)
class Before:
    """Trials from before the log.

    Attributes:
        experiment: Name of the experiment.
        trials: Number of settings that were tried.
        before: Source of the number.
        settings: Hashes of those of these settings that are known (`Trial.setting`); a later run
            of one of them is no further trial.
    """

    experiment: str
    trials: int
    before: str
    settings: list[str] = field(default_factory=list)


def record_trial(row: Row, folder: Path, experiment: str | None = None) -> None:
    """Append a run on a corpus with an official test split; runs on others are not logged.

    Args:
        row: Row of the run; one that was pruned or failed has no metrics.
        folder: The run folder.
        experiment: Experiment whose setting was tried; None: that of the row.
    """
    values = {f.name: getattr(row, f.name, None) for f in dataclasses.fields(Trial)}
    values |= {"time": row.ended, "setting": setting_hash(row.config), "run": logs.run_of(folder)}
    values |= {"experiment": experiment or row.experiment, "chosen_on": chosen_on(row.config)}
    values["split_seed"] = row.config["data"].get("init_args", {}).get("split_seed")
    if row.val is not None:
        values |= {name: row.val.scores.get(name) for name in ("accuracy", "log_loss", "n")}
    logs.append(LOG, values, "trials on validation")


def read(log: Path | None = None) -> list[Trial | Before]:
    """Read all entries of a log, oldest first; none if there is no log.

    Raises:
        ResultsError: A line is not an entry.
    """
    return logs.read_entries(log or LOG, _entry)


def count_trials(
    entries: Iterable[Trial | Before], experiment: str, settings: Iterable[str] = ()
) -> int:
    """Count the settings of an experiment that were tried.

    Trials of another experiment that has tried one of these settings count too: the best settings
    of a sweep become an experiment of another name.

    Args:
        entries: Of the log.
        experiment: Its name.
        settings: Hashes of further settings, in the log or not.
    """
    entries, own = list(entries), set(settings)
    for entry in entries:
        own |= _settings(entry) if entry.experiment == experiment else set()
    names = {experiment, *(entry.experiment for entry in entries if own & _settings(entry))}
    before = [e for e in entries if isinstance(e, Before) and e.experiment in names]
    tried = {e.setting for e in entries if isinstance(e, Trial) and e.experiment in names}
    known = {setting for entry in before for setting in entry.settings}
    return sum(entry.trials for entry in before) + len((tried | own) - known)


def tuning_of(experiment: str, config: dict[str, Any], official: bool) -> dict[str, Any]:
    """Value of `Row.tuning` for a run with these settings, itself counted.

    Args:
        experiment: Experiment whose setting it is.
        config: Its settings.
        official: Whether its corpus has an official test split; trials on others are not logged,
            and their number is None.
    """
    trials = count_trials(read(), experiment, [setting_hash(config)]) if official else None
    return {"trials": trials, "chosen_on": chosen_on(config)}


def chosen_on(config: dict[str, Any]) -> str:
    """Name the rows on which a run with these settings was measured."""
    folds = (config.get("run") or {}).get("folds")
    return "validation" if folds is None else f"{folds} folds of train"


def _settings(entry: Trial | Before) -> set[str]:
    return {entry.setting} if isinstance(entry, Trial) else set(entry.settings)


def _entry(values: dict[str, Any]) -> Trial | Before:
    return Before(**values) if "before" in values else Trial(**values)
