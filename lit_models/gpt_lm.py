"""GPTLM: a small causal Transformer that predicts the next word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_models.language.model import LitLanguageModel, State
from lit_models.language.softmax import make_softmax
from lit_models.layers.dropout import TextDropout
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.linear import Linear
from lit_models.layers.positions import Rotation, rotate, rotation

_INITIAL = 0.02  # standard deviation of the first weights, as in the paper


class CausalBlock(nn.Module):
    """x ← x + A(LN(x));  x ← x + W_2 gelu(W_1 LN(x)), A attention to the words before.

    Args:
        width: D.
        num_heads: H.
        dim_feedforward: width of the hidden layer.
        dropout: dropout of whole dimensions of a row on A and on the feed-forward layer.
    """

    def __init__(self, width: int, num_heads: int, dim_feedforward: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.attention_norm, self.feedforward_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project, self.output = Linear(width, 3 * width), Linear(width, width)
        self.first, self.second = Linear(width, dim_feedforward), Linear(dim_feedforward, width)
        self.dropout = TextDropout(dropout)

    def forward(
        self, states: Tensor, keys: Tensor, values: Tensor, mask: Tensor, turns: Rotation
    ) -> tuple[Tensor, Tensor, Tensor]:
        """float[B, T, D] states, and keys and values with those of the T symbols added.

        Args:
            states: float[B, T, D].
            keys: float[B, C, D] of the C symbols before, not rotated.
            values: float[B, C, D].
            mask: bool[B, 1, T, C + T], true where a symbol attends to another.
            turns: rotary positions of the C + T symbols.
        """
        before = keys.shape[1]
        queries, new_keys, new_values = self.project(self.attention_norm(states)).chunk(3, dim=2)
        keys, values = torch.cat([keys, new_keys], dim=1), torch.cat([values, new_values], dim=1)
        q, k, v = (  # [B, H, T or C + T, d]
            part.unflatten(2, (self.num_heads, -1)).transpose(1, 2)
            for part in (queries, keys, values)
        )
        q = rotate(q, (turns[0][before:], turns[1][before:]))
        mixed = F.scaled_dot_product_attention(q, rotate(k, turns), v, attn_mask=mask)
        states = states + self.dropout(self.output(mixed.transpose(1, 2).flatten(2)))
        hidden = F.gelu(self.first(self.feedforward_norm(states)))
        return states + self.dropout(self.second(hidden)), keys, values


class GPTLMNet(nn.Module):
    """Embedding → causal blocks → layer norm → softmax. See `GPTLM`."""

    def __init__(
        self,
        embedding: WordEmbedding,
        blocks: Sequence[CausalBlock],
        context: int,
        cutoffs: Sequence[int] | None,
        tie_weights: bool,
    ) -> None:
        super().__init__()
        self.embedding, self.blocks, self.context = embedding, nn.ModuleList(blocks), context
        table = embedding.table.weight
        self.last_norm = nn.LayerNorm(table.shape[1])
        for module in (embedding.table, *self.modules()):
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=_INITIAL)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)
        self.softmax = make_softmax(
            table.shape[1], len(table), cutoffs, table if tie_weights else None
        )

    def begin(self, size: int) -> State:
        """Number of symbols seen, int64[B], and keys and values of each block, [B, C - 1, D]."""
        table = self.embedding.table.weight
        empty = table.new_zeros(size, self.context - 1, table.shape[1])
        seen = torch.zeros(size, dtype=torch.long, device=table.device)
        return (seen, *[empty for _ in range(2 * len(self.blocks))])

    def forward(self, symbols: Tensor, state: State) -> tuple[Tensor, State]:
        """float[B, T, D] states for the softmax, and the state carried on."""
        seen, *cache = state
        before, width = self.context - 1, symbols.shape[1]
        words = self.embedding(symbols)  # [B, T, D]
        places = torch.arange(before + width, device=symbols.device)
        distance = before + places[:width, None] - places  # [T, C - 1 + T]
        near = (distance >= 0) & (distance < self.context)
        known = places >= before - seen[:, None]  # [B, C - 1 + T]
        mask = near[None, None] & known[:, None, None]
        heads: Any = self.blocks[0]
        turns = rotation(before + width, words.shape[2] // heads.num_heads, words)
        states, kept = words, list[Tensor]()
        for number, block in enumerate(self.blocks):
            states, *added = block(states, *cache[2 * number : 2 * number + 2], mask, turns)
            kept += [part[:, width:] for part in added]
        return self.last_norm(states), ((seen + width).clamp(max=before), *kept)


class GPTLM(LitLanguageModel):
    """Radford et al. 2018, "Improving Language Understanding by Generative Pre-Training".

    For each head: A_h(X) = softmax(Q Kᵀ / √d) V over the words before and the word itself, with
    Q, K, V = X W_Q, X W_K, X W_V;  X ← X + [A_1, …, A_H](LN(X)) W_O;
    X ← X + W_2 gelu(W_1 LN(X) + b_1) + b_2;  p(w_{t+1} = w) = softmax_w(E LN(x_t) + b).
    The norm comes before each layer (Radford et al. 2019), positions are rotary (Su et al. 2021),
    so that only the distance of two words counts, and the softmax is adaptive (Grave et al. 2017).
    A word attends to itself and to the C - 1 symbols before it, whose keys and values are the
    state; in training they come from the batch before and have no gradient (Dai et al. 2019). So
    any text can be scored, at a cost that is linear in its length.
    Shapes: symbols [B, T] → states [B, T, 256] of each block → log-probabilities [B, T, V].
    At the default size 9,290,803 parameters: 30,000 × 256 embeddings, which are the output's
    rows too; in each of 2 blocks 4 × (256² + 256) of attention, 2 × 256 × 1,024 + 1,280 of
    feed-forward and 4 × 256 of layer norms; 512 of the last layer norm; 30,000 output biases;
    3 × 257 clusters.

    Args:
        vocab_size: rows of the embedding; linked to `data.vocab_size`.
        embedding_dim: D, width of a word vector and of every state.
        num_layers: number of blocks.
        num_heads: attention heads; D is an even multiple.
        dim_feedforward: hidden width of the feed-forward layers.
        context: C, number of symbols that a word attends to in each block.
        cutoffs: edges of the clusters of the adaptive softmax, see `make_softmax`; null: full.
        tie_weights: whether the output has the rows of the embedding.
        dropout: dropout of whole dimensions of a row on attention and feed-forward layers.
        word_dropout: probability of dropping a word of the vocabulary from a batch.
        embedding_dropout: dropout of whole dimensions of a row on the word vectors.
        **kwargs: arguments of `LitLanguageModel`.

    Raises:
        ValueError: sizes that do not fit together, or a setting outside its range.
    """

    net: GPTLMNet
    family: ClassVar[str] = "Transformers"

    def __init__(
        self,
        *,
        vocab_size: int = 30_000,
        embedding_dim: int = 256,
        num_layers: int = 2,
        num_heads: int = 4,
        dim_feedforward: int = 1_024,
        context: int = 128,
        cutoffs: list[int] | None = [1_000, 4_000, 12_000],  # noqa: B006  # never changed
        tie_weights: bool = True,
        dropout: float = 0.0,
        word_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        for name, value in (("num_layers", num_layers), ("context", context)):
            if value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1")
        if num_heads < 1 or embedding_dim % (2 * num_heads):
            raise ValueError(
                f"embedding_dim is {embedding_dim} and num_heads {num_heads}; each head turns "
                "pairs of dimensions, so embedding_dim must be an even multiple of num_heads"
            )
        super().__init__(vocab_size=vocab_size, **kwargs)
        self.net = GPTLMNet(
            WordEmbedding(vocab_size, embedding_dim, word_dropout, embedding_dropout),
            [
                CausalBlock(embedding_dim, num_heads, dim_feedforward, dropout)
                for _ in range(num_layers)
            ],
            context,
            cutoffs,
            tie_weights,
        )
