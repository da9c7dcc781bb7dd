"""LitClassifier: the one training loop. An architecture adds its network and its sizes."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self

import lightning as L
import torch
import torch.nn.functional as F
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor, nn
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassAUROC, MulticlassF1Score

from datamodules.store.batching import TextBatch, TrainView
from lit_models.base.averaging import Average, WeightAverage
from lit_models.base.compiling import compile_net
from lit_models.base.hyperparameters import current_hyperparameters
from lit_models.base.optimizers import SparseAdam, clip_gradients
from lit_models.base.processes import MeanOverRows, over_processes
from lit_models.layers.embedding import WordEmbedding

WEIGHTS_FILE = "model.ckpt"


class Prediction(NamedTuple):
    """What `predict_step` gives for one batch.

    Attributes:
        ids: int64[B], row numbers in the split's fixed order.
        probabilities: float32[B, C].
    """

    ids: Tensor
    probabilities: Tensor


class LitClassifier(L.LightningModule):
    """Loss, metrics, optimiser, schedule and prediction, common to all architectures.

    A subclass sets `self.net`, a plain module `net(tokens, lengths) -> logits[B, C]`. What it must
    learn from the train side before the first step, it learns in `prepare`.

    Args:
        num_classes: C, told by the corpus.
        optimizer: `adamw`, or `sparse_adam`, for which embeddings give sparse gradients: a step
            then costs as much as the rows in the batch, not as the whole table.
        learning_rate: peak rate of the optimiser.
        weight_decay: decoupled decay of matrices; biases and gains are left alone. Under
            `sparse_adam` a row of an embedding decays when it is used.
        schedule: `constant`, or `cosine` or `linear` down to zero at the last step.
        warmup_fraction: share of all steps in which the rate rises linearly.
        label_smoothing: share of the target spread over all classes.
        gradient_clip_norm: largest norm of the whole gradient; None does not clip.
        average: validate, keep and predict with a mean of the weights over steps: `ema`, which
            forgets, or `asgd`, which does not. None: with the weights themselves.
        average_decay: how slowly `ema` forgets.
        average_start: epochs before the mean of `asgd` begins.
        vectors_rate: the learning rate of word vectors that the corpus gives (`data.vectors`), as a
            share of `learning_rate`; 0 keeps them as given.
        vectors_frozen_epochs: epochs in which those vectors stay as given, before they learn at
            their rate.
        compile: fit with `torch.compile`, which pays on a GPU; networks with recurrent layers
            refuse it.

    Raises:
        ValueError: settings that exclude one another.
    """

    net: nn.Module
    notes: tuple[str, ...] = ()
    """What a reader of the results must know of how this model was fitted."""
    family: ClassVar[str] = "other"
    """Family of architectures, by which tables group and colour."""
    loss_is_sum: ClassVar[bool] = False
    """Whether `loss` is a sum over the rows of a batch; else it is their mean."""

    def __init__(
        self,
        *,
        num_classes: int = 2,
        optimizer: Literal["adamw", "sparse_adam"] = "adamw",
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        schedule: Literal["constant", "cosine", "linear"] = "constant",
        warmup_fraction: float = 0.0,
        label_smoothing: float = 0.0,
        gradient_clip_norm: float | None = 1.0,
        average: Average | None = None,
        average_decay: float = 0.999,
        average_start: int = 1,
        vectors_rate: float = 0.2,
        vectors_frozen_epochs: int = 0,
        compile: bool = False,
    ) -> None:
        super().__init__()
        self.sparse = optimizer == "sparse_adam"  # for nn.Embedding and nn.EmbeddingBag
        if self.sparse and gradient_clip_norm is not None:
            raise ValueError(
                f"gradient_clip_norm is {gradient_clip_norm} and optimizer is {optimizer!r}, whose "
                "sparse gradients are not clipped; set --model.gradient_clip_norm null, or "
                "--model.optimizer adamw"
            )
        if vectors_rate < 0:
            raise ValueError(f"vectors_rate is {vectors_rate}; it must be 0 or more")
        if vectors_frozen_epochs < 0:
            raise ValueError(
                f"vectors_frozen_epochs is {vectors_frozen_epochs}; it must be 0 or more"
            )
        self.save_hyperparameters(logger=False)  # the logger has the whole resolved config
        self.num_classes = num_classes
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.schedule, self.warmup_fraction = schedule, warmup_fraction
        self.label_smoothing, self.gradient_clip_norm = label_smoothing, gradient_clip_norm
        self.average, self.average_decay = average, average_decay
        self.average_start, self.compiled = average_start, compile
        self.vectors_rate, self.given_vectors = vectors_rate, list[Tensor]()
        self.vectors_frozen_epochs = vectors_frozen_epochs
        self.prepare_seconds = 0.0
        self.step_loss = torch.zeros(())  # of the last training step, over all processes
        self.train_loss, self.val_loss = MeanOverRows(), MeanOverRows()
        self.train_accuracy = MulticlassAccuracy(num_classes, average="micro", validate_args=False)
        self.val_metrics = MetricCollection(
            {
                "accuracy": MulticlassAccuracy(num_classes, average="micro", validate_args=False),
                "f1": MulticlassF1Score(num_classes, average="macro", validate_args=False),
                "auroc": MulticlassAUROC(num_classes, average="macro", validate_args=False),
            },
            prefix="val/",
        )

    # Before the first step

    def prepare(self, view: TrainView) -> None:
        """Learns what needs no gradient steps, from the train side alone. Default: nothing.

        Results belong into buffers, so that the checkpoint alone predicts.
        """

    def setup(self, stage: str) -> None:
        """Before fitting, compiles if asked to and shows `prepare` the train side, once."""
        if stage == "fit":
            if self.compiled:
                compile_net(getattr(self, "net", None), self.trainer.strategy.root_device)
            view = self.trainer.datamodule.train_view()  # type: ignore[attr-defined]
            if view.vectors_covered is not None:
                rank_zero_info(f"word vectors cover {view.vectors_covered}")
            started = time.perf_counter()
            self._take_vectors(view)
            self.prepare(view)
            self.prepare_seconds = time.perf_counter() - started + view.vectors_seconds

    def _take_vectors(self, view: TrainView) -> None:
        if view.vectors is None:
            return
        embeddings = [m for m in self.modules() if isinstance(m, WordEmbedding)]
        if not embeddings:
            raise ValueError(
                f"data.vectors is set, and {type(self).__name__} has no layer that starts from "
                "word vectors; set --data.vectors null"
            )
        for embedding in embeddings:
            embedding.start_from(torch.from_numpy(view.vectors))
            embedding.table.weight.requires_grad_(self.vectors_rate > 0)
        self.given_vectors = [embedding.table.weight for embedding in embeddings]

    # The loop

    def forward(self, batch: TextBatch) -> Tensor:
        """float32[B, C] logits. Override where the network takes more than tokens and lengths."""
        logits: Tensor = self.net(batch.tokens, batch.lengths)
        return logits.float()  # losses and probabilities stay fp32 under autocast

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """What training lowers: cross-entropy. Override where an architecture has its own."""
        return F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)

    def training_step(self, batch: TextBatch, batch_idx: int) -> Tensor:
        """The loss of one batch."""
        logits, size = self(batch), len(batch.labels)
        loss = self.loss(logits, batch.labels)
        world = 1 if self._trainer is None else self._trainer.world_size
        ours, self.step_loss, rows = over_processes(loss, size, world, self.loss_is_sum)
        self.train_accuracy(logits, batch.labels)
        self.train_loss.update(self.step_loss, rows)
        self.log("train/loss", self.step_loss, prog_bar=True, batch_size=size)
        for name, metric in (("epoch_loss", self.train_loss), ("accuracy", self.train_accuracy)):
            self.log(f"train/{name}", metric, on_step=False, on_epoch=True, batch_size=size)
        return ours

    def validation_step(self, batch: TextBatch, batch_idx: int) -> None:
        """Logs `val/log_loss`, `val/accuracy`, `val/f1` and `val/auroc` over the whole epoch."""
        logits, size = self(batch), len(batch.labels)
        self.val_loss.update(F.cross_entropy(logits, batch.labels).detach(), size)
        self.log("val/log_loss", self.val_loss, batch_size=size)
        self.val_metrics.update(logits.softmax(dim=1), batch.labels)
        self.log_dict(self.val_metrics, batch_size=size)

    def predict_step(self, batch: TextBatch, batch_idx: int = 0) -> Prediction:
        """Ids and class probabilities of one batch."""
        return Prediction(batch.ids.cpu(), self(batch).softmax(dim=1).float().cpu())

    def configure_callbacks(self) -> list[Callback]:
        """The averaging of weights, where it is asked for."""
        if self.average is None:
            return []
        return [WeightAverage(self.average, self.average_decay, self.average_start)]

    # The optimiser

    def configure_optimizers(self) -> Any:
        """The optimiser by its name, with the schedule stepped after every batch."""
        groups = self.parameter_groups()
        # A fused optimiser unscales fp16 gradients itself, after they would have been clipped.
        fused = self.trainer.precision != "16-mixed" and self.device.type in ("cpu", "cuda")
        optimizer: torch.optim.Optimizer = (
            SparseAdam(groups, lr=self.learning_rate, weight_decay=self.weight_decay)
            if self.sparse
            else torch.optim.AdamW(
                groups, lr=self.learning_rate, weight_decay=self.weight_decay, fused=fused
            )
        )
        total = self._total_steps()
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: self.rate_at(s, total))
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What is learnt, with rates and decay where they are not those of all.

        Override where layers have learning rates of their own.
        """
        weights = [p for p in self.parameters() if p.requires_grad]
        given = {id(p) for p in self.given_vectors}
        matrices = [p for p in weights if p.ndim >= 2]
        groups: list[dict[str, Any]] = [
            {"params": [p for p in matrices if id(p) not in given]},
            {
                "params": [p for p in matrices if id(p) in given],
                "lr": self.learning_rate * self.vectors_rate,
            },
            {"params": [p for p in weights if p.ndim < 2], "weight_decay": 0.0},
        ]
        return [group for group in groups if group["params"]]

    def _total_steps(self) -> float:
        """Steps of the whole fit.

        Not `trainer.estimated_stepping_batches`: it sets the loaders up before a checkpoint is
        restored, and Lightning then never gives them their place in the epoch back.
        """
        trainer = self.trainer
        if trainer.max_epochs == -1:
            return float("inf") if trainer.max_steps == -1 else trainer.max_steps
        batches = len(trainer.datamodule.train_dataloader())  # type: ignore[attr-defined]
        limit = trainer.limit_train_batches
        batches = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
        steps = math.ceil(batches / trainer.accumulate_grad_batches) * max(
            trainer.max_epochs or 1, 1
        )
        return steps if trainer.max_steps == -1 else min(steps, trainer.max_steps)

    def rate_at(self, step: int, total: float) -> float:
        """The learning rate at a step, as a share of its peak."""
        warmup = self.warmup_fraction * total
        if step < warmup:
            return (step + 1) / (warmup + 1)
        if self.schedule == "constant" or not math.isfinite(total):
            return 1.0
        done = min(1.0, (step - warmup) / max(1.0, total - warmup))
        return 1 - done if self.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * done))

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clips by `gradient_clip_norm`; Trainer(gradient_clip_val) refuses fused optimisers."""
        if self.current_epoch < self.vectors_frozen_epochs:
            for weight in self.given_vectors:
                weight.grad = None  # an optimiser leaves such a weight alone, its decay too
        if self.gradient_clip_norm is not None:
            clip_gradients(self.parameters(), self.gradient_clip_norm)

    # Keeping

    def save(self, folder: Path) -> None:
        """Writes the fitted model into a run folder; `load` reads it back."""
        temporary = folder / f".{WEIGHTS_FILE}"
        self.trainer.save_checkpoint(temporary, weights_only=True)  # by all processes together
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
        """Number of learnt values."""
        return sum(p.numel() for p in self.parameters())
