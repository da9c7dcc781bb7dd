"""MLP: TF-IDF weighted n-grams into a hidden layer."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from datamodules.store.train_view import TrainView
from lit_models.base.classifier import LitClassifier
from lit_models.layers.ngram_vocabulary import TfidfBag


class MLPNet(nn.Module):
    """TF-IDF bag → linear → ReLU → dropout → linear.

    Args: see `MLP`; `sparse` gives the first layer sparse gradients.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        hidden_size: int,
        ngrams: int,
        max_features: int,
        min_df: int,
        ngram_dropout: float,
        dropout: float,
        sparse: bool = False,
    ) -> None:
        super().__init__()
        self.bag = TfidfBag(ngrams, max_features, min_df, ngram_dropout)
        self.weights = nn.EmbeddingBag(max_features, hidden_size, mode="sum", sparse=sparse)
        nn.init.normal_(self.weights.weight, std=0.1)
        self.bias = nn.Parameter(torch.zeros(hidden_size))
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden_size, num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        numbers, starts, tfidf = self.bag(tokens, lengths)  # [N], [B], [N]
        hidden = self.weights(numbers, starts, per_sample_weights=tfidf) + self.bias  # [B, H]
        logits: Tensor = self.output(self.dropout(hidden.relu()))
        return logits


class MLP(LitClassifier):
    """Multi-layer perceptron (Rumelhart et al. 1986) over a bag of n-grams.

    h = ReLU(Σ_{i ∈ text} x_i · U_i + a);  z = W h + b, with x the TF-IDF weights of the text's
    n-grams, scaled to length 1 (see `TfidfBag`). A text uses the rows of its n-grams alone.
    At the default size 3,200,050 parameters: 200,000 × 16 + 16 first layer, 16 × 2 + 2 output.

    Args:
        hidden_size: width of the hidden layer.
        ngrams: longest n-gram.
        max_features: most n-grams, the most frequent of the train side.
        min_df: n-grams in fewer train texts are left out.
        ngram_dropout: share of a text's n-grams left out in training.
        dropout: on the hidden layer.
        **kwargs: of `LitClassifier`.
    """

    net: MLPNet
    family: ClassVar[str] = "bags"

    def __init__(
        self,
        *,
        hidden_size: int = 16,
        ngrams: int = 2,
        max_features: int = 200_000,
        min_df: int = 2,
        ngram_dropout: float = 0.0,
        dropout: float = 0.5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.net = MLPNet(
            num_classes=self.num_classes,
            hidden_size=hidden_size,
            ngrams=ngrams,
            max_features=max_features,
            min_df=min_df,
            ngram_dropout=ngram_dropout,
            dropout=dropout,
            sparse=self.sparse,
        )

    def prepare(self, view: TrainView) -> None:
        """Learns n-grams and their inverse document frequencies."""
        self.net.bag.learn(view)
