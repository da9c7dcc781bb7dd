"""Training speed of the architectures side by side: tokens per second against operations per token.

    python -m experiments.speed.architectures --root CORPUS --out experiments/results/speed.json

Each experiment trains as its YAML says on the same sample of reviews, in rounds one after the
other in one process, so that a noisy machine disturbs all alike; the fastest round counts. The FLOP
share of an experiment is its operations per token over those of `lstm`; `lag` says how many times
slower than that share it is.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.table import Table

from datamodules.errors import Unavailable
from datamodules.store.batching import TextBatch
from experiments.config.registry import Registry, merge
from experiments.config.resolved import Resolved
from experiments.speed.record import Origin, write_measurement
from experiments.training.callbacks import TrainingTimer
from experiments.training.flops import count
from lit_models.base.classifier import LitClassifier
from lit_models.base.estimator import LitEstimator

REFERENCE = "lstm"


class UpdateClock(Callback):
    """Measures clipping and the optimiser's step, from the end of the backward pass on.

    Attributes:
        seconds: time in them.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._since = 0.0

    def on_before_optimizer_step(self, *arguments: Any) -> None:
        self._since = time.perf_counter()

    def on_train_batch_end(self, *arguments: Any) -> None:
        self.seconds += time.perf_counter() - self._since


def measure(resolved: Resolved) -> dict[str, float]:
    """Trains for an epoch without validation, after a few steps unmeasured.

    Args:
        resolved: built and set up.

    Returns:
        `tokens_per_second` (padding not counted), `milliseconds_per_step`, `optimiser_share`.
    """
    model, data = resolved.cli.model, resolved.cli.datamodule
    for length in ({"max_steps": 3}, {"max_epochs": 1}):
        clock, update = TrainingTimer(), UpdateClock()
        trainer = resolved.cli.make_trainer(
            **length,
            callbacks=[clock, update],
            limit_val_batches=0,
            enable_checkpointing=False,
            logger=False,
        )
        trainer.fit(model, datamodule=data)
    return {
        "tokens_per_second": int(clock.tokens) / clock.train_seconds,
        "milliseconds_per_step": 1000 * clock.train_seconds / clock.steps,
        "optimiser_share": update.seconds / clock.train_seconds,
    }


def flops_per_token(model: LitClassifier, batch: TextBatch) -> float:
    """Multiplications and additions of a forward pass for each real token."""
    return count(model, [batch]) / int(batch.lengths.sum())


def compare(experiments: Sequence[str], options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """All measurements by experiment, the reference among them."""
    registry, built = Registry(options.configs), {}
    for name in dict.fromkeys([REFERENCE, *experiments]):
        data = {"root": options.root, "reviews": options.reviews, "cache_dir": options.cache_dir}
        here = {
            "data": {"class_path": "experiments.speed.sample.SampledIMDB", "init_args": data},
            "trainer": {"accelerator": "cpu", "devices": 1, "default_root_dir": options.scratch},
        }
        resolved = Resolved(merge(registry.settings(name), here))
        torch.manual_seed(0)
        try:
            resolved.cli.build()
        except Unavailable as error:
            print(f"{name}: left out, {error}", flush=True)
            continue
        if isinstance(resolved.cli.model, LitEstimator):
            continue  # it takes no steps
        resolved.cli.datamodule.prepare_data()
        resolved.cli.datamodule.setup()
        built[name] = resolved
    rates: dict[str, dict[str, Any]] = {}
    for number in range(options.rounds):
        for name, resolved in built.items():
            new = measure(resolved)
            print(
                f"round {number + 1}: {name} {new['tokens_per_second']:,.0f} tokens/s", flush=True
            )
            if name not in rates or new["tokens_per_second"] > rates[name]["tokens_per_second"]:
                rates[name] = new
    for name, resolved in built.items():
        batch = next(iter(resolved.cli.datamodule.train_dataloader()))
        rates[name]["flops_per_token"] = flops_per_token(resolved.cli.model, batch)
    reference = rates[REFERENCE]
    for one in rates.values():
        one["flop_share"] = one["flops_per_token"] / reference["flops_per_token"]
        slower = reference["tokens_per_second"] / one["tokens_per_second"]
        # Looking vectors up is no operation: a lag behind next to none would say nothing.
        one["lag"] = slower / one["flop_share"] if one["flop_share"] > 0.01 else None
    return rates


def table(rates: dict[str, dict[str, Any]]) -> Table:
    """The measurements as a terminal table."""
    rows = Table("experiment", box=None, header_style="bold")
    for head in ("tokens/s", "ms a step", "optimiser", "FLOP share", "lag"):
        rows.add_column(head, justify="right")
    for name, one in rates.items():
        rows.add_row(
            name,
            f"{one['tokens_per_second']:,.0f}",
            f"{one['milliseconds_per_step']:.1f}",
            f"{one['optimiser_share']:.1%}",
            f"{one['flop_share']:.2f}",
            f"{one['lag']:.2f}" if one["lag"] is not None else "–",
        )
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints the table, and writes the JSON where `--out` says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("experiments", nargs="*", help="all of the registry")
    parser.add_argument("--root", help="the official corpus, as in `benchmark --root`")
    parser.add_argument("--cache-dir", help="as in --data.cache_dir")
    parser.add_argument("--configs", action="append", type=Path, default=[])
    parser.add_argument("--reviews", type=int, default=1280)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, help="file for the JSON")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    origin = Origin()
    with tempfile.TemporaryDirectory() as options.scratch:
        rates = compare(options.experiments or list(Registry(options.configs).files), options)
    Console(width=100).print(table(rates))
    settings = {name: getattr(options, name) for name in ("reviews", "rounds", "threads")}
    result = {
        "settings": settings,
        "experiments": rates,
        **origin.describe(options.threads),
    }
    write_measurement(result, options.out)


if __name__ == "__main__":
    main()
