"""Logistic: softmax regression over TF-IDF weighted n-grams, trained by gradient steps."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from datamodules.store.train_view import TrainView
from lit_models.base.classifier import LitClassifier
from lit_models.layers.ngram_vocabulary import TfidfBag


class LogisticNet(nn.Module):
    """TF-IDF bag → linear.

    Args: see `Logistic`; `sparse` gives the weights sparse gradients.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        ngrams: int,
        max_features: int,
        min_df: int,
        ngram_dropout: float,
        sparse: bool = False,
    ) -> None:
        super().__init__()
        self.bag = TfidfBag(ngrams, max_features, min_df, ngram_dropout)
        self.weights = nn.EmbeddingBag(max_features, num_classes, mode="sum", sparse=sparse)
        nn.init.zeros_(self.weights.weight)
        self.bias = nn.Parameter(torch.zeros(num_classes))

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        numbers, starts, tfidf = self.bag(tokens, lengths)  # [N], [B], [N]
        logits: Tensor = self.weights(numbers, starts, per_sample_weights=tfidf) + self.bias
        return logits


class Logistic(LitClassifier):
    """Softmax regression (Cox 1958; Berger et al. 1996, "A Maximum Entropy Approach…").

    z = Σ_{i ∈ text} x_i · W_i + b, with x the TF-IDF weights of the text's n-grams, scaled to
    length 1 (see `TfidfBag`); p = softmax(z). A text uses the rows of its n-grams alone, so that no
    tensor is as wide as the vocabulary. `TfidfLogReg` in mini-batches, regularised by the number of
    epochs and by n-gram dropout in place of a penalty.
    At the default size 400,002 parameters: 200,000 × 2 weights, 2 biases.

    Args:
        ngrams: longest n-gram.
        max_features: most n-grams, the most frequent of the train side.
        min_df: n-grams in fewer train texts are left out.
        ngram_dropout: share of a text's n-grams left out in training.
        **kwargs: of `LitClassifier`.
    """

    net: LogisticNet
    family: ClassVar[str] = "bags"

    def __init__(
        self,
        *,
        ngrams: int = 2,
        max_features: int = 200_000,
        min_df: int = 2,
        ngram_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.net = LogisticNet(
            num_classes=self.num_classes,
            ngrams=ngrams,
            max_features=max_features,
            min_df=min_df,
            ngram_dropout=ngram_dropout,
            sparse=self.sparse,
        )

    def prepare(self, view: TrainView) -> None:
        """Learns n-grams and their inverse document frequencies."""
        self.net.bag.learn(view)
