"""TreeLSTM: a tree over the words of each sentence, built without a parser."""

from __future__ import annotations

from typing import Any, ClassVar, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.store.train_view import TrainView
from lit_models.base.classifier import LitClassifier
from lit_models.layers.dropout import TextDropout
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.masking import Pooling, pool, pooled_size
from lit_models.layers.sentences import split
from lit_models.layers.tree_lstm import GumbelTreeLSTM


class TreeLSTMNet(nn.Module):
    """Words → a tree for each sentence → pool over the roots → dropout → linear.

    Args: see `TreeLSTM`.

    Attributes:
        sentence_ends: bool[V], true where a token ends a sentence.
    """

    sentence_ends: Tensor

    def __init__(
        self,
        embedding: WordEmbedding,
        tree: GumbelTreeLSTM,
        *,
        max_sentence_length: int,
        pooling: Pooling,
        num_classes: int,
        dropout: float,
        sentence_dropout: float,
    ) -> None:
        super().__init__()
        vocab_size = embedding.table.num_embeddings
        self.register_buffer("sentence_ends", torch.zeros(vocab_size, dtype=torch.bool))
        self.embedding, self.tree = embedding, tree
        self.max_sentence_length, self.pooling = max_sentence_length, pooling
        self.sentence_dropout = TextDropout(sentence_dropout)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(pooled_size(tree.hidden_size, pooling), num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        sentences = split(tokens, lengths, self.sentence_ends, self.max_sentence_length)
        roots = self.tree(self.embedding(tokens), sentences)  # [S, D]
        counts = sentences.counts
        column = torch.arange(int(counts.max()), device=tokens.device)
        places = ((counts.cumsum(dim=0) - counts)[:, None] + column).clamp(max=len(roots) - 1)
        text = self.sentence_dropout(F.embedding(places, roots))  # [B, N, D]
        pooled = pool(text, counts, self.pooling)  # [B, D], or [B, 2D] for `mean+max`
        logits: Tensor = self.output(self.dropout(pooled))
        return logits


class TreeLSTM(LitClassifier):
    """Choi, Yoo & Lee 2018, "Learning to Compose Task-Specific Tree Structures" (Gumbel Tree-LSTM).

    Leaves:  [h_t; c_t] = W_leaf x_t + b_leaf.
    Until a sentence is one node, each pair of neighbours l, r has a candidate
    i, f_l, f_r, o, g = W [h_l; h_r] + b;
    c = σ(f_l) ⊙ c_l + σ(f_r) ⊙ c_r + σ(i) ⊙ tanh(g);  h = σ(o) ⊙ tanh(c),
    and that of the highest score q · h replaces its pair: in training the highest
    (q · h + Gumbel noise) / temperature, with the gradient of the softmax (straight-through).
    z = W_z [mean over sentences of h_root; max over sentences of h_root] + b_z.
    The paper classifies single sentences, by a hidden layer over the root. Here the roots of all
    sentences of a text are pooled, each with the same weight, and a linear layer reads both means
    and maxima. Sentences end at the tokenizer's `sentence_ends`; where there are none, every
    max_sentence_length words.
    `lit_models.layers.tree_lstm` has the trees.
    At the default size 3,966,802 parameters: 30,000 × 128 embeddings, 128 × 200 + 200 of the
    leaves, 200 × 500 + 500 of the candidates, 100 in q, 200 × 2 + 2 output.
    Shapes: words [B, T, 128] → nodes [R, M, 2 · 100] of the R sentences with M nodes left → roots
    [S, 100] of all S sentences → [B, 2 · 100] → logits [B, 2].

    Args:
        vocab_size: rows of the embedding; linked to `data.vocab_size`.
        embedding_dim: width of a word vector.
        hidden_size: width of h and of c.
        max_sentence_length: words after which a longer sentence is split.
        temperature: of the softmax in training.
        pooling: of the roots: `last`, `mean`, `max`, or both as `mean+max`.
        dropout: on the pooled roots.
        sentence_dropout: on the roots, whole dimensions of a text.
        word_dropout: share of the vocabulary left out of a batch in training.
        embedding_dropout: on the word vectors.

    Raises:
        ValueError: an unknown pooling, a size below 1, or a temperature that is not above 0.
    """

    net: TreeLSTMNet
    family: ClassVar[str] = "recurrent"

    def __init__(
        self,
        *,
        vocab_size: int = 30_000,
        embedding_dim: int = 128,
        hidden_size: int = 100,
        max_sentence_length: int = 40,
        temperature: float = 1.0,
        pooling: Pooling = "mean+max",
        dropout: float = 0.5,
        sentence_dropout: float = 0.2,
        word_dropout: float = 0.3,
        embedding_dropout: float = 0.3,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if pooling not in get_args(Pooling):
            raise ValueError(f"pooling is {pooling!r}; choose one of {get_args(Pooling)}")
        if max_sentence_length < 1:
            raise ValueError(f"max_sentence_length is {max_sentence_length}; it must be at least 1")
        self.net = TreeLSTMNet(
            WordEmbedding(vocab_size, embedding_dim, word_dropout, embedding_dropout),
            GumbelTreeLSTM(embedding_dim, hidden_size, temperature),
            max_sentence_length=max_sentence_length,
            pooling=pooling,
            num_classes=self.num_classes,
            dropout=dropout,
            sentence_dropout=sentence_dropout,
        )

    def prepare(self, view: TrainView) -> None:
        """Notes which tokens end a sentence."""
        self.net.sentence_ends.zero_()
        self.net.sentence_ends[list(view.sentence_ends)] = True
