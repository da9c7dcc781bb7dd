"""Perceptron: weights that move on mistakes alone, and their average."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from datamodules.store.train_view import TrainView
from lit_models.base.averaging import Average
from lit_models.base.classifier import LitClassifier
from lit_models.layers.ngram_vocabulary import TfidfBag


class PerceptronNet(nn.Module):
    """TF-IDF bag → linear.

    Args:
        num_classes: C.
        ngrams: longest n-gram.
        max_ngrams: F.
        min_documents: n-grams in fewer train texts are left out.
        sharpness: β, by which a prediction's margins are multiplied.
    """

    def __init__(
        self, num_classes: int, ngrams: int, max_ngrams: int, min_documents: int, sharpness: float
    ) -> None:
        super().__init__()
        self.bag = TfidfBag(ngrams, max_ngrams, min_documents, dropout=0.0)
        self.weights = nn.EmbeddingBag(max_ngrams, num_classes, mode="sum", sparse=True)
        nn.init.zeros_(self.weights.weight)
        self.sharpness = sharpness

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] scores in training, logits β · scores / ‖w‖ in evaluation."""
        numbers, starts, tfidf = self.bag(tokens, lengths)  # [N], [B], [N]
        scores: Tensor = self.weights(numbers, starts, per_sample_weights=tfidf)
        if self.training:
            return scores
        return self.sharpness * scores / self.weights.weight.norm().clamp(min=1e-12)


class Perceptron(LitClassifier):
    """Rosenblatt 1958, for several classes and averaged as Collins 2002 does.

    Where the highest score z_ŷ = w_ŷ · x is not that of the right class y: w_y += x, w_ŷ -= x;
    else nothing changes. That is a step of length 1 down the gradient of max_c z_c - z_y, summed
    over the batch: its texts are judged by the same weights, so a batch of 1 is the original rule.
    x are TF-IDF weights of length 1 (see `TfidfBag`); the first weights are 0, so another step
    length would scale all weights and change no decision.

    Predictions use the mean of the weights after every step (`average: asgd` from the first epoch
    on), which varies less than the last ones.
    Scores of a perceptron are no probabilities and their scale is arbitrary:
    p = softmax(β z / ‖w‖), which changes no decision; β is a constant, not fitted.
    At the default size 400,000 parameters: 200,000 × 2 weights.

    Args:
        ngrams: longest n-gram.
        max_ngrams: most n-grams, the most frequent of the train side.
        min_documents: n-grams in fewer train texts are left out.
        sharpness: β.
        average: see `LitClassifier`; None predicts by the last weights.
        average_start: see `LitClassifier`.
        **kwargs: of `LitClassifier`; those of its optimiser and loss are unused.
    """

    net: PerceptronNet
    loss_is_sum = True

    def __init__(
        self,
        *,
        ngrams: int = 2,
        max_ngrams: int = 200_000,
        min_documents: int = 2,
        sharpness: float = 200.0,
        average: Average | None = "asgd",
        average_start: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(average=average, average_start=average_start, **kwargs)
        self.net = PerceptronNet(self.num_classes, ngrams, max_ngrams, min_documents, sharpness)

    def prepare(self, view: TrainView) -> None:
        """Learns n-grams and their inverse document frequencies."""
        self.net.bag.learn(view)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Σ (z_ŷ - z_y); its gradient is the perceptron rule."""
        # Not by `amax`, which shares its gradient among equal scores.
        answers = torch.stack([logits.argmax(dim=1), labels], dim=1)
        highest, right = logits.gather(1, answers).unbind(dim=1)
        return (highest - right).sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Steps of length 1, as the rule has them."""
        return torch.optim.SGD(self.parameters(), lr=1.0)

    def configure_gradient_clipping(self, *args: Any, **kwargs: Any) -> None:
        """None: the rule has no such thing."""
