"""Ensembles: the predictions of finished runs combined into a run of its own, without a model."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from datamodules.upgrade.translate import current_config
from experiments.config.identity import config_hash
from experiments.config.registry import ConfigError
from experiments.config.track import TRACKS
from experiments.inference.members import Member
from experiments.machine.environment import git_state, now, versions
from experiments.records import logs, test_log, tuning_log
from experiments.records.atomic import replace_bytes
from experiments.records.metrics import evaluate
from experiments.records.predictions import write_predictions
from experiments.records.problems.class_predictions import Predictions
from experiments.records.row import ENSEMBLE, Part, ResultsError, Row
from experiments.records.run_files import (
    CONFIG_FILE,
    REFIT,
    ROW_FILE,
    TEST_FILE,
    VAL_FILE,
    checksums,
    read_row,
    write_row,
)
from experiments.records.threshold import Rule, threshold_and_note
from experiments.statistics.combining import combine, fit_weights
from experiments.statistics.reading import read_run_predictions
from experiments.statistics.table import check_same_reviews

_FILES: dict[Part, str] = {
    "val": VAL_FILE,
    "test": TEST_FILE,
    "test_refit": f"{REFIT}/{TEST_FILE}",
}


@dataclass(frozen=True, eq=False)
class Combination:
    """Combined predictions.

    Attributes:
        members: The members.
        weights: float[M].
        parts: Predictions of each part.
    """

    members: Sequence[Member]
    weights: NDArray[np.float64]
    parts: dict[Part, Predictions]


def combine_members(members: Sequence[Member], test: bool = True) -> Combination:
    """Combine the predictions of members, aligned by id.

    The weights are fitted on the validation predictions of the holdout weights. They combine these,
    and the test predictions of each fit that all members have.

    Args:
        members: Two or more.
        test: Combine the test predictions too, which is a look at the test split.

    Raises:
        ConfigError: Fewer than two members, or one given twice.
        ResultsError: A member without the predictions, or members of unequal tasks, corpora,
            profiles, reviews or labels.
    """
    _check_members(members)
    read = [read_run_predictions(one.row, one.source) for one in members]
    parts = _common_parts(members, test)
    for part in parts:
        runs = [(one.row, found[part]) for one, found in zip(members, read, strict=True)]
        check_same_reviews(runs, part)
        check_equal(members, "classes", [run.probabilities.shape[1] for _, run in runs])
    val = [found["val"] for found in read]
    weights = fit_weights(val[0].labels, [one.probabilities for one in val])
    combined = {}
    for part in parts:
        of_part = [found[part] for found in read]
        groups = next((one.groups for one in of_part if one.groups is not None), None)
        probabilities = combine([one.probabilities for one in of_part], weights)
        combined[part] = Predictions(of_part[0].ids, of_part[0].labels, probabilities, groups)
    return Combination(members, weights, combined)


def write_ensemble(combination: Combination, folder: Path, seed: int) -> Row:
    """Write a run folder without a model, and log its looks and its trial. Hold its lock.

    Args:
        combination: What the run predicts.
        folder: Run folder, `<name>/seed-<n>`; one of the same members is replaced.
        seed: Seed of the row.

    Returns:
        The row.

    Raises:
        ConfigError: The folder has another run.
    """
    members = combination.members
    config = _config(members, seed)
    fresh = not (folder / ROW_FILE).is_file()
    if not fresh and (earlier := read_row(folder)).config != config:
        raise ConfigError(
            f"{folder}: is another run, of {', '.join(earlier.members) or 'a model'} or of other "
            "settings; move it away, or give the ensemble another NAME or --name"
        )
    shutil.rmtree(folder / REFIT, ignore_errors=True)
    for file in (ROW_FILE, TEST_FILE):
        (folder / file).unlink(missing_ok=True)
    fitted = [
        {
            "run": str(one.source),
            "experiment": one.row.experiment,
            "seed": one.row.seed,
            "config_hash": one.row.config_hash,
            "weight": float(weight),
        }
        for one, weight in zip(members, combination.weights, strict=True)
    ]
    text = yaml.safe_dump({**config, "fitted": fitted}, sort_keys=False)
    replace_bytes(folder / CONFIG_FILE, text.encode())
    for part, predictions in combination.parts.items():
        write_predictions(folder / _FILES[part], predictions)
    row = _row(combination, config, fitted, folder)
    if fresh and logs.is_official(folder):
        tuning_log.record_trial(row, folder)
    if row.tested and not test_log.is_logged(test_log.read(), row):
        test_log.record_evaluation(row, folder, row.ended, (row.git_commit, row.git_dirty))
    write_row(folder, row)
    return row


def _check_members(members: Sequence[Member]) -> None:
    for at, one in enumerate(members):
        row = one.row
        label = f"{one.source}: {row.experiment}, seed {row.seed}"
        if row.status != "ok" or row.val is None or row.cross_validated:
            raise ResultsError(
                f"{label} has no predictions of a validation part by a finished fit (status "
                f"{row.status}, protocol {row.protocol}, {row.origin}); fit it first"
            )
        if row.problem == "multi-label classification":
            raise ConfigError(
                f"{label} predicts several labels a text, and an ensemble combines the "
                "probabilities of one label; leave it out"
            )
        if any(row == other.row for other in members[:at]):
            raise ConfigError(f"{label} is given twice; name each member once")
    if len(members) < 2:
        raise ConfigError(f"{len(members)} member was given; an ensemble has at least 2")
    for name in ("task", "corpus", "corpus_fingerprint", "profile", "excluded", "problem"):
        check_equal(members, name, [getattr(one.row, name) for one in members])
    check_equal(members, "run.threshold", [rule_of(one.row) for one in members])


def rule_of(row: Row) -> Rule | None:
    """Rule by which the threshold of a row was chosen; an ensemble chooses its own by the same."""
    rule: Rule | None = (row.config.get("run") or {}).get("threshold")
    return rule


def check_equal(members: Sequence[Member], name: str, values: Sequence[Any]) -> None:
    """Refuse members that differ in something, by its name.

    Raises:
        ResultsError: They do.
    """
    for one, value in zip(members, values, strict=True):
        if value != values[0]:
            raise ResultsError(
                f"{members[0].row.experiment} has {name} {values[0]!r} and {one.row.experiment} "
                f"{value!r}; combine runs of one task, corpus and profile"
            )


def _common_parts(members: Sequence[Member], test: bool) -> list[Part]:
    tested: list[Part] = ["test", "test_refit"] if test else []
    common = [part for part in tested if all(one.row.parts[part] for one in members)]
    if test and not common:
        has = "; ".join(
            f"{one.row.experiment} has {', '.join(p for p in tested if one.row.parts[p]) or 'none'}"
            for one in members
        )
        raise ResultsError(
            f"the members have no test predictions of one protocol in common ({has}); run "
            "`lit-sentiment test` on each, or add --no-test"
        )
    return ["val", *common]


def _config(members: Sequence[Member], seed: int) -> dict[str, Any]:
    """Settings of an ensemble, equal for all its seeds but for the seed."""
    data = current_config(members[0].row.config).get("data") or {}
    split_seed = (data.get("init_args") or {}).get("split_seed")
    return {
        "seed_everything": seed,
        ENSEMBLE: sorted(one.setting for one in members),
        "data": {
            "class_path": data.get("class_path"),
            "init_args": {} if split_seed is None else {"split_seed": split_seed},
        },
    }


def _row(
    combination: Combination,
    config: dict[str, Any],
    fitted: list[dict[str, Any]],
    folder: Path,
) -> Row:
    rows = [one.row for one in combination.members]
    val, names = combination.parts["val"], rows[0].label_names
    name, seed = folder.parent.name, config["seed_everything"]
    label_names = names or ["class 0", "class 1"]
    threshold, notes = threshold_and_note(rule_of(rows[0]), val, label_names, seed)
    metrics = {
        part: evaluate(one.labels, one.probabilities, threshold)
        for part, one in combination.parts.items()
    }

    def total(field: str, least: Callable[[list[Any]], bool] = all) -> Any:
        values = [getattr(row, field) for row in rows]
        known = [value for value in values if value is not None]
        return sum(known) if known and least([value is not None for value in values]) else None

    own = tuple(f"{row.experiment}: " for row in rows)
    remarks = [note for row in rows for note in row.notes if not note.startswith(own)]
    parts = [
        f"{one['weight']:.3f} · {one['experiment']} (seed {one['seed']}, {one['config_hash']})"
        for one in fitted
    ]
    commit, dirty = git_state()
    sizes = {row.train_rows for row in rows}
    fits = 2 if "test_refit" in metrics else 1  # a member may have fits that are not combined
    return Row(
        experiment=name,
        architecture="Ensemble",
        corpus=rows[0].corpus,
        corpus_fingerprint=rows[0].corpus_fingerprint,
        protocol="refit" if fits == 2 else "holdout",
        profile=rows[0].profile,
        seed=seed,
        val=metrics["val"],
        test=metrics.get("test"),
        test_refit=metrics.get("test_refit"),
        parameters=total("parameters"),
        trainable_parameters=total("trainable_parameters"),
        train_seconds=_times(fits, total("fit_seconds")),
        vectors_seconds=_times(fits, total("fit_vectors_seconds", any)),
        flops_per_review=total("flops_per_review"),
        energy_joules=total("energy_joules"),
        checkpoint_bytes=total("checkpoint_bytes"),
        epochs=0,  # of its own
        precision=" and ".join(dict.fromkeys(str(row.precision) for row in rows)),
        tuning=tuning_log.tuning_of(name, config, logs.is_official(folder)),
        git_commit=commit,
        git_dirty=dirty,
        versions=versions(),
        started=now(),
        ended=now(),
        config_hash=config_hash(config),
        notes=[
            *dict.fromkeys(remarks),
            *(f"{name}: {note}." for note in notes),
            f"{name}: seed {seed} is {' + '.join(parts)}.",
        ],
        excluded=rows[0].excluded,
        train_rows=sizes.pop() if len(sizes) == 1 else None,
        checksums=checksums(folder),
        config=config,
        family="ensembles",
        task=rows[0].task,
        problem=rows[0].problem,
        track=max((row.track for row in rows), key=list(TRACKS).index),
        deterministic=all(row.deterministic for row in rows),
        threshold=threshold,
        label_names=names,
    )


def _times(fits: int, seconds: float | None) -> float | None:
    return None if seconds is None else fits * seconds
