"""NNLM: a feed-forward network over the previous words that predicts the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lit_models.language.model import BOUNDARY, LitLanguageModel, State
from lit_models.language.softmax import make_softmax
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.linear import Linear


class NNLMNet(nn.Module):
    """Embeddings of the n - 1 symbols before → hidden layer → softmax. See `NNLM`.

    Args:
        embedding: word vectors of E dimensions.
        context: n - 1.
        hidden_size: H.
        direct: connect the words to the output directly, too.
        cutoffs: see `make_softmax`.
        tie_weights: predict with the rows of the embedding.
        dropout: dropout on the hidden layer.
    """

    def __init__(
        self,
        embedding: WordEmbedding,
        context: int,
        hidden_size: int,
        direct: bool,
        cutoffs: Sequence[int] | None,
        tie_weights: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        self.embedding, self.context = embedding, context
        vocab_size, width = embedding.table.weight.shape
        self.hidden = Linear(context * width, hidden_size)
        self.dropout = nn.Dropout(dropout)
        size = width if tie_weights else hidden_size
        # Without tied weights the softmax is the layer U; direct connections add theirs before it.
        self.output = Linear(hidden_size, size) if tie_weights else nn.Identity()
        self.direct = Linear(context * width, size, bias=False) if direct else None
        tied = embedding.table.weight if tie_weights else None
        self.softmax = make_softmax(size, vocab_size, cutoffs, tied)

    def begin(self, size: int) -> State:
        """int64[B, n - 1] boundaries: what is before a text."""
        return (torch.full((size, self.context), BOUNDARY, device=self.hidden.weight.device),)

    def forward(self, symbols: Tensor, state: State) -> tuple[Tensor, State]:
        """float[B, T, D] states for the softmax, and the last n - 1 symbols."""
        rows, width = symbols.shape
        seen = torch.cat([state[0], symbols], dim=1)  # [B, n - 1 + T]
        words = self.embedding(seen[:, 1:])  # [B, n - 2 + T, E]
        # [B, T, n - 1, E], the oldest word first
        windows = words.unfold(1, self.context, 1).mT
        joined = windows.reshape(rows * width, -1)  # [B · T, (n - 1) E]
        hidden = self.hidden(joined).tanh()
        states = self.output(self.dropout(hidden))  # [B · T, D]
        if self.direct is not None:
            states = states + self.direct(joined)
        return states.view(rows, width, -1), (seen[:, width:],)


class NNLM(LitLanguageModel):
    """Bengio et al. 2003, "A Neural Probabilistic Language Model".

    x = [E[w_{t-n+1}]; …; E[w_{t-1}]];  p(w_t | x) = softmax(U (V tanh(H x + d) + W x) + b), where
    W are the direct connections, and U is the embedding's table E itself (Press & Wolf 2017) in an
    adaptive softmax (Grave et al. 2017). The paper has a matrix of its own for U, and none for V:
    that is `tie_weights: false`, where W x has the width of the hidden layer.
    Before a text are boundaries alone, so the first words of one do not depend on another; in
    training the stream goes on over the boundary, as it does for all language models here.
    Shapes: symbols [B, T] → words [B, T, 4, 128] → hidden [B, T, 256] → states [B, T, 128] →
    log-probabilities [B, T, V].
    At the default size 4,100,147 parameters: 30,000 × 128 embeddings, which are the output's
    rows too; 512 × 256 + 256 hidden; 256 × 128 + 128 output; 512 × 128 direct connections; 30,000
    output biases; 3 × 129 clusters.

    Args:
        vocab_size: rows of the embedding; linked to `data.vocab_size`.
        order: n; a word is predicted from the n - 1 symbols before it.
        embedding_dim: E, width of a word vector.
        hidden_size: width of the hidden layer.
        direct: whether there are direct connections.
        cutoffs: edges of the clusters of the adaptive softmax, see `make_softmax`; null: full.
        tie_weights: whether the output has the rows of the embedding.
        dropout: dropout on the hidden layer.
        word_dropout: probability of dropping a word of the vocabulary from a batch.
        embedding_dropout: dropout of whole dimensions of a row on the word vectors.
        **kwargs: arguments of `LitLanguageModel`.

    Raises:
        ValueError: an order below 2, or a setting outside its range.
    """

    net: NNLMNet
    family: ClassVar[str] = "word vectors"

    def __init__(
        self,
        *,
        vocab_size: int = 30_000,
        order: int = 5,
        embedding_dim: int = 128,
        hidden_size: int = 256,
        direct: bool = True,
        cutoffs: list[int] | None = [1_000, 4_000, 12_000],  # noqa: B006  # never changed
        tie_weights: bool = True,
        dropout: float = 0.0,
        word_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        if order < 2:
            raise ValueError(
                f"order is {order}; a word is predicted from order - 1 words, so it must be at "
                "least 2"
            )
        super().__init__(vocab_size=vocab_size, **kwargs)
        self.net = NNLMNet(
            WordEmbedding(vocab_size, embedding_dim, word_dropout, embedding_dropout),
            order - 1,
            hidden_size,
            direct,
            cutoffs,
            tie_weights,
            dropout,
        )
