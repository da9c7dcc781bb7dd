"""Our side of a comparison, run as a process by `against`."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

from datamodules.errors import DataError
from datamodules.store.batching import TokenDataset, make_loader
from datamodules.text import TextDataModule
from datamodules.vectors.base import texts_of_rows
from experiments.config.registry import ConfigError, Registry, merge, read_yaml
from experiments.config.resolved import Resolved
from experiments.machine.environment import versions
from experiments.speed.comparison.exports import export, some_validation_rows
from experiments.speed.comparison.rivals import PEERS, VECTOR_SETTINGS, VECTORS
from experiments.speed.fitting import Fitting
from experiments.training.devices import devices_of
from experiments.training.fitting import build_and_setup

# Settings of the corpus that hold for a user's own files, too.
_OF_ANY_CORPUS = ("tokenizer", "vocab_size", "min_frequency", "max_length", "truncation")


def prepare(job: dict[str, Any]) -> dict[str, Any]:
    """Prepare the corpus and write what the peer reads; the job of the peer."""
    resolved = Resolved(read_yaml(Path(job["settings"])))
    build_and_setup(resolved)
    precision = _peer_precision(resolved, job["peer"])
    found = export(PEERS[job["peer"]], resolved, Path(job["folder"]), job["experiment"])
    return found | {
        **precision,
        "cpu": devices_of(resolved)[0].type == "cpu",
        "own_batch_size": resolved.cli.datamodule.batch_size,
        "max_length": resolved.cli.datamodule.max_length,
    }


def _peer_precision(resolved: Resolved, peer: str) -> dict[str, bool]:
    """The precision of our trainer, as the other side is told it.

    Raises:
        ConfigError: the other side has no such precision.
    """
    precision = Fitting(resolved, "", Path()).precision
    known = ["32-true", *(["bf16-mixed"] if peer == "hf" else [])]
    if precision.replace("32-true", "32") not in ("32", *known):
        raise ConfigError(
            f"precision is {precision}, and --against {peer} measures {' or '.join(known)}; set "
            "--run.precision alone, to one of these"
        )
    return {"bf16": precision == "bf16-mixed"}


def measure(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Measure the work once: `seconds`, with a size of the model, and its accuracy or loss."""
    config = read_yaml(Path(job["settings"]))
    return _WORK[PEERS[job["peer"]].work](config, job, folder)


def _epoch(config: dict[str, Any], job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The steps of an epoch, from the first weights, after some that are not measured."""
    size = {"data": {"init_args": {"batch_size": job["batch_size"]}}}
    resolved = Resolved(merge(config, size))
    model, data = build_and_setup(resolved)
    with Fitting(resolved, job["experiment"], folder) as fitting:
        begun = {name: value.clone() for name, value in model.state_dict().items()}
        fitting.warm_up(job["warmup"])
        model.load_state_dict(begun)
        one = fitting.train(len(data.train_indices()))
        encoder = job["peer"] == "hf"
        accuracy = _accuracy(fitting, some_validation_rows(data)) if encoder else None
    return {
        "seconds": one.seconds,
        "parameters": model.parameter_count,
        "loss": one.history["train/epoch_loss"],
        **({} if accuracy is None else {"accuracy": accuracy}),
    }


def _fit(config: dict[str, Any], job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A whole fit without validation, what is learnt before the first step included."""
    resolved = Resolved(config)
    model, data = build_and_setup(resolved)
    with Fitting(resolved, job["experiment"], folder) as fitting:
        seconds = fitting.fit()
        accuracy = _accuracy(fitting, data.store.rows("val"))
    return {"seconds": seconds, "parameters": model.parameter_count, "accuracy": accuracy}


def _pipeline(config: dict[str, Any], job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The way from a file of raw texts to a fitted model, with nothing in the cache."""
    given = config["data"]["init_args"]
    own = {name: given[name] for name in _OF_ANY_CORPUS if name in given}
    own |= {"train": job["train"], "validation": job["validation"], "cache_dir": str(folder)}
    data_settings = {"class_path": "datamodules.files.TextFiles", "init_args": own}
    resolved = Resolved({**config, "data": data_settings})
    with Fitting(resolved, job["experiment"], folder) as fitting:
        started = time.perf_counter()
        model, data = build_and_setup(resolved)
        fitting.fit()
        seconds = time.perf_counter() - started
        accuracy = _accuracy(fitting, data.store.rows("val"))
    return {"seconds": seconds, "parameters": model.parameter_count, "accuracy": accuracy}


def _vectors(config: dict[str, Any], job: dict[str, Any], folder: Path) -> dict[str, Any]:
    resolved = Resolved(config)
    _, data = build_and_setup(resolved)
    module, _, name = VECTORS[job["experiment"]].rpartition(".")
    workers = {"workers": job["threads"]} if job["experiment"] == "word2vec" else {}
    vectors = getattr(import_module(module), name)(**VECTOR_SETTINGS, **workers)
    texts = texts_of_rows(data.store, data.encoder, data.train_indices(), None)
    started = time.perf_counter()
    _, values = vectors.learn(texts, data.tokenizer.vocabulary(), data.seed)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "parameters": values.size, "words": len(values)}


_WORK = {"epoch": _epoch, "fit": _fit, "pipeline": _pipeline, "vectors": _vectors}


def _accuracy(fitting: Fitting, rows: np.ndarray) -> float:
    """Share of validation rows whose class is predicted."""
    model, data = fitting.model, fitting.data
    device = fitting.trainer.strategy.root_device
    labels = data.store.labels("train")
    right = 0
    model.to(device).eval()
    with torch.inference_mode(), fitting.trainer.precision_plugin.forward_context():
        for batch in _batches(data, rows):
            predicted = model.predict_step(model.transfer_batch_to_device(batch, device, 0))
            classes = predicted.probabilities.argmax(dim=1).numpy()
            right += int((classes == labels[predicted.ids.numpy()]).sum())
    return right / len(rows)


def _batches(data: TextDataModule, rows: np.ndarray) -> Any:
    truncation, store = data.encoder.token_truncation, data.store
    dataset = TokenDataset(store.tokens("train"), store.labels("train"), rows, truncation)
    blind, size = dataset.unlabelled(), data.eval_batch_size
    return make_loader(blind, size, split="val", shuffle=False, seed=0, rank=0, world=1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure once; print the result as JSON on the last line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("job", type=Path, help="a JSON file")
    parser.add_argument("--prepare", action="store_true", help="write the files of the peer")
    options = parser.parse_args(arguments)
    job = json.loads(options.job.read_text(encoding="utf-8"))
    Registry([Path(folder) for folder in job["configs"]])  # makes their modules known
    try:
        if options.prepare:
            result = prepare(job)
        else:
            with tempfile.TemporaryDirectory() as folder:
                result = measure(job, Path(folder)) | {"versions": versions()}
    except (ConfigError, DataError) as error:
        raise SystemExit(f"error: {error}") from None
    print(json.dumps(result))


if __name__ == "__main__":
    main()
