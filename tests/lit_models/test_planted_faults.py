"""A model with a fault breaks the contract that names it; a right one breaks none."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.store.batching import TextBatch
from lit_models.base.classifier import LitClassifier, Prediction
from lit_models.layers.masking import mask_of
from tests.lit_models import contracts
from tests.lit_models.contracts import CHECKS, CLASSES, VOCAB, Check


class MeanNet(nn.Module):
    """Mean of the word vectors → linear."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.output = nn.Embedding(VOCAB, 4), nn.Linear(4, CLASSES)

    def states(self, tokens: Tensor) -> Tensor:
        states: Tensor = self.words(tokens)
        return states

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        mask = mask_of(lengths, tokens.shape[1])[:, :, None]
        total = self.states(tokens).masked_fill(~mask, 0).sum(dim=1)
        logits: Tensor = self.output(total / lengths[:, None])
        return logits


class BatchNormNet(MeanNet):
    """Batch norm over all positions, those of the padding too."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4)

    def states(self, tokens: Tensor) -> Tensor:
        return self.norm(super().states(tokens).transpose(1, 2)).transpose(1, 2)


class WrittenNormNet(MeanNet):
    """The same without a layer that could be found by its class."""

    def states(self, tokens: Tensor) -> Tensor:
        states = super().states(tokens)
        return states - states.mean(dim=(0, 1)) if self.training else states


class UnmaskedNet(MeanNet):
    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        logits: Tensor = self.output(self.states(tokens).mean(dim=1))
        return logits


class ThirdInputNet(MeanNet):
    def forward(  # type: ignore[override]
        self, tokens: Tensor, lengths: Tensor, long: Tensor
    ) -> Tensor:
        return super().forward(tokens, lengths) + long[:, None]


class Right(LitClassifier):
    def __init__(self, net: nn.Module | None = None) -> None:
        super().__init__(num_classes=CLASSES)
        self.net = net or MeanNet()


class ThirdInput(Right):
    def __init__(self) -> None:
        super().__init__(ThirdInputNet())

    def forward(self, batch: TextBatch) -> Tensor:
        logits: Tensor = self.net(batch.tokens, batch.lengths, batch.lengths > 9)
        return logits


class Added(Right):
    """Adds to its logits what must not matter."""

    def added(self, batch: TextBatch, logits: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, batch: TextBatch) -> Tensor:
        logits = super().forward(batch)
        return logits + self.added(batch, logits)


class LabelLeak(Added):
    def added(self, batch: TextBatch, logits: Tensor) -> Tensor:
        return F.one_hot(batch.labels.clamp(min=0), CLASSES)


class IdLeak(Added):
    def added(self, batch: TextBatch, logits: Tensor) -> Tensor:
        return F.one_hot(batch.ids.clamp(min=0) % CLASSES, CLASSES)


class LabelLeakInPredictStep(Right):
    def predict_step(self, batch: TextBatch, batch_idx: int = 0) -> Prediction:
        chances = F.one_hot(batch.labels.clamp(min=0), CLASSES).float()
        return Prediction(batch.ids, chances)


class Unnormalised(Right):
    def predict_step(self, batch: TextBatch, batch_idx: int = 0) -> Prediction:
        return Prediction(batch.ids, self(batch).sigmoid())


class BatchMean(Added):
    def added(self, batch: TextBatch, logits: Tensor) -> Tensor:
        return -logits.mean(dim=0)


class LargestOfBatch(Added):
    def added(self, batch: TextBatch, logits: Tensor) -> Tensor:
        return 1e-3 * logits.max(dim=0).values


class Width(Added):
    def added(self, batch: TextBatch, logits: Tensor) -> Tensor:
        return F.one_hot(torch.tensor(batch.tokens.shape[1] % CLASSES), CLASSES)


class RowOrder(Added):
    def added(self, batch: TextBatch, logits: Tensor) -> Tensor:
        return torch.arange(len(logits))[:, None] * torch.tensor([1.0, 0.0, 0.0])


class Softmax(Right):
    def forward(self, batch: TextBatch) -> Tensor:
        return super().forward(batch).softmax(dim=1)


class LogSoftmax(Right):  # a second softmax changes nothing
    def forward(self, batch: TextBatch) -> Tensor:
        return super().forward(batch).log_softmax(dim=1)


ALONE = contracts.predicts_a_row_alike_alone_and_among_others
UNSEEN = contracts.predicts_alike_whatever_labels_and_ids_are
FAULTS: list[tuple[type[Right], Any, Check]] = [
    (LabelLeak, None, UNSEEN),
    (IdLeak, None, UNSEEN),
    (LabelLeakInPredictStep, None, UNSEEN),
    (BatchMean, None, ALONE),
    (LargestOfBatch, None, contracts.predicts_alike_beside_extreme_rows),
    (Width, None, ALONE),
    (RowOrder, None, ALONE),
    (Right, UnmaskedNet, contracts.predicts_alike_whatever_stands_in_the_padding),
    (Right, BatchNormNet, contracts.trains_alike_whatever_the_padding),
    (Right, WrittenNormNet, contracts.trains_alike_whatever_the_padding),
    (Unnormalised, None, contracts.gives_a_distribution_over_the_classes_for_each_row),
    (Softmax, None, contracts.gives_logits_and_no_probabilities),
]


def build(kind: type[Right], net: Any = None) -> Right:
    torch.manual_seed(0)
    return (kind() if net is None else kind(net())).eval()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", [Right, ThirdInput, LogSoftmax])
def test_a_right_model_keeps_every_contract(kind: type[Right], check: Check) -> None:
    check(build(kind))


@pytest.mark.parametrize(("kind", "net", "check"), FAULTS)
def test_a_fault_breaks_the_contract_that_names_it(
    kind: type[Right], net: Any, check: Check
) -> None:
    with pytest.raises(AssertionError):
        check(build(kind, net))


def test_every_check_has_a_fault() -> None:
    assert {check for *_, check in FAULTS} == set(CHECKS)
