"""LitTranscriber: training, evaluation and prediction of models that write one string for another.

A transcription model reads the letters of a word and writes its phones.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from datamodules.store.batching import TextBatch
from lit_models.base.model import LitModel
from lit_models.base.processes import MeanOverRows, reduce_loss
from lit_models.language.decoding import Generated
from lit_models.sequences.edit_distance import edit_distance

if TYPE_CHECKING:
    from datamodules.sequences.pairs import PairBatch

END = 0
"""Symbol after the last one of a string; as context it comes before the first. CTC: the blank."""


MOST_SYMBOLS = 256


class Transcription(NamedTuple):
    """Strings written for the texts of a batch.

    Attributes:
        ids: int64[B], row numbers in the split's fixed order.
        symbols: int64[B, longest], without the end, padded with 0.
        log_probabilities: float64[B], ln p of these strings and of their end.
    """

    ids: Tensor
    symbols: Tensor
    log_probabilities: Tensor


class LitTranscriber(LitModel, ABC):
    """Probability p(y | x) of strings y of symbols given texts x, and the search for probable y.

    A subclass gives `score` and `decode`. Losses are in nats a symbol of y, its end included, also
    where a model has no symbol for the end: p is a distribution over strings of any length.

    Args:
        vocab_size: V, number of symbols that are read; linked to the corpus.
        num_symbols: number of symbols that may be written, and the end; linked to the corpus.
        longest: largest number of symbols that are written for a text.
        beam_width: number of beginnings that prediction carries on; 1 is greedy search.
        **kwargs: arguments of `LitModel`.

    Raises:
        ValueError: a setting outside its range.
    """

    net: Any
    problem: ClassVar[str] = "transcription"
    protocols: ClassVar[tuple[str, ...]] = ("holdout",)

    def __init__(
        self,
        *,
        vocab_size: int = 32,
        num_symbols: int = 40,
        longest: int = 40,
        beam_width: int = 1,
        **kwargs: Any,
    ) -> None:
        for name, value in (("vocab_size", vocab_size), ("num_symbols", num_symbols)):
            if value < 2:
                raise ValueError(f"{name} is {value}; it must be at least 2: one symbol and 0")
        if num_symbols > MOST_SYMBOLS:
            raise ValueError(
                f"num_symbols is {num_symbols}; it may be at most {MOST_SYMBOLS}: what is written "
                "is kept as bytes"
            )
        if longest < 1:
            raise ValueError(f"longest is {longest}; it must be at least 1")
        _check_width("beam_width", beam_width)
        super().__init__(**kwargs)
        self.vocab_size, self.num_symbols = vocab_size, num_symbols
        self.longest, self.beam_width = longest, beam_width
        for part in ("val", "test"):
            setattr(self, f"{part}_symbol_error_rate", MeanOverRows())

    # For subclasses

    @abstractmethod
    def score(self, batch: PairBatch) -> Tensor:
        """float[B] ln p of the batch's targets, their end included."""

    @abstractmethod
    def decode(self, tokens: Tensor, lengths: Tensor, width: int) -> list[list[Generated]]:
        """See `transcribe`; the arguments have been checked."""

    def loss(self, batch: PairBatch) -> Tensor:
        """Training loss, in nats a symbol. Override where it is not -ln p."""
        return -self.score(batch).sum() / count_symbols(batch)

    # Training and evaluation

    def forward(self, batch: PairBatch) -> Tensor:
        """float[B] ln p of the batch's targets, their end included."""
        return self.score(batch)

    def training_step(self, batch: PairBatch, batch_idx: int) -> Tensor:
        """Mean loss of one batch, in nats a symbol."""
        world = 1 if self._trainer is None else self._trainer.world_size
        size = int(count_symbols(batch))
        local_loss, self.step_loss, symbols = reduce_loss(self.loss(batch), size, world, False)
        self.train_loss.update(self.step_loss, symbols)
        rows = len(batch.ids)
        self.log("train/loss", self.step_loss, prog_bar=True, batch_size=rows)
        self.log("train/epoch_loss", self.train_loss, on_step=False, on_epoch=True, batch_size=rows)
        return local_loss

    def validation_step(self, batch: PairBatch, batch_idx: int) -> None:
        """Log `val/log_loss`, in nats a symbol, and `val/symbol_error_rate` over the whole epoch.

        The error rate is that of greedy search: edits for each symbol of the targets.
        """
        self._evaluate(batch, "val")

    def test_step(self, batch: PairBatch, batch_idx: int) -> None:
        """Log the same for test rows, in Lightning's `trainer.test`."""
        self._evaluate(batch, "test")

    def _evaluate(self, batch: PairBatch, part: str) -> None:
        rows, symbols = len(batch.ids), count_symbols(batch)
        loss, errors = getattr(self, f"{part}_loss"), getattr(self, f"{part}_symbol_error_rate")
        loss.update(-self.score(batch).detach().sum() / symbols, symbols)
        self.log(f"{part}/log_loss", loss, batch_size=rows)
        written = [best.symbols for best, *_ in self.transcribe(batch.tokens, batch.lengths, 1)]
        ends = batch.target_lengths.tolist()
        targets = [row[:end] for row, end in zip(batch.targets.tolist(), ends, strict=True)]
        edits = sum(edit_distance(*pair) for pair in zip(written, targets, strict=True))
        total = sum(ends)
        errors.update(torch.tensor(edits / total, device=self.device), total)
        self.log(f"{part}/symbol_error_rate", errors, batch_size=rows)

    # Prediction

    def predict_step(self, batch: TextBatch, batch_idx: int = 0) -> Transcription:
        """Ids, the most probable strings that are found, and their log-probabilities."""
        best = [texts[0] for texts in self.transcribe(batch.tokens, batch.lengths)]
        symbols = torch.zeros(len(best), self.longest, dtype=torch.int64)
        for row, text in zip(symbols, best, strict=True):
            row[: len(text.symbols)] = torch.tensor(text.symbols)
        values = torch.tensor([text.log_probability for text in best], dtype=torch.float64)
        return Transcription(batch.ids.cpu(), symbols, values)

    @torch.no_grad()
    def transcribe(
        self, tokens: Tensor, lengths: Tensor, width: int | None = None
    ) -> list[list[Generated]]:
        """Probable strings for each text, at most `width` of them, the best first.

        The first is never less probable than what greedy search finds: beam search alone may lose
        that string on the way, so it takes part in the final choice.

        Args:
            tokens: int64[B, S].
            lengths: int64[B].
            width: number of beginnings that are carried on, 1 for greedy search; None:
                `beam_width`.

        Raises:
            ValueError: a width below 1, or a text without symbols.
        """
        width = self.beam_width if width is None else width
        _check_width("width", width)
        empty = (lengths < 1).nonzero().flatten().tolist()
        if empty:
            raise ValueError(
                f"text {empty[0]} of the batch is empty; at least one symbol is needed to write "
                "something for it: leave it out"
            )
        return self.decode(tokens, lengths, width)


def count_symbols(batch: PairBatch) -> Tensor:
    """int64[] number of symbols of the targets of a batch, their ends included."""
    return (batch.target_lengths + 1).sum()


def _check_width(name: str, width: int) -> None:
    if width < 1:
        raise ValueError(f"{name} is {width}; it must be at least 1, which is greedy search")
