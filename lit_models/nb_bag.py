"""NBBag: log-count ratios of n-grams times learnt weights, summed over a text."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from datamodules.store.train_view import TrainView
from lit_models.base.classifier import LitClassifier
from lit_models.base.ngrams import log_count_ratios
from lit_models.layers.ngram_vocabulary import NgramVocabulary


class NBBagNet(nn.Module):
    """Distinct n-grams → ratio times weight → sum.

    Args: see `NBBag`; `sparse` gives the weights sparse gradients.

    Attributes:
        ratios: float[F, K], with K = 1 for two classes, else K = C.
    """

    ratios: Tensor

    def __init__(
        self,
        *,
        num_classes: int,
        ngrams: int,
        max_features: int,
        min_df: int,
        smoothing: float,
        initial_weight: float,
        ngram_dropout: float,
        last_words: int = 0,
        sparse: bool = False,
    ) -> None:
        super().__init__()
        outputs = 1 if num_classes == 2 else num_classes
        self.vocabulary = NgramVocabulary(ngrams, max_features, min_df, ngram_dropout, last_words)
        self.register_buffer("ratios", torch.zeros(max_features, outputs))
        self.weights = nn.Embedding(max_features, outputs, sparse=sparse)
        nn.init.constant_(self.weights.weight, initial_weight)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.smoothing = smoothing

    def learn(self, view: TrainView) -> None:
        """Learns n-grams and ratios from the train side."""
        ratios = log_count_ratios(self.vocabulary.learn(view), self.smoothing)  # [C, F]
        if len(ratios) == 2:
            ratios = ratios[1:]  # that of class 0 is its opposite
        self.ratios.copy_(torch.from_numpy(ratios.T.copy()))

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        items = self.vocabulary(tokens, lengths)
        terms = self.ratios.index_select(0, items.values) * self.weights(items.values)  # [N, K]
        sums = terms.new_zeros(len(lengths), terms.shape[1]).index_add_(0, items.rows, terms)
        scores = sums + self.bias  # [B, K]
        # softmax of (0, s) is the logistic function of s
        return scores if scores.shape[1] > 1 else torch.cat([-scores / 2, scores / 2], dim=1)


class NBBag(LitClassifier):
    """Wang & Manning 2012, "Baselines and Bigrams", as an embedding net (Keras' `nbsvm` form).

    r_ic = ln((p_ic / ‖p_c‖₁) / (q_ic / ‖q_c‖₁)), with p_ic = α + train texts of class c that have
    n-gram i and q_ic = α + those of the other classes; z_c = Σ_{i ∈ text} r_ic · w_ic + b_c, each
    n-gram of a text once. The ratios are fixed; the weights are learnt from a constant. With equal
    weights this is naive Bayes; the smaller the ratio of an n-gram, the less a gradient step
    changes its weight. For two classes z = (-s/2, s/2) with s = Σ r_i w_i + b, r of class 1 against
    class 0. At the default size 800,001 parameters: a weight for each n-gram, one bias.

    Args:
        ngrams: longest n-gram.
        max_features: most n-grams, the most frequent of the train side.
        min_df: n-grams in fewer train texts are left out.
        smoothing: α.
        initial_weight: of every n-gram.
        ngram_dropout: share of a text's n-grams left out in training.
        last_words: number of words at the end of a text whose n-grams are features of their own
            too, with ratios of their own, since reviews conclude at the end; 0 for none.
        **kwargs: of `LitClassifier`.
    """

    net: NBBagNet
    family: ClassVar[str] = "bags"

    def __init__(
        self,
        *,
        ngrams: int = 3,
        max_features: int = 800_000,
        min_df: int = 2,
        smoothing: float = 1.0,
        initial_weight: float = 1.0,
        ngram_dropout: float = 0.0,
        last_words: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.net = NBBagNet(
            num_classes=self.num_classes,
            ngrams=ngrams,
            max_features=max_features,
            min_df=min_df,
            smoothing=smoothing,
            initial_weight=initial_weight,
            ngram_dropout=ngram_dropout,
            last_words=last_words,
            sparse=self.sparse,
        )

    def prepare(self, view: TrainView) -> None:
        """Learns n-grams and their ratios."""
        self.net.learn(view)
