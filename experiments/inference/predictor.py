"""Predictor: a finished run as a function from raw texts to probabilities; needs no corpus."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from datamodules.store.encoder import Encoder
from experiments.config.registry import ConfigError
from experiments.records.run_files import read_config, read_row
from lit_models.base.classifier import LitClassifier

_CHUNK = 128  # texts in memory as one batch


class Predictor:
    """Loads a run folder once and predicts as often as wanted.

    Args:
        folder: a run folder, such as `runs/fit/cnn/seed-0`.
        device: where it predicts.

    Raises:
        ConfigError: the folder is not a finished run.
        DataError: its encoder is missing or damaged.
    """

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        if not (folder / "row.json").is_file():
            raise ConfigError(f"{folder}: no finished run there (no row.json); fit it first")
        if (row := read_row(folder)).status != "ok":
            raise ConfigError(f"{folder} {row.status}: {row.reason}; fit it again")
        class_path = read_config(folder)["model"]["class_path"]
        module, _, name = class_path.rpartition(".")
        try:
            architecture: type[LitClassifier] = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise ConfigError(
                f"{class_path}: cannot be imported ({error}); an architecture from outside needs "
                "--configs DIR again"
            ) from error
        self.encoder = Encoder.load(folder)
        self.model = architecture.load(folder).to(device)

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """float32[N, C] probabilities of N texts."""
        # Texts of like length together: little padding, and no prediction depends on its batch.
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        parts = [order[start : start + _CHUNK] for start in range(0, len(order), _CHUNK)] or [[]]
        found = []
        with torch.inference_mode():
            for part in parts:
                batch = self.encoder.encode([texts[row] for row in part])
                batch = self.model.transfer_batch_to_device(batch, self.model.device, 0)
                found.append(self.model.predict_step(batch).probabilities.cpu().numpy())
        return np.concatenate(found)[np.argsort(order)]
