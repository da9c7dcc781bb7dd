"""LitClassifier: training, evaluation and prediction, common to all architectures."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self

import lightning as L
import torch
import torch.nn.functional as F
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn
from torchmetrics.classification import MulticlassAccuracy

from datamodules.halts import RunningClock
from datamodules.store.batching import TextBatch
from datamodules.store.train_view import TrainView
from lit_models.base.averaging import Average, WeightAverage
from lit_models.base.compiling import compile_net
from lit_models.base.hyperparameters import check_classes, current_hyperparameters
from lit_models.base.optimizers import SparseAdam, check_training, clip_gradients, group_parameters
from lit_models.base.processes import MeanOverRows, evaluation_metrics, reduce_loss
from lit_models.base.schedules import Schedule, learning_rate_factor, total_steps
from lit_models.layers.class_weights import ClassWeighting, ClassWeights
from lit_models.layers.embedding import initialize_embeddings
from lit_models.layers.marks import Marks

WEIGHTS_FILE = "model.ckpt"


class Prediction(NamedTuple):
    """Prediction of one batch.

    Attributes:
        ids: int64[B], row numbers in the split's fixed order.
        probabilities: float32[B, C].
    """

    ids: Tensor
    probabilities: Tensor


class LitClassifier(L.LightningModule):
    """Loss, metrics, optimiser, schedule and prediction, common to all architectures.

    A subclass sets `self.net`, a plain module `net(tokens, lengths) -> logits[B, C]`. It learns in
    `prepare` whatever it needs from the train side before the first step.

    Args:
        num_classes: C; linked to the corpus.
        optimizer: `adamw`, or `sparse_adam`, for which embeddings have sparse gradients: the cost
            of a step depends on the rows in the batch, not on the size of the table.
        learning_rate: peak rate of the optimiser.
        weight_decay: decoupled decay of matrices; biases and gains do not decay. Under
            `sparse_adam` a row of an embedding decays only in the steps that use it.
        schedule: `constant`, or `cosine` or `linear` down to zero at the last step.
        warmup_fraction: fraction of all steps in which the rate rises linearly.
        label_smoothing: part of the target probability that is spread over all classes.
        class_weights: `balanced` multiplies the training loss of each row by N / (K · N_c), as
            scikit-learn does, with N_c of the N training rows in the row's class, one of K. None:
            all count the same. Validation figures are never weighted.
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
    family: ClassVar[str] = "other"
    """Group of architectures in the report."""
    deterministic: ClassVar[bool] = False  # nothing is drawn at random: seeds make no difference
    needs_vectors: ClassVar[bool] = False
    """True where a model is made of the corpus's word vectors (`data.vectors`)."""
    notes: tuple[str, ...] = ()
    """Remarks on how this model was fitted, shown with its results."""
    any_vocabulary: ClassVar[bool] = False  # no part has the size of `vocab_size`
    loss_is_sum: ClassVar[bool] = False
    """True if `loss` is the sum over the rows of a batch, False if it is their mean."""

    def __init__(
        self,
        *,
        num_classes: int = 2,
        optimizer: Literal["adamw", "sparse_adam"] = "adamw",
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        schedule: Schedule = "constant",
        warmup_fraction: float = 0.0,
        label_smoothing: float = 0.0,
        class_weights: ClassWeights | None = None,
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
        self.num_classes = num_classes
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.schedule, self.warmup_fraction = schedule, warmup_fraction
        self.label_smoothing, self.gradient_clip_norm = label_smoothing, gradient_clip_norm
        self.class_weighting = ClassWeighting.of(class_weights, num_classes, self.loss)
        self.averaging = weight_averaging, weight_averaging_decay, weight_averaging_start
        self.compiled = compile
        self.vectors_lr_scale, self.given_vectors = vectors_lr_scale, list[Tensor]()
        self.vectors_frozen_epochs = vectors_frozen_epochs
        self.prepare_seconds = 0.0
        self.vectors_seconds: float | None = None  # in which the word vectors were learnt
        self.step_loss = torch.zeros(())  # of the last training step, over all processes
        self.train_loss, self.val_loss, self.test_loss = (MeanOverRows() for _ in range(3))
        self.train_accuracy = MulticlassAccuracy(num_classes, average="micro", validate_args=False)
        self.val_metrics = evaluation_metrics(num_classes, "val/")
        self.test_metrics = evaluation_metrics(num_classes, "test/")

    # Before the first step

    def prepare(self, view: TrainView) -> None:
        """Learn what needs no gradient steps, from the train side alone. Default: nothing.

        Keep the results in buffers, so that the checkpoint alone suffices to predict.
        """

    def setup(self, stage: str) -> None:
        """Before fitting: compile if set to, and call `prepare` on the train side, once.

        Raises:
            ValueError: the corpus has more classes than the model.
        """
        check_classes(self, data := getattr(self.trainer, "datamodule", None))
        if stage == "fit":
            if self.compiled:
                compile_net(getattr(self, "net", None), self.trainer.strategy.root_device)
            view: TrainView = data.train_view()  # type: ignore[union-attr]
            if view.vectors_covered is not None and self.trainer.is_global_zero:
                print(f"word vectors cover {view.vectors_covered}", flush=True)  # to the run's log
            with RunningClock() as clock:
                self._initialize_embeddings(view)
                if self.class_weighting is not None:
                    self.class_weighting.learn(view.labels)
                self.prepare(view)
                self.prepare_seconds = clock.elapsed()
            self.vectors_seconds = None if view.vectors is None else view.vectors_seconds

    def _initialize_embeddings(self, view: TrainView) -> None:
        if view.vectors is not None:
            vectors, trained = torch.from_numpy(view.vectors), self.vectors_lr_scale > 0
            self.given_vectors = initialize_embeddings(self, vectors, trained)

    # Training, validation and prediction

    def forward(self, batch: TextBatch) -> Tensor:
        """float32[B, C] logits. Override where the network takes more than tokens and lengths.

        In validation and prediction the batch is blind: its labels and ids are -1.
        """
        logits: Tensor = self.net(batch.tokens, batch.lengths)
        # At least fp32 losses and probabilities, also under autocast.
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    def loss(self, logits: Tensor, labels: Tensor, reduction: str = "mean") -> Tensor:
        """Training loss, cross-entropy. Override where an architecture has another.

        Args:
            logits: float[B, C].
            labels: int64[B].
            reduction: as in PyTorch; with `none` float[B], which `class_weights` multiplies.
        """
        smoothing = self.label_smoothing
        return F.cross_entropy(logits, labels, reduction=reduction, label_smoothing=smoothing)

    def training_step(self, batch: TextBatch, batch_idx: int) -> Tensor:
        """Loss of one batch."""
        logits, size = self(batch), len(batch.labels)
        if self.class_weighting is None:
            loss = self.loss(logits, batch.labels)
        else:
            losses = self.class_weighting(self.loss(logits, batch.labels, "none"), batch.labels)
            loss = losses.sum() if self.loss_is_sum else losses.mean()
        world = 1 if self._trainer is None else self._trainer.world_size
        local_loss, self.step_loss, rows = reduce_loss(loss, size, world, self.loss_is_sum)
        self.train_accuracy(logits, batch.labels)
        self.train_loss.update(self.step_loss, rows)
        self.log("train/loss", self.step_loss, prog_bar=True, batch_size=size)
        for name, metric in (("epoch_loss", self.train_loss), ("accuracy", self.train_accuracy)):
            self.log(f"train/{name}", metric, on_step=False, on_epoch=True, batch_size=size)
        return local_loss

    def validation_step(self, batch: TextBatch, batch_idx: int) -> None:
        """Log `val/log_loss`, `val/accuracy`, `val/f1` and `val/auroc` over the whole epoch.

        A run refuses a class that overrides it: these figures come from blind batches.
        """
        self._evaluate(batch, "val")

    def test_step(self, batch: TextBatch, batch_idx: int) -> None:
        """Log the same for test rows, in Lightning's `trainer.test`."""
        self._evaluate(batch, "test")

    def _evaluate(self, batch: TextBatch, part: str) -> None:
        loss, metrics = getattr(self, f"{part}_loss"), getattr(self, f"{part}_metrics")
        logits, size = self(batch.blind()), len(batch.labels)
        loss.update(F.cross_entropy(logits, batch.labels).detach(), size)
        self.log(f"{part}/log_loss", loss, batch_size=size)
        metrics.update(logits.softmax(dim=1), batch.labels)
        self.log_dict(metrics, batch_size=size)

    def predict_step(self, batch: TextBatch, batch_idx: int = 0) -> Prediction:
        """Ids and class probabilities of one batch."""
        return Prediction(batch.ids.cpu(), self(batch.blind()).softmax(dim=1).float().cpu())

    def shown(self, batch: TextBatch, label: int) -> dict[str, Marks]:
        """Weights of tokens in the architecture, by name, for one text and its predicted label."""
        return {}

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
