"""Seq2Seq: an LSTM reads a text into one vector, another writes from it."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from lit_models.language.decoding import State
from lit_models.language.recurrent import Reader
from lit_models.layers.dropout import TextDropout
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.linear import Linear
from lit_models.layers.recurrence import reversed_positions
from lit_models.sequences.autoregressive import AutoregressiveNet, AutoregressiveTranscriber


class LastStates(Reader):
    """Stacked LSTMs whose states after the last symbol of each row are wanted."""

    def last_states(self, words: Tensor, lengths: Tensor) -> State:
        """h and c of each layer, float[B, H], after float[B, S, E] rows of int64[B] lengths."""
        last = list[Tensor]()
        with torch.autocast(words.device.type, enabled=False):  # some CPUs have no LSTM in bf16
            words = words.to(next(self.parameters()).dtype)
            packed = pack_padded_sequence(
                words, lengths.cpu(), batch_first=True, enforce_sorted=False
            )
            for number, layer in enumerate(self.layers):
                if number:
                    packed = self._dropped(packed, len(words))
                packed, after = layer.core(packed)  # type: ignore[operator]
                last += [part[0] for part in after]
        return tuple(last)

    def _dropped(self, packed: PackedSequence, rows: int) -> PackedSequence:
        """Dropout of whole dimensions of a row."""
        mask = self.dropout(packed.data.new_ones(rows, 1, packed.data.shape[1]))[:, 0]
        sizes = packed.batch_sizes.tolist()  # step t has the first sizes[t] of the sorted rows
        masks = torch.cat([mask[:size] for size in sizes])
        return packed._replace(data=packed.data * masks)


class Seq2SeqNet(AutoregressiveNet):
    """Encoder LSTM → its last state → decoder LSTM → softmax. See `Seq2Seq`."""

    def __init__(
        self,
        vocab_size: int,
        num_symbols: int,
        embedding_dim: int,
        hidden_size: int,
        num_layers: int,
        dropout: float,
    ) -> None:
        super().__init__()
        sizes = embedding_dim, hidden_size, num_layers
        self.embedding = WordEmbedding(vocab_size, embedding_dim, 0.0, dropout)
        self.encoder = LastStates("lstm", *sizes, dropout, weight_drop=0.0)
        self.symbols = WordEmbedding(num_symbols, embedding_dim, 0.0, dropout)
        self.decoder = Reader("lstm", *sizes, dropout, weight_drop=0.0)
        self.dropout = TextDropout(dropout)
        self.output = Linear(hidden_size, num_symbols)

    def encode(self, tokens: Tensor, lengths: Tensor) -> State:
        """h and c of each layer after the first letter, which is read last: float[B, H] each."""
        places = reversed_positions(lengths, tokens.shape[1])
        words = self.embedding(tokens.gather(1, places))  # [B, S, E]
        return self.encoder.last_states(words, lengths)

    def read(self, symbols: Tensor, state: State) -> tuple[Tensor, State]:
        """float[B, T, P + 1] logits after each of int64[B, T] symbols, and the state after them."""
        layers, state = self.decoder(self.symbols(symbols), state)
        return self.output(self.dropout(layers[-1])), state  # states are [B, T, H]


class Seq2Seq(AutoregressiveTranscriber):
    """Sutskever et al. 2014, "Sequence to Sequence Learning with Neural Networks".

    An LSTM reads the letters x_S … x_1, from the last to the first, so that the first letters are
    near the first symbols to write; another one, which starts from its last h and c in each layer,
    reads the symbols that have been written:
        h_t, c_t = LSTM(E[y_{t-1}], h_{t-1}, c_{t-1}), y_0 the end;
        p(y_t = w | y_1 … y_{t-1}, x) = softmax_w(W h_t + b).
    All that the decoder knows of a text is one vector of a fixed size.
    Shapes: tokens [B, S] → letters [B, S, 64] → state [B, 256] of each layer → states [B, T, 256] →
    ln p [B, T, P + 1].
    At the default size 1,727,016 parameters: (32 + 40) × 64 embeddings, 856,064 in the two layers
    of each LSTM, 256 × 40 + 40 of the output.

    Args:
        embedding_dim: E, width of the vectors of letters and of symbols.
        hidden_size: H of both LSTMs.
        num_layers: layers of both LSTMs.
        dropout: dropout of whole dimensions of a row on these vectors, between the layers and
            before the softmax.
        **kwargs: arguments of `AutoregressiveTranscriber`.

    Raises:
        ValueError: a setting outside its range.
    """

    net: Seq2SeqNet
    family: ClassVar[str] = "recurrent"

    def __init__(
        self,
        *,
        embedding_dim: int = 64,
        hidden_size: int = 256,
        num_layers: int = 2,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        if num_layers < 1:
            raise ValueError(f"num_layers is {num_layers}; a recurrent network has at least 1")
        super().__init__(**kwargs)
        sizes = embedding_dim, hidden_size, num_layers
        self.net = Seq2SeqNet(self.vocab_size, self.num_symbols, *sizes, dropout)
