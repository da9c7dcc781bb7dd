"""One run of cross-validation within train: its fits, its predictions and its row."""

from __future__ import annotations

from experiments.config.resolved import Resolved
from experiments.config.track import track_of
from experiments.machine.energy import EnergyMeter
from experiments.machine.environment import hardware, now, peak_memory_bytes, versions
from experiments.machine.load import Load
from experiments.records.row import FOLDS, Row
from experiments.records.run_files import VAL_FILE, checksums, write_row
from experiments.records.tuning_log import record_trial, tuning_of
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
from experiments.training.outcome import chance_notes, metrics_of, step_costs, write_metrics
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
        row = _row(spec, resolved, done, tokens, energy, others_busy, started, code)
        wandb_run.summarise(logger, row, write_metrics(folder, row, step_costs(done.fits)))
        if resolved.cli.datamodule.official_test:
            record_trial(row, folder, spec.trial_of)
        write_row(folder, row)
        remove_folds(folder)
        exit_code = 0
        return row
    finally:
        wandb_run.finish(logger, exit_code)


def _row(
    spec: RunSpec,
    resolved: Resolved,
    done: CrossValidation,
    tokens: int,
    energy: float | None,
    others_busy: float | None,
    started: str,
    code: tuple[str | None, bool | None],
) -> Row:
    folder, fits, models = spec.folder, done.fits, read_model_facts(spec.folder)
    model = type(resolved.cli.model)
    last = resolved.fits()[-1].build()[1]
    last.setup()
    meta = last.store.meta
    steps = sum(fit.clock.steps for fit in fits)
    step_seconds = sum(fit.clock.train_seconds for fit in fits)
    vectors_seconds = [f.vectors_seconds for f in fits if f.vectors_seconds is not None]
    remarks = dict.fromkeys(note for one in models for note in one["notes"])
    machine = hardware(devices_of(resolved))
    if ranks.current().world_size > 1:
        machine["processes"] = ranks.current().world_size
    if others_busy is not None:
        machine["others_busy"] = others_busy
    return Row(
        experiment=spec.experiment,
        architecture=model.__name__,
        corpus=meta["corpus"],
        corpus_fingerprint=last.fingerprint,
        protocol=FOLDS,
        profile=spec.profile,
        seed=spec.seed,
        val=metrics_of(folder / VAL_FILE),
        parameters=models[-1]["parameters"],
        trainable_parameters=models[-1]["trainable_parameters"],
        train_seconds=sum(fit.seconds for fit in fits),
        vectors_seconds=sum(vectors_seconds) if vectors_seconds else None,
        epochs=len(done.history),
        best_epoch=done.best_epoch,
        train_tokens_per_second=tokens / step_seconds if steps else None,
        peak_memory_bytes=peak_memory_bytes(),
        energy_joules=energy,
        precision=fits[-1].precision,
        tuning=tuning_of(spec.trial_of or spec.experiment, resolved.config, last.official_test),
        git_commit=code[0],
        git_dirty=code[1],
        versions=versions(),
        hardware=machine,
        started=min(started, *(fit.clock.started for fit in fits)),
        ended=now(),
        config_hash=resolved.hash,
        wandb_run=wandb_run.id_of(folder),
        notes=[
            *meta["notes"],
            *(f"{spec.experiment}: {note}." for note in remarks),
            *chance_notes(spec.experiment, [folder / VAL_FILE]),
        ],
        history=done.history,
        excluded=last.exclude,
        train_rows=len(last.train_indices()),
        checksums=checksums(folder),
        config=resolved.config,
        family=model.family,
        task=type(last).task,
        track=track_of(resolved.config),
        deterministic=model.deterministic and last.vectors is None,
    )
