"""One run of cross-validation within train: its fits, its predictions and its row."""

from __future__ import annotations

from experiments.config.resolved import Resolved
from experiments.machine.energy import EnergyMeter
from experiments.machine.environment import peak_memory_bytes
from experiments.machine.load import Load
from experiments.records.predictions import read_predictions
from experiments.records.row import FOLDS, Row
from experiments.records.run_files import VAL_FILE, write_row
from experiments.records.threshold import threshold_and_note
from experiments.records.tuning_log import record_trial
from experiments.training import ranks, wandb_run
from experiments.training.callbacks import ProgressFn
from experiments.training.devices import devices_of
from experiments.training.folds import (
    CrossValidation,
    cross_validate,
    is_interrupted,
    read_model_facts,
    remove_folds,
)
from experiments.training.outcome import (
    Training,
    chance_notes,
    shared_fields,
    step_costs,
    write_metrics,
)
from experiments.training.signals import StopRequest
from experiments.training.spec import RunSpec


def execute_folds(
    spec: RunSpec,
    resolved: Resolved,
    started: str,
    code: tuple[str | None, bool | None],
    progress: ProgressFn,
    stop: StopRequest,
) -> Row | None:
    """Execute a run with `run.folds`, or go on with it, and write its row last.

    Args:
        spec: the run.
        resolved: its settings.
        started: ISO 8601 time of this start.
        code: commit, and whether the code had uncommitted changes.
        progress: called with a description and the fraction done.
        stop: the request to stop the run.

    Returns:
        The row; None on ranks other than 0.
    """
    folder, first, resumed = spec.folder, ranks.is_rank_zero(), is_interrupted(spec.folder)
    resolved.build()
    tags = [spec.profile]
    logger = (
        wandb_run.start(resolved, folder, spec.experiment, spec.benchmark, tags) if first else None
    )
    exit_code, meter, load = 1, EnergyMeter(devices_of(resolved)), Load()
    try:
        done = cross_validate(resolved, folder, progress, stop)
        others_busy = load.others() if ranks.current().world_size == 1 else None
        tokens = sum(fit.clock.all_tokens() for fit in done.fits)
        stop.check("before the row was written")
        if not first:
            return None
        energy = None if resumed else meter.joules()
        training = Training(done.fits, tokens, energy, others_busy, started, code)
        row = _row(spec, resolved, done, training)
        wandb_run.summarise(logger, row, write_metrics(folder, row, step_costs(done.fits)))
        if resolved.cli.datamodule.official_test:
            record_trial(row, folder, spec.trial_of)
        write_row(folder, row)
        remove_folds(folder)
        exit_code = 0
        return row
    finally:
        wandb_run.finish(logger, exit_code)


def _row(spec: RunSpec, resolved: Resolved, done: CrossValidation, training: Training) -> Row:
    models = read_model_facts(spec.folder)
    last = resolved.fits()[-1].build()[1]
    last.setup()
    predictions, rule = read_predictions(spec.folder / VAL_FILE), resolved.run.threshold
    threshold, threshold_notes = threshold_and_note(rule, predictions, last.label_names, spec.seed)
    model_notes = [note for one in models for note in one["notes"]]
    remarks = dict.fromkeys([*model_notes, *last.token_notes(), *threshold_notes])
    return Row(
        **shared_fields(spec, resolved, last, training, resolved.config, threshold),
        protocol=FOLDS,
        parameters=models[-1]["parameters"],
        trainable_parameters=models[-1]["trainable_parameters"],
        epochs=len(done.history),
        best_epoch=done.best_epoch,
        peak_memory_bytes=peak_memory_bytes(),
        notes=[
            *last.head.notes,
            *(f"{spec.experiment}: {note}." for note in remarks),
            *chance_notes(spec.experiment, [spec.folder / VAL_FILE], threshold),
        ],
        history=done.history,
    )
