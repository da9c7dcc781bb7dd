"""Speed of one experiment, measured in a process of its own.

`lit-sentiment speed` calls it for each experiment: a first process prepares the corpus, a second
one measures.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from datamodules.errors import DataError
from experiments.config.registry import ConfigError, Registry, read_yaml
from experiments.config.resolved import Resolved
from experiments.machine.environment import peak_memory_bytes, versions
from experiments.machine.peak import peak_flops
from experiments.speed.curves import against_batch_size, against_length
from experiments.speed.fitting import Fitting, time_prediction
from experiments.speed.operations import forward_flops, positions_of, tokens_of
from experiments.speed.record import Origin
from experiments.speed.steps import PARTS, shares
from experiments.training.devices import devices_of
from experiments.training.fitting import build_and_setup
from lit_models.base.without_steps import WithoutSteps


@dataclass(frozen=True)
class Plan:
    """Extent of a measurement.

    Attributes:
        experiment: Name of the experiment.
        reviews: Most rows of a round.
        rounds: Number of rounds, of which the medians are reported.
        warmup: Fewest steps before the first round, which are not measured; all batches of a round
            are among them.
        lengths: Lengths of made rows.
        batch_sizes: Further batch sizes.
    """

    experiment: str
    reviews: int = 640
    rounds: int = 3
    warmup: int = 10
    lengths: Sequence[int] = ()
    batch_sizes: Sequence[int] = ()


def measure(resolved: Resolved, plan: Plan, folder: Path) -> dict[str, Any]:
    """Measure training and prediction.

    Args:
        resolved: Settings, whose corpus is prepared.
        plan: Extent.
        folder: For the files of the fits.

    Returns:
        `train` and `predict`, each with the median rates of real tokens and of reviews; of a model
        with steps also `shares` of a step (`steps.PARTS`), `flops_per_second` and `peak_share`;
        `peak_flops`, memory and settings; `lengths` and `batch_sizes` where asked for.
    """
    model, data = build_and_setup(resolved)
    with Fitting(resolved, plan.experiment, folder) as fitting:
        device, dtype = fitting.device, fitting.dtype
        peak = peak_flops(device, dtype)
        steps = not isinstance(model, WithoutSteps)
        train = (_steps if steps else _fits)(fitting, plan)
        predict = time_prediction(fitting.trainer, model, data, plan.reviews, plan.rounds)
        batches = predict.pop("batches")
        memory = {
            "peak_memory_bytes": peak_memory_bytes(),
            "peak_gpu_memory_bytes": torch.cuda.max_memory_allocated(device)
            if device.type == "cuda"
            else None,
        }
        curves = {
            "lengths": against_length(fitting, plan.lengths) if plan.lengths else None,
            "batch_sizes": against_batch_size(fitting, plan) if plan.batch_sizes else None,
        }
    peak = max(peak, peak_flops(device, dtype))  # the machine may have been busy before
    seen = train.pop("batches", None)
    for part, passes, read in ((train, 3, seen), (predict, 1, batches)):
        # A backward pass has twice the operations of a forward pass.
        flops = forward_flops(model, read, part is train) if steps and read else None
        rate = None if flops is None else passes * flops / part["seconds"]
        part["flops_per_second"] = rate
        part["peak_share"] = None if rate is None else rate / peak
    return {
        "train": train,
        "predict": predict,
        "peak_flops": peak,
        "parameters": model.parameter_count,
        "precision": fitting.precision,
        "batch_size": data.batch_size,
        "max_length": data.max_length,
        **memory,
        **curves,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
    }


def _steps(fitting: Fitting, plan: Plan) -> dict[str, Any]:
    """Rounds of training steps; the batches are those of the last."""
    fitting.warm_up(plan.warmup, plan.reviews)
    gpu = fitting.device.type == "cuda"
    rounds = [fitting.train(plan.reviews) for _ in range(plan.rounds)]
    # On a GPU the parts need synchronisation, which would slow the rounds that are timed.
    profiled = [fitting.train(plan.reviews, synchronised=True)] if gpu else rounds
    last = rounds[-1]
    tokens, positions = tokens_of(last.batches), sum(map(positions_of, last.batches))
    seconds = statistics.median(one.seconds for one in rounds)
    rows = sum(len(batch.lengths) for batch in last.batches)
    return {
        "seconds": seconds,
        "rounds": [one.seconds for one in rounds],
        "steps": len(last.batches),
        "reviews": rows,
        "tokens_per_second": tokens / seconds,
        "reviews_per_second": rows / seconds,
        "milliseconds_per_step": 1000 * seconds / len(last.batches),
        "padding_share": 1 - tokens / positions,
        "shares": shares([one.profiler for one in profiled], sum(one.seconds for one in profiled)),
        "batches": last.batches,
    }


def _fits(fitting: Fitting, plan: Plan) -> dict[str, Any]:
    """Rounds of whole fits of a model that takes no steps."""
    rounds = [fitting.fit() for _ in range(plan.rounds)]
    seconds, view = statistics.median(rounds), fitting.data.train_view()
    return {
        "seconds": seconds,
        "rounds": rounds,
        "steps": 0,
        "reviews": len(view.tokens),
        "tokens_per_second": int(view.tokens.lengths.sum()) / seconds,
        "reviews_per_second": len(view.tokens) / seconds,
        "milliseconds_per_step": None,
        "padding_share": None,
        "shares": dict.fromkeys(PARTS),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure in this process; print the result as JSON on the last line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("settings", type=Path, help="resolved settings, a YAML file")
    parser.add_argument("plan", type=json.loads, help="extent of the measurement, JSON")
    parser.add_argument("--configs", type=Path, action="append", default=[])
    parser.add_argument(
        "--prepare", action="store_true", help="fill the cache, and measure nothing"
    )
    options = parser.parse_args(arguments)
    Registry(options.configs)  # makes the modules of these folders known
    result: dict[str, Any] = {}
    try:
        resolved = Resolved(read_yaml(options.settings))
        if options.prepare:
            _, data = build_and_setup(resolved)
            data.word_vectors()
        else:
            origin = Origin()
            with tempfile.TemporaryDirectory() as folder:
                result = measure(resolved, Plan(**options.plan), Path(folder))
            result |= {"versions": versions(), **origin.describe(devices=devices_of(resolved))}
    except (ConfigError, DataError) as error:
        raise SystemExit(f"error: {error}") from None
    print(json.dumps(result))


if __name__ == "__main__":
    main()
