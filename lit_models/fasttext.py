"""FastText: the mean of the embeddings of a text's words and hashed n-grams, and a linear layer."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from datamodules.store.train_view import TrainView
from lit_models.base.classifier import LitClassifier
from lit_models.base.ngrams import class_ratios
from lit_models.layers.bags import distinct, occurrences, padded_chunks, row_ngrams

# A polynomial rolling hash modulo the Mersenne prime 2^31 - 1: products stay below 2^63, so every
# device computes the same numbers. The multiplier may be any large number; this one is prime.
HASH_MODULUS = 2**31 - 1
HASH_BASE = 1_540_483_477


class FastTextNet(nn.Module):
    """Words and hashed n-grams → drop some → mean → linear.

    Args: see `FastText`; `sparse` gives the embedding sparse gradients.

    Attributes:
        ratios: float[R] weight of each embedding row in the mean, under `nb_smoothing` alone.
    """

    ratios: Tensor

    def __init__(
        self,
        *,
        vocab_size: int,
        embedding_dim: int,
        num_classes: int,
        ngrams: int,
        buckets: int,
        ngram_dropout: float,
        distinct: bool,
        initial_range: float = 0.01,
        nb_smoothing: float | None = None,
        sparse: bool = False,
    ) -> None:
        super().__init__()
        if min(ngrams, buckets) < 1:
            raise ValueError(f"ngrams {ngrams} and buckets {buckets} must each be at least 1")
        if nb_smoothing is not None and nb_smoothing <= 0:
            raise ValueError(f"model.nb_smoothing is {nb_smoothing}; it must be above 0, or null")
        rows = vocab_size + (buckets if ngrams > 1 else 0)
        mode = "mean" if nb_smoothing is None else "sum"
        self.embedding = nn.EmbeddingBag(rows, embedding_dim, mode=mode, sparse=sparse)
        nn.init.uniform_(self.embedding.weight, -initial_range, initial_range)
        self.output = nn.Linear(embedding_dim, num_classes)
        self.vocab_size, self.ngrams, self.buckets = vocab_size, ngrams, buckets
        self.ngram_dropout, self.distinct = ngram_dropout, distinct
        self.nb_smoothing = nb_smoothing
        if nb_smoothing is not None:
            self.register_buffer("ratios", torch.ones(rows))

    def learn(self, view: TrainView) -> None:
        """Learn the weights of the mean from the train side; without `nb_smoothing` all are 1."""
        if self.nb_smoothing is None:
            return
        totals = np.zeros(len(self.ratios), dtype=np.int64)
        counts = sp.csr_matrix((view.num_classes, len(self.ratios)), dtype=np.int64)
        for chunk, tokens, lengths in padded_chunks(view.tokens):
            items = distinct(*self.rows_of(tokens, lengths))
            labels, values = view.labels[chunk][items.rows.numpy()], items.values.numpy()
            totals += np.bincount(values, minlength=len(totals))
            if labels.ndim == 2:  # several a text: an n-gram counts for each of them
                at, labels = np.nonzero(labels == 1)
                values = values[at]
            ones = np.ones(len(labels), dtype=np.int64)
            counts += sp.csr_matrix((ones, (labels, values)), shape=counts.shape)
        used = np.flatnonzero(totals)
        highest = np.zeros(len(used))
        for documents in counts[:, used]:  # one class at a time: there may be many
            ratios = class_ratios(documents.toarray()[0], totals[used], self.nb_smoothing)
            np.maximum(highest, np.abs(ratios), out=highest)
        self.ratios.zero_()
        self.ratios[torch.from_numpy(used)] = torch.from_numpy(highest).to(self.ratios)

    def rows_of(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """int64[B, W] embedding rows of all words and n-grams, and their mask bool[B, W]."""
        hashes = row_ngrams(tokens, lengths, self.ngrams, HASH_BASE, HASH_MODULUS)
        rows = [tokens] + [self.vocab_size + key % self.buckets for key, _ in hashes[1:]]
        return torch.cat(rows, dim=1), torch.cat([mask for _, mask in hashes], dim=1)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        rows, mask = self.rows_of(tokens, lengths)
        items = distinct(rows, mask) if self.distinct else occurrences(rows, mask)
        if self.training and self.ngram_dropout:
            items = items.dropped(self.ngram_dropout)
        weights = None
        if self.nb_smoothing is not None:
            weights = self.ratios.index_select(0, items.values)  # [N]
            totals = weights.new_zeros(len(lengths)).index_add_(0, items.rows, weights)  # [B]
            # A text without any ratio has the mean 0.
            weights = weights / totals.clamp(min=1e-9).index_select(0, items.rows)
        mean = self.embedding(items.values, items.starts(len(lengths)), weights)  # [B, E]
        logits: Tensor = self.output(mean)
        return logits


class FastText(LitClassifier):
    """Joulin et al. 2016, "Bag of Tricks for Efficient Text Classification".

    z = W · mean_{g ∈ text} E[row(g)] + b over all words and n-grams g of a text. Each word has its
    own row; n-grams of two words and more share `buckets` rows: row(t_1 … t_n) = V + h_n mod
    buckets, with h_1 = t_1 + 1 and h_i = (h_{i-1} · 1540483477 + t_i + 1) mod (2^31 - 1).

    With `nb_smoothing` the mean is weighted by naive-Bayes ratios, as the features of Wang &
    Manning 2012 are: z = W · Σ_g s[row(g)] E[row(g)] / Σ_g s[row(g)] + b with s = max_c |r_c|, r as
    in `NBLogReg`. Rows that tell no class from another, or are in no train text, have no effect.

    At the default size 16,480,034 parameters: 1,030,000 × 16 embeddings, 16 × 2 + 2 output.

    Args:
        vocab_size: V, rows for the words; linked to `data.vocab_size`.
        embedding_dim: width of a vector.
        ngrams: longest n-gram.
        buckets: rows that all n-grams of two words and more share.
        ngram_dropout: share of a text's words and n-grams left out in training.
        distinct: count each word and n-gram of a text once.
        initial_range: vectors begin uniformly between plus and minus this. Smaller than the paper's
            1 / E, so that n-grams never seen in training have little effect.
        nb_smoothing: α of the ratios that weight the mean; None does not weight.
        **kwargs: of `LitClassifier`.
    """

    net: FastTextNet
    family: ClassVar[str] = "bags"

    def __init__(
        self,
        *,
        vocab_size: int = 30_000,
        embedding_dim: int = 16,
        ngrams: int = 3,
        buckets: int = 1_000_000,
        ngram_dropout: float = 0.0,
        distinct: bool = False,
        initial_range: float = 0.01,
        nb_smoothing: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.net = FastTextNet(
            vocab_size=vocab_size,
            embedding_dim=embedding_dim,
            num_classes=self.num_classes,
            ngrams=ngrams,
            buckets=buckets,
            ngram_dropout=ngram_dropout,
            distinct=distinct,
            initial_range=initial_range,
            nb_smoothing=nb_smoothing,
            sparse=self.sparse,
        )

    def prepare(self, view: TrainView) -> None:
        """Learn the weights of the mean."""
        self.net.learn(view)
