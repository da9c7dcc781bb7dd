"""Masked language modelling: pretraining of an encoder on texts without labels."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.store.batching import TextBatch
from lit_models.base.optimizers import check_training
from lit_models.layers.masking import mask_of
from lit_models.layers.pretrained import build_encoder, first_position, resolve_config
from lit_models.layers.segments import PairObjective, pair_segments

MASKED, RANDOM = (
    0.8,
    0.1,
)  # of the chosen words; the rest stay unchanged, and are predicted too


def mask_words(
    tokens: Tensor,
    lengths: Tensor,
    continues: Tensor,
    specials: Tensor,
    mask_id: int,
    share: float,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Mask random whole words (Devlin et al. 2019; Liu et al. 2019; Cui et al. 2021).

    Each word is chosen with probability `share`, with all its subwords. Of the chosen words 80%
    become `[MASK]`, 10% random tokens, and 10% stay unchanged.

    Args:
        tokens: int64[B, T].
        lengths: int64[B].
        continues: bool[V], true for tokens that continue a word.
        specials: bool[V], true for tokens that are never masked or drawn.
        mask_id: token id of `[MASK]`.
        share: fraction of the words to choose.
        generator: random generator of the choices.

    Returns:
        int64[B, T] tokens with words masked, and bool[B, T], true at the tokens to predict.
    """
    rows, width = tokens.shape
    eligible = mask_of(lengths, width) & ~specials[tokens]
    word = (~continues[tokens]).cumsum(dim=1) - (~continues[tokens[:, :1]]).long()  # from 0
    options: dict[str, Any] = {"device": tokens.device, "generator": generator}
    chosen = (torch.rand(rows, width, **options) < share).gather(1, word) & eligible
    draw = torch.rand(rows, width, **options).gather(1, word)
    ordinary = (~specials).nonzero()[:, 0]
    replacement = ordinary[torch.randint(len(ordinary), (rows, width), **options)]
    masked = torch.where(chosen & (draw < MASKED), mask_id, tokens)
    replaced = chosen & (draw >= MASKED) & (draw < MASKED + RANDOM)
    return torch.where(replaced, replacement, masked), chosen


