"""A run that learns from unlabelled texts in every way, cut within an epoch and resumed."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import torch

from datamodules.store.soft_labels import SoftLabels
from experiments.training.fitting import build_and_setup, identity_of
from experiments.training.run import execute
from tests.experiments.training.test_preemption import ROWS, at_batch, cut, spec_of, weights
from tests.toys import ToyData

MODEL = {
    "class_path": "lit_models.lm_lstm.LMLSTM",
    "init_args": {
        **{"adversarial": 1.0, "virtual_adversarial": 2.0, "entropy": 0.1},
        **{"gradual_unfreezing": True, "layer_decay": 0.5, "head_size": 5},
        "language_model": {
            **{"vocab_size": 1_000, "embedding_dim": 8, "hidden_size": 8, "cutoffs": None},
        },
    },
}


def write_soft_labels(tmp_path: Path, least: float) -> int:
    """File of soft labels of a toy corpus; returns the number of its training rows."""
    data = ToyData(rows=ROWS, cache_dir=str(tmp_path / "cache"))
    data.prepare_data()
    data.setup()
    shares = np.linspace(least, 0.9, 8, dtype=np.float32)
    probabilities, known = np.stack([shares, 1 - shares], axis=1), len(data.train_indices())
    soft = SoftLabels(np.arange(8), probabilities, data.fingerprint, data.label_names, known, "t")
    (tmp_path / "soft.parquet").write_bytes(soft.to_bytes())
    return known


def test_it_ends_bit_for_bit_as_an_uncut_one(tmp_path: Path) -> None:
    known = write_soft_labels(tmp_path, 0.1)
    whole, spec = (spec_of(tmp_path / name) for name in ("whole", "run"))
    for one in (whole, spec):
        one.settings["model"], one.settings["run"]["protocol"] = MODEL, "holdout"
        more = {"teacher": str(tmp_path / "soft.parquet"), "unlabelled_batch_size": 6}
        one.settings["data"]["init_args"].update(more)
    execute(whole)
    # Seven batches an epoch beside passes of three, with the embedding still frozen.
    assert cut(spec, signal.SIGKILL, at_batch(7 + 3)) == -signal.SIGKILL
    torch.manual_seed(99)
    row = execute(spec)
    ours, theirs = weights(spec.folder), weights(whole.folder)
    for name, tensor in theirs.items():
        assert torch.equal(ours[name], tensor), name
    assert row is not None and row.train_rows == known and row.track == "unlabelled"
    assert any("8 unlabelled texts are taught by t" in note for note in row.notes)


def test_a_checkpoint_belongs_to_the_soft_labels_that_it_was_fitted_to(tmp_path: Path) -> None:
    spec = spec_of(tmp_path / "run")
    spec.settings["data"]["init_args"]["teacher"] = str(tmp_path / "soft.parquet")
    found = list[str]()
    for least in (0.1, 0.1, 0.2):
        write_soft_labels(tmp_path, least)
        resolved = spec.resolve()
        build_and_setup(resolved)
        found.append(identity_of(resolved))
    assert found[0] == found[1] != found[2]
