"""Heads for other tasks of an encoder: pairs of texts, tokens, and answers in a passage.

Devlin et al. 2019, figure 4, show four tasks; the classification of single texts is
`lit_models.bert`. These heads take an encoder from `lit_models.layers.pretrained.build_encoder`.
They are not part of the benchmark, whose corpora have no such labels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from lit_models.layers.masking import mask_of
from lit_models.layers.pretrained import first_position, reinitialise


class _Task(nn.Module):
    """Encoder → dropout → linear over each state.

    Args:
        encoder: encoder of transformers, without a pooler.
        outputs: width of the output of each state.
        dropout: dropout before the output.
    """

    def __init__(self, encoder: nn.Module, outputs: int, dropout: float = 0.1) -> None:
        super().__init__()
        config: Any = encoder.config
        self.encoder, self.first_position = encoder, first_position(encoder)
        self.dropout, self.output = nn.Dropout(dropout), nn.Linear(config.hidden_size, outputs)
        reinitialise([self.output], 0.02)

    def states(self, tokens: Tensor, lengths: Tensor, segments: Tensor | None = None) -> Tensor:
        """float[B, T, D] states; int64[B, T] `segments`: 0 in the first text, 1 in the second."""
        width = tokens.shape[1]
        positions = torch.arange(width, device=tokens.device)[None] + self.first_position
        inputs = {} if segments is None else {"token_type_ids": segments}
        outputs = self.encoder(
            input_ids=tokens,
            attention_mask=mask_of(lengths, width).long(),
            position_ids=positions.expand_as(tokens),
            **inputs,
        )
        states: Tensor = outputs.last_hidden_state
        return states


class PairNet(_Task):
    """Sentence pairs, `[CLS] first [SEP] second [SEP]`: z = W · dropout(tanh(V h_1)) + b.

    Args:
        encoder: encoder of transformers, without a pooler.
        num_classes: C.
        pooler: pretrained linear layer over the first state; None: a random one.
        dropout: dropout before the output.
    """

    def __init__(
        self,
        encoder: nn.Module,
        num_classes: int,
        pooler: nn.Linear | None = None,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(encoder, num_classes, dropout)
        width = self.output.in_features
        self.pooler = pooler or nn.Linear(width, width)

    def forward(self, tokens: Tensor, lengths: Tensor, segments: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and segments and int64[B] lengths."""
        first = self.states(tokens, lengths, segments)[:, 0]
        logits: Tensor = self.output(self.dropout(torch.tanh(self.pooler(first))))
        return logits


class TokenNet(_Task):
    """A label for each token: z_t = W · dropout(h_t) + b."""

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, T, C] logits, meaningless in the padding."""
        logits: Tensor = self.output(self.dropout(self.states(tokens, lengths)))
        return logits


class SpanNet(_Task):
    """Extractive question answering: start and end of the answer in the passage.

    s_t = w_s · h_t, e_t = w_e · h_t; P(start = t) = softmax over the passage's tokens.

    Args:
        encoder: encoder of transformers, without a pooler.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__(encoder, 2, dropout=0.0)

    def forward(self, tokens: Tensor, lengths: Tensor, segments: Tensor) -> tuple[Tensor, Tensor]:
        """float[B, T] scores of starts and of ends, -∞ outside the second text and in padding."""
        start, end = self.output(self.states(tokens, lengths, segments)).unbind(dim=2)
        outside = ~(mask_of(lengths, tokens.shape[1]) & (segments == 1))
        return start.masked_fill(outside, -torch.inf), end.masked_fill(outside, -torch.inf)


def best_span(start: Tensor, end: Tensor, longest: int = 30) -> tuple[Tensor, Tensor]:
    """int64[B] first and int64[B] last token of the span with the largest s_i + e_j, i ≤ j.

    Args:
        start: float[B, T].
        end: float[B, T].
        longest: largest number of tokens in an answer.
    """
    width = start.shape[1]
    allowed = torch.ones(width, width, dtype=torch.bool, device=start.device)
    allowed = allowed.triu().tril(longest - 1)
    scores = (start[:, :, None] + end[:, None, :]).masked_fill(~allowed, -torch.inf)
    best = scores.flatten(1).argmax(dim=1)
    return best // width, best % width
