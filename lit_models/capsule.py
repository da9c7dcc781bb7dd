"""Capsule: dynamic routing from the states of a bidirectional GRU to a capsule for each class."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from datamodules.store.batching import TextBatch
from lit_models.base.classifier import LitClassifier
from lit_models.layers.capsule import Capsules, Loss, is_margin, length_of, margin_loss, squash
from lit_models.layers.dropout import TextDropout
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.linear import Linear
from lit_models.layers.marks import Marks
from lit_models.layers.recurrent import Recurrent


class CapsuleNet(nn.Module):
    """Embed → BiGRU → dropout → a capsule for each word → routing → logits.

    With `margin` the logits are the logarithms of the output capsules' lengths, so that softmax
    gives |v_c| / Σ_k |v_k|. With `cross_entropy` a linear layer reads all output capsules.

    Args: see `Capsule`.
    """

    def __init__(
        self,
        embedding: WordEmbedding,
        *,
        hidden_size: int,
        primary_size: int,
        num_capsules: int,
        capsule_size: int,
        routing_iterations: int,
        loss: Loss,
        num_classes: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        dim = embedding.table.embedding_dim
        self.gru = Recurrent("gru", dim, hidden_size, bidirectional=True)
        self.dropout = TextDropout(dropout)
        self.primary = Linear(self.gru.output_size, primary_size)
        count = num_classes if loss == "margin" else num_capsules
        self.capsules = Capsules(primary_size, count, capsule_size, routing_iterations)
        self.output = nn.Linear(count * capsule_size, num_classes) if loss != "margin" else None

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        outputs, _ = self.route(tokens, lengths)  # [B, J, D]
        if self.output is None:
            return length_of(outputs).log()  # [B, C]
        logits: Tensor = self.output(outputs.flatten(1))  # [B, J, D] → [B, C]
        return logits

    def route(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """float[B, J, D] output capsules, and float[B, T, J] couplings of the words to them."""
        words = self.embedding(tokens)  # [B, T, E]
        states = self.dropout(self.gru(words, lengths))  # [B, T, 2H]
        primary = self.primary(states)  # [B, T, P]
        # Squares of small capsules underflow in half precision.
        with torch.autocast(tokens.device.type, enabled=False):
            routed: tuple[Tensor, Tensor] = self.capsules(
                squash(primary.to(self.primary.weight.dtype)), lengths
            )
        return routed


class Capsule(LitClassifier):
    """Sabour et al. 2017, "Dynamic Routing Between Capsules", over the states of a BiGRU.

    h_t = [GRU→(x)_t; GRU←(x)_t];  u_t = squash(W_p h_t + b_p);  û_tj = W_j u_t;
    routing by agreement gives v_j (see `lit_models.layers.capsule.Capsules`);
    margin: p_c = |v_c| / Σ_k |v_k|, learnt by the margin loss on the lengths |v_c|;
    cross_entropy: z = W · [v_1; …; v_J] + b.
    At the default size 3,919,648 parameters: 30,000 × 128 embeddings, 74,496 in the GRUs, 4,128 in
    the words' capsules, 2 × 32 × 16 in the W_j.
    Shapes: words [B, T, 128] → states [B, T, 128] → words' capsules [B, T, 32] → output capsules
    [B, 2, 16] → logits [B, 2].

    Args:
        vocab_size: rows of the embedding; linked to `data.vocab_size`.
        embedding_dim: width of a word vector.
        hidden_size: width of the state of one direction.
        primary_size: width of a word's capsule.
        num_capsules: J, output capsules with `cross_entropy`; `margin` has one for each class.
        capsule_size: width of an output capsule.
        routing_iterations: rounds of routing.
        loss: `margin`, or `cross_entropy` over a linear layer.
        dropout: on the states, whole dimensions of a text.
        word_dropout: share of the vocabulary left out of a batch in training.
        embedding_dropout: on the word vectors.

    Raises:
        ValueError: an unknown loss, no round of routing, or label smoothing with `margin`.
    """

    net: CapsuleNet
    family: ClassVar[str] = "attention, capsules"

    def __init__(
        self,
        *,
        vocab_size: int = 30_000,
        embedding_dim: int = 128,
        hidden_size: int = 64,
        primary_size: int = 32,
        num_capsules: int = 8,
        capsule_size: int = 16,
        routing_iterations: int = 3,
        loss: Loss = "margin",
        dropout: float = 0.3,
        word_dropout: float = 0.3,
        embedding_dropout: float = 0.3,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.margin = is_margin(loss, self.label_smoothing, self.multi_label)
        self.net = CapsuleNet(
            WordEmbedding(vocab_size, embedding_dim, word_dropout, embedding_dropout),
            hidden_size=hidden_size,
            primary_size=primary_size,
            num_capsules=num_capsules,
            capsule_size=capsule_size,
            routing_iterations=routing_iterations,
            loss=loss,
            num_classes=self.num_classes,
            dropout=dropout,
        )

    def shown(self, batch: TextBatch, label: int) -> dict[str, Marks]:
        """Couplings of the words to the capsule of the label, or that which most speaks for it."""
        outputs, couplings = self.net.route(batch.tokens, batch.lengths)  # [1, J, D], [1, T, J]
        capsule = label
        if self.net.output is not None:
            W = self.net.output.weight
            factors = (W[label] - (W.sum(dim=0) - W[label]) / (len(W) - 1)).view_as(outputs[0])
            capsule = int((factors * outputs[0]).sum(dim=1).argmax())
        return {"coupling to the capsule of the class": Marks.of_tokens(couplings[0, :, capsule])}

    @classmethod
    def takes_several_labels(cls) -> bool:
        return True  # with cross-entropy

    def loss(self, logits: Tensor, labels: Tensor, reduction: str = "mean") -> Tensor:
        """Margin loss of the lengths, whose logarithms the logits are, or cross-entropy."""
        if self.margin:
            return margin_loss(logits.exp(), labels, reduction)
        return super().loss(logits, labels, reduction)
