"""DPCNN: a deep pyramid of narrow convolutions, each block on half the positions of the last."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from lit_models.base.classifier import LitClassifier
from lit_models.language.elmo_embedding import Elmo, word_embedding
from lit_models.layers.convolution import WordConvolution, max_pool
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.masking import masked_max, zero_padding


class Block(nn.Module):
    """Two convolutions of size 3 with a ReLU before each, and a residual connection around them.

    Args:
        num_filters: F, of input and output.
    """

    def __init__(self, num_filters: int) -> None:
        super().__init__()
        self.first = WordConvolution(num_filters, num_filters, 3, centred=True)
        self.second = WordConvolution(num_filters, num_filters, 3, centred=True)

    def forward(self, states: Tensor, lengths: Tensor) -> Tensor:
        """[B, T, F] of [B, T, F]; past a row's length: garbage."""
        inner = self.first(zero_padding(states.relu(), lengths))
        inner = self.second(zero_padding(inner.relu(), lengths))
        return states + inner


class DPCNNNet(nn.Module):
    """Region embedding → block → (halve → block) × blocks → max over positions → linear.

    The paper halves until one position is left. Here the number of halvings is fixed, so that it
    does not depend on the longest text of a batch. Args: see `DPCNN`.
    """

    def __init__(
        self,
        embedding: WordEmbedding,
        *,
        num_filters: int,
        blocks: int,
        num_classes: int,
        dropout: float,
    ) -> None:
        super().__init__()
        if blocks < 0:
            raise ValueError(f"blocks is {blocks}; choose 0 (one block, no halving) or more")
        self.embedding = embedding
        dim = embedding.width
        self.region = WordConvolution(dim, num_filters, 3, centred=True)
        self.bottom = Block(num_filters)
        self.blocks = nn.ModuleList(Block(num_filters) for _ in range(blocks))
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(num_filters, num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        words = zero_padding(self.embedding(tokens, lengths), lengths)  # [B, T, E]
        states = self.bottom(self.region(words), lengths)  # [B, T, F]
        for block in self.blocks:
            states, lengths = max_pool(states, lengths, size=3, stride=2)  # [B, ceil(T/2), F]
            states = block(states, lengths)
        summary = masked_max(states, lengths)  # [B, F]
        logits: Tensor = self.output(self.dropout(summary))
        return logits


class DPCNN(LitClassifier):
    """Johnson & Zhang 2017, "Deep Pyramid Convolutional Neural Networks for Text Categorization".

    x = W_r * e + b_r;  B(x) = x + W_b * ReLU(W_a * ReLU(x) + b_a) + b_b, * a convolution of size 3;
    x_0 = B(x);  x_k = B(max-pool 3, stride 2 of x_{k-1});  z = W · max_t x_K[t] + b.
    The region embedding is the paper's simplest, a convolution without activation that is learnt
    with the rest; its unsupervised region embeddings are left out.
    Shapes: words [B, T, 128] → regions [B, T, 128] → [B, T / 2, 128] → … → [B, T / 64, 128] →
    maxima [B, 128] → logits [B, 2].
    At the default size 4,579,458 parameters: 30,000 × 128 embeddings, 49,280 in the region
    embedding, 98,560 in each of 7 blocks, 128 × 2 + 2 output.

    Args:
        vocab_size: rows of the embedding; linked to `data.vocab_size`.
        embedding_dim: width of a word vector.
        num_filters: features of every layer.
        blocks: K, halvings, each followed by a block; 6 reduce 400 words to 7 positions.
        dropout: on the maxima.
        word_dropout: share of the vocabulary left out of a batch in training.
        embedding_dropout: on the word vectors.
        elmo: folder of a finished run of `elmo`, whose layers are added to the word vectors (Peters
            et al. 2018); its weights are saved with the classifier's.
    """

    family: ClassVar[str] = "convolutional"

    def __init__(
        self,
        *,
        vocab_size: int = 30_000,
        embedding_dim: int = 128,
        num_filters: int = 128,
        blocks: int = 6,
        dropout: float = 0.5,
        word_dropout: float = 0.3,
        embedding_dropout: float = 0.2,
        elmo: Elmo | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.net = DPCNNNet(
            word_embedding(self, vocab_size, embedding_dim, word_dropout, embedding_dropout, elmo),
            num_filters=num_filters,
            blocks=blocks,
            num_classes=self.num_classes,
            dropout=dropout,
        )
