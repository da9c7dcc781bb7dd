"""RegionCNN: a convolution of words with a region embedding learnt from unlabelled text."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from datamodules.store.train_view import TrainView
from lit_models.base.classifier import LitClassifier
from lit_models.layers.linear import Linear
from lit_models.layers.regions import RegionEmbedding
from lit_models.seq_cnn import SeqCNNNet


class RegionCNNNet(SeqCNNNet):
    """`SeqCNNNet` whose regions have the features of their embeddings, too. Args: `RegionCNN`."""

    def __init__(
        self,
        *,
        embedding_dim: int,
        embedding_size: int,
        vocab_size: int,
        num_filters: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(vocab_size=vocab_size, num_filters=num_filters, **kwargs)
        self.embedding = RegionEmbedding(vocab_size, embedding_dim, embedding_size)
        self.mix = Linear(embedding_dim, num_filters, bias=False)

    def states(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, T, F] features of the region around each word, before bias and ReLU."""
        embedded = self.mix(self.embedding(tokens, lengths))  # [B, T, F]
        return super().states(tokens, lengths) + embedded


class RegionCNN(LitClassifier):
    """Johnson & Zhang 2015, "Semi-supervised Convolutional Neural Networks for Text Categorization
    via Region Embedding".

    u_t = ReLU(Σ_{i=0}^{4} v(w_{t-2+i})), the embedding of the five words around word t
    (`RegionVectors`, learnt from the unlabelled texts too, then fixed);
    h_t = ReLU(Σ_i W_i[w_{t-1+i}] + V u_t + b), i = 0, 1, 2;  z = W · max_t h_t + b.
    See `SeqCNN`, which is the same without u.
    Shapes: words [B, T] → embeddings [B, T, 200] → features [B, T, 500] → maxima [B, 500] →
    logits [B, 2].
    At the default size 45,101,502 parameters: 3 × 30,000 × 500 weights of words, 200 × 500 of the
    embedding, 500 biases, 500 × 2 + 2 output; besides these the fixed 30,000 × 200 word vectors.

    Args:
        vocab_size: V, words with weights; linked to `data.vocab_size`.
        region_size: words of a region.
        num_filters: F, features of a region.
        embedding_dim: width of u, the `dim` of `data.vectors`.
        embedding_size: words of the region that u embeds, the `size` of `data.vectors`.
        dropout: on the maxima.
        word_dropout: share of the vocabulary left out of a batch in training; u has all words.
        **kwargs: of `LitClassifier`.
    """

    net: RegionCNNNet
    family: ClassVar[str] = "convolutional"
    needs_vectors: ClassVar[bool] = True

    def __init__(
        self,
        *,
        vocab_size: int = 30_000,
        region_size: int = 3,
        num_filters: int = 500,
        embedding_dim: int = 200,
        embedding_size: int = 5,
        dropout: float = 0.5,
        word_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.net = RegionCNNNet(
            vocab_size=vocab_size,
            region_size=region_size,
            num_filters=num_filters,
            embedding_dim=embedding_dim,
            embedding_size=embedding_size,
            num_classes=self.num_classes,
            dropout=dropout,
            word_dropout=word_dropout,
            sparse=self.sparse,
        )

    def _initialize_embeddings(self, view: TrainView) -> None:
        """Nothing: the vectors are no initial weights of a layer that is trained."""

    def prepare(self, view: TrainView) -> None:
        """Take the vectors of the region embedding.

        Raises:
            ValueError: the corpus gives no vectors, or vectors of another width.
        """
        if view.vectors is None:
            raise ValueError(
                "RegionCNN needs the word vectors of a region embedding, and data.vectors is null; "
                "set --data.vectors lit_models.region_vectors.RegionVectors, or fit seq_cnn"
            )
        self.net.embedding.start_from(torch.from_numpy(view.vectors))
