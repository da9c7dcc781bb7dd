"""RCNN: each word with its left and right context, max-pooled over the text."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_models.base.classifier import LitClassifier
from lit_models.language.elmo_embedding import Elmo, word_embedding
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.linear import Linear
from lit_models.layers.masking import masked_max
from lit_models.layers.recurrent import Cell, Recurrent


class RCNNNet(nn.Module):
    """Embed → contexts of each word → linear → tanh → max over words → dropout → linear.

    The recurrent layer reads a learnt vector before the first word and another after the last. Its
    states there are the contexts at the ends of a text, the same for all texts as in the paper.

    Args: see `RCNN`.
    """

    def __init__(
        self,
        embedding: WordEmbedding,
        *,
        cell: Cell,
        context_size: int,
        hidden_size: int,
        num_classes: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        dim = embedding.width
        self.ends = nn.Parameter(torch.randn(2, dim) * 0.1)
        self.context_size = context_size
        self.contexts = Recurrent(cell, dim, context_size, bidirectional=True)
        self.hidden = Linear(2 * context_size + dim, hidden_size)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden_size, num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        words = self.embedding(tokens, lengths)  # [B, T, E]
        left, right = self.sides(words, lengths)  # [B, T, H] each
        states = self.hidden(torch.cat([left, words, right], dim=2))  # [B, T, D]
        summary = masked_max(states, lengths).tanh()  # [B, D]; tanh preserves order
        logits: Tensor = self.output(self.dropout(summary))
        return logits

    def sides(self, words: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Left and right context of each word, [B, T, H] each; the word itself is in neither.

        Args:
            words: float[B, T, E].
            lengths: int64[B].
        """
        place = torch.arange(words.shape[1] + 2, device=words.device)[None, :, None]
        last = lengths[:, None, None] + 1
        framed = F.pad(words, (0, 0, 1, 1))  # [B, T + 2, E]
        framed = torch.where(place == 0, self.ends[0], framed)
        framed = torch.where(place == last, self.ends[1], framed)
        framed = torch.where(place > last, 0.0, framed)
        states = self.contexts(framed, lengths + 2)  # [B, T + 2, 2H]
        return states[:, :-2, : self.context_size], states[:, 2:, self.context_size :]


class RCNN(LitClassifier):
    """Lai et al. 2015, "Recurrent Convolutional Neural Networks for Text Classification".

    l_i = tanh(W_l l_{i-1} + W_sl e_{i-1});  r_i = tanh(W_r r_{i+1} + W_sr e_{i+1});
    y_i = tanh(W_2 [l_i; e_i; r_i] + b_2);  z = W_4 · max_i y_i + b_4.
    l_1 and r_n are learnt and the same for all texts: the states after a learnt vector. `cell`
    replaces the tanh recurrence by another.
    Shapes: words [B, T, 128] → contexts 2 × [B, T, 100] → [B, T, 128] → maxima [B, 128] → logits
    [B, 2].
    At the default size 3,928,626 parameters: 30,000 × 128 embeddings and 2 × 128 for the ends,
    46,000 in the recurrent layer, 328 × 128 + 128 hidden, 128 × 2 + 2 output.

    Args:
        vocab_size: rows of the embedding; linked to `data.vocab_size`.
        embedding_dim: width of a word vector.
        cell: `rnn` as in the paper, `gru` or `lstm`.
        context_size: width of the context on one side.
        hidden_size: width of y.
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
        cell: Cell = "rnn",
        context_size: int = 100,
        hidden_size: int = 128,
        dropout: float = 0.5,
        word_dropout: float = 0.3,
        embedding_dropout: float = 0.2,
        elmo: Elmo | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.net = RCNNNet(
            word_embedding(self, vocab_size, embedding_dim, word_dropout, embedding_dropout, elmo),
            cell=cell,
            context_size=context_size,
            hidden_size=hidden_size,
            num_classes=self.num_classes,
            dropout=dropout,
        )
