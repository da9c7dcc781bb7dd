"""LitEstimator: scikit-learn behind the same interface as the networks."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
import scipy.sparse as sp
import torch
from safetensors import safe_open
from safetensors.numpy import save_file
from sklearn.base import BaseEstimator

from datamodules.store.batching import TextBatch, TrainView
from datamodules.store.ragged import Ragged
from lit_models.base.classifier import LitClassifier, Prediction
from lit_models.base.fitted_values import fitted_values
from lit_models.base.hyperparameters import current_hyperparameters
from lit_models.layers.masking import mask_of

ESTIMATOR_FILE = "model.skops"
ARRAYS_FILE = "arrays.safetensors"

Features: TypeAlias = sp.csr_matrix | np.ndarray


class LitEstimator(LitClassifier, ABC):
    """Gathers the train side once, fits once, predicts in batches like any network.

    A subclass says how rows become features (`learn_features`, `features`), which arrays those
    need (`arrays`, `load_arrays`), and which estimator stands over them. The trainer takes no
    gradient steps; optimiser settings are accepted and unused.

    Args:
        num_classes: C, told by the corpus.
        **kwargs: of `LitClassifier`.
    """

    trusted_types: ClassVar[list[str]] = []
    """Types beyond skops' own trusted ones that `load` may build."""

    estimator: BaseEstimator

    @abstractmethod
    def learn_features(self, view: TrainView) -> Features:
        """float[N, F] features of the train rows, remembering what `features` needs."""

    @abstractmethod
    def make_estimator(self) -> BaseEstimator:
        """The unfitted scikit-learn estimator, with `predict_proba`; features are learnt by now."""

    @abstractmethod
    def features(self, tokens: Ragged) -> Features:
        """float[N, F] features of any rows."""

    @abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """What `features` needs, for keeping."""

    @abstractmethod
    def load_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        """Takes back what `arrays` gave."""

    def prepare(self, view: TrainView) -> None:
        """Fits everything.

        Raises:
            ValueError: more than one device was asked for, or all texts are of one class.
        """
        if self._trainer is not None and self.trainer.world_size > 1:
            raise ValueError(
                f"{type(self).__name__} fits on one process, not {self.trainer.world_size}; "
                "run it with --trainer.devices 1"
            )
        if len(classes := np.unique(view.labels)) < 2:
            raise ValueError(
                f"{type(self).__name__} was given {len(view.labels)} texts of class "
                f"{classes.tolist()} alone; a classifier needs at least two classes"
            )
        features = self.learn_features(view)
        self.estimator = self.make_estimator().fit(features, view.labels)

    def setup(self, stage: str) -> None:
        """Fits in `prepare`, then tells the trainer that no steps are left to take."""
        super().setup(stage)
        if stage == "fit":
            self.trainer.limit_train_batches = 0

    def configure_optimizers(self) -> Any:
        """None: there is nothing to step."""
        return None

    def predict_proba(self, tokens: Ragged) -> np.ndarray:
        """float64[N, C] probabilities of any rows."""
        probabilities: np.ndarray = self.estimator.predict_proba(self.features(tokens))
        return probabilities

    def predict_step(self, batch: TextBatch, batch_idx: int = 0) -> Prediction:
        """Ids and class probabilities of one batch."""
        mask = mask_of(batch.lengths, batch.tokens.shape[1])
        offsets = np.concatenate([[0], np.cumsum(batch.lengths.cpu().numpy())]).astype(np.int64)
        tokens = Ragged(batch.tokens[mask].cpu().numpy().astype(np.int32), offsets)
        return Prediction(batch.ids.cpu(), torch.from_numpy(self.predict_proba(tokens)).float())

    def save(self, folder: Path) -> None:
        """Writes the estimator as skops, all arrays and hyper-parameters as safetensors."""
        import skops.io

        for name in (ESTIMATOR_FILE, ARRAYS_FILE):
            temporary = folder / f".{name}"
            if name == ESTIMATOR_FILE:
                skops.io.dump(self.estimator, temporary)
            else:
                arrays = {key: np.ascontiguousarray(a) for key, a in self.arrays().items()}
                # Lightning adds names of its own, such as `_class_path`.
                hparams = {k: v for k, v in self.hparams.items() if not k.startswith("_")}
                save_file(arrays, temporary, metadata={"hparams": json.dumps(hparams)})
            temporary.rename(folder / name)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` wrote; a type outside the trusted ones is refused by skops."""
        import skops.io

        with safe_open(folder / ARRAYS_FILE, framework="numpy") as file:
            saved = json.loads(file.metadata()["hparams"])
            model = cls(**current_hyperparameters(cls, saved))
            model.load_arrays({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        model.estimator = skops.io.load(folder / ESTIMATOR_FILE, trusted=cls.trusted_types)
        return model.eval()

    @property
    def parameter_count(self) -> int:
        """Number of fitted values: those of the estimator's parts, and the feature weights."""
        return fitted_values(self.estimator)

    @property
    def random_state(self) -> int:
        """The run's seed, for estimators that draw: the same whatever was drawn before."""
        return torch.initial_seed() % 2**32
