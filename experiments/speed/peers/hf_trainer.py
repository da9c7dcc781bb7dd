"""Fine-tuning with Hugging Face `Trainer`, rows padded to the longest of their batch."""

from __future__ import annotations

import json
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Measure an epoch, after some unmeasured steps.

    Args:
        job: `variant` (`trainer`, or `group_by_length`), `batch_size`, `warmup` steps, `seed`,
            `bf16`, `cpu`; `training`: further arguments of `TrainingArguments`; `config`: values of
            the network; `weights`: a folder of pretrained ones, or null for random ones; `file`: an
            npz with `tokens` and `offsets` of ragged rows and their `labels`, and the same with
            `val_` for those that are predicted after the measurement.
    """
    import numpy as np
    import torch
    from torch import nn
    from transformers import (
        AutoConfig,
        AutoModelForSequenceClassification,
        Trainer,
        TrainerCallback,
        TrainingArguments,
        set_seed,
    )

    set_seed(job["seed"])
    with np.load(job["file"], allow_pickle=False) as content:
        arrays = dict(content)
    train, val = (_rows(arrays, prefix) for prefix in ("", "val_"))
    values = dict(job["config"])
    config = AutoConfig.for_model(values.pop("model_type"), **values)
    if job["weights"]:
        model = AutoModelForSequenceClassification.from_pretrained(
            job["weights"], num_labels=values["num_labels"], dtype=torch.float32
        )
    else:
        model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)

    def collate(examples: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        rows = [example["input_ids"] for example in examples]
        tokens = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        mask = nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
        labels = torch.tensor([example["labels"] for example in examples])
        return {"input_ids": tokens, "attention_mask": mask, "labels": labels}

    def now() -> float:
        if not job["cpu"] and torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter()

    class Clock(TrainerCallback):
        """Clock of the steps of an epoch, without the set-up of `train`."""

        started = ended = 0.0

        def on_epoch_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            self.started = now()

        def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            if state.global_step == state.max_steps:
                self.ended = now()

    def train_for(steps: int, clock: Clock) -> float:
        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                output_dir=folder,
                max_steps=steps,
                num_train_epochs=1,
                train_sampling_strategy="group_by_length"
                if job["variant"] == "group_by_length"
                else "random",
                per_device_train_batch_size=job["batch_size"],
                seed=job["seed"],
                bf16=job["bf16"],
                use_cpu=job["cpu"],
                report_to="none",
                save_strategy="no",
                logging_strategy="no",
                disable_tqdm=True,
                remove_unused_columns=False,
                optim="adamw_torch_fused",
                **job["training"],
            )
            done = Trainer(
                model=model,
                args=arguments,
                train_dataset=train,
                data_collator=collate,
                callbacks=[clock],
            ).train()
        return float(done.training_loss)

    begun = {name: value.clone() for name, value in model.state_dict().items()}
    if job["warmup"]:
        train_for(job["warmup"], Clock())
        model.load_state_dict(begun)
    clock = Clock()
    loss = train_for(-1, clock)
    return {
        "seconds": clock.ended - clock.started,
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "loss": loss,
        "accuracy": _accuracy(model, val, collate),
    }


def _rows(arrays: dict[str, Any], prefix: str) -> list[dict[str, Any]]:
    """Rows in the format of `Trainer`."""
    import numpy as np
    import torch

    rows = np.split(arrays[f"{prefix}tokens"], arrays[f"{prefix}offsets"][1:-1])
    return [
        {
            "input_ids": torch.from_numpy(row.astype(np.int64)),
            "labels": int(label),
            "length": len(row),
        }
        for row, label in zip(rows, arrays[f"{prefix}labels"], strict=True)
    ]


def _accuracy(model: Any, rows: list[dict[str, Any]], collate: Any) -> float | None:
    import torch

    if not rows:
        return None
    model.eval()
    right = 0
    ordered = sorted(rows, key=lambda row: row["length"])
    with torch.inference_mode():
        for start in range(0, len(ordered), 64):
            batch = {
                name: x.to(model.device) for name, x in collate(ordered[start : start + 64]).items()
            }
            right += int((model(**batch).logits.argmax(dim=1) == batch["labels"]).sum())
    return right / len(rows)


def versions() -> dict[str, str]:
    """Versions of what is measured."""
    import accelerate
    import torch
    import transformers

    found = {"transformers": transformers.__version__, "torch": torch.__version__}
    return {"python": platform.python_version(), **found, "accelerate": accelerate.__version__}


def main() -> None:
    """Print the result as JSON on the last line."""
    word = sys.argv[1]
    result = versions() if word == "--versions" else measure(json.loads(Path(word).read_text()))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
