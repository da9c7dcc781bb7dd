"""AutoregressiveTranscriber: base of the models that write one symbol after the other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_models.base.optimizers import check_training
from lit_models.language.beam import beam_search, check_beam, length_penalty
from lit_models.language.decoding import Generated, Limits, Start, State, greedy
from lit_models.layers.masking import mask_of
from lit_models.sequences.model import END, LitTranscriber

if TYPE_CHECKING:
    from datamodules.sequences.pairs import PairBatch


class AutoregressiveNet(nn.Module, ABC):
    """Encoder of texts, and decoder that reads what has been written and predicts what follows.

    A subclass gives `encode` and `read`.
    """

    @abstractmethod
    def encode(self, tokens: Tensor, lengths: Tensor) -> State:
        """State of the decoder before it has read anything; each tensor is [B, …].

        Args:
            tokens: int64[B, S].
            lengths: int64[B].
        """

    @abstractmethod
    def read(self, symbols: Tensor, state: State) -> tuple[Tensor, State]:
        """float[B, T, P + 1] logits after each of int64[B, T] symbols, and the state after them."""

    def forward(self, tokens: Tensor, lengths: Tensor, targets: Tensor) -> Tensor:
        """float[B, T, P + 1] ln p of each symbol, given those before it in int64[B, T] targets."""
        symbols = F.pad(targets[:, :-1], (1, 0), value=END)
        logits, _ = self.read(symbols, self.encode(tokens, lengths))
        return _normalized(logits)

    def advance(self, symbols: Tensor, state: State) -> tuple[Tensor, State]:
        """float[B, P + 1] ln p of the next symbol, and the new state, after int64[B] symbols."""
        logits, state = self.read(symbols[:, None], state)
        return _normalized(logits[:, 0]), state


class AutoregressiveTranscriber(LitTranscriber):
    """ln p(y | x) = Σ_t ln p(y_t | y_1 … y_{t-1}, x) over the symbols and the end.

    In training the decoder reads the reference (teacher forcing), or with scheduled sampling
    (Bengio et al. 2015) each symbol with a probability ε from the reference and otherwise from its
    own prediction, of which it is drawn. ε goes linearly from its first to its last value over the
    epochs. Below 1 the decoder reads step by step, and dropout has a mask for each step.

    Args:
        length_norm: α of `lit_models.language.beam.length_penalty`, by which the texts of a beam
            are put into order; 0: by ln p alone.
        label_smoothing: part of the target probability that is spread over all symbols.
        teacher_forcing: ε in the first epoch.
        teacher_forcing_end: ε in the last epoch.
        **kwargs: arguments of `LitTranscriber`.

    Raises:
        ValueError: a setting outside its range.
    """

    net: AutoregressiveNet

    def __init__(
        self,
        *,
        length_norm: float = 0.0,
        label_smoothing: float = 0.0,
        teacher_forcing: float = 1.0,
        teacher_forcing_end: float = 1.0,
        **kwargs: Any,
    ) -> None:
        check_training(locals())
        check_beam(1, length_norm)
        shares = {"teacher_forcing": teacher_forcing, "teacher_forcing_end": teacher_forcing_end}
        for name, value in shares.items():
            if not 0 <= value <= 1:
                raise ValueError(f"{name} is {value}; it is a probability, between 0 and 1")
        super().__init__(**kwargs)
        self.length_norm, self.label_smoothing = length_norm, label_smoothing
        self.teacher_forcing = teacher_forcing, teacher_forcing_end

    # Training

    def setup(self, stage: str) -> None:
        """As `LitModel` does.

        Raises:
            ValueError: ε changes over epochs whose number is unknown.
        """
        first, last = self.teacher_forcing
        if stage == "fit" and first != last and self.trainer.max_epochs in (None, -1):
            raise ValueError(
                f"teacher_forcing goes from {first} to {last} over the epochs, and their number "
                "has no limit; set --trainer.max_epochs, or --model.teacher_forcing_end to "
                f"{first}, too"
            )
        super().setup(stage)

    @property
    def teacher_share(self) -> float:
        """ε in this epoch."""
        first, last = self.teacher_forcing
        epochs = 1 if self._trainer is None else self.trainer.max_epochs or 1
        progress = min(1.0, self.current_epoch / (epochs - 1)) if epochs > 1 else 0.0
        return first + (last - first) * progress

    def loss(self, batch: PairBatch) -> Tensor:
        """Cross-entropy, with label smoothing and scheduled sampling if they are set."""
        share = self.teacher_share
        if share == 1:
            predictions = self.net(batch.tokens, batch.lengths, batch.targets)
        else:
            predictions = self._sampled(batch, share)
        mask = mask_of(batch.target_lengths + 1, batch.targets.shape[1])
        return F.cross_entropy(
            predictions[mask], batch.targets[mask], label_smoothing=self.label_smoothing
        )

    def _sampled(self, batch: PairBatch, share: float) -> Tensor:
        """As the network gives it, where the decoder reads its own symbols, too."""
        state = self.net.encode(batch.tokens, batch.lengths)
        symbols = torch.full_like(batch.ids, END)
        predictions = list[Tensor]()
        for target in batch.targets.unbind(dim=1):
            prediction, state = self.net.advance(symbols, state)
            predictions.append(prediction)
            drawn = torch.multinomial(prediction.detach().exp(), 1)[:, 0]
            from_target = torch.rand(len(target), device=target.device) < share
            symbols = torch.where(from_target, target, drawn)
        return torch.stack(predictions, dim=1)

    # Evaluation and prediction

    def score(self, batch: PairBatch) -> Tensor:
        """float[B] ln p of the batch's targets, their end included."""
        predictions = self.net(batch.tokens, batch.lengths, batch.targets)
        values = predictions.gather(2, batch.targets[:, :, None])[:, :, 0]
        mask = mask_of(batch.target_lengths + 1, batch.targets.shape[1])
        return torch.where(mask, values, 0.0).sum(dim=1)

    def encode(self, tokens: Tensor, lengths: Tensor) -> State:
        """State of the decoder before it has read anything; each tensor is [B, …]."""
        return self.net.encode(tokens, lengths)

    def advance(self, symbols: Tensor, state: State) -> tuple[Tensor, State]:
        """float[B, P + 1] ln p of the next symbol, and the new state, after int64[B] symbols."""
        return self.net.advance(symbols, state)

    def decode(self, tokens: Tensor, lengths: Tensor, width: int) -> list[list[Generated]]:
        """See `transcribe`; with `length_norm` the most probable is that of the best score."""
        start = Start(torch.full_like(lengths, END), self.encode(tokens, lengths))
        limits = Limits(END, self.longest)
        simple = greedy(self.advance, start, limits)
        if width == 1:
            return [[text] for text in simple]
        beams = beam_search(self.advance, start, limits, width, self.length_norm)
        return [self._best([*beam, text], width) for beam, text in zip(beams, simple, strict=True)]

    def _best(self, texts: list[Generated], width: int) -> list[Generated]:
        def score(text: Generated) -> float:
            return text.log_probability / length_penalty(text.length, self.length_norm)

        # Of a text that both searches found the last counts: rounding may set the two apart.
        different = {(text.symbols, text.ended): text for text in texts}
        return sorted(different.values(), key=score, reverse=True)[:width]


def _normalized(logits: Tensor) -> Tensor:
    """ln p from logits, in at least fp32, also under autocast."""
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return wide.log_softmax(dim=-1)
