"""Perceptron: weights that change on mistakes alone, averaged over the steps."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from datamodules.store.train_view import TrainView
from lit_models.base.averaging import Average
from lit_models.base.classifier import LitClassifier
from lit_models.layers.ngram_vocabulary import TfidfBag


class PerceptronNet(nn.Module):
    """TF-IDF bag → linear.

    Args: see `Perceptron`.
    """

    def __init__(
        self, *, num_classes: int, ngrams: int, max_features: int, min_df: int, sharpness: float
    ) -> None:
        super().__init__()
        self.bag = TfidfBag(ngrams, max_features, min_df, dropout=0.0)
        self.weights = nn.EmbeddingBag(max_features, num_classes, mode="sum", sparse=True)
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
    over the batch: its texts are classified by the same weights, so a batch of 1 is the original
    rule. x are TF-IDF weights of length 1 (see `TfidfBag`); the first weights are 0, so another
    step length would scale all weights and change no decision.

    Predictions use the mean of the weights after every step (`weight_averaging: asgd` from the
    first epoch on), which varies less than the last ones. Scores of a perceptron are no
    probabilities and their scale is arbitrary: p = softmax(β z / ‖w‖), which changes no decision; β
    is a constant, not fitted.
    At the default size 400,000 parameters: 200,000 × 2 weights.

    Args:
        ngrams: longest n-gram.
        max_features: most n-grams, the most frequent of the train side.
        min_df: n-grams in fewer train texts are left out.
        sharpness: β.
        weight_averaging: see `LitClassifier`; None predicts with the last weights.
        weight_averaging_start: see `LitClassifier`.
        **kwargs: of `LitClassifier`; those of its optimiser and loss are unused.
    """

    net: PerceptronNet
    family: ClassVar[str] = "bags"
    loss_is_sum = True

    def __init__(
        self,
        *,
        ngrams: int = 2,
        max_features: int = 200_000,
        min_df: int = 2,
        sharpness: float = 200.0,
        weight_averaging: Average | None = "asgd",
        weight_averaging_start: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            weight_averaging=weight_averaging,
            weight_averaging_start=weight_averaging_start,
            **kwargs,
        )
        self.net = PerceptronNet(
            num_classes=self.num_classes,
            ngrams=ngrams,
            max_features=max_features,
            min_df=min_df,
            sharpness=sharpness,
        )

    def prepare(self, view: TrainView) -> None:
        """Learns n-grams and their inverse document frequencies."""
        self.net.bag.learn(view)

    def loss(self, logits: Tensor, labels: Tensor, reduction: str = "sum") -> Tensor:
        """Σ (z_ŷ - z_y); its gradient is the perceptron rule. `class_weights` scale its steps."""
        # Not by `amax`, which shares its gradient among equal scores.
        answers = torch.stack([logits.argmax(dim=1), labels], dim=1)
        highest, right = logits.gather(1, answers).unbind(dim=1)
        return highest - right if reduction == "none" else (highest - right).sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Gradient descent with steps of length 1."""
        return torch.optim.SGD(self.parameters(), lr=1.0)

    def configure_gradient_clipping(self, *args: Any, **kwargs: Any) -> None:
        """No clipping: the rule has none."""
