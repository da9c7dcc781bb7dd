"""DistilledBERT: a small encoder trained on the logits of a fine-tuned large one and on labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from datamodules.store.batching import TextBatch
from datamodules.store.train_view import TrainView
from lit_models.bert import BERT
from lit_models.layers.pretrained import layers_of


class DistilledBERT(BERT):
    """Hinton et al. 2015, "Distilling the Knowledge in a Neural Network"; Sanh et al. 2019.

    With teacher logits t, student logits z and temperature T, a batch's loss is

        (1 - a) · CE(z, label) + a · T² · KL(softmax(t / T) ‖ softmax(z / T)).

    T² compensates for the factor 1 / T² of the second gradient. As in DistilBERT, the student may
    start from its teacher's embeddings and every k-th of its layers, where the widths are equal.
    Checkpoints do not contain the teacher. At the default size 22,566,146 parameters, those of
    `BERT`; configs choose a smaller one.

    Args:
        teacher: run folder of a fine-tuned `BERT` with the same tokenizer; None trains on the
            labels alone. A loaded checkpoint has none.
        temperature: T.
        distillation: a, weight of the teacher in the loss.
        inherit: start from the teacher's layers.
        **kwargs: of `BERT` and `LitClassifier`.

    Raises:
        ValueError: a teacher that does not fit, temperature at most 0, distillation outside 0..1.
    """

    def __init__(
        self,
        *,
        teacher: str | None = None,
        temperature: float = 2.0,
        distillation: float = 0.5,
        inherit: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if temperature <= 0:
            raise ValueError(f"temperature is {temperature}; it must be above 0")
        if not 0 <= distillation <= 1:
            raise ValueError(f"distillation is {distillation}; it must be 0 to 1")
        if teacher is not None and self.multi_label:
            raise ValueError(
                f"model.teacher is {teacher!r}, whose probabilities are of one label a text, and "
                "the corpus has several; set --model.teacher null"
            )
        self.temperature, self.distillation, self.inherit = temperature, distillation, inherit
        self.teacher_folder = teacher
        self._teacher: list[BERT] = []  # in a list, so that it is no submodule
        self._teacher_logits: Tensor | None = None
        self.hparams.update({"teacher": None})

    @classmethod
    def takes_several_labels(cls) -> bool:
        return True  # without a teacher

    def prepare(self, view: TrainView) -> None:
        """Loads the teacher and copies its layers."""
        super().prepare(view)
        if self.teacher_folder is None:
            return
        folder = Path(self.teacher_folder)
        if not folder.is_dir():
            raise ValueError(
                f"teacher {str(folder)!r} is no folder; name the run folder of a fine-tuned BERT, "
                "such as runs/fit/bert_small/seed-0"
            )
        teacher = BERT.load(folder).requires_grad_(False)
        theirs, ours = (
            int(model.net.encoder.get_input_embeddings().num_embeddings)  # type: ignore[operator]
            for model in (teacher, self)
        )
        if theirs != ours or teacher.num_classes != self.num_classes:
            raise ValueError(
                f"the teacher has {theirs} tokens and {teacher.num_classes} classes, the student "
                f"{ours} and {self.num_classes}; both must have one tokenizer and one corpus"
            )
        self._teacher = [teacher]
        if self.inherit:
            take_layers(self.net.encoder, teacher.net.encoder)

    def training_step(self, batch: TextBatch, batch_idx: int) -> Tensor:
        """Loss of one batch; the teacher reads the same batch."""
        if self._teacher:
            teacher = self._teacher[0].to(self.device)
            with torch.no_grad():
                self._teacher_logits = teacher(batch)
        loss = super().training_step(batch, batch_idx)
        self._teacher_logits = None
        return loss

    def loss(self, logits: Tensor, labels: Tensor, reduction: str = "mean") -> Tensor:
        """Cross-entropy with the labels and, if there is a teacher, divergence from its logits."""
        hard = super().loss(logits, labels, reduction)
        if self._teacher_logits is None:
            return hard
        soft = distance(logits, self._teacher_logits, self.temperature, reduction)
        return (1 - self.distillation) * hard + self.distillation * soft


def distance(
    student: Tensor, teacher: Tensor, temperature: float, reduction: str = "mean"
) -> Tensor:
    """T² · KL(softmax(t / T) ‖ softmax(z / T)) of float[B, C] logits.

    The mean over rows; with the reduction `none` float[B].
    """
    target = (teacher / temperature).log_softmax(dim=1)
    predicted = (student / temperature).log_softmax(dim=1)
    if reduction == "none":
        rows = F.kl_div(predicted, target, reduction="none", log_target=True).sum(dim=1)
        return temperature**2 * rows
    return temperature**2 * F.kl_div(predicted, target, reduction="batchmean", log_target=True)


def take_layers(student: torch.nn.Module, teacher: torch.nn.Module) -> None:
    """Copies embeddings and every k-th layer, the lowest first, k = teacher's / student's layers.

    Raises:
        ValueError: different widths or types, or a student with more layers than the teacher.
    """
    layers, theirs = layers_of(student), layers_of(teacher)
    step = len(theirs) // len(layers)
    if step == 0:
        raise ValueError(
            f"the student has {len(layers)} layers and the teacher {len(theirs)}; give the student "
            "no more, or set --model.inherit false"
        )
    try:
        for number, layer in enumerate(layers):
            layer.load_state_dict(theirs[number * step].state_dict())
        embeddings = [getattr(model, "embeddings", None) for model in (student, teacher)]
        if all(isinstance(one, torch.nn.Module) for one in embeddings):
            embeddings[0].load_state_dict(embeddings[1].state_dict())  # type: ignore[union-attr]
    except RuntimeError as error:
        raise ValueError(
            f"the teacher's layers do not fit the student's ({str(error).splitlines()[0]}); give "
            "both one model_type and width, or set --model.inherit false"
        ) from error
