"""Test columns of a finished run: its weights evaluated on test rows, once and logged."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from datamodules.errors import DataError
from datamodules.store.corpus import Corpus
from datamodules.text import TextDataModule
from experiments.config.registry import ConfigError
from experiments.config.resolved import Resolved
from experiments.machine.environment import git_state, now
from experiments.records import test_log
from experiments.records.predictions import write_predictions
from experiments.records.row import AnyMetrics, Part, Row
from experiments.records.run_files import (
    TEST_FILE,
    check_files,
    check_has_model,
    checksums,
    read_row,
    weights_folder,
    write_row,
)
from experiments.training import ranks
from experiments.training.fitting import (
    build_and_setup,
)
from experiments.training.measure import predict
from experiments.training.outcome import (
    chance_notes,
    metrics_of,
    write_metrics,
)


def test_run(folder: Path, test: Path | None = None) -> Row:
    """Evaluates a finished run on the test rows, unless it has been, and adds them to its row.

    Every evaluation on an official test split is logged; metrics that are not in the log are
    computed again.

    Args:
        folder: the run folder.
        test: file of test rows for a run on a user's own files that has none. Its row is then that
            of a run which was fitted with this file: it has its name, and the fingerprint of the
            corpus with these test rows.

    Raises:
        ConfigError: the folder is not a finished run.
        ResultsError: one of its files is missing or was changed.
        DataError: the corpus has no test rows, or is not the one that the run was fitted on.
    """
    row = read_row(folder)
    if row.status != "ok":
        raise ConfigError(f"{folder} {row.status}: {row.reason}; fit it again")
    if row.tested and not test_log.is_missing(row, folder):
        if test is not None and Resolved.of_run(folder, test).corpus_fingerprint() != (
            row.corpus_fingerprint
        ):
            raise DataError(
                f"{test}: has changed since its figures went into the row of {folder}; give it "
                "another name, and it is evaluated beside them"
            )
        return row
    check_has_model(folder, row)
    check_files(folder, row)
    places: dict[Part, Path] = {"test": folder} if row.protocol == "holdout" else {}
    if row.protocol == "refit":
        places["test_refit"] = weights_folder(folder, row, "refit")
        if places["test_refit"] != folder:  # older runs kept the weights of the second fit alone
            places["test"] = folder
    metrics = {}
    for part, place in places.items():
        resolved = Resolved.of_run(folder, test)
        resolved = resolved.refitted() if part == "test_refit" else resolved
        metrics[part], data = _test_weights(folder, place, row, resolved, added=test is not None)
    files = [place / TEST_FILE for place in places.values()]
    notes = [*row.notes, *chance_notes(row.experiment, files, row.threshold)]
    if test is not None:
        config = {**row.config, "data": Resolved.of_run(folder, test).config["data"]}
        row = dataclasses.replace(row, config=config, corpus_fingerprint=data.fingerprint)
        notes = [*row.notes, *data.head.notes, *notes]
    row = dataclasses.replace(
        row.with_parts(metrics), checksums=checksums(folder), notes=list(dict.fromkeys(notes))
    )
    test_log.record_evaluation(row, folder, now(), git_state())
    write_metrics(folder, row)
    write_row(folder, row)
    return row


def _test_weights(
    folder: Path, place: Path, row: Row, resolved: Resolved, added: bool
) -> tuple[AnyMetrics, TextDataModule]:
    """Evaluates the weights of one fit of a run on the test rows.

    Args:
        folder: the run folder.
        place: folder of the weights.
        row: the run's row.
        resolved: settings of the fit.
        added: the test rows were named after the fit, so that the corpus without them counts.
    """
    untrained, data = build_and_setup(resolved)
    if data.task != row.task:
        raise DataError(
            f"{folder} was fitted for task {row.task}, and this version evaluates "
            f"{data.task}, whose splits or metrics differ; fit again"
        )
    fingerprint = data.store.meta["fingerprint"]
    if added and fingerprint != row.corpus_fingerprint:
        fingerprint = dataclasses.replace(Corpus.load(data.corpus_folder), test=None).fingerprint
    if fingerprint != row.corpus_fingerprint:
        other = ", or unlabelled texts are copies of the test texts" if added else ""
        raise DataError(
            f"{folder} was fitted on corpus {row.corpus_fingerprint}, and the corpus now read is "
            f"{fingerprint}{other}; fit again, or provide the earlier corpus"
        )
    one_process = {"devices": 1, "num_nodes": 1, "strategy": "auto"}
    with ranks.acting_as(ranks.Rank()):
        trainer = resolved.cli.make_trainer(
            plugins=[ranks.RankEnvironment()],
            logger=False,
            default_root_dir=folder,
            precision=row.precision,
            **one_process,
        )
        model = type(untrained).load(place)
        if getattr(model, "num_classes", None) != (
            wanted := getattr(untrained, "num_classes", None)
        ):
            raise DataError(
                f"{folder}: its model has {model.num_classes} classes and its corpus {wanted}; "
                "they come from different runs: fit it again"
            )
        predictions = predict(trainer, model, data, "test")
    write_predictions(place / TEST_FILE, predictions)
    return metrics_of(place / TEST_FILE, row.threshold), data
