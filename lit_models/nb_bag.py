"""NBBag: log-count ratios of n-grams times learnt weights, summed over a text."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from datamodules.store.train_view import TrainView
from lit_models.base.classifier import LitClassifier
from lit_models.base.ngrams import log_count_ratios
from lit_models.layers.ngram_vocabulary import NgramVocabulary

MOST_CLASSES = 16
"""Number of classes for which each of `max_features` n-grams may have a ratio."""


class NBBagNet(nn.Module):
    """Distinct n-grams → ratio times weight → sum.

    Args: see `NBBag`; `sparse` gives the weights sparse gradients.

    Attributes:
        ratios: float[F, K], with K = 1 and F = `max_features` for two classes of which a text has
            one, else K = C and F the number of n-grams that were learnt, at most `MOST_CLASSES` ·
            `max_features` / C.
        weights: float[F, 1].
    """

    ratios: Tensor
    weights: nn.Embedding

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
        multi_label: bool = False,
    ) -> None:
        super().__init__()
        outputs = 1 if num_classes == 2 and not multi_label else num_classes
        self.vocabulary = NgramVocabulary(ngrams, max_features, min_df, ngram_dropout, last_words)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("ratios", None)
        self.smoothing, self.initial_weight, self.sparse = smoothing, initial_weight, sparse
        # With more classes a table for any corpus would have hundreds of millions of ratios.
        self.most = None if outputs == 1 else max(1, max_features * MOST_CLASSES // outputs)
        if self.most is not None:
            self.most = min(self.most, max_features)
            self.vocabulary.resize(1)  # until `learn` or a checkpoint gives the number
        self._make_tables(self.vocabulary.size)

    def _make_tables(self, rows: int, weights: int = 1) -> None:
        self.ratios = torch.zeros(rows, len(self.bias)).to(self.bias)
        self.weights = nn.Embedding(rows, weights, sparse=self.sparse).to(self.bias)
        nn.init.constant_(self.weights.weight, self.initial_weight)

    def learn(self, view: TrainView) -> None:
        """Learns n-grams and ratios from the train side."""
        documents = self.vocabulary.learn(view, self.most)
        ratios = log_count_ratios(documents, self.smoothing, self.vocabulary.texts)  # [C, F]
        if len(self.bias) == 1:
            ratios = ratios[1:]  # that of class 0 is its opposite
        else:
            self._make_tables(self.vocabulary.size)
        self.ratios.copy_(torch.from_numpy(ratios.T.copy()))

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        """Make tables of the size of those that are loaded.

        In an earlier version an n-gram had a weight for each of more than two classes.
        """
        weights = state_dict.get(f"{prefix}weights.weight", self.weights.weight)
        fits = weights.dim() == 2 and weights.shape[1] in (1, len(self.bias))  # else it is refused
        if self.most is not None and fits and weights.shape != self.weights.weight.shape:
            self.vocabulary.resize(len(weights))
            self._make_tables(*weights.shape)
        super()._load_from_state_dict(state_dict, prefix, *args)

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
    n-gram i and q_ic = α + those of the other classes; z_c = Σ_{i ∈ text} r_ic · w_i + b_c, each
    n-gram of a text once. The ratios are fixed; the weights are learnt from a constant. With equal
    weights this is naive Bayes; the smaller the ratio of an n-gram, the less a gradient step
    changes its weight. For two classes z = (-s/2, s/2) with s = Σ r_i w_i + b, r of class 1 against
    class 0. At the default size 800,001 parameters: a weight for each n-gram, one bias. All classes
    share the weight of an n-gram: Adam's steps are of equal length for all weights, and with
    weights of their own the many wrong classes of a text would outweigh the right one.

    Args:
        ngrams: longest n-gram.
        max_features: most n-grams, the most frequent of the train side; with more than 16 classes
            fewer, so that there are no more ratios than for 16.
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
            multi_label=self.multi_label,
        )

    def prepare(self, view: TrainView) -> None:
        """Learns n-grams and their ratios."""
        self.net.learn(view)
