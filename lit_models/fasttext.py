"""FastText: the mean of the embeddings of a text's words and hashed n-grams, and a linear layer."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lit_models.base.classifier import LitClassifier
from lit_models.layers.bags import distinct, occurrences, row_ngrams

# A polynomial rolling hash modulo the Mersenne prime 2^31 - 1: products stay below 2^63, so every
# device computes the same numbers. The multiplier may be any large number; this one is prime.
HASH_MODULUS = 2**31 - 1
HASH_BASE = 1_540_483_477


class FastTextNet(nn.Module):
    """Words and hashed n-grams → drop some → mean → linear.

    Args: see `FastText`; `sparse` gives the embedding sparse gradients.
    """

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
        sparse: bool = False,
    ) -> None:
        super().__init__()
        if min(ngrams, buckets) < 1:
            raise ValueError(f"ngrams {ngrams} and buckets {buckets} must each be at least 1")
        rows = vocab_size + (buckets if ngrams > 1 else 0)
        self.embedding = nn.EmbeddingBag(rows, embedding_dim, mode="mean", sparse=sparse)
        nn.init.uniform_(self.embedding.weight, -initial_range, initial_range)
        self.output = nn.Linear(embedding_dim, num_classes)
        self.vocab_size, self.ngrams, self.buckets = vocab_size, ngrams, buckets
        self.ngram_dropout, self.distinct = ngram_dropout, distinct

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
        mean = self.embedding(items.values, items.starts(len(lengths)))  # [B, E]
        logits: Tensor = self.output(mean)
        return logits


class FastText(LitClassifier):
    """Joulin et al. 2016, "Bag of Tricks for Efficient Text Classification".

    z = W · mean_{g ∈ text} E[row(g)] + b over all words and n-grams g of a text. Each word has its
    own row; n-grams of two words and more share `buckets` rows: row(t_1 … t_n) = V + h_n mod
    buckets, with h_1 = t_1 + 1 and h_i = (h_{i-1} · 1540483477 + t_i + 1) mod (2^31 - 1).
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
        **kwargs: of `LitClassifier`.
    """

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
            sparse=self.sparse,
        )
