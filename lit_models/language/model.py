"""LitLanguageModel: training on a stream, perplexity and prediction, of all language models."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from datamodules.store.batching import TextBatch
from lit_models.base.model import LitModel
from lit_models.base.processes import MeanOverRows, reduce_loss
from lit_models.language.decoding import State as State
from lit_models.language.softmax import Softmax
from lit_models.layers.masking import mask_of

if TYPE_CHECKING:
    from datamodules.store.stream import StreamBatch

Direction = Literal["forward", "backward", "both"]

BOUNDARY = 0
"""Symbol before the first and after the last word of a text: padding's id, which no text has."""
_SYMBOLS_AT_ONCE = 2048  # in evaluation, so that memory does not grow with the length of a text
_CARRIED = "carried_state"


class Score(NamedTuple):
    """Probabilities of the texts of a batch.

    Attributes:
        ids: int64[B], row numbers in the split's fixed order.
        log_probabilities: float64[B], natural logarithms; the end of a text is predicted too.
        words: int64[B], number of predicted symbols.
    """

    ids: Tensor
    log_probabilities: Tensor
    words: Tensor


class LanguageNet(Protocol):
    """Network of a language model, as `LitLanguageModel` uses it."""

    softmax: Softmax

    def begin(self, size: int) -> State:
        """State of `size` texts of which nothing has been read, not even the boundary."""

    def __call__(self, symbols: Tensor, state: State) -> tuple[Tensor, State]:
        """float[B, T, D] states from which the next symbols are predicted, and the state carried
        on, from int64[B, T] symbols and the state before them.
        """


class Perplexity(MeanOverRows):
    """exp of a mean loss."""

    def compute(self) -> Tensor:
        """Perplexity so far."""
        return super().compute().exp()


