"""WithoutSteps: models that are fitted before the first step, and saved as arrays."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from datamodules.store.train_view import TrainView
from lit_models.base.model import LitModel

ARRAYS_FILE = "arrays.safetensors"


class WithoutSteps(LitModel):
    """Fit once in `prepare`, without gradient steps.

    A base beside that of a problem, and before it, as in
    `class LitEstimator(WithoutSteps, LitClassifier)`. Optimiser settings are accepted and unused.
    """

    def prepare(self, view: TrainView) -> None:
        """Check that there is one process; a subclass then fits.

        Raises:
            ValueError: there are more.
        """
        if self._trainer is not None and self.trainer.world_size > 1:
            raise ValueError(
                f"{type(self).__name__} fits on one process, not {self.trainer.world_size}; "
                "run it with --trainer.devices 1"
            )

    def setup(self, stage: str) -> None:
        """Fit in `prepare`, and let the trainer take no steps."""
        super().setup(stage)
        if stage == "fit":
            self._limit = self.trainer.limit_train_batches
            self.trainer.limit_train_batches = 0

    def teardown(self, stage: str) -> None:
        """Let the trainer take steps again, with a network perhaps."""
        if stage == "fit":
            self.trainer.limit_train_batches = self._limit

    def configure_optimizers(self) -> Any:
        """No optimiser."""
        return None

    @property
    def trainable_parameter_count(self) -> int:
        """The same number as `parameter_count`: such a model is fitted as a whole."""
        return self.parameter_count

    def write_arrays(self, folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
        """Write hyper-parameters and arrays into a run folder, as safetensors."""
        contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        # Lightning adds names such as `_class_path`.
        hparams = {k: v for k, v in self.hparams.items() if not k.startswith("_")}
        metadata = {"hparams": json.dumps(hparams)}
        write_whole(
            folder / ARRAYS_FILE, lambda file: save_file(contiguous, file, metadata=metadata)
        )

    @staticmethod
    def read_arrays(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Read the hyper-parameters and arrays that `write_arrays` wrote."""
        with safe_open(folder / ARRAYS_FILE, framework="numpy") as file:
            saved = json.loads(file.metadata()["hparams"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return saved, arrays


def write_whole(file: Path, write: Callable[[Path], object]) -> None:
    """Let `write` write a file that is whole or absent."""
    temporary = file.with_name(f".{file.name}.tmp")
    try:
        write(temporary)
        temporary.rename(file)
    finally:
        temporary.unlink(missing_ok=True)