class MaskedLM(L.LightningModule):
    """Devlin et al. 2019: predict masked words and, optionally, the relation of two segments.

    Logits are computed only for the tokens to predict: h' = norm(gelu(W h)), z = E h' + b, with E
    the encoder's own embeddings. Starts from random weights, or continues a pretrained encoder on
    the texts of a task (Gururangan et al. 2020, "Don't Stop Pretraining").

    Args:
        source: see `lit_models.bert.BERT`; None starts from random weights.
        config: see `lit_models.bert.BERT`.
        continues: bool[V], true for tokens that continue a word.
        specials: bool[V], true for special tokens.
        mask_id: token id of `[MASK]`.
        share: fraction of the words to mask.
        pairs: `next-sentence` as BERT, `sentence-order` as ALBERT; None: no pairs, as RoBERTa.
        learning_rate: peak learning rate.
        warmup_fraction: fraction of the steps in which the rate rises linearly; it then falls
            linearly to zero.
        weight_decay: decoupled decay of matrices.
        steps: steps of the whole training.

    Raises:
        ValueError: a vocabulary larger than the encoder's, or a rate outside its range.
    """

    continues: Tensor
    specials: Tensor

    def __init__(
        self,
        *,
        source: str | None,
        config: dict[str, Any] | None,
        continues: Tensor,
        specials: Tensor,
        mask_id: int,
        share: float = 0.15,
        pairs: PairObjective | None = None,
        learning_rate: float = 1e-4,
        warmup_fraction: float = 0.1,
        weight_decay: float = 0.01,
        steps: int,
    ) -> None:
        rates = {"learning_rate": learning_rate, "warmup_fraction": warmup_fraction}
        check_training({**rates, "weight_decay": weight_decay})
        super().__init__()
        self.encoder, _ = build_encoder(source, resolve_config(source, config))
        embedding: nn.Embedding = self.encoder.get_input_embeddings()  # type: ignore[operator]
        rows, width = embedding.weight.shape
        if len(continues) > rows:
            raise ValueError(
                f"the tokenizer has {len(continues)} tokens and the encoder {rows}; give both the "
                "same source"
            )
        hidden: Any = self.encoder.config
        self.transform = nn.Sequential(
            nn.Linear(hidden.hidden_size, width), nn.GELU(), nn.LayerNorm(width)
        )
        self.bias = nn.Parameter(torch.zeros(rows))
        self.pairs, size = pairs, hidden.hidden_size
        self.follows = (
            nn.Sequential(nn.Linear(size, size), nn.Tanh(), nn.Linear(size, 2)) if pairs else None
        )
        self.first_position = first_position(self.encoder)
        self.mask_id, self.share, self.steps = mask_id, share, steps
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.warmup_fraction = warmup_fraction
        self.register_buffer("continues", continues, persistent=False)
        self.register_buffer("specials", specials, persistent=False)

    def states(self, tokens: Tensor, lengths: Tensor, segments: Tensor | None = None) -> Tensor:
        """float[B, T, D] states of int64[B, T] tokens, int64[B] lengths, int64[B, T] segments."""
        width = tokens.shape[1]
        positions = torch.arange(width, device=tokens.device)[None] + self.first_position
        types = int(getattr(self.encoder.config, "type_vocab_size", 0) or 0)
        inputs = {} if segments is None or types < 2 else {"token_type_ids": segments}
        states: Tensor = self.encoder(
            input_ids=tokens,
            attention_mask=mask_of(lengths, width).long(),
            position_ids=positions.expand_as(tokens),
            **inputs,
        ).last_hidden_state
        return states

    def token_logits(self, states: Tensor) -> Tensor:
        """float[M, V] logits over the vocabulary from float[M, D] states."""
        embedding: nn.Embedding = self.encoder.get_input_embeddings()  # type: ignore[operator]
        return F.linear(self.transform(states), embedding.weight, self.bias)

    def forward(self, tokens: Tensor, lengths: Tensor, chosen: Tensor) -> Tensor:
        """float[M, V] logits at the M tokens where bool[B, T] `chosen` is true."""
        return self.token_logits(self.states(tokens, lengths)[chosen])

    def losses(
        self, batch: TextBatch, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Cross-entropy of the masked tokens, and of the pairs, in one batch.

        The first is 0 if no token was masked, the second if no pairs are learnt.
        """
        original, lengths, segments, answers = batch.tokens, batch.lengths, None, None
        if self.pairs is not None:
            paired = pair_segments(original, lengths, self.pairs, generator)
            original, lengths, segments, answers = paired
        tokens, chosen = mask_words(
            original,
            lengths,
            self.continues,
            self.specials,
            self.mask_id,
            self.share,
            generator,
        )
        states = self.states(tokens, lengths, segments)
        logits = self.token_logits(states[chosen]).float()
        masked = F.cross_entropy(logits, original[chosen], reduction="sum") / max(1, len(logits))
        if self.follows is None or answers is None:
            return masked, masked.new_zeros(())
        return masked, F.cross_entropy(self.follows(states[:, 0]).float(), answers)

    def training_step(self, batch: TextBatch, batch_idx: int) -> Tensor:
        """Loss of one batch."""
        masked, pairs = self.losses(batch)
        self.log("train/masked_loss", masked, batch_size=len(batch.ids))
        return masked + pairs

    def configure_optimizers(self) -> Any:
        """AdamW with warm-up and linear decay."""
        matrices = [p for p in self.parameters() if p.ndim >= 2]
        others = [p for p in self.parameters() if p.ndim < 2]
        groups: list[dict[str, Any]] = [
            {"params": matrices},
            {"params": others, "weight_decay": 0.0},
        ]
        fused = self.trainer.precision != "16-mixed" and self.device.type in ("cpu", "cuda")
        optimizer = torch.optim.AdamW(
            groups, lr=self.learning_rate, weight_decay=self.weight_decay, fused=fused
        )
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, self.rate_at)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def rate_at(self, step: int) -> float:
        """Learning rate at a step as a fraction of its peak."""
        warmup = self.warmup_fraction * self.steps
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return max(0.0, (self.steps - step) / max(1.0, self.steps - warmup))

    def configure_gradient_clipping(self, *arguments: Any, **options: Any) -> None:
        """Clip the whole gradient to norm 1; Trainer(gradient_clip_val) refuses fused AdamW."""
        nn.utils.clip_grad_norm_(self.parameters(), 1.0)
