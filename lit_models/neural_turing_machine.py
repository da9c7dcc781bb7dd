"""NeuralTuringMachine: an LSTM with a memory that it reads and writes by addresses."""

from __future__ import annotations

from typing import Any, ClassVar, get_args

import torch
from torch import Tensor, nn

from lit_models.base.classifier import LitClassifier
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.masking import Pooling, last_state, pool, pooled_size, zero_padding
from lit_models.layers.turing import TuringMachine


class NeuralTuringMachineNet(nn.Module):
    """Embed → dropout → machine → last state and pooled reads → dropout → linear.

    Args: see `NeuralTuringMachine`.
    """

    def __init__(
        self,
        embedding: WordEmbedding,
        machine: TuringMachine,
        pooling: Pooling,
        num_classes: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.embedding, self.machine, self.pooling = embedding, machine, pooling
        self.dropout = nn.Dropout(dropout)
        reads = pooled_size(machine.read_heads * machine.memory_size, pooling)
        self.output = nn.Linear(machine.hidden_size + reads, num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        words = zero_padding(self.embedding(tokens), lengths)  # [B, T, E]
        states, reads, _ = self.machine(words, lengths)  # [B, T, H], [B, T, R · M]
        pooled = pool(reads, lengths, self.pooling)  # [B, R · M], or twice that
        summary = torch.cat([last_state(states, lengths), pooled], dim=1)
        logits: Tensor = self.output(self.dropout(summary))
        return logits


class NeuralTuringMachine(LitClassifier):
    """Graves, Wayne & Danihelka 2014, "Neural Turing Machines", as a reader of texts.

    Controller:  i, f, g, o = W x_t + U [h_{t-1}; r_{t-1}] + b;
    c_t = σ(f) ⊙ c_{t-1} + σ(i) ⊙ tanh(g);  h_t = σ(o) ⊙ tanh(c_t).
    Each head has from one linear layer over h_t a key k, its strength β = softplus, a gate g = σ, a
    distribution s over shifts by -S … S = softmax, and a sharpness γ = 1 + softplus. Its weights
    of the N slots M(i), by content, interpolated, shifted around the circle of slots, sharpened:
    w^c(i) = softmax_i(β cos(k, M_{t-1}(i)));  w^g = g w^c + (1 - g) w_{t-1};
    w^s(i) = Σ_j w^g(j) s(i - j);  w_t(i) = w^s(i)^γ / Σ_j w^s(j)^γ.
    Write heads (e = σ, a = tanh):  M_t(i) = M_{t-1}(i) Π (1 - w_t(i) e) + Σ w_t(i) a;
    read heads:  r_t = Σ_i w_t(i) M_t(i).
    z = W [h_T; pooled r_t] + b.
    All heads address the memory as it was before the word, and reading comes after writing. w_0 and
    r_0 are learnt; w_0 begins near slot 0, and M_0 is constant (Collier & Beel 2018). Nothing is
    written at padding. `lit_models.layers.turing` has the machine, one function for each half of a
    word: `address` and `write`.
    At the default size 3,958,966 parameters: 30,000 × 128 embeddings, 128 × 400 + 400 of the words
    and (100 + 32) × 400 of the states in the controller, 100 × 140 + 140 of the heads, 2 × 32 and
    32 first weights and reads, 164 × 2 + 2 output.
    Shapes: words [B, T, 128] → states [B, T, 100] and reads [B, T, 32], with a memory [B, 32, 32]
    and weights [B, 2, 32] → [B, 100 + 2 · 32] → logits [B, 2].

    Args:
        vocab_size: rows of the embedding; linked to `data.vocab_size`.
        embedding_dim: width of a word vector.
        hidden_size: width of h.
        memory_slots: N.
        memory_size: width of a slot.
        read_heads: number of read heads.
        write_heads: number of write heads.
        max_shift: S.
        pooling: of the reads: `last`, `mean`, `max`, or both as `mean+max`.
        dropout: on what the linear layer reads.
        word_dropout: share of the vocabulary left out of a batch in training.
        embedding_dropout: on the word vectors.

    Raises:
        ValueError: an unknown pooling, a size below 1, or shifts that go round the memory.
    """

    net: NeuralTuringMachineNet
    family: ClassVar[str] = "recurrent"

    def __init__(
        self,
        *,
        vocab_size: int = 30_000,
        embedding_dim: int = 128,
        hidden_size: int = 100,
        memory_slots: int = 32,
        memory_size: int = 32,
        read_heads: int = 1,
        write_heads: int = 1,
        max_shift: int = 1,
        pooling: Pooling = "mean+max",
        dropout: float = 0.5,
        word_dropout: float = 0.3,
        embedding_dropout: float = 0.3,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if pooling not in get_args(Pooling):
            raise ValueError(f"pooling is {pooling!r}; choose one of {get_args(Pooling)}")
        machine = TuringMachine(
            embedding_dim,
            hidden_size,
            memory_slots,
            memory_size,
            read_heads,
            write_heads,
            max_shift,
        )
        embedding = WordEmbedding(vocab_size, embedding_dim, word_dropout, embedding_dropout)
        self.net = NeuralTuringMachineNet(embedding, machine, pooling, self.num_classes, dropout)
