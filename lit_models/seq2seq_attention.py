"""Seq2SeqAttention: a decoder that looks at the letters again before each symbol."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from lit_models.language.decoding import State
from lit_models.language.recurrent import Reader
from lit_models.layers.dropout import TextDropout
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.linear import Linear
from lit_models.layers.masking import zero_padding
from lit_models.layers.recurrent import Recurrent
from lit_models.sequences.attention import Attention, CrossAttention
from lit_models.sequences.autoregressive import AutoregressiveNet, AutoregressiveTranscriber
from lit_models.sequences.model import END


class Seq2SeqAttentionNet(AutoregressiveNet):
    """BiLSTM encoder → LSTM decoder with attention → softmax. See `Seq2SeqAttention`.

    The state has the encoder's states and their keys, [B, S, …], the lengths, the attentional
    vector h̃ and the decoder's h and c of each layer.
    """

    def __init__(
        self,
        vocab_size: int,
        num_symbols: int,
        embedding_dim: int,
        hidden_size: int,
        num_layers: int,
        attention: Attention,
        attention_size: int,
        input_feeding: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        self.embedding = WordEmbedding(vocab_size, embedding_dim, 0.0, dropout)
        self.encoder = Recurrent(
            "lstm",
            embedding_dim,
            hidden_size,
            num_layers=num_layers,
            bidirectional=True,
            dropout=dropout,
        )
        self.symbols = WordEmbedding(num_symbols, embedding_dim, 0.0, dropout)
        self.first = Linear(2 * hidden_size, num_layers * hidden_size)
        read = embedding_dim + hidden_size * input_feeding
        self.decoder = Reader("lstm", read, hidden_size, num_layers, dropout, weight_drop=0.0)
        self.attention = CrossAttention(attention, 2 * hidden_size, hidden_size, attention_size)
        self.mix = Linear(3 * hidden_size, hidden_size)
        self.dropout = TextDropout(dropout)
        self.output = Linear(hidden_size, num_symbols)
        self.input_feeding = input_feeding

    def encode(self, tokens: Tensor, lengths: Tensor) -> State:
        """State of the decoder before it has read anything; each tensor is [B, …]."""
        states = self.encoder(self.embedding(tokens), lengths)
        states = zero_padding(states, lengths)  # [B, S, 2H]
        ends = self.encoder.pool(states, lengths, "last")  # [B, 2H]
        first = self.first(ends).tanh().chunk(len(self.decoder.layers), dim=1)
        zero = torch.zeros_like(first[0])
        layers = [part for h in first for part in (h, zero)]
        return (states, self.attention.keys(states), lengths, zero, *layers)

    def read(self, symbols: Tensor, state: State) -> tuple[Tensor, State]:
        """float[B, T, P + 1] logits after each of int64[B, T] symbols, and the state after them."""
        attended, _, state = self.attend(symbols, state)
        return self.output(self.dropout(attended)), state

    def attend(self, symbols: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """float[B, T, H] attentional vectors, float[B, T, S] weights, and the state after them."""
        states, keys, lengths, attended, *layers = state
        words = self.symbols(symbols)  # [B, T, E]
        all_attended, all_weights = list[Tensor](), list[Tensor]()
        carried = tuple(layers)
        for piece in words.split(1, dim=1) if self.input_feeding else [words]:
            if self.input_feeding:
                piece = torch.cat([piece, attended[:, None]], dim=2)
            outputs, carried = self.decoder(piece, carried)
            queries = outputs[-1]  # [B, 1 or T, H]
            contexts, weights = self.attention(queries, keys, states, lengths)
            vectors = self.mix(torch.cat([contexts, queries], dim=2)).tanh()
            attended = vectors[:, -1]
            all_attended.append(vectors)
            all_weights.append(weights)
        after = (states, keys, lengths, attended, *carried)
        return torch.cat(all_attended, dim=1), torch.cat(all_weights, dim=1), after


class Seq2SeqAttention(AutoregressiveTranscriber):
    """Luong et al. 2015, "Effective Approaches to Attention-based Neural Machine Translation".

    Attention is of Bahdanau et al. 2015: before each symbol the decoder forms a new summary of the
    letters, so that no single vector has to hold a whole text. With h̄_s = [→h_s; ←h_s] the states
    of a BiLSTM over the letters:
        h_t, c_t = LSTM([E[y_{t-1}]; h̃_{t-1}], h_{t-1}, c_{t-1}), y_0 the end and h̃_0 = 0;
        α_t = softmax of the scores of `CrossAttention`, with the query h_t;
        h̃_t = tanh(W_c [Σ_s α_ts h̄_s; h_t]);
        p(y_t = w | y_1 … y_{t-1}, x) = softmax_w(W h̃_t + b).
    h_0 = tanh(W_0 [→h_S; ←h_1]) in each layer, c_0 = 0. For either kind of scores the query is the
    new state, as Luong et al. have it; in Bahdanau et al. it is the one before, h_{t-1}.
    Shapes: tokens [B, S] → letters [B, S, 64] → states [B, S, 512]; symbols [B, T] → states and
    attentional vectors [B, T, 256] → ln p [B, T, P + 1].
    At the default size 1,692,968 parameters: (32 + 40) × 64 embeddings, 659,456 in the BiLSTM,
    591,872 in the decoder's LSTM, 512 × 256 + 256 of its first state, 98,560 of the
    attention, 768 × 256 + 256 of W_c, 256 × 40 + 40 of the output.

    Args:
        embedding_dim: E, width of the vectors of letters and of symbols.
        hidden_size: H of the decoder and of each direction of the encoder.
        num_layers: layers of encoder and decoder.
        attention: `additive` or `multiplicative`.
        attention_size: width of the hidden layer of additive scores.
        input_feeding: whether the decoder reads h̃_{t-1}, and so knows where it has looked; without
            it all positions are computed at once.
        dropout: dropout of whole dimensions of a row on the vectors of letters and symbols,
            between the layers and before the softmax.
        **kwargs: arguments of `AutoregressiveTranscriber`.

    Raises:
        ValueError: a setting outside its range.
    """

    net: Seq2SeqAttentionNet
    family: ClassVar[str] = "recurrent"

    def __init__(
        self,
        *,
        embedding_dim: int = 64,
        hidden_size: int = 256,
        num_layers: int = 1,
        attention: Attention = "additive",
        attention_size: int = 128,
        input_feeding: bool = True,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        if num_layers < 1:
            raise ValueError(f"num_layers is {num_layers}; a recurrent network has at least 1")
        super().__init__(**kwargs)
        self.net = Seq2SeqAttentionNet(
            self.vocab_size,
            self.num_symbols,
            embedding_dim,
            hidden_size,
            num_layers,
            attention,
            attention_size,
            input_feeding,
            dropout,
        )

    @torch.no_grad()
    def alignments(self, tokens: Tensor, lengths: Tensor, symbols: Tensor) -> Tensor:
        """float[B, T, S] weights of the letters before each symbol of int64[B, T], for pictures.

        Args:
            tokens: int64[B, S].
            lengths: int64[B].
            symbols: what is written for them; the end may be among them, and has weights, too.
        """
        before = F.pad(symbols[:, :-1], (1, 0), value=END)
        weights: Tensor = self.net.attend(before, self.net.encode(tokens, lengths))[1]
        return weights
