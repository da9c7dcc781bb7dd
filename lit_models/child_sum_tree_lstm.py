"""ChildSumTreeLSTM: dependency trees of a parser, read from the leaves to the roots."""

from __future__ import annotations

from typing import Any, ClassVar, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.store.train_view import TrainView
from lit_models.base.classifier import LitClassifier
from lit_models.layers import child_sum
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.masking import Pooling, mask_of, pool, pooled_size

_WORD = 2**31  # in the place of a distance: the token is a word


class ChildSumTreeLSTMNet(nn.Module):
    """Words and heads → states of the trees → pool over the roots → dropout → linear.

    Args: see `ChildSumTreeLSTM`.

    Attributes:
        distances: int64[V], of tokens that say where the head of the word before them is: its
            distance, 0 for a root.
    """

    distances: Tensor

    def __init__(
        self,
        embedding: WordEmbedding,
        tree: child_sum.ChildSumTreeLSTM,
        pooling: Pooling,
        num_classes: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.register_buffer("distances", torch.full((embedding.table.num_embeddings,), _WORD))
        self.embedding, self.tree, self.pooling = embedding, tree, pooling
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(pooled_size(tree.hidden_size, pooling), num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        inside = mask_of(lengths, tokens.shape[1])
        distance = self.distances[tokens].masked_fill(~inside, 0)  # [B, T]
        is_word = inside & (distance == _WORD)
        heads = heads_of(distance, is_word)  # [N]
        # F.embedding: the gradient of x[mask] is slow on a CPU.
        places = is_word.flatten().nonzero().squeeze(1)
        words = F.embedding(places, self.embedding(tokens).flatten(0, 1))  # [N, E]
        states = self.tree(words, heads)  # [N, D]
        is_root = heads < 0
        row = is_word.nonzero()[is_root, 0]
        counts = torch.bincount(row, minlength=len(tokens))  # roots of each text
        width = max(int(counts.max()), 1)
        roots = states.new_zeros(len(tokens), width, states.shape[1])
        roots[mask_of(counts, width)] = states[is_root]
        # A row without words, which no tokenizer makes, has a root of zeros.
        pooled = pool(roots, counts.clamp(min=1), self.pooling)  # [B, D], or [B, 2D] for `mean+max`
        logits: Tensor = self.output(self.dropout(pooled))
        return logits


def heads_of(distance: Tensor, is_word: Tensor) -> Tensor:
    """int64[N] row of each word's head among the N words of a batch; -1 for a root.

    A word is a root if no token says where its head is, or if there is no word there.

    Args:
        distance: int64[B, T], of tokens that are not words.
        is_word: bool[B, T].
    """
    following = torch.where(is_word, 0, distance).roll(-1, dims=1)  # of the token after each
    following[:, -1] = 0
    distance, row = following[is_word], is_word.nonzero()[:, 0]
    places = torch.arange(len(row), device=row.device)
    heads = places + distance
    there = (distance != 0) & (heads >= 0) & (heads < len(row))
    there &= row[heads.clamp(0, max(len(row) - 1, 0))] == row
    return torch.where(there, heads, -1)


class ChildSumTreeLSTM(LitClassifier):
    """Tai, Socher & Manning 2015, "Improved Semantic Representations From Tree-Structured LSTMs".

    Of word j with children C(j) in its dependency tree:  h̃_j = Σ_{k ∈ C(j)} h_k;
    i, o, u = W x_j + U h̃_j + b;  f_jk = σ(W_f x_j + U_f h_k + b_f) for each child;
    c_j = σ(i) ⊙ tanh(u) + Σ_k f_jk ⊙ c_k;  h_j = σ(o) ⊙ tanh(c_j);
    z = W_z [mean over sentences of h_root; max over sentences of h_root] + b_z.
    The trees are a parser's or a treebank's (`datamodules.trees.treebank.Treebank`). A row has each
    word and after it the distance to its head (`datamodules.trees.tokenizer.TreeTokenizer`). Words
    of other corpora have no heads: each is a tree of its own. The paper predicts at the root of one
    sentence; here the roots of all sentences of a text are pooled.
    At the default size 3,932,002 parameters: 30,000 × 128 embeddings, 128 × 400 + 400 of the words,
    100 × 300 and 100 × 100 of their children, 200 × 2 + 2 output.
    Shapes: words [N, 128] of a batch → h [N, 100] → roots [B, S, 100] → [B, 2 · 100] → logits
    [B, 2].

    Args:
        vocab_size: rows of the embedding; linked to `data.vocab_size`.
        embedding_dim: width of a word vector.
        hidden_size: width of h and of c.
        pooling: of the roots: `last`, `mean`, `max`, or both as `mean+max`.
        dropout: on the pooled roots.
        word_dropout: share of the vocabulary left out of a batch in training.
        embedding_dropout: on the word vectors.

    Raises:
        ValueError: an unknown pooling, or a size below 1.
    """

    net: ChildSumTreeLSTMNet
    family: ClassVar[str] = "recurrent"

    def __init__(
        self,
        *,
        vocab_size: int = 30_000,
        embedding_dim: int = 128,
        hidden_size: int = 100,
        pooling: Pooling = "mean+max",
        dropout: float = 0.5,
        word_dropout: float = 0.1,
        embedding_dropout: float = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if pooling not in get_args(Pooling):
            raise ValueError(f"pooling is {pooling!r}; choose one of {get_args(Pooling)}")
        embedding = WordEmbedding(vocab_size, embedding_dim, word_dropout, embedding_dropout)
        tree = child_sum.ChildSumTreeLSTM(embedding_dim, hidden_size)
        self.net = ChildSumTreeLSTMNet(embedding, tree, pooling, self.num_classes, dropout)

    def prepare(self, view: TrainView) -> None:
        """Notes which tokens are distances to heads."""
        self.net.distances.fill_(_WORD)
        for token, distance in view.head_distances.items():
            self.net.distances[token] = distance
