"""Training speed of the architectures: tokens per second and operations per token.

    python -m experiments.speed.architectures --root CORPUS --out experiments/results/speed.json

Each experiment trains with the settings of its YAML file on the same sample of reviews, in rounds
within one process, so that disturbances of the machine affect all alike; the fastest round counts.
The FLOP share of an experiment is its number of operations per token relative to `lstm`; `lag` is
its time per token relative to `lstm`, divided by that share.
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
from rich.table import Table

from datamodules.console import plain_console
from datamodules.errors import Unavailable
from datamodules.store.batching import TextBatch
from experiments.config.registry import Registry, merge
from experiments.config.resolved import Resolved
from experiments.machine.quiet import quiet
from experiments.speed.record import Origin, write_measurement
from experiments.training.callbacks import TrainingTimer
from experiments.training.flops import count
from lit_models.base.classifier import LitClassifier
from lit_models.base.without_steps import WithoutSteps

REFERENCE = "lstm"


class UpdateClock(Callback):
    """Clock of gradient clipping and optimiser step, from the end of the backward pass.

    Attributes:
        seconds: Total time.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._since = 0.0

    def on_before_optimizer_step(self, *arguments: Any) -> None:
        self._since = time.perf_counter()

    def on_train_batch_end(self, *arguments: Any) -> None:
        self.seconds += time.perf_counter() - self._since


def measure(resolved: Resolved, scratch: str) -> dict[str, float]:
    """Train for an epoch without validation, after a few unmeasured steps.

    Args:
        resolved: An experiment, built and set up.
        scratch: A folder for what the trainer writes.

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
            default_root_dir=scratch,
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
    """Multiplications and additions of a forward pass per real token."""
    return count(model, [batch]) / int(batch.lengths.sum())


@quiet()
def compare(experiments: Sequence[str], options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Measurements by experiment, with those of the reference."""
    registry, built = Registry(options.configs), {}
    for name in dict.fromkeys([REFERENCE, *experiments]):
        data = {"root": options.root, "reviews": options.reviews, "cache_dir": options.cache_dir}
        here = {
            "data": {"class_path": "experiments.speed.sample.SampledIMDB", "init_args": data},
            "trainer": {"accelerator": "cpu", "devices": 1},
        }
        resolved = Resolved(merge(registry.settings(name), here))
        torch.manual_seed(0)
        try:
            resolved.cli.build()
        except Unavailable as error:
            print(f"{name}: left out, {error}", flush=True)
            continue
        if isinstance(resolved.cli.model, WithoutSteps):
            continue  # it is fitted without steps
        resolved.cli.datamodule.prepare_data()
        resolved.cli.datamodule.setup()
        built[name] = resolved
    rates: dict[str, dict[str, Any]] = {}
    for number in range(options.rounds):
        for name, resolved in built.items():
            new = measure(resolved, options.scratch)
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
        # Embedding look-ups are not counted: a lag relative to almost no operations is meaningless.
        one["lag"] = slower / one["flop_share"] if one["flop_share"] > 0.01 else None
    return rates


def table(rates: dict[str, dict[str, Any]]) -> Table:
    """Measurements as a terminal table."""
    rows = Table("experiment", box=None, header_style="bold")
    for head in ("tokens/s", "ms/step", "optimiser", "FLOP share", "lag"):
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
    """Measure, print the table, and write the JSON to `--out`."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("experiments", nargs="*", help="names of experiments (all)")
    parser.add_argument("--root", help="the official corpus, as in `benchmark --root`")
    parser.add_argument("--cache-dir", help="as in --data.cache_dir")
    parser.add_argument(
        "--configs", action="append", type=Path, default=[], help="further folder of experiments"
    )
    parser.add_argument("--reviews", type=int, default=1280, help="reviews per epoch (1280)")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each experiment (3)")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (2)")
    parser.add_argument("--out", type=Path, help="file for the JSON")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    origin = Origin()
    with tempfile.TemporaryDirectory() as options.scratch:
        rates = compare(options.experiments or list(Registry(options.configs).files), options)
    plain_console(width=100).print(table(rates))
    settings = {name: getattr(options, name) for name in ("reviews", "rounds", "threads")}
    result = {
        "settings": settings,
        "experiments": rates,
        **origin.describe(options.threads),
    }
    write_measurement(result, options.out)


if __name__ == "__main__":
    main()
