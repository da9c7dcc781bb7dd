"""Program of the two processes in `test_sharded.py`, each of which holds a shard of the model.

python -m tests.experiments.training.sharded_checks FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor

from datamodules.store.batching import TextBatch
from experiments.launch import process_group
from experiments.training import ranks
from experiments.training.fitting import fit_and_choose
from experiments.training.spec import RunSpec
from lit_models.base.optimizers import clip_gradients
from lit_models.base.sharded_tensors import gather_full
from lit_models.base.sharding import STRATEGY, shard
from lit_models.bert import BERT
from lit_models.layers.pretrained import layers_of
from tests.batches import make_batch, random_rows
from tests.experiments.training import rank_checks
from tests.experiments.training.rank_checks import cut, cut_and_resumed, fitted, resolved
from tests.tiny_encoders import TINY, tiny

ROWS = [[5, 6, 7, 8, 9], [5, 9, 4], [7, 7], [30, 2, 8, 41]]
LIMIT = 0.05  # of the gradient's norm, which exceeds it
STILL = {"dropout": 0.0, "head_dropout": 0.0, "learning_rate": 1e-2}


def encoder(**values: Any) -> dict[str, Any]:
    return {"class_path": "lit_models.bert.BERT", "init_args": {"config": tiny("bert"), **values}}


# The gradient's norm is above 0.1 in every step.
ALL = {
    "layer_decay": 0.7,
    "weight_decay": 0.1,
    "gradient_clip_norm": 0.1,
    "weight_averaging": "ema",
}
MODELS = {
    "rates": encoder(**STILL, **ALL, schedule="linear", frozen_layers=0, head="tanh"),
    "thawing": encoder(
        **STILL,
        gradual_unfreezing=True,
        gradient_checkpointing=True,
        weight_averaging="asgd",
        pooled_layers=2,
        pooling="mean",
        window=24,
    ),
    "adapters": encoder(**STILL, lora_rank=2),
    "bf16": encoder(**STILL | {"learning_rate": 2e-3}),
    # Draws random numbers in every step; where it is cut, some weights are still frozen.
    "random": encoder(
        dropout=0.1, learning_rate=3e-3, weight_averaging="ema", gradual_unfreezing=True
    ),
}
rank_checks.MODELS |= MODELS
CASES: dict[str, dict[str, Any]] = {
    "rates": {},
    "thawing": {},
    "adapters": {"trainer": {"accumulate_grad_batches": 2}},
    "bf16": {"run": {"precision": "bf16-mixed"}},
}


class Share(Callback):
    """Records the fraction of the weights that this process holds: of all weights at every step
    and validation, and of the first layer while the last one is computed."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        layers = layers_of(module.net.encoder)  # type: ignore[union-attr, arg-type]
        layers[-1].register_forward_pre_hook(lambda *_: self.seen.append(share(layers[0])))

    def on_train_batch_start(self, trainer: L.Trainer, module: L.LightningModule, *o: Any) -> None:
        self.seen.append(share(module))

    on_validation_end = on_train_batch_start


def share(module: torch.nn.Module) -> float:
    weights = list(module.parameters())
    local = sum(w.to_local().numel() for w in weights if isinstance(w, DTensor))
    return local / sum(w.numel() for w in weights)


def encoder_of(kind: str, parted: bool, **values: Any) -> BERT:
    """The same tiny encoder, whole or sharded."""
    torch.manual_seed(0)
    model = BERT(config=tiny(kind), dropout=0.0, head_dropout=0.0, **values)
    if parted:
        mesh = init_device_mesh("cpu", (2,), mesh_dim_names=("data_parallel",))
        shard(model.net, layers_of(model.net.encoder), mesh, "32-true")
    return model


def gradients(kind: str) -> float:
    """Largest difference between the clipped gradients of a sharded and of a whole model.

    Each process computes the gradients of half of the batch.
    """
    batch, gradients_of_models = make_batch(ROWS), []
    for parted in (False, True):
        model = encoder_of(kind, parted, pooling="last" if kind == "gpt2" else "cls")
        if parted:
            batch = TextBatch(*(value[ranks.current().number :: 2] for value in batch))
        model.loss(model(batch), batch.labels).backward()
        clip_gradients(model.parameters(), LIMIT)
        gradients_of_models.append({name: p.grad for name, p in model.named_parameters()})
    one, other = (ranks.broadcast(gather_full(gradient)) for gradient in gradients_of_models)
    norm = nn.utils.get_total_norm(list(one.values()))
    assert one.keys() == other.keys() and float(norm) == pytest.approx(LIMIT)
    return max(float((one[name] - other[name]).abs().max()) for name in one)


def windowed() -> float:
    """Largest difference of logits when one process has windows and the other has none."""
    rows = random_rows((20, 9, 30) if ranks.is_rank_zero() else (3, 2, 4), 700)
    with torch.no_grad():
        one, other = (
            encoder_of("bert", p, window=8).eval()(make_batch(rows)) for p in (False, True)
        )
    return max(ranks.all_gather(float((one - other).abs().max())))


def refusal(name: str, cache: Path, **settings: Any) -> str:
    try:
        one = resolved(name, cache, 2, strategy=STRATEGY, settings=settings)
        fit_and_choose(one, cache / "refused")
    except ValueError as error:
        return str(error)
    return "it was not refused"


def main(folder: Path) -> None:
    settings = {"model": MODELS["rates"], "data": {"class_path": "tests.toys.ToyData"}}
    words = ("--trainer.devices=2", "--trainer.accelerator=cpu", f"--trainer.strategy={STRATEGY}")
    spec = RunSpec("toy", "b", "smoke", 0, folder, settings, words)
    cache, results = folder / "cache", dict[str, Any]()
    with process_group.join_process_group(spec):
        for name, settings in CASES.items():
            one, shares = resolved(name, cache, 2, None, STRATEGY, settings), Share()
            results[name] = fitted(one, folder / name, watching=[shares])[1]
            one.cli.model.save(folder / name)
            results[name]["shares"] = ranks.all_gather([min(shares.seen), max(shares.seen)])
        results["gradients"] = {kind: gradients(kind) for kind in TINY}
        results["windows"] = windowed()
        cut(resolved("rates", cache, 2, strategy=STRATEGY), folder / "moved")
        results["resumed"] = cut_and_resumed(folder, cache, strategy=STRATEGY)
        results["refused"] = [
            refusal("dense", cache),
            refusal("rates", cache, model={"init_args": {"compile": True}}),
        ]
        if not ranks.is_rank_zero():
            theirs = ranks.all_gather(results)[0]
            assert theirs == results  # equal on both ranks
            return
        ranks.all_gather(results)
    (folder / "results.json").write_text(json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
