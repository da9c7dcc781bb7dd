"""TransformerSeq2Seq: encoder and decoder of self-attention, without recurrence."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_models.language.decoding import State
from lit_models.layers.dropout import TextDropout
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.linear import Linear
from lit_models.layers.masking import mask_of, zero_padding
from lit_models.layers.positions import sinusoidal
from lit_models.layers.transformer import Encoder, FeedForward, Norm
from lit_models.sequences.autoregressive import AutoregressiveNet, AutoregressiveTranscriber

_TENSORS = 4  # of a decoder layer in the state: keys and values of texts, and of symbols


class DecoderLayer(nn.Module):
    """Self-attention A, attention C to the encoder's states, and a feed-forward layer F.

    post (Vaswani et al. 2017): x ← LN(x + A(x));  x ← LN(x + C(x));  x ← LN(x + F(x)).
    pre (Xiong et al. 2020):    x ← x + A(LN(x));  x ← x + C(LN(x));  x ← x + F(LN(x)).

    Args:
        width: D.
        num_heads: H.
        dim_feedforward: hidden width of F.
        norm: position of the layer norms, `pre` or `post`.
        dropout: dropout of whole dimensions of a row on A, C and F, and inside F.
    """

    def __init__(
        self, width: int, num_heads: int, dim_feedforward: int, norm: Norm, dropout: float
    ) -> None:
        super().__init__()
        self.num_heads, self.pre = num_heads, norm == "pre"
        self.project, self.output = _linear(width, 3), _linear(width)
        self.query, self.memory, self.cross_output = (
            _linear(width),
            _linear(width, 2),
            _linear(width),
        )
        self.feedforward = FeedForward(width, dim_feedforward, dropout)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.dropout = TextDropout(dropout)

    def forward(
        self, states: Tensor, kept: State, mask: Tensor, causal: Tensor
    ) -> tuple[Tensor, State]:
        """float[B, T, D] from float[B, T, D], and the four tensors that are kept.

        Args:
            states: of T new symbols.
            kept: keys and values of the texts, float[B, S, D], and of the C symbols before,
                float[B, C, D].
            mask: bool[B, S], true at letters.
            causal: bool[T, C + T], true where a new symbol attends to another.
        """
        text_keys, text_values, keys, values = kept
        query, key, value = self.project(self._read(0, states)).chunk(3, dim=2)
        keys, values = torch.cat([keys, key], dim=1), torch.cat([values, value], dim=1)
        states = self._add(0, states, self.output(self._attend(query, keys, values, causal)))
        query = self.query(self._read(1, states))
        mixed = self._attend(query, text_keys, text_values, mask[:, None, None])
        states = self._add(1, states, self.cross_output(mixed))
        states = self._add(2, states, self.feedforward(self._read(2, states)))
        return states, (text_keys, text_values, keys, values)

    def _read(self, number: int, states: Tensor) -> Tensor:
        return self.norms[number](states) if self.pre else states

    def _add(self, number: int, states: Tensor, change: Tensor) -> Tensor:
        states = states + self.dropout(change)
        return states if self.pre else self.norms[number](states)

    def _attend(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        q, k, v = (
            part.unflatten(2, (self.num_heads, -1)).transpose(1, 2)  # [B, H, T or S, d]
            for part in (queries, keys, values)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return mixed.transpose(1, 2).flatten(2)


class TransformerSeq2SeqNet(AutoregressiveNet):
    """Encoder → decoder → softmax. See `TransformerSeq2Seq`.

    The state has the lengths and the four tensors of each decoder layer.
    """

    def __init__(
        self,
        vocab_size: int,
        num_symbols: int,
        width: int,
        num_layers: int,
        num_heads: int,
        dim_feedforward: int,
        norm: Norm,
        dropout: float,
    ) -> None:
        super().__init__()
        sizes = num_heads, dim_feedforward, norm
        self.embedding = WordEmbedding(vocab_size, width, 0.0, 0.0)
        self.encoder = Encoder(width, num_layers, *sizes, dropout=dropout)
        self.symbols = WordEmbedding(num_symbols, width, 0.0, 0.0)
        self.layers = nn.ModuleList(
            DecoderLayer(width, *sizes, dropout=dropout) for _ in range(num_layers)
        )
        self.last_norm = nn.LayerNorm(width) if norm == "pre" else nn.Identity()
        self.dropout = TextDropout(dropout)
        self.output = Linear(width, num_symbols)

    def encode(self, tokens: Tensor, lengths: Tensor) -> State:
        """State of the decoder before it has read anything; each tensor is [B, …]."""
        states = self.encoder(self._placed(self.embedding(tokens), 0), lengths)
        states = zero_padding(states, lengths)  # [B, S, D]
        kept = list[Tensor]()
        for layer in self.layers:
            keys, values = layer.memory(states).chunk(2, dim=2)  # type: ignore[operator]
            none = keys[:, :0]
            kept += [keys, values, none, none]
        return (lengths, *kept)

    def read(self, symbols: Tensor, state: State) -> tuple[Tensor, State]:
        """float[B, T, P + 1] logits after each of int64[B, T] symbols, and the state after them."""
        lengths, *kept = state
        before, width = kept[_TENSORS - 1].shape[1], symbols.shape[1]
        mask = mask_of(lengths, kept[0].shape[1])
        causal = torch.ones(width, before + width, dtype=torch.bool, device=symbols.device)
        causal = causal.tril(before)
        states, after = self._placed(self.symbols(symbols), before), list[Tensor]()
        for number, layer in enumerate(self.layers):
            own = tuple(kept[_TENSORS * number : _TENSORS * (number + 1)])
            states, own = layer(states, own, mask, causal)
            after += own
        return self.output(self.last_norm(states)), (lengths, *after)

    def _placed(self, vectors: Tensor, before: int) -> Tensor:
        """Scaled vectors float[B, T, D], with their positions, counted from `before`."""
        count, width = vectors.shape[1:]
        positions = sinusoidal(before + count, width, vectors)[before:]
        placed: Tensor = self.dropout(vectors * width**0.5 + positions)
        return placed


class TransformerSeq2Seq(AutoregressiveTranscriber):
    """Vaswani et al. 2017, "Attention Is All You Need".

    The letters go through encoder layers (`lit_models.layers.transformer`) and the symbols that
    have been written through decoder layers (`DecoderLayer`), each of which attends to them and to
    the encoder's states:
        A_h(X, Y) = softmax(X W_Q (Y W_K)ᵀ / √d) Y W_V for each head, with X = Y in self-attention;
        p(y_t = w | y_1 … y_{t-1}, x) = softmax_w(W x_t + b).
    Vectors are multiplied by √D and sinusoidal positions added to them. In the decoder a symbol
    attends to those before it and to itself. The norm comes before each layer (Xiong et al. 2020)
    or, as in the paper, after it.
    Shapes: tokens [B, S] → states [B, S, 128]; symbols [B, T] → states [B, T, 128] of each layer →
    ln p [B, T, P + 1].
    At the default size 1,398,824 parameters: (32 + 40) × 128 embeddings; in each of 3
    encoder layers 4 × 128² of attention, 2 × 128 × 512 + 640 of feed-forward and 4 × 128 of layer
    norms; in each of 3 decoder layers 8 × 128², the same feed-forward and 6 × 128; 4 × 128 of the
    last layer norms, 128 × 40 + 40 of the output.

    Args:
        embedding_dim: D, width of the vectors and of all states, even.
        num_layers: layers of the encoder, and of the decoder.
        num_heads: attention heads; D is a multiple.
        dim_feedforward: hidden width of the feed-forward layers.
        norm: position of the layer norms, `pre` or `post`.
        dropout: dropout of whole dimensions of a row on the vectors with their positions, on
            attention and on feed-forward layers.
        **kwargs: arguments of `AutoregressiveTranscriber`.

    Raises:
        ValueError: sizes that do not fit together, or a setting outside its range.
    """

    net: TransformerSeq2SeqNet
    family: ClassVar[str] = "Transformers"

    def __init__(
        self,
        *,
        embedding_dim: int = 128,
        num_layers: int = 3,
        num_heads: int = 4,
        dim_feedforward: int = 512,
        norm: Norm = "pre",
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        if embedding_dim % 2:
            raise ValueError(
                f"embedding_dim is {embedding_dim}; positions need an even number of dimensions"
            )
        super().__init__(**kwargs)
        self.net = TransformerSeq2SeqNet(
            self.vocab_size,
            self.num_symbols,
            embedding_dim,
            num_layers,
            num_heads,
            dim_feedforward,
            norm,
            dropout,
        )


def _linear(width: int, parts: int = 1) -> Linear:
    """Several maps of a width to itself, as one, without biases, as in the paper."""
    layer = Linear(width, parts * width, bias=False)
    for block in layer.weight.split(width):
        nn.init.xavier_uniform_(block)
    return layer
