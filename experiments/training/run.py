"""One run: fit and choose the best epoch, refit if asked to, predict, measure, write the row."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Any

import yaml

from datamodules.store.encoder import ENCODER_FILE
from experiments.config.resolved import Resolved
from experiments.machine.energy import EnergyMeter
from experiments.machine.environment import git_state, now
from experiments.machine.load import Load
from experiments.records import test_log, tuning_log
from experiments.records.atomic import replace_bytes
from experiments.records.predictions import write_predictions
from experiments.records.row import Row
from experiments.records.run_files import (
    CONFIG_FILE,
    REFIT,
    TEST_FILE,
    VAL_FILE,
    write_row,
)
from experiments.records.threshold import check_both_classes
from experiments.training import ranks, wandb_run
from experiments.training.callbacks import ProgressFn
from experiments.training.checkpointing import RESUME_FILE
from experiments.training.cross_validation import execute_folds
from experiments.training.devices import devices_of
from experiments.training.fitting import (
    BEST_FILE,
    SELECTION_FILE,
    Fit,
    build_and_setup,
    fit_and_choose,
    identity_of,
    load_selection,
    refit,
    save_selection,
)
from experiments.training.folds import is_interrupted
from experiments.training.measure import predict
from experiments.training.outcome import (
    Training,
    build_row,
    step_costs,
    write_metrics,
)
from experiments.training.resource_errors import explain_resource_errors
from experiments.training.signals import Stopped, StopRequest, handle_signals, requeue
from experiments.training.spec import RunSpec


def execute(spec: RunSpec, progress: ProgressFn = lambda description, fraction: None) -> Row | None:
    """Executes a run, or resumes it from its checkpoint, and writes its row last.

    Every rank (`experiments.training.ranks`) executes the run; only rank 0 writes files.

    Returns:
        The row; None on ranks other than 0.

    Raises:
        Stopped: a signal stopped the run; a later call resumes it from its checkpoint. After
            SIGUSR1, a Slurm job has been requeued.
        ConfigError: a setting that cannot be used.
        DataError: a corpus that cannot be used.
        OutOfMemory: memory is exhausted.
        DiskFull: a file could not be written; nothing half-written is left.
    """
    try:
        with handle_signals() as stop, explain_resource_errors(spec.folder):
            return _execute(spec, progress, stop)
    except Stopped as stopped:
        if stopped.number == signal.SIGUSR1 and ranks.is_rank_zero():
            requeue()  # after everything is saved, because Slurm ends this job at once
        raise


def _execute(spec: RunSpec, progress: ProgressFn, stop: StopRequest) -> Row | None:
    started, resolved = now(), spec.resolve()
    folder, config, first = spec.folder, resolved.config, ranks.is_rank_zero()
    if first:
        folder.mkdir(parents=True, exist_ok=True)
        content = yaml.safe_dump(config, sort_keys=False)
        replace_bytes(folder / CONFIG_FILE, content.encode())
    progress("reading the corpus", 0.0)
    code = git_state()  # at the start, since the checkout may change during the run
    if resolved.run.folds is not None:
        return execute_folds(spec, resolved, started, code, progress, stop)
    resumed = is_interrupted(folder)
    _, data = build_and_setup(resolved)
    if resolved.run.threshold is not None:  # before the first step rather than after the last
        check_both_classes(data.store.labels("train")[data.store.rows("val")])
    stop.check("before the first step")
    token_notes = [*data.token_notes(), *data.teacher_notes()] if first else []
    tags = [data.head.name, spec.profile]
    logger = (
        wandb_run.start(resolved, folder, spec.experiment, spec.benchmark, tags) if first else None
    )
    exit_code, meter, load = 1, EnergyMeter(devices_of(resolved)), Load()
    try:
        fits = [_fit_first(resolved, spec, logger, progress, stop)]
        if resolved.run.protocol == "refit":
            resolved = resolved.refitted()
            _, data = build_and_setup(resolved)
            second = wandb_run.refit_logger(logger, folder)
            epoch = fits[0].best_epoch
            fits.append(refit(resolved, folder, epoch, second, _prefixed("refit, ", progress)))
        # Other ranks of this run would count as others.
        others_busy = load.others() if ranks.current().world_size == 1 else None
        if len(fits) == 2:
            _save_and_predict(resolved, folder / REFIT, spec.test, progress)
        tokens = sum(fit.clock.all_tokens() for fit in fits)
        stop.check("before the row was written")
        if not first:
            return None
        # The energy that a run used before it was interrupted is unknown.
        energy = None if resumed else meter.joules()
        training = Training(fits, tokens, energy, others_busy, started, code)
        row = build_row(spec, resolved, training, config, token_notes)
        test_log.record_evaluation(row, folder, row.ended, code)
        if data.official_test:
            tuning_log.record_trial(row, folder, spec.trial_of)
        final = write_metrics(folder, row, step_costs(fits))
        wandb_run.summarise(logger, row, final)
        if resolved.run.wandb_texts:
            wandb_run.log_mistakes(logger, folder / VAL_FILE, row, data)
        for name in (RESUME_FILE, BEST_FILE, SELECTION_FILE):
            (folder / name).unlink(missing_ok=True)
        write_row(folder, row)
        exit_code = 0
        return row
    finally:
        wandb_run.finish(logger, exit_code)


def _fit_first(
    resolved: Resolved, spec: RunSpec, logger: Any, progress: ProgressFn, stop: StopRequest
) -> Fit:
    """Fits, chooses the epoch and predicts, unless an earlier start has done so."""
    folder, identity = spec.folder, identity_of(resolved)
    needed = [ENCODER_FILE, *([TEST_FILE] if spec.test else [])]  # older versions left neither
    first = ranks.is_rank_zero()
    there = first and all((folder / name).exists() for name in needed)
    saved = load_selection(folder, identity) if there else None
    if (saved := ranks.broadcast(saved)) is not None:
        if not first:
            saved.clock.tokens = 0  # rank 0 holds the sum over all ranks
        return saved
    if first:  # what an interrupted run of other settings left would pass for that of this one
        for name in (SELECTION_FILE, TEST_FILE):
            (folder / name).unlink(missing_ok=True)
        shutil.rmtree(folder / REFIT, ignore_errors=True)
    fit = fit_and_choose(resolved, folder, logger, progress)
    cli = resolved.cli
    predictions = predict(cli.trainer, cli.model, cli.datamodule, "val")
    stop.check("after the validation rows were predicted")
    if ranks.is_rank_zero():
        write_predictions(folder / VAL_FILE, predictions)
    _save_and_predict(resolved, folder, spec.test, progress)
    if resolved.run.protocol == "refit":
        save_selection(folder, identity, fit)
    return fit


def _save_and_predict(resolved: Resolved, place: Path, test: bool, progress: ProgressFn) -> None:
    """Writes a fitted model, its encoder and, if wanted, its test predictions. Collective."""
    progress("predicting", 1.0)
    cli = resolved.cli
    if ranks.is_rank_zero():
        place.mkdir(exist_ok=True)
        cli.datamodule.encoder.save(place)
    cli.model.save(place)  # collective for a sharded model
    if test:
        predictions = predict(cli.trainer, cli.model, cli.datamodule, "test")
        if ranks.is_rank_zero():
            write_predictions(place / TEST_FILE, predictions)


def _prefixed(prefix: str, progress: ProgressFn) -> ProgressFn:
    return lambda description, fraction: progress(prefix + description, fraction)
