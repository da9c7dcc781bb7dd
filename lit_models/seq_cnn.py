"""SeqCNN: a convolution of the words themselves, without word vectors, max-pooled over the text."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lit_models.base.classifier import LitClassifier
from lit_models.layers.masking import masked_max
from lit_models.layers.regions import WordRegions


class SeqCNNNet(nn.Module):
    """Convolution of one-hot words → ReLU → max over positions → dropout → linear.

    Args: see `SeqCNN`; `sparse` gives the weights of words sparse gradients.
    """

    def __init__(
        self,
        *,
        vocab_size: int,
        region_size: int,
        num_filters: int,
        num_classes: int,
        dropout: float,
        word_dropout: float,
        sparse: bool = False,
    ) -> None:
        super().__init__()
        self.regions = WordRegions(
            vocab_size, num_filters, region_size, word_dropout, sparse=sparse
        )
        self.bias = nn.Parameter(torch.zeros(num_filters))
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(num_filters, num_classes)

    def states(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, T, F] features of the region around each word, before bias and ReLU."""
        states: Tensor = self.regions(tokens, lengths)
        return states

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        # Bias and ReLU change no order, so that they follow the maximum, on far fewer values.
        maxima = masked_max(self.states(tokens, lengths), lengths)  # [B, F]
        logits: Tensor = self.output(self.dropout((maxima + self.bias).relu()))
        return logits


class SeqCNN(LitClassifier):
    """Johnson & Zhang 2015, "Effective Use of Word Order for Text Categorization with CNNs".

    h_t = ReLU(Σ_i W_i[w_{t-1+i}] + b), i = 0, 1, 2: each word has weights of its own for each place
    in a region (seq-CNN), and none is shared through word vectors;  z = W · max_t h_t + b.
    Trained with cross-entropy and Adam instead of the paper's squared loss and momentum, without
    its normalisation of the maxima.
    Shapes: words [B, T] → features [B, T, 500] → maxima [B, 500] → logits [B, 2].
    At the default size 45,001,502 parameters: 3 × 30,000 × 500 weights of words, 500 biases,
    500 × 2 + 2 output.

    Args:
        vocab_size: V, words with weights; linked to `data.vocab_size`.
        region_size: words of a region.
        num_filters: F, features of a region.
        dropout: on the maxima.
        word_dropout: share of the vocabulary left out of a batch in training.
        **kwargs: of `LitClassifier`.
    """

    family: ClassVar[str] = "convolutional"

    def __init__(
        self,
        *,
        vocab_size: int = 30_000,
        region_size: int = 3,
        num_filters: int = 500,
        dropout: float = 0.5,
        word_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.net = SeqCNNNet(
            vocab_size=vocab_size,
            region_size=region_size,
            num_filters=num_filters,
            num_classes=self.num_classes,
            dropout=dropout,
            word_dropout=word_dropout,
            sparse=self.sparse,
        )
