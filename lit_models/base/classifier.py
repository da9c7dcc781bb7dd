"""LitClassifier: training, evaluation and prediction, common to all classifiers."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.classification import MulticlassAccuracy

from datamodules.store.batching import TextBatch
from datamodules.store.mixed import MixedBatch
from datamodules.store.train_view import TrainView
from lit_models.base.adversarial import Perturbations, check_unlabelled
from lit_models.base.hyperparameters import check_classes
from lit_models.base.model import LitModel
from lit_models.base.optimizers import check_training
from lit_models.base.processes import evaluation_metrics, reduce_loss
from lit_models.layers.class_weights import ClassWeighting, ClassWeights
from lit_models.layers.marks import Marks

Unit = Literal["sign", "stars"]
"""Unit of the values of a regression: -1 and 1 for the two classes, or 1 to 10 stars."""


class Prediction(NamedTuple):
    """Prediction of one batch.

    Attributes:
        ids: int64[B], row numbers in the split's fixed order.
        probabilities: float32[B, C].
    """

    ids: Tensor
    probabilities: Tensor


class LitClassifier(LitModel):
    """Loss, metrics and prediction, common to all classifiers.

    A subclass sets `self.net`, a plain module `net(tokens, lengths) -> logits[B, C]`. It learns in
    `prepare` whatever it needs from the train side before the first step.

    Args:
        num_classes: C; linked to the corpus.
        label_smoothing: part of the target probability that is spread over all classes.
        class_weights: `balanced` multiplies the training loss of each row by N / (K · N_c), as
            scikit-learn does, with N_c of the N training rows in the row's class, one of K. None:
            all count the same. Validation figures are never weighted.
        adversarial: ε of adversarial training, for networks over words (`base.adversarial`).
        virtual_adversarial: ε of virtual adversarial training, which needs no labels: it also
            learns from the rows of `data.unlabelled_batch_size`.
        entropy: weight of the entropy of predictions in the loss, of these rows too.
        **kwargs: arguments of `LitModel`.

    Raises:
        ValueError: a setting outside its range, or settings that exclude one another.
    """

    problem: ClassVar[str] = "classification"
    loss_is_sum: ClassVar[bool] = False
    """True if `loss` is the sum over the rows of a batch, False if it is their mean."""

    @property
    def unit(self) -> Unit | None:
        """Unit of the values in a regression's log-odds; None: it is no regression.

        Log-odds of 2 are a value of 1, or of 10 stars; those of -2 one of -1, or of 1 star.
        """
        return None

    def __init__(
        self,
        *,
        num_classes: int = 2,
        label_smoothing: float = 0.0,
        class_weights: ClassWeights | None = None,
        adversarial: float = 0.0,
        virtual_adversarial: float = 0.0,
        entropy: float = 0.0,
        **kwargs: Any,
    ) -> None:
        check_training(locals())
        super().__init__(**kwargs)
        self.num_classes, self.label_smoothing = num_classes, label_smoothing
        self.class_weighting = ClassWeighting.of(class_weights, num_classes, self.loss)
        self.perturbations = Perturbations.of(adversarial, virtual_adversarial, entropy)
        self.train_accuracy = MulticlassAccuracy(num_classes, average="micro", validate_args=False)
        self.val_metrics = evaluation_metrics(num_classes, "val/")
        self.test_metrics = evaluation_metrics(num_classes, "test/")

    def setup(self, stage: str) -> None:
        """As `LitModel` does.

        Raises:
            ValueError: the corpus has more classes than the model, or unlabelled rows in training
                batches from which the model does not learn.
        """
        data = getattr(self.trainer, "datamodule", None)
        check_classes(self, data)
        check_unlabelled(self.perturbations, data)
        super().setup(stage)

    def _learn(self, view: TrainView) -> None:
        if self.class_weighting is not None:
            self.class_weighting.learn(view.labels)
        if self.perturbations is not None:
            if type(self).training_step is not LitClassifier.training_step:
                raise ValueError(
                    f"{type(self).__name__} has training steps of its own, without the losses of "
                    "model.adversarial, virtual_adversarial and entropy; leave these out"
                )
            self.perturbations.learn(self, view)
        super()._learn(view)

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
        """Loss of one batch, which may be a `MixedBatch`."""
        size = len(batch.labels) - getattr(batch, "unlabelled", 0)
        if self.perturbations is None:
            logits = self(batch)
            loss = self._labelled_loss(logits, batch)
        else:
            labelled = partial(self._labelled_loss, batch=batch)
            logits, loss = self.perturbations(self, batch, labelled)
        world = 1 if self._trainer is None else self._trainer.world_size
        local_loss, self.step_loss, rows = reduce_loss(loss, size, world, self.loss_is_sum)
        self.train_accuracy(logits[:size], batch.labels[:size])
        self.train_loss.update(self.step_loss, rows)
        self.log("train/loss", self.step_loss, prog_bar=True, batch_size=size)
        for name, metric in (("epoch_loss", self.train_loss), ("accuracy", self.train_accuracy)):
            self.log(f"train/{name}", metric, on_step=False, on_epoch=True, batch_size=size)
        return local_loss

    def _labelled_loss(self, logits: Tensor, batch: TextBatch | MixedBatch) -> Tensor:
        """Loss of the rows of a batch that have labels, or probabilities from a teacher."""
        labels, targets = batch.labels, None
        if isinstance(batch, MixedBatch):
            labels, targets = labels[: len(labels) - batch.unlabelled], batch.targets
        logits = logits[: len(labels)]
        if targets is None and self.class_weighting is None:
            return self.loss(logits, labels)
        losses = self._losses(logits, labels, targets)
        if self.class_weighting is not None:
            losses = self.class_weighting(losses, labels)
        return losses.sum() if self.loss_is_sum else losses.mean()

    def _losses(self, logits: Tensor, labels: Tensor, targets: Tensor | None) -> Tensor:
        """float[B] loss of each row; by a teacher's float[B, C], the loss to be expected."""
        if targets is None:
            return self.loss(logits, labels, "none")
        classes = range(targets.shape[1])
        of_classes = [self.loss(logits, torch.full_like(labels, c), "none") for c in classes]
        return (targets * torch.stack(of_classes, dim=1)).sum(dim=1)

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
