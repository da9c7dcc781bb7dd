"""Decoding: greedy choice and sampling from a model that predicts the next symbol.

Beam search is in `lit_models.language.beam`. A model is a function
`advance(symbols, state) -> (log_probabilities, state)`: it reads one symbol of each row, int64[B],
and gives ln p of the next one, float[B, V]. Its state is a tuple of tensors whose first dimension
is the row, so that rows can be dropped, copied and put into another order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor

State: TypeAlias = tuple[Tensor, ...]
"""Memory of a model of the symbols that it has read; each tensor is [B, …]."""
Advance: TypeAlias = Callable[[Tensor, State], tuple[Tensor, State]]


@runtime_checkable
class Model(Protocol):
    """A model that generates texts from their start."""

    def begin(self, size: int) -> State:
        """State of `size` texts before anything has been read."""

    def advance(self, symbols: Tensor, state: State) -> tuple[Tensor, State]:
        """float[B, V] ln p of the next symbol and the new state, after int64[B] symbols."""


class Start(NamedTuple):
    """Rows before the first symbol that is generated.

    Attributes:
        symbols: int64[B], the last symbol of each row's prompt, not read yet.
        state: what has been read before it.
    """

    symbols: Tensor
    state: State


@dataclass(frozen=True)
class Limits:
    """Symbols that end a text, and symbols that no text may have.

    Attributes:
        end: the symbol that ends a text.
        longest: largest number of generated symbols, the end included.
        forbidden: symbols that are never generated.
        size: the same for symbols from this one on, which have no words; None: all have.

    Raises:
        ValueError: no symbol may be generated, or the end is forbidden.
    """

    end: int
    longest: int
    forbidden: tuple[int, ...] = ()
    size: int | None = None

    def __post_init__(self) -> None:
        if self.longest < 1:
            raise ValueError(f"longest is {self.longest}; it must be at least 1")
        if self.end in self.forbidden:
            raise ValueError(f"symbol {self.end} ends a text and is forbidden; allow it")

    def allowed(self, log_probabilities: Tensor) -> Tensor:
        """float64[B, V], with ln 0 for forbidden symbols.

        Raises:
            ValueError: a probability is not a number.
        """
        if log_probabilities.isnan().any():
            raise ValueError("the model gives NaN as the logarithm of a probability; train it anew")
        allowed = log_probabilities.to(torch.float64, copy=True)
        allowed[:, list(self.forbidden)] = -torch.inf
        if self.size is not None:
            allowed[:, self.size :] = -torch.inf
        return allowed


class Generated(NamedTuple):
    """A generated text.

    Attributes:
        symbols: its symbols after the prompt, without the end.
        log_probability: ln p of these symbols, and of the end if it has one, as the model gives it:
            neither temperature nor cuts nor forbidden symbols change it.
        ended: whether it came to its end. Otherwise it has the largest number of symbols, or
            everything that could follow is forbidden.
    """

    symbols: tuple[int, ...]
    log_probability: float
    ended: bool

    @property
    def length(self) -> int:
        """Number of generated symbols, the end included."""
        return len(self.symbols) + self.ended


def read_prompt(
    begin: Callable[[int], State], advance: Advance, prompt: Sequence[int], count: int = 1
) -> Start:
    """Let a model read all but the last symbol of a prompt.

    Args:
        begin: gives the state of that many rows before anything has been read.
        advance: the model.
        prompt: symbols that all rows begin with, at least the one of the start of a text.
        count: number of rows.
    """
    state = begin(1)
    device = state[0].device if state else None
    symbols = torch.tensor([prompt], device=device)  # [1, T]
    for symbol in symbols[:, :-1].unbind(dim=1):
        _, state = advance(symbol, state)
    rows = torch.zeros(count, dtype=torch.int64, device=device)
    return Start(symbols[rows, -1], choose(state, rows))


def choose(state: State, rows: Tensor) -> State:
    """State of some rows, given by number or by a mask."""
    return tuple(part[rows.to(part.device)] for part in state)


def greedy(advance: Advance, start: Start, limits: Limits) -> list[Generated]:
    """Take the most probable symbol at each step."""
    return _follow(advance, start, limits, lambda allowed: allowed.argmax(dim=1))


def sample(
    advance: Advance,
    start: Start,
    limits: Limits,
    generator: torch.Generator,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> list[Generated]:
    """Draw each symbol from its distribution, as `sharpened` changes it.

    Args:
        advance: the model.
        start: rows; each gets a text of its own.
        limits: what ends a text.
        generator: source of random numbers, of the CPU. The same seed gives the same texts.
        temperature, top_k, top_p: see `sharpened`.

    Raises:
        ValueError: a setting outside its range.
    """
    check_sampling(temperature, top_k, top_p)

    def draw(allowed: Tensor) -> Tensor:
        probabilities = sharpened(allowed, temperature, top_k, top_p)
        return torch.multinomial(probabilities, 1, generator=generator)[:, 0]

    return _follow(advance, start, limits, draw)


def check_sampling(temperature: float, top_k: int | None, top_p: float | None) -> None:
    """Check the settings of `sharpened`.

    Raises:
        ValueError: one is outside its range.
    """
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature is {temperature}; it must be a number above 0")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k is {top_k}; it must be at least 1")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p is {top_p}; it must be above 0 and at most 1")


def sharpened(
    log_probabilities: Tensor,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> Tensor:
    """float64[B, V] probabilities from which symbols are drawn.

    Args:
        log_probabilities: float64[B, V], finite for at least one symbol of each row. They need not
            sum to 1.
        temperature: T of p^(1/T), scaled to a sum of 1; below 1 probable symbols gain.
        top_k: number of the most probable symbols that are left (Fan, Lewis & Dauphin 2018).
        top_p: the fewest most probable symbols are left whose probability, after temperature and
            top_k, is at least this (Holtzman et al. 2020).
    """
    # The largest is 0, so that no temperature makes all of them infinite.
    scaled = (log_probabilities - log_probabilities.amax(dim=1, keepdim=True)) / temperature
    if top_k is None and top_p is None:
        return scaled.softmax(dim=1)  # sorting would take most of the time
    ordered, symbols = scaled.sort(dim=1, descending=True, stable=True)
    if top_k is not None:
        ordered[:, top_k:] = -torch.inf
    kept = ordered.softmax(dim=1)
    if top_p is not None and top_p < 1:
        before = kept.cumsum(dim=1) - kept
        enough = before >= top_p - 1e-12  # 0.5 + 0.3 is 0.8, rounded or not
        enough[:, 0] = False
        kept = kept.masked_fill(enough, 0.0)
        kept = kept / kept.sum(dim=1, keepdim=True)
    return torch.zeros_like(kept).scatter(1, symbols, kept)


def _follow(
    advance: Advance, start: Start, limits: Limits, next_symbols: Callable[[Tensor], Tensor]
) -> list[Generated]:
    """Generate a text for each row, one symbol at a time; rows that have ended are dropped."""
    symbols, state = start
    texts: list[list[int]] = [[] for _ in symbols]
    totals, ended = [0.0] * len(texts), [False] * len(texts)
    rows = torch.arange(len(texts))
    for _ in range(limits.longest):
        log_probabilities, state = advance(symbols, state)
        allowed = limits.allowed(log_probabilities).cpu()
        possible = allowed.isfinite().any(dim=1)
        rows, allowed, state = rows[possible], allowed[possible], choose(state, possible)
        chosen = next_symbols(allowed)
        values = allowed.gather(1, chosen[:, None])[:, 0].tolist()
        for row, symbol, value in zip(rows.tolist(), chosen.tolist(), values, strict=True):
            totals[row] += value
            ended[row] = symbol == limits.end
            if not ended[row]:
                texts[row].append(symbol)
        going = chosen != limits.end
        rows, state = rows[going], choose(state, going)
        if not len(rows):
            break
        symbols = chosen[going].to(symbols.device)
    return [Generated(tuple(t), p, e) for t, p, e in zip(texts, totals, ended, strict=True)]
