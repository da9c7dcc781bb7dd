"""CNN: convolutions of several filter sizes over word embeddings, max-pooled over the text."""

from __future__ import annotations

from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.store.batching import TextBatch
from lit_models.base.classifier import LitClassifier
from lit_models.language.elmo_embedding import Elmo, word_embedding
from lit_models.layers.convolution import WordConvolution, dynamic_k, k_max, k_max_pool
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.marks import Marks
from lit_models.layers.masking import zero_padding


class CNNNet(nn.Module):
    """Embed → convolutions in parallel → ReLU → max over positions → dropout → linear.

    Zero padding gives features to texts shorter than the filters, too. Args: see `CNN`.
    """

    def __init__(
        self,
        embedding: WordEmbedding,
        *,
        filter_sizes: list[int],
        num_filters: int,
        k_max: int,
        num_layers: int,
        num_classes: int,
        dropout: float,
    ) -> None:
        super().__init__()
        if min(k_max, num_layers) < 1:
            raise ValueError(f"k_max is {k_max}, num_layers is {num_layers}; choose 1 or more each")
        self.embedding, self.k_max, self.num_layers = embedding, k_max, num_layers
        width, states = embedding.width, num_filters
        self.after = max(filter_sizes, default=1) - 1
        self.convolutions = nn.ModuleList(WordConvolution(width, states, w) for w in filter_sizes)
        self.higher = nn.ModuleList(
            nn.ModuleList(WordConvolution(states, states, w) for _ in range(1, num_layers))
            for w in filter_sizes
        )
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(states * len(filter_sizes) * k_max, num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        words = zero_padding(self.embedding(tokens, lengths), lengths)  # [B, T, E]
        words = F.pad(words, (0, 0, 0, self.after))  # once, not by each convolution
        features = []
        for first, higher in zip(self.convolutions, self.higher, strict=True):
            states, sizes = first(words, padded=True), lengths  # [B, T or more, F]
            for layer, convolution in enumerate(cast(nn.ModuleList, higher), start=1):
                k = dynamic_k(lengths, layer, self.num_layers, self.k_max)  # [B]
                states, sizes = k_max(states, sizes, k), torch.minimum(k, sizes)
                states = convolution(states.relu())  # [B, K, F]
            features.append(k_max_pool(states, sizes, self.k_max).relu())  # [B, k_max · F]
        logits: Tensor = self.output(self.dropout(torch.cat(features, dim=1)))
        return logits


class CNN(LitClassifier):
    """Kim 2014, "Convolutional Neural Networks for Sentence Classification" (CNN-rand).

    c_w[t] = ReLU(W_w · [e_t, …, e_{t+w-1}] + b_w);  ĉ_w = max_t c_w[t];  z = W [ĉ_3, ĉ_4, ĉ_5] + b.
    At the default size 3,994,502 parameters: 30,000 × 128 embeddings, 100 × (3 + 4 + 5) × 128 + 300
    filters, 300 × 2 + 2 output.
    Shapes: words [B, T, 128] → features [B, T, 100] per size → maxima [B, 300] → logits [B, 2].

    `k_max` and `num_layers` above 1 give the dynamic k-max pooling of Kalchbrenner et al. 2014: the
    k largest values of each feature in their original order, k = `k_max` in the top layer and
    max(k_max, ceil((L - l) / L · n)) in layer l of L below it, for a text of n words.

    Args:
        vocab_size: rows of the embedding; linked to `data.vocab_size`.
        embedding_dim: width of a word vector.
        filter_sizes: words that a filter covers.
        num_filters: filters of each size.
        k_max: largest values kept of each feature, zeros where a text has fewer; 1 is the maximum.
        num_layers: convolutions on top of one another, with dynamic k-max pooling between them.
        dropout: on the pooled features.
        word_dropout: share of the vocabulary left out of a batch in training.
        embedding_dropout: on the word vectors.
        elmo: folder of a finished run of `elmo`, whose layers are added to the word vectors (Peters
            et al. 2018); its weights are saved with the classifier's.
    """

    net: CNNNet
    family: ClassVar[str] = "convolutional"

    def __init__(
        self,
        *,
        vocab_size: int = 30_000,
        embedding_dim: int = 128,
        filter_sizes: list[int] = [3, 4, 5],  # noqa: B006  # never changed; jsonargparse shows it
        num_filters: int = 100,
        k_max: int = 1,
        num_layers: int = 1,
        dropout: float = 0.5,
        word_dropout: float = 0.3,
        embedding_dropout: float = 0.2,
        elmo: Elmo | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.net = CNNNet(
            word_embedding(self, vocab_size, embedding_dim, word_dropout, embedding_dropout, elmo),
            filter_sizes=filter_sizes,
            num_filters=num_filters,
            k_max=k_max,
            num_layers=num_layers,
            num_classes=self.num_classes,
            dropout=dropout,
        )

    def shown(self, batch: TextBatch, label: int) -> dict[str, Marks]:
        """N-grams whose filters have their maximum there, with their parts of the score."""
        net = self.net
        if net.k_max * net.num_layers > 1:
            return {}
        words = zero_padding(net.embedding(batch.tokens, batch.lengths), batch.lengths)  # [1, T, E]
        maxima = [convolution(words)[0].max(dim=0) for convolution in net.convolutions]
        sizes = torch.tensor([c.kernel_size[1] for c in net.convolutions])  # type: ignore[index]
        places = torch.stack([maximum.indices for maximum in maxima]).cpu()  # [sizes, F]
        W = net.output.weight
        factors = W[label] - (W.sum(dim=0) - W[label]) / (len(W) - 1)
        values = torch.cat([maximum.values for maximum in maxima]).relu() * factors
        runs = torch.stack([places, places + sizes[:, None]]).flatten(1)  # [2, sizes · F]
        distinct, number = runs.unique(dim=1, return_inverse=True)
        weights = values.new_zeros(distinct.shape[1]).index_add(0, number.to(values.device), values)
        return {"n-grams of the maxima": Marks(distinct[0], distinct[1], weights)}