class LitLanguageModel(LitModel):
    """Probability of texts: ln p = Σ ln p(w_t | w_1 … w_{t-1}) over the words and the end.

    A subclass sets `self.net`, a `LanguageNet`. Symbols are V token ids by falling frequency; the
    id of padding is the boundary of texts. In training the texts are one stream, of which each
    batch continues the one before: the state is carried on and gradients end at the batch's edge
    (truncated back-propagation through time). In evaluation each text begins with the boundary in
    a fresh state, so that its probability depends on no other text.

    Args:
        vocab_size: V; linked to `data.vocab_size`.
        **kwargs: arguments of `LitModel`.

    Raises:
        ValueError: a setting outside its range.
    """

    net: Any  # a LanguageNet and a Module
    problem: ClassVar[str] = "language modelling"
    held_against_peak: ClassVar[bool] = True
    protocols: ClassVar[tuple[str, ...]] = ("holdout",)
    direction: Direction = "forward"
    """Order in which texts are read. `advance` reads them backward if it is `backward`."""

    def __init__(self, *, vocab_size: int = 30_000, **kwargs: Any) -> None:
        if vocab_size < 3:
            raise ValueError(
                f"vocab_size is {vocab_size}; a language model needs at least 3 symbols: the "
                "boundary, <unk> and a word"
            )
        super().__init__(**kwargs)
        self.vocab_size = vocab_size
        self.carried: State | None = None
        self.val_perplexity, self.test_perplexity = Perplexity(), Perplexity()

    # Training

    def training_step(self, batch: StreamBatch, batch_idx: int) -> Tensor:
        """Mean loss of one batch, in nats a symbol."""
        loss, carried = self.stream_loss(batch, self._carried_into(batch))
        self.carried = tuple(part.detach() for part in carried)
        world = 1 if self._trainer is None else self._trainer.world_size
        size = batch.targets.numel()
        local_loss, self.step_loss, symbols = reduce_loss(loss, size, world, is_sum=False)
        self.train_loss.update(self.step_loss, symbols)
        rows = len(batch.inputs)
        self.log("train/loss", self.step_loss, prog_bar=True, batch_size=rows)
        self.log("train/epoch_loss", self.train_loss, on_step=False, on_epoch=True, batch_size=rows)
        return local_loss

    def stream_loss(self, batch: StreamBatch, state: State) -> tuple[Tensor, State]:
        """Mean loss of a batch of the stream, and the state carried on."""
        states, carried = self.net(batch.inputs, state)
        losses = self.net.softmax.losses(states.flatten(0, 1), batch.targets.flatten())
        return losses.mean(), carried

    def _carried_into(self, batch: StreamBatch) -> State:
        """State before a batch: the carried one, and a fresh one in rows that start anew."""
        fresh = self.begin(len(batch.inputs))
        carried = self.carried
        if carried is None or len(carried[0]) != len(batch.inputs):
            return fresh
        pairs = zip(fresh, carried, strict=True)
        return tuple(
            torch.where(batch.starts.view(-1, *[1] * (new.ndim - 1)), new, old.to(new.device))
            for new, old in pairs
        )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the carried states where training will resume; a fitted model has none. Collective.

        Each process has streams of its own, and so a state, [B, …]; kept is [processes, B, …].
        """
        if self.carried is not None and "optimizer_states" in checkpoint:
            several = self._trainer is not None and self.trainer.world_size > 1
            parts = self.all_gather(self.carried) if several else [p[None] for p in self.carried]
            checkpoint[_CARRIED] = [part.cpu() for part in parts]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Continue with the carried state; anew if there were more processes, or fewer."""
        world, rank = 1, 0
        if self._trainer is not None:
            world, rank = self.trainer.world_size, self.trainer.global_rank
        parts = checkpoint.get(_CARRIED, [])
        if parts and len(parts[0]) == world:
            self.carried = tuple(part[rank].to(self.device) for part in parts)

    # Evaluation

    def forward(self, batch: TextBatch) -> Tensor:
        """float64[B] ln p of the texts of a batch."""
        return self.score(batch.tokens, batch.lengths)

    def score(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float64[B] ln p of whole texts, from int64[B, T] tokens and int64[B] lengths."""
        return self._score(self.net, self.begin(len(tokens)), tokens, lengths)

    def _score(
        self, read: Callable[..., Any], state: State, tokens: Tensor, lengths: Tensor
    ) -> Tensor:
        """`score` by a network that `read`s from a fresh state, in pieces of bounded size."""
        symbols = F.pad(tokens, (1, 0), value=BOUNDARY)  # [B, T + 1]
        ends = torch.arange(symbols.shape[1], device=tokens.device) == lengths[:, None]
        targets = F.pad(tokens, (0, 1)).masked_fill(ends, BOUNDARY)
        mask = mask_of(lengths + 1, symbols.shape[1])
        total = torch.zeros(len(tokens), dtype=torch.float64)  # on the CPU: not all devices have it
        rows = torch.arange(len(tokens), device=tokens.device)
        while len(rows):
            piece = max(1, _SYMBOLS_AT_ONCE // len(rows))
            states, state = read(symbols[:, :piece], state)
            places, columns = mask[:, :piece].nonzero(as_tuple=True)
            losses = self.net.softmax.losses(states[places, columns], targets[places, columns])
            total = total.index_add(0, rows[places].cpu(), -losses.cpu().double())
            going = mask[:, piece:].any(dim=1)  # one long text would make all others as costly
            symbols, targets, mask, rows = (
                part[going]
                for part in (symbols[:, piece:], targets[:, piece:], mask[:, piece:], rows)
            )
            state = tuple(part[going] for part in state)
        return total

    def validation_step(self, batch: TextBatch, batch_idx: int) -> None:
        """Log `val/log_loss`, in nats a symbol, and `val/perplexity` over the whole epoch."""
        self._evaluate(batch, "val")

    def test_step(self, batch: TextBatch, batch_idx: int) -> None:
        """Log the same for test rows, in Lightning's `trainer.test`."""
        self._evaluate(batch, "test")

    def _evaluate(self, batch: TextBatch, part: str) -> None:
        score = self.predict_step(batch)
        symbols = score.words.sum().to(self.device)
        mean = -score.log_probabilities.sum().to(self.device) / symbols
        for name in ("log_loss", "perplexity"):
            metric = getattr(self, f"{part}_{'loss' if name == 'log_loss' else name}")
            metric.update(mean, symbols)
            self.log(f"{part}/{name}", metric, batch_size=len(batch.ids))

    def predict_step(self, batch: TextBatch, batch_idx: int = 0) -> Score:
        """Ids, log-probabilities and numbers of predicted symbols of one batch."""
        log_probabilities = self.score(batch.tokens, batch.lengths)
        return Score(batch.ids.cpu(), log_probabilities, batch.lengths.cpu() + 1)

    # Generation

    def begin(self, size: int) -> State:
        """State of `size` texts before the boundary has been read."""
        state: State = self.net.begin(size)
        return state

    def advance(self, symbols: Tensor, state: State) -> tuple[Tensor, State]:
        """float[B, V] ln p of the next symbol and the new state, after int64[B] symbols."""
        states, state = self.net(symbols[:, None], state)
        log_probabilities: Tensor = self.net.softmax.log_probabilities(states[:, 0])
        return log_probabilities, state
