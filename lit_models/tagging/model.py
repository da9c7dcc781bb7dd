"""LitTagger: training, evaluation and prediction of models that give each word of a text a tag."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.store.batching import TextBatch
from datamodules.store.corpus import UNLABELLED
from datamodules.tagging.batches import NO_TAG, TagBatch
from lit_models.base.model import LitModel
from lit_models.base.processes import MeanOverRows, reduce_loss
from lit_models.layers.masking import mask_of

_MOST_TOKENS = 2**16  # of a part of a batch in prediction: bounds the memory of whole long texts


class Emissions(NamedTuple):
    """Scores of tags.

    Attributes:
        scores: float[B, W, K] of each of K tags at each word; past a row's words: garbage.
        words: int64[B], number of words, each at least 1.
    """

    scores: Tensor
    words: Tensor


class Tagging(NamedTuple):
    """Tags of the texts of a batch.

    Attributes:
        ids: int64[B], row numbers in the split's fixed order.
        words: int64[B], number of words.
        tags: int64[sum of words], the tags chosen, of one text after the other.
        log_probabilities: float64[B], ln p of the right tags of a text; NaN if they are not known.
    """

    ids: Tensor
    words: Tensor
    tags: Tensor
    log_probabilities: Tensor


class LitTagger(LitModel):
    """Probability p(y | x) of the tags y of the words x of a text, and the most probable tags.

    A subclass sets `self.net`, a module `net(tokens, lengths) -> Emissions`. Here tags are
    independent given the words, p(y | x) = Π_t softmax(s_t)[y_t], with s_t the scores at word t;
    a subclass of which they are not overrides `log_probability` and `best`. Losses are in
    nats a word.

    Where tags are rare marks, the most probable tag leaves most of them out. The F1 of a mark is
    highest where it is tagged wherever its probability is at least half that F1 (Lipton et al.
    2014, "Optimal Thresholding of Classifiers to Maximize F1 Measure"); `mark_bias` comes near it.

    Args:
        num_tags: K, linked to the corpus.
        unmarked_tags: tags of words without a mark, linked to the corpus; none where tags are no
            marks.
        mark_bias: nats added to the scores of all other tags when tags are chosen; probabilities
            and losses stay as they are. Without unmarked tags it changes nothing.
        **kwargs: arguments of `LitModel`.

    Raises:
        ValueError: a setting outside its range.
    """

    net: nn.Module
    bias: Tensor
    problem: ClassVar[str] = "tagging"
    protocols: ClassVar[tuple[str, ...]] = ("holdout",)
    predicts_blind: ClassVar[bool] = False

    def __init__(
        self,
        *,
        num_tags: int = 15,
        unmarked_tags: Sequence[int] = (),
        mark_bias: float = 0.0,
        **kwargs: Any,
    ) -> None:
        if num_tags < 2:
            raise ValueError(f"num_tags is {num_tags}; it must be at least 2")
        if not math.isfinite(mark_bias):
            raise ValueError(f"mark_bias is {mark_bias}; it must be a finite number")
        if not all(0 <= tag < num_tags for tag in unmarked_tags):
            raise ValueError(
                f"unmarked_tags is {unmarked_tags}; each must be at least 0 and below {num_tags}"
            )
        super().__init__(**kwargs)
        self.num_tags = num_tags
        marked = [bool(unmarked_tags) and tag not in unmarked_tags for tag in range(num_tags)]
        bias = mark_bias * torch.tensor(marked, dtype=torch.float64)
        self.register_buffer("bias", bias, persistent=False)  # the settings have it
        for part in ("val", "test"):
            setattr(self, f"{part}_accuracy", MeanOverRows())

    # For subclasses

    def log_probability(self, emissions: Emissions, tags: Tensor) -> Tensor:
        """float[B] ln p of int64[B, W] tags; those past a row's words count for nothing."""
        scores, words = emissions
        inside = mask_of(words, scores.shape[1])
        chosen = torch.where(inside, tags, NO_TAG).flatten()
        wide = scores.flatten(0, 1).to(torch.promote_types(scores.dtype, torch.float32))
        losses = F.cross_entropy(wide, chosen, ignore_index=NO_TAG, reduction="none")
        return -torch.where(inside, losses.view_as(tags), 0.0).sum(dim=1)

    def best(self, emissions: Emissions) -> Tensor:
        """int64[B, W] tags of the highest score of each text; past its words: garbage."""
        return emissions.scores.argmax(dim=2)

    # Training and evaluation

    def forward(self, batch: TagBatch | TextBatch) -> Emissions:
        """Scores of the words of a batch. Override where the network takes more than tokens.

        In validation and prediction the batch is blind: a `TextBatch` without ids.
        """
        emissions: Emissions = self.net(batch.tokens, batch.lengths)
        return emissions

    def score(self, batch: TagBatch) -> Tensor:
        """float[B] ln p of the batch's tags."""
        return self._score(self(batch), batch)

    def _score(self, emissions: Emissions, batch: TagBatch) -> Tensor:
        given = (batch.tags != NO_TAG).sum(dim=1)
        if not torch.equal(given, emissions.words):
            row = int((given != emissions.words).nonzero()[0])
            raise ValueError(
                f"text {int(batch.ids[row])} has {int(given[row])} tags and "
                f"{int(emissions.words[row])} words in the network's reading; give each word a tag"
            )
        return self.log_probability(emissions, batch.tags[:, : emissions.scores.shape[1]])

    def training_step(self, batch: TagBatch, batch_idx: int) -> Tensor:
        """Mean loss of one batch, in nats a word."""
        world = 1 if self._trainer is None else self._trainer.world_size
        emissions, rows = self(batch), len(batch.ids)
        words = int(emissions.words.sum())
        loss = -self._score(emissions, batch).sum() / words
        local_loss, self.step_loss, all_words = reduce_loss(loss, words, world, False)
        self.train_loss.update(self.step_loss, all_words)
        self.log("train/loss", self.step_loss, prog_bar=True, batch_size=rows)
        self.log("train/epoch_loss", self.train_loss, on_step=False, on_epoch=True, batch_size=rows)
        return local_loss

    def validation_step(self, batch: TagBatch, batch_idx: int) -> None:
        """Log `val/log_loss`, in nats a word, and `val/accuracy` of words over the whole epoch."""
        self._evaluate(batch, "val")

    def test_step(self, batch: TagBatch, batch_idx: int) -> None:
        """Log the same for test rows, in Lightning's `trainer.test`."""
        self._evaluate(batch, "test")

    def _evaluate(self, batch: TagBatch, part: str) -> None:
        loss, accuracy = getattr(self, f"{part}_loss"), getattr(self, f"{part}_accuracy")
        found, words = self.predict_step(batch), int((batch.tags != NO_TAG).sum())
        log_loss = -found.log_probabilities.sum() / words
        right = found.tags == batch.tags[batch.tags != NO_TAG].cpu()
        loss.update(log_loss.to(self.device, torch.float32), words)
        accuracy.update(right.float().mean().to(self.device), words)
        self.log(f"{part}/log_loss", loss, batch_size=len(batch.ids))
        self.log(f"{part}/accuracy", accuracy, batch_size=len(batch.ids))

    # Prediction

    @torch.no_grad()
    def predict_step(self, batch: TagBatch | TextBatch, batch_idx: int = 0) -> Tagging:
        """Tags chosen for each text, and ln p of the batch's own where it has any.

        A run refuses a class that overrides it, where it would see the tags it is judged by.
        """
        rows = max(1, _MOST_TOKENS // batch.tokens.shape[1])
        parts = [
            self._tag(type(batch)(*(field[start : start + rows] for field in batch)))
            for start in range(0, len(batch.ids), rows)
        ]
        return Tagging(*(torch.cat(fields) for fields in zip(*parts, strict=True)))

    def _tag(self, batch: Any) -> Tagging:
        unknown = torch.full_like(batch.ids, UNLABELLED)
        scores, words = self(TextBatch(batch.tokens, batch.lengths, unknown, unknown))
        # A long text adds up thousands of scores, and ln p is a small difference of two sums.
        emissions = Emissions(scores.double(), words)
        best = self.best(emissions._replace(scores=emissions.scores + self.bias))
        tags = best[mask_of(emissions.words, best.shape[1])]
        values = torch.full((len(batch.ids),), torch.nan, dtype=torch.float64)
        if isinstance(batch, TagBatch):
            values = self._score(emissions, batch).cpu()
        return Tagging(batch.ids.cpu(), emissions.words.cpu(), tags.cpu(), values)
