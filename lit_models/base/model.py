"""LitModel: training settings, optimiser, saving and loading, common to all models."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn

from datamodules.halts import RunningClock
from datamodules.store.train_view import TrainView
from lit_models.base.averaging import Average, WeightAverage
from lit_models.base.compiling import compile_net
from lit_models.base.hyperparameters import accepted_settings, current_hyperparameters
from lit_models.base.optimizers import SparseAdam, check_training, clip_gradients, group_parameters
from lit_models.base.processes import MeanOverRows
from lit_models.base.schedules import Schedule, learning_rate_factor, total_steps
from lit_models.layers.embedding import WordEmbedding, initialize_embeddings

WEIGHTS_FILE = "model.ckpt"


class LitModel(L.LightningModule):
    """Optimiser, schedule, what is learnt before the first step, saving; of any kind of problem.

    A subclass of a problem (`LitClassifier`, `LitLanguageModel`) adds loss, metrics and prediction,
    and an architecture its network. It learns in `prepare` whatever it needs from the train side
    before the first step.

    Args:
        optimizer: `adamw`, or `sparse_adam`, for which embeddings have sparse gradients: the cost
            of a step depends on the rows in the batch, not on the size of the table.
        learning_rate: peak rate of the optimiser.
        weight_decay: decoupled decay of matrices; biases and gains do not decay. Under
            `sparse_adam` a row of an embedding decays only in the steps that use it.
        schedule: `constant`, or `cosine` or `linear` down to zero at the last step.
        warmup_fraction: fraction of all steps in which the rate rises linearly.
        gradient_clip_norm: largest norm of the whole gradient; None does not clip.
        weight_averaging: validate, save and predict with a mean of the weights over steps: `ema`,
            an exponential moving average, or `asgd`, the plain mean. None: with the weights.
        weight_averaging_decay: decay of `ema`; closer to 1 averages over more steps.
        weight_averaging_start: number of epochs before the mean of `asgd` begins.
        vectors_lr_scale: learning rate of the corpus's word vectors (`data.vectors`) as a multiple
            of `learning_rate`; 0 freezes them.
        vectors_frozen_epochs: number of first epochs in which those vectors are frozen.
        compile: fit with `torch.compile`, which pays on a GPU; refused for networks with
            recurrent layers.

    Raises:
        ValueError: a setting outside its range, or settings that exclude one another.
    """

    net: nn.Module
    problem: ClassVar[str]
    """Kind of problem, a key of `datamodules.language.READERS`; of a classifier by its corpus."""
    protocols: ClassVar[tuple[str, ...]] = ("holdout", "refit", "folds")
    """Protocols under which it may be fitted; `folds` is cross-validation."""
    family: ClassVar[str] = "other"
    """Group of architectures in the report."""
    deterministic: ClassVar[bool] = False  # nothing is drawn at random: seeds make no difference
    needs_vectors: ClassVar[bool] = False
    """True where a model is made of the corpus's word vectors (`data.vectors`)."""
    notes: tuple[str, ...] = ()
    """Remarks on how this model was fitted, shown with its results."""
    held_against_peak: ClassVar[bool] = False  # its row has the share of the machine's peak
    predicts_blind: ClassVar[bool] = True
    """Prediction gets batches without labels; False: it scores them, too, and keeps them apart."""
    any_vocabulary: ClassVar[bool] = False  # no part has the size of `vocab_size`

    def __init__(
        self,
        *,
        optimizer: Literal["adamw", "sparse_adam"] = "adamw",
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        schedule: Schedule = "constant",
        warmup_fraction: float = 0.0,
        gradient_clip_norm: float | None = 1.0,
        weight_averaging: Average | None = None,
        weight_averaging_decay: float = 0.999,
        weight_averaging_start: int = 1,
        vectors_lr_scale: float = 0.2,
        vectors_frozen_epochs: int = 0,
        compile: bool = False,
    ) -> None:
        check_training(locals())
        super().__init__()
        self.sparse = optimizer == "sparse_adam"  # for nn.Embedding and nn.EmbeddingBag
        self.save_hyperparameters(logger=False)  # the logger gets the resolved config
        links = {
            "num_symbols",
            "num_tags",
            "unmarked_tags",
            "multi_label",
        }  # recorded for any model
        for name in links - accepted_settings(type(self)):
            self.hparams.pop(name, None)
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.schedule, self.warmup_fraction = schedule, warmup_fraction
        self.gradient_clip_norm = gradient_clip_norm
        self.averaging = weight_averaging, weight_averaging_decay, weight_averaging_start
        self.compiled = compile
        self.vectors_lr_scale, self.given_vectors = vectors_lr_scale, list[Tensor]()
        self.vectors_frozen_epochs = vectors_frozen_epochs
        self.prepare_seconds = 0.0
        self.vectors_seconds: float | None = None  # in which the word vectors were learnt
        self.step_loss = torch.zeros(())  # of the last training step, over all processes
        self.train_loss, self.val_loss, self.test_loss = (MeanOverRows() for _ in range(3))

    # Before the first step

    def prepare(self, view: TrainView) -> None:
        """Learn what needs no gradient steps, from the train side alone. Default: nothing.

        Keep the results in buffers, so that the checkpoint alone suffices to predict.
        """

    def setup(self, stage: str) -> None:
        """Before fitting: compile if set to, and call `prepare` on the train side, once."""
        if stage == "fit":
            data: Any = getattr(self.trainer, "datamodule", None)
            if self.compiled:
                compile_net(getattr(self, "net", None), self.trainer.strategy.root_device)
            view: TrainView = data.train_view()
            if view.vectors_covered is not None and self.trainer.is_global_zero:
                print(f"word vectors cover {view.vectors_covered}", flush=True)  # to the run's log
            with RunningClock() as clock:
                self._initialize_embeddings(view)
                self._learn(view)
                self.prepare_seconds = clock.elapsed()
            self.vectors_seconds = None if view.vectors is None else view.vectors_seconds

    def _learn(self, view: TrainView) -> None:
        """Learn what the base of a problem needs, and then what the architecture does."""
        for module in self.modules():
            if isinstance(module, WordEmbedding):
                module.check_vocabulary(view.vocabulary)
        self.prepare(view)

    def _initialize_embeddings(self, view: TrainView) -> None:
        if view.vectors is not None:
            vectors, trained = torch.from_numpy(view.vectors), self.vectors_lr_scale > 0
            self.given_vectors = initialize_embeddings(self, vectors, trained)

    # Optimiser

    def configure_callbacks(self) -> list[Callback]:
        """The callback that averages the weights, if that is set."""
        kind, decay, start = self.averaging
        return [] if kind is None else [WeightAverage(kind, decay, start)]

    def configure_optimizers(self) -> Any:
        """Optimiser, with the schedule stepped after every batch."""
        groups = self.parameter_groups()
        # A fused optimiser unscales fp16 gradients itself, only after clipping.
        fused = self.trainer.precision != "16-mixed" and self.device.type in ("cpu", "cuda")
        rates: dict[str, Any] = {"lr": self.learning_rate, "weight_decay": self.weight_decay}
        adamw = partial(torch.optim.AdamW, fused=fused)
        optimizer = (SparseAdam if self.sparse else adamw)(groups, **rates)
        total = total_steps(self.trainer)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: self.rate_at(s, total))
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Trainable parameters in the optimiser's groups, with the settings that differ.

        Override where layers have learning rates of their own.
        """
        scaled_rate = self.learning_rate * self.vectors_lr_scale
        return group_parameters(self.parameters(), self.given_vectors, scaled_rate)

    def rate_at(self, step: int, total: float) -> float:
        """Learning rate at a step as a fraction of its peak."""
        return learning_rate_factor(step, total, self.warmup_fraction, self.schedule)

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip by `gradient_clip_norm`; Trainer(gradient_clip_val) refuses fused optimisers."""
        if self.current_epoch < self.vectors_frozen_epochs:
            for weight in self.given_vectors:
                weight.grad = None  # the optimiser then skips it, weight decay included
        if self.gradient_clip_norm is not None:
            clip_gradients(self.parameters(), self.gradient_clip_norm)

    # Saving and loading

    def save(self, folder: Path) -> None:
        """Write the fitted model into a run folder; `load` reads it. Collective."""
        temporary = folder / f".{WEIGHTS_FILE}"
        self.trainer.save_checkpoint(temporary, weights_only=True)
        if self.trainer.is_global_zero:
            temporary.rename(folder / WEIGHTS_FILE)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a saved model, of any version, on the CPU, in evaluation mode. No pickle is run."""
        checkpoint = torch.load(folder / WEIGHTS_FILE, map_location="cpu", weights_only=True)
        model = cls(**current_hyperparameters(cls, checkpoint["hyper_parameters"]))
        model.load_state_dict(checkpoint["state_dict"])
        return model.eval()

    @property
    def parameter_count(self) -> int:
        """Number of parameters, frozen ones included."""
        return sum(p.numel() for p in self.parameters())

    @property
    def trainable_parameter_count(self) -> int:
        """Number of parameters that training changes."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)
