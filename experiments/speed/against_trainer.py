"""Fine-tuning against Hugging Face `Trainer`: reviews per second on the same reviews.

    python -m experiments.speed.against_trainer minilm --reviews 640 --rounds 3

Ours, `Trainer` with rows padded to the longest of their batch, and `Trainer` with
`train_sampling_strategy="group_by_length"`, in turn, from random weights, with the same batch size,
precision and fused optimiser. The network of `Trainer` has the attention dropout of its
configuration, its default; ours has none. The time before the first measured step, compilation
included, is not part of the rate and is reported separately. `Trainer` needs `accelerate`:
`pip install -e '.[speed]'`.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from rich.table import Table
from torch import nn
from torch.utils.data import Dataset

from datamodules.console import plain_console
from experiments.config.registry import Registry
from experiments.config.resolved import Resolved
from experiments.machine.environment import versions
from experiments.machine.quiet import quiet
from experiments.speed.encoders import configure
from experiments.speed.record import Origin, write_measurement
from experiments.training.devices import devices_of, resolve_precision
from lit_models.bert import BERT

SIDES = ("ours", "trainer", "group_by_length")


class StepClock:
    """Clock that takes the time at the end of every step.

    Args:
        warmup: Number of steps that are not measured.
    """

    def __init__(self, warmup: int) -> None:
        self.warmup, self.steps, self.rows = warmup, 0, 0
        self.began = self.started = self.ended = time.perf_counter()

    def step(self, rows: int) -> None:
        """Record the end of a step over `rows` rows."""
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        self.steps, self.ended = self.steps + 1, time.perf_counter()
        if self.steps <= self.warmup:
            self.started = self.ended
        else:
            self.rows += rows

    def rate(self) -> dict[str, float]:
        """`reviews_per_second` after the warm-up, and `seconds_before` its end."""
        return {
            "reviews_per_second": self.rows / (self.ended - self.started),
            "seconds_before": self.started - self.began,
        }


class StepClockCallback(Callback):
    """`StepClock` of a Lightning trainer."""

    def __init__(self, clock: StepClock) -> None:
        self.clock = clock

    def on_train_batch_end(
        self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.clock.step(len(batch.ids))


class Rows(Dataset):
    """Tokenised reviews in the format of `Trainer`."""

    def __init__(self, rows: list[np.ndarray], labels: np.ndarray) -> None:
        self.rows, self.labels = rows, labels

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = torch.from_numpy(self.rows[index].astype(np.int64))
        return {"input_ids": row, "labels": int(self.labels[index]), "length": len(row)}


def collate(examples: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Pad to the longest row of a batch."""
    rows = [example["input_ids"] for example in examples]
    tokens = nn.utils.rnn.pad_sequence(rows, batch_first=True)
    mask = nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    labels = torch.tensor([example["labels"] for example in examples])
    return {"input_ids": tokens, "attention_mask": mask, "labels": labels}


def measure_ours(resolved: Resolved, model: BERT, warmup: int, folder: str) -> dict[str, float]:
    """Train for an epoch with the loop of this suite."""
    clock = StepClock(warmup)
    trainer = resolved.cli.make_trainer(
        max_epochs=1,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        default_root_dir=folder,
        precision=resolve_precision(resolved.run.precision, devices_of(resolved)[0]),
        callbacks=[StepClockCallback(clock)],
    )
    trainer.fit(model, datamodule=resolved.cli.datamodule)
    return clock.rate()


def measure_trainer(
    model: nn.Module, rows: Rows, warmup: int, folder: str, grouped: bool, **options: Any
) -> dict[str, float]:
    """Train for an epoch with `Trainer`."""
    from transformers import Trainer, TrainerCallback, TrainingArguments

    clock = StepClock(warmup)
    size = options["per_device_train_batch_size"]

    class TrainerClock(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            clock.step(min(size, len(rows) - (state.global_step - 1) * size))

    arguments = TrainingArguments(
        output_dir=folder,
        num_train_epochs=1,
        train_sampling_strategy="group_by_length" if grouped else "random",
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        remove_unused_columns=False,
        optim="adamw_torch_fused",
        **options,
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        data_collator=collate,
        callbacks=[TrainerClock()],
    )
    trainer.train()
    return clock.rate()


@quiet()
def compare(resolved: Resolved, rounds: int, warmup: int) -> list[dict[str, dict[str, float]]]:
    """Measure every side once in each round."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    model, data = resolved.build()
    assert isinstance(model, BERT)
    data.prepare_data()
    data.setup()
    numbers = data.store.rows("train")
    ragged = data.encoder.token_truncation.ragged(data.store.tokens("train"), numbers)
    rows = Rows(np.split(ragged.values, ragged.offsets[1:-1]), data.store.labels("train")[numbers])
    values = dict(model.hparams["config"]) | {"num_labels": data.num_classes}
    config = AutoConfig.for_model(values.pop("model_type"), **values)
    device = devices_of(resolved)[0]
    bf16 = "bf16" in resolve_precision(resolved.run.precision, device)
    options = {"per_device_train_batch_size": data.batch_size, "bf16": bf16}
    options["use_cpu"] = device.type == "cpu"
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            fresh_model, _data = resolved.build()
            assert isinstance(fresh_model, BERT)
            one = {"ours": measure_ours(resolved, fresh_model, warmup, folder)}
            for side, grouped in (("trainer", False), ("group_by_length", True)):
                net = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
                one[side] = measure_trainer(net, rows, warmup, folder, grouped, **options)
            measured.append(one)
    return measured


def summarise(rounds: list[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Medians of the rates, and of the ratios of ours to each other side within a round."""
    rates = [{side: one[side]["reviews_per_second"] for side in SIDES} for one in rounds]
    median = {side: statistics.median(rate[side] for rate in rates) for side in SIDES}
    ratio = {
        side: statistics.median(rate["ours"] / rate[side] for rate in rates) for side in SIDES[1:]
    }
    return {"median": median, "ratio": ratio, "rounds": rounds}


def table(result: dict[str, Any]) -> Table:
    """Medians as a terminal table."""
    rows = Table("", "reviews/s", "ours is faster by", box=None, header_style="bold")
    for side in SIDES:
        ratio = result["ratio"].get(side)
        times = f"× {ratio:.2f}" if ratio else ""
        rows.add_row(side, f"{result['median'][side]:.1f}", times)
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, and write the JSON to `--out`."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "experiment",
        help="experiment with a pretrained encoder, such as minilm; settings may follow",
    )
    parser.add_argument("--reviews", type=int, default=640, help="reviews per epoch (640)")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each side (3)")
    parser.add_argument("--warmup", type=int, default=3, help="steps before each measurement (3)")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (2)")
    parser.add_argument("--out", type=Path, help="file for the JSON")
    options, rest = parser.parse_known_args(arguments)
    torch.set_num_threads(options.threads)
    origin = Origin()
    size = [f"--data.train_size={options.reviews}"]
    resolved = configure(Registry(), options.experiment, True, [*size, *rest])
    summary = summarise(compare(resolved, options.rounds, options.warmup))
    plain_console(width=100).print(table(summary))
    settings = {name: getattr(options, name) for name in ("experiment", "reviews", "warmup")}
    result = {
        "settings": settings | {"overrides": rest, "precision": resolved.run.precision},
        **summary,
        "versions": versions(),
        **origin.describe(options.threads, devices_of(resolved)),
    }
    write_measurement(result, options.out)


if __name__ == "__main__":
    main()
