"""One run: fit, choose the best epoch, perhaps fit again, predict, measure, write the row."""

from __future__ import annotations

import dataclasses
import signal
from pathlib import Path
from typing import Any

import yaml

from datamodules.errors import DataError
from experiments.config.registry import ConfigError
from experiments.config.resolved import Resolved
from experiments.machine.energy import EnergyMeter
from experiments.machine.environment import git_state, now
from experiments.records import test_log
from experiments.records.atomic import replace_bytes
from experiments.records.predictions import read_predictions, write_predictions
from experiments.records.row import Row
from experiments.records.run_files import (
    CONFIG_FILE,
    TEST_FILE,
    VAL_FILE,
    checksums,
    read_row,
    write_row,
)
from experiments.training import ranks, wandb_run
from experiments.training.checkpointing import RESUME_FILE
from experiments.training.fitting import (
    BEST_FILE,
    SELECTION_FILE,
    Fit,
    ProgressFn,
    build_and_setup,
    fit_and_choose,
    identity_of,
    load_selection,
    refit,
    save_selection,
)
from experiments.training.measure import predict
from experiments.training.outcome import build_row, metrics_of, write_metrics
from experiments.training.resource_errors import explain_resource_errors
from experiments.training.signals import Stopped, StopRequest, handle_signals, requeue
from experiments.training.spec import RunSpec


def execute(spec: RunSpec, tell: ProgressFn = lambda what, share: None) -> Row | None:
    """Carries a run out, or goes on with it where it was stopped, and writes its row last.

    Of several processes (`experiments.training.ranks`) all carry it out, and the first writes.

    Returns:
        The row; None in a process that is not the first.

    Raises:
        Stopped: a signal asked for a stop; a later call goes on from the checkpoint. A job of Slurm
            that was told by SIGUSR1 is in the queue again by then.
        ConfigError: a setting that cannot be used.
        DataError: a corpus that cannot be used.
        OutOfMemory: what was held at its peak, and what takes less.
        DiskFull: where, and that nothing half-written is left there.
    """
    try:
        with handle_signals() as stop, explain_resource_errors(spec.folder):
            return _execute(spec, tell, stop)
    except Stopped as stopped:
        if stopped.number == signal.SIGUSR1 and ranks.is_rank_zero():
            requeue()  # last, when all that is kept is kept: Slurm ends this job now
        raise


def _execute(spec: RunSpec, tell: ProgressFn, stop: StopRequest) -> Row | None:
    started, resolved = now(), spec.resolve()
    folder, config, first = spec.folder, resolved.config, ranks.is_rank_zero()
    if first:
        folder.mkdir(parents=True, exist_ok=True)
        content = yaml.safe_dump(config, sort_keys=False)
        replace_bytes(folder / CONFIG_FILE, content.encode())
    tell("reading the corpus", 0.0)
    code = git_state()  # now: it may change while the run goes on
    resumed = any((folder / name).exists() for name in (RESUME_FILE, SELECTION_FILE))
    _, data = build_and_setup(resolved)
    stop.check("before the first step")
    tags = [data.store.meta["corpus"], spec.profile]
    logger = (
        wandb_run.start(resolved, folder, spec.experiment, spec.benchmark, tags) if first else None
    )
    exit_code, meter = 1, EnergyMeter()
    try:
        fits = [_choose(resolved, folder, logger, tell, stop)]
        if resolved.run.protocol == "refit":
            resolved = resolved.refitted()
            _, data = build_and_setup(resolved)
            second = wandb_run.refitting(logger, folder)
            epoch = fits[0].best_epoch
            fits.append(refit(resolved, folder, epoch, second, _prefixed("refit, ", tell)))
        tell("predicting", 1.0)
        resolved.cli.model.save(folder)  # by all processes together
        part = "test" if spec.test else "val"
        predicted = predict(resolved.cli.trainer, resolved.cli.model, data.loader(part))
        tokens = sum(fit.clock.all_tokens() for fit in fits)
        stop.check("before the row was written")
        if not first:
            return None
        # What an interrupted start took before is not known: half a figure would mislead.
        energy = None if resumed else meter.joules()
        measures = predicted, tokens, energy
        row = build_row(spec, resolved, fits, *measures, config, started, code)
        test_log.record(row, folder, row.ended, code)
        final = write_metrics(folder, row, fits)
        wandb_run.summarise(logger, row, final)
        if resolved.run.wandb_texts:
            wandb_run.log_mistakes(logger, read_predictions(folder / VAL_FILE), data)
        for name in (RESUME_FILE, BEST_FILE, SELECTION_FILE):
            (folder / name).unlink(missing_ok=True)
        write_row(folder, row)
        exit_code = 0
        return row
    finally:
        wandb_run.finish(logger, exit_code)


def test_run(folder: Path) -> Row:
    """Evaluates a finished run on the test rows and adds them to its row, unless they are there.

    Every evaluation on an official test split is logged; a figure that is not in the log is
    evaluated again.

    Raises:
        ConfigError: the folder is not a finished run.
        DataError: the corpus has no test rows, or is not the one the run was fitted on.
    """
    row = read_row(folder)
    if row.status != "ok":
        raise ConfigError(f"{folder} {row.status}: {row.reason}; fit it again")
    if row.test is not None and not test_log.lacks(row, folder):
        return row
    resolved = Resolved.of_run(folder)
    if resolved.run.protocol == "refit":
        resolved = resolved.refitted()
    fresh, data = build_and_setup(resolved)
    if data.store.meta["fingerprint"] != row.corpus_fingerprint:
        raise DataError(
            f"{folder} was fitted on corpus {row.corpus_fingerprint}, and the corpus now read is "
            f"{data.store.meta['fingerprint']}; fit again, or give the old data"
        )
    alone = {"devices": 1, "num_nodes": 1, "strategy": "auto"}  # whatever it was fitted on
    with ranks.acting_as(ranks.Rank()):
        trainer = resolved.cli.make_trainer(
            plugins=[ranks.Processes()],
            logger=False,
            default_root_dir=folder,
            precision=row.precision,
            **alone,
        )
        model = type(fresh).load(folder)
        predictions = predict(trainer, model, data.loader("test"))
    write_predictions(folder / TEST_FILE, predictions)
    test = metrics_of(folder / TEST_FILE)
    row = dataclasses.replace(row, test=test, checksums=checksums(folder))
    test_log.record(row, folder, now(), git_state())
    write_row(folder, row)
    return row


def _choose(
    resolved: Resolved, folder: Path, logger: Any, tell: ProgressFn, stop: StopRequest
) -> Fit:
    """The fit that chooses, and its validation predictions; those that lie there already stay."""
    identity = identity_of(resolved)
    if (kept := ranks.broadcast(load_selection(folder, identity))) is not None:
        if not ranks.is_rank_zero():
            kept.clock.tokens = 0  # the first counts those of all
        return kept
    fit = fit_and_choose(resolved, folder, logger, tell)
    cli = resolved.cli
    predictions = predict(cli.trainer, cli.model, cli.datamodule.loader("val"))
    stop.check("after the validation rows were predicted")
    if ranks.is_rank_zero():
        write_predictions(folder / VAL_FILE, predictions)
    if resolved.run.protocol == "refit":
        save_selection(folder, identity, fit)
    return fit


def _prefixed(prefix: str, tell: ProgressFn) -> ProgressFn:
    return lambda what, share: tell(prefix + what, share)
