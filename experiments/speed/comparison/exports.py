"""Data of a comparison in files that scripts of other libraries can read."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.errors import DataError
from datamodules.pretrained import locate
from datamodules.store.ragged import Ragged
from datamodules.text import TextDataModule
from experiments.config.resolved import Resolved
from experiments.speed.comparison.rivals import VECTOR_SETTINGS, Peer

PREDICTED = 500
"""Validation rows of which an encoder's accuracy is taken."""


def export(peer: Peer, resolved: Resolved, folder: Path, experiment: str) -> dict[str, Any]:
    """Write the sample of an experiment for a library.

    Args:
        peer: The library.
        resolved: Settings; `build_and_setup` has been called.
        folder: For the files.
        experiment: Name of the experiment.

    Returns:
        What the script needs to know beside batch size, warm-up, seed and threads; `tokens` and
        `reviews` of the sample.

    Raises:
        DataError: Labels that the script cannot learn, or texts that it cannot cut off, as our
            side does.
    """
    data = resolved.cli.datamodule
    if data.multi_label and peer.work != "vectors":
        raise DataError(
            f"--against {peer.name} measures texts of one label each, and these have several; "
            "name another corpus"
        )
    if peer.name == "sklearn" and data.num_classes != 2:
        raise DataError(
            f"--against sklearn measures two classes, and this corpus has {data.num_classes}; name "
            "another corpus"
        )
    if not peer.truncates and data.max_length:
        raise DataError(
            f"--against {peer.name} measures whole texts, and data.max_length is "
            f"{data.max_length}; leave it out"
        )
    rows = data.train_indices()
    tokens = _tokens(data, rows)
    found = _EXPORTS[peer.name](resolved, folder, experiment)
    return {**found, "tokens": int(tokens.lengths.sum()), "reviews": len(rows)}


def some_validation_rows(data: TextDataModule) -> np.ndarray:
    """Numbers of at most `PREDICTED` validation rows, at equal steps, int64, ascending."""
    rows: np.ndarray = data.store.rows("val")
    count = min(PREDICTED, len(rows))
    return rows[np.arange(count) * len(rows) // max(1, count)]


def _keras(resolved: Resolved, folder: Path, experiment: str) -> dict[str, Any]:
    """Rows in random order, every row padded to `max_length`."""
    model, data, file = resolved.cli.model, resolved.cli.datamodule, folder / "rows.npz"
    dataset = data.train_dataloader().dataset
    # Shuffled: the corpus is sorted by class, and the first rows are the warm-up.
    order = np.random.default_rng(data.seed).permutation(len(dataset))
    tokens, _lengths, labels, _ids = dataset[order]
    width = data.max_length or tokens.shape[1]
    matrix = np.full((len(tokens), width), data.tokenizer.pad_id, dtype=np.int32)
    matrix[:, : tokens.shape[1]] = tokens.numpy()
    np.savez(file, tokens=matrix, labels=labels.numpy().astype(np.int32))
    plain = (bool, int, float, str, list)
    sizes = {k: v for k, v in dict(model.hparams).items() if isinstance(v, plain)}
    return {"file": str(file), "network": experiment, "sizes": sizes}


def _hf(resolved: Resolved, folder: Path, experiment: str) -> dict[str, Any]:
    """Rows without padding, some validation rows, and the configuration of the encoder."""
    model, data, file = resolved.cli.model, resolved.cli.datamodule, folder / "rows.npz"
    arrays: dict[str, np.ndarray] = {}
    parts = {"": data.train_indices(), "val_": some_validation_rows(data)}
    for prefix, rows in parts.items():
        ragged = _tokens(data, rows)
        arrays |= {f"{prefix}tokens": ragged.values, f"{prefix}offsets": ragged.offsets}
        arrays[f"{prefix}labels"] = data.store.labels("train")[rows]
    np.savez(file, **arrays)  # type: ignore[arg-type]
    source = resolved.config["model"]["init_args"].get("source")
    hparams = model.hparams
    training = {
        "learning_rate": hparams["learning_rate"],
        "weight_decay": hparams["weight_decay"],
        "lr_scheduler_type": hparams["schedule"],
        "warmup_steps": hparams["warmup_fraction"],  # a number below 1 is a share of all steps
        "max_grad_norm": hparams["gradient_clip_norm"] or 0.0,
    }
    config = dict(model.hparams["config"]) | {"num_labels": data.num_classes}
    return {
        "file": str(file),
        "config": config,
        "weights": locate(source) if source else None,
        "training": training,
    }


def _fasttext(resolved: Resolved, folder: Path, experiment: str) -> dict[str, Any]:
    model, data = resolved.cli.model, resolved.cli.datamodule
    files = {}
    parts = {"train": data.train_indices(), "validation": data.store.rows("val")}
    for part, rows in parts.items():
        labels = data.store.labels("train")[rows]
        files[part] = str(folder / f"{part}.txt")
        with open(files[part], "w", encoding="utf-8") as stream:
            for label, line in zip(labels, _lines(data, _tokens(data, rows)), strict=True):
                stream.write(f"__label__{label} {line}\n")
    hparams = model.hparams
    settings = {
        "epoch": resolved.cli.config["trainer"]["max_epochs"],
        "wordNgrams": hparams["ngrams"],
        "dim": hparams["embedding_dim"],
        "bucket": hparams["buckets"],
        "minn": 0,
        "maxn": 0,
        "lr": 0.5,
    }
    return {**files, "settings": settings}


def _sklearn(resolved: Resolved, folder: Path, experiment: str) -> dict[str, Any]:
    """Raw texts in CSV files, which our side reads as a user's own."""
    model, data = resolved.cli.model, resolved.cli.datamodule
    files, texts = {}, data.texts("train")
    parts = {"train": data.train_indices(), "validation": data.store.rows("val")}
    for part, rows in parts.items():
        files[part] = str(folder / f"{part}.csv")
        with open(files[part], "w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["text", "label"])
            labels = data.store.labels("train")[rows].tolist()
            writer.writerows(zip([texts[row] for row in rows], labels, strict=True))
    names = ("ngrams", "min_df", "smoothing", "C", "max_iter")
    return files | {name: model.hparams[name] for name in names}


def _gensim(resolved: Resolved, folder: Path, experiment: str) -> dict[str, Any]:
    data, file = resolved.cli.datamodule, folder / "texts.txt"
    with open(file, "w", encoding="utf-8") as stream:
        stream.writelines(f"{line}\n" for line in _lines(data, _tokens(data, data.train_indices())))
    settings = {name: value for name, value in VECTOR_SETTINGS.items() if name != "dim"}
    settings |= {"vector_size": VECTOR_SETTINGS["dim"], "sg": int(experiment != "cbow")}
    return {"file": str(file), "settings": settings}


def _tokens(data: TextDataModule, rows: np.ndarray) -> Ragged:
    """Token ids of rows of the train part, truncated and capped as in batches."""
    return data.encoder.token_truncation.ragged(data.store.tokens("train"), rows)


def _lines(data: TextDataModule, tokens: Ragged) -> Iterator[str]:
    """Words of each row, divided by spaces."""
    words = data.tokenizer.vocabulary()
    for start, end in zip(tokens.offsets[:-1], tokens.offsets[1:], strict=True):
        yield " ".join(words[token] for token in tokens.values[start:end])


_EXPORTS = {
    "keras": _keras,
    "hf": _hf,
    "fasttext": _fasttext,
    "sklearn": _sklearn,
    "gensim": _gensim,
}
