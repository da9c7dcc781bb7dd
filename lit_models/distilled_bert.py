"""DistilledBERT: a small encoder that learns from a fine-tuned large one and from the labels."""

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

    T² keeps the two gradients in proportion whatever T is. As DistilBERT does, the student may
    start from its teacher's embeddings and every k-th of its layers, where the widths are equal.
    The teacher is no part of the checkpoint. The default size is that of `BERT`: 22,566,146
    parameters; an experiment's file says a smaller one.

    Args:
        teacher: run folder of a fine-tuned `BERT` with the same tokenizer; None: there is none,
            and labels alone are learnt from, as in a checkpoint that is read back.
        temperature: T.
        distillation: a, the share of the teacher in the loss.
        inherit: start from the teacher's layers.
        **kwargs: of `BERT` and `LitClassifier`.

    Raises:
        ValueError: a teacher that does not fit, a temperature of 0 or less, a share outside 0..1.
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
        self.temperature, self.distillation, self.inherit = temperature, distillation, inherit
        self.teacher_folder = teacher
        self._teacher: list[BERT] = []  # in a list: neither learnt, nor moved, nor kept
        self._teacher_logits: Tensor | None = None
        self.hparams.update({"teacher": None})

    def prepare(self, view: TrainView) -> None:
        """Reads the teacher and starts from its layers; learns nothing."""
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
        theirs, own = (
            int(model.net.encoder.get_input_embeddings().num_embeddings)  # type: ignore[operator]
            for model in (teacher, self)
        )
        if theirs != own or teacher.num_classes != self.num_classes:
            raise ValueError(
                f"the teacher knows {theirs} tokens and {teacher.num_classes} classes, the student "
                f"{own} and {self.num_classes}; both must have one tokenizer and one corpus"
            )
        self._teacher = [teacher]
        if self.inherit:
            take_layers(self.net.encoder, teacher.net.encoder)

    def training_step(self, batch: TextBatch, batch_idx: int) -> Tensor:
        """The loss of one batch; the teacher reads what the student reads."""
        if self._teacher:
            teacher = self._teacher[0].to(self.device)
            with torch.no_grad():
                self._teacher_logits = teacher(batch)
        return super().training_step(batch, batch_idx)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy with the labels and, where there is a teacher, divergence from it."""
        own = super().loss(logits, labels)
        if self._teacher_logits is None:
            return own
        soft = distance(logits, self._teacher_logits, self.temperature)
        self._teacher_logits = None
        return (1 - self.distillation) * own + self.distillation * soft


def distance(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T² · KL(softmax(t / T) ‖ softmax(z / T)), the mean over rows, of float[B, C] logits."""
    target = (teacher / temperature).log_softmax(dim=1)
    told = (student / temperature).log_softmax(dim=1)
    return temperature**2 * F.kl_div(told, target, reduction="batchmean", log_target=True)


def take_layers(student: torch.nn.Module, teacher: torch.nn.Module) -> None:
    """Copies embeddings and every k-th layer, the lowest first, k = teacher's / student's layers.

    Raises:
        ValueError: the two are of different width or kind, or the student has more layers.
    """
    own, theirs = layers_of(student), layers_of(teacher)
    step = len(theirs) // len(own)
    if step == 0:
        raise ValueError(
            f"the student has {len(own)} layers and the teacher {len(theirs)}; give the student no "
            "more, or set --model.inherit false"
        )
    try:
        for at, layer in enumerate(own):
            layer.load_state_dict(theirs[at * step].state_dict())
        embeddings = [getattr(model, "embeddings", None) for model in (student, teacher)]
        if all(isinstance(one, torch.nn.Module) for one in embeddings):
            embeddings[0].load_state_dict(embeddings[1].state_dict())  # type: ignore[union-attr]
    except RuntimeError as error:
        raise ValueError(
            f"the teacher's layers do not fit the student's ({str(error).splitlines()[0]}); give "
            "both one model_type and width, or set --model.inherit false"
        ) from error
