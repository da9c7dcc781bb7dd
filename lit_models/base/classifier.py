"""LitClassifier: training, evaluation and prediction, common to all classifiers."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor

from datamodules.store.batching import TextBatch
from datamodules.store.mixed import MixedBatch
from datamodules.store.train_view import TrainView
from lit_models.base.adversarial import Perturbations, check_unlabelled
from lit_models.base.hyperparameters import check_classes
from lit_models.base.model import LitModel
from lit_models.base.optimizers import check_training
from lit_models.base.processes import reduce_loss
from lit_models.base.targets import OneLabel, check_several_labels, targets_of
from lit_models.layers.class_weights import ClassWeighting, ClassWeights
from lit_models.layers.marks import Marks

Unit = Literal["sign", "stars"]
"""Unit of the values of a regression: -1 and 1 for the two classes, or 1 to 10 stars."""


class Prediction(NamedTuple):
    """Prediction of one batch.

    Attributes:
        ids: int64[B], row numbers in the split's fixed order.
        probabilities: float32[B, C]; a row sums to 1, unless a text may have several labels.
    """

    ids: Tensor
    probabilities: Tensor


class LitClassifier(LitModel):
    """Loss, metrics and prediction, common to all classifiers.

    A subclass sets `self.net`, a plain module `net(tokens, lengths) -> logits[B, C]`. It learns in
    `prepare` whatever it needs from the train side before the first step.

    Args:
        num_classes: C; linked to the corpus.
        multi_label: a text may have several labels, or none, each with a sigmoid of its own
            (`base.targets`); linked to the corpus.
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
        ValueError: a setting outside its range, settings that exclude one another, or several
            labels for what is made for one.
    """

    problem: ClassVar[str] = OneLabel.problem
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
        multi_label: bool = False,
        label_smoothing: float = 0.0,
        class_weights: ClassWeights | None = None,
        adversarial: float = 0.0,
        virtual_adversarial: float = 0.0,
        entropy: float = 0.0,
        **kwargs: Any,
    ) -> None:
        check_training(locals())
        super().__init__(**kwargs)
        if multi_label:
            able, losses = self.takes_several_labels(), (virtual_adversarial, entropy)
            check_several_labels(type(self).__name__, able, class_weights, *losses)
        self.num_classes, self.label_smoothing = num_classes, label_smoothing
        self.multi_label, self.targets = multi_label, targets_of(multi_label, num_classes)
        self.problem = self.targets.problem  # type: ignore[misc]  # follows from the corpus
        self.class_weighting = ClassWeighting.of(class_weights, num_classes, self.loss)
        self.perturbations = Perturbations.of(adversarial, virtual_adversarial, entropy)
        self.train_accuracy = self.targets.accuracy()
        self.val_metrics = self.targets.metrics("val/")
        self.test_metrics = self.targets.metrics("test/")

    @classmethod
    def takes_several_labels(cls) -> bool:
        """Whether it learns any number of labels a text: it does with the loss that all share.

        Override where an architecture has a loss, a step or a prediction of its own that does.
        """
        own = ("loss", "training_step", "predict_step")
        return all(getattr(cls, name) is getattr(LitClassifier, name) for name in own)

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
            labels: int64[B], or multi-hot int64[B, C].
            reduction: as in PyTorch; with `none` float[B], which `class_weights` multiplies.
        """
        return self.targets.loss(logits, labels, reduction, self.label_smoothing)

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
        loss.update(self.targets.loss(logits, batch.labels).detach(), size)
        self.log(f"{part}/log_loss", loss, batch_size=size)
        metrics.update(self.targets.probabilities(logits), batch.labels)
        self.log_dict(metrics, batch_size=size)

    def predict_step(self, batch: TextBatch, batch_idx: int = 0) -> Prediction:
        """Ids and class probabilities of one batch."""
        probabilities = self.targets.probabilities(self(batch.blind()))
        return Prediction(batch.ids.cpu(), probabilities.float().cpu())

    def shown(self, batch: TextBatch, label: int) -> dict[str, Marks]:
        """Weights of tokens in the architecture, by name, for one text and its predicted label."""
        return {}
