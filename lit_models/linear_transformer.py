"""LinearTransformer: the encoder of `transformer.py` with attention of linear cost."""

from __future__ import annotations

from typing import Any

from datamodules.batching import TrainView
from lit_models.classifier import LitClassifier
from lit_models.layers.positions import Positions
from lit_models.layers.transformer import Norm
from lit_models.transformer import EncoderPooling, TransformerNet


class LinearTransformer(LitClassifier):
    """Katharopoulos et al. 2020, "Transformers are RNNs", without the causal mask.

    As `Transformer`, but for each head
    A_h(X)_i = φ(q_i) S / (φ(q_i) · s), S = Σ_j φ(k_j)ᵀ v_j [d, d], s = Σ_j φ(k_j) [d],
    φ(x) = elu(x) + 1 > 0: weights φ(q_i) · φ(k_j) in place of exp(q_i · k_j / √d). S and s are
    summed once a text, so twice the words cost twice as much, not four times.
    At the default size 1,953,474 parameters, those of `Transformer`.

    Args:
        vocab_size: rows of the embedding; linked to `data.vocab_size`.
        embedding_dim: D, width of a word vector and of every state.
        layers: encoder layers.
        heads: attention heads; they share D.
        feedforward: hidden width of the feed-forward layers.
        positions: `sinusoidal`, `learned`, `rotary` or `none`, as in `Transformer`.
        max_positions: learned positions; no text may be longer (one word less with `cls`).
        pooling: a learnt `cls` vector in front of the text, the `mean` or `max` of its words'
            states, or both of `mean+max`.
        norm: `pre` or `post`.
        dropout: in the encoder (whole dimensions of a text), and on the pooled state.
        word_dropout: share of the vocabulary left out of a batch in training.
        embedding_dropout: on the word vectors.
    """

    net: TransformerNet

    def __init__(
        self,
        *,
        vocab_size: int = 30_000,
        embedding_dim: int = 64,
        layers: int = 1,
        heads: int = 2,
        feedforward: int = 128,
        positions: Positions = "sinusoidal",
        max_positions: int = 512,
        pooling: EncoderPooling = "mean",
        norm: Norm = "pre",
        dropout: float = 0.4,
        word_dropout: float = 0.4,
        embedding_dropout: float = 0.4,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.net = TransformerNet(
            vocab_size,
            embedding_dim,
            layers,
            heads,
            feedforward,
            positions,
            max_positions,
            pooling,
            norm,
            self.num_classes,
            dropout,
            word_dropout,
            embedding_dropout,
            kernel="linear",
        )

    def prepare(self, view: TrainView) -> None:
        """Learns nothing; finds texts that are too long before the first step, not in mid-epoch."""
        self.net.check_longest(int(view.tokens.lengths.max()))
