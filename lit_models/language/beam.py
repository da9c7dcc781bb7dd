"""Beam search over a model that predicts the next symbol, in log space."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from lit_models.language.decoding import Advance, Generated, Limits, Start, choose

MOST_NORM = 10  # of a text of any length the power is finite


def length_penalty(length: int, alpha: float) -> float:
    """lp(Y) = ((5 + |Y|) / 6)^α of Wu et al. 2016, section 7; |Y| counts the end."""
    return float(((5 + length) / 6) ** alpha)


def beam_search(
    advance: Advance, start: Start, limits: Limits, width: int, length_norm: float = 0.0
) -> list[list[Generated]]:
    """Find probable texts by carrying on the `width` most probable beginnings of texts.

    A text that ends among the `width` best of its step is kept, and the next best beginning takes
    its place. A row is done when `width` texts have ended, or at the largest length; beginnings
    then count as they are. Texts are put into order by ln p(Y) / lp(Y). Width 1 is the greedy
    choice, and a width of V^longest finds every text.

    Args:
        advance: the model.
        start: rows; each has a beam of its own.
        limits: what ends a text.
        width: number of beginnings that are carried on.
        length_norm: α of `length_penalty`; 0 leaves ln p(Y) as it is, which favours short texts.

    Returns:
        For each row at most `width` texts, the best first.

    Raises:
        ValueError: a width below 1, or a negative α.
    """
    check_beam(width, length_norm)
    beams = [_Beam(width) for _ in start.symbols]
    device = start.symbols.device
    copies = torch.arange(len(beams), device=device).repeat_interleave(width)
    symbols, state = start.symbols[copies], choose(start.state, copies)
    for _ in range(limits.longest):
        log_probabilities, state = advance(symbols, state)
        allowed = limits.allowed(log_probabilities).cpu().unflatten(0, (len(beams), width))
        steps = [beam.step(each, limits.end) for beam, each in zip(beams, allowed, strict=True)]
        if not any(beam.live for beam in beams):
            break
        parents = [n * width + parent for n, step in enumerate(steps) for parent in step.parents]
        state = choose(state, torch.tensor(parents))
        symbols = torch.tensor([symbol for step in steps for symbol in step.symbols], device=device)
    return [beam.best(length_norm) for beam in beams]


def check_beam(width: int, length_norm: float) -> None:
    """Check the settings of `beam_search`.

    Raises:
        ValueError: one is outside its range.
    """
    if width < 1:
        raise ValueError(f"width is {width}; it must be at least 1")
    if not 0 <= length_norm <= MOST_NORM:
        raise ValueError(f"length_norm is {length_norm}; it must be between 0 and {MOST_NORM}")


class _Step(NamedTuple):
    """Places in the beam whose states go on, and the symbols to read next, `width` of each."""

    parents: list[int]
    symbols: list[int]


class _Beam:
    """Texts of one row: those that are done, and the beginnings that are carried on."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.live = [Generated((), 0.0, False)]
        self.done: list[Generated] = []

    def step(self, allowed: Tensor, end: int) -> _Step:
        """Carry on by one symbol, given float64[W, V] ln p of what follows each beginning."""
        before, self.live = self.live, []
        step = _Step([], [])
        if before:
            allowed = allowed[: len(before)]
            possible = allowed.isfinite().any(dim=1).tolist()
            pairs = zip(before, possible, strict=True)
            self._finish(one for one, goes_on in pairs if not goes_on)
            totals = torch.tensor([one.log_probability for one in before], dtype=torch.float64)
            joint = (totals[:, None] + allowed).flatten()
            # Of twice as many candidates `width` go on, since each beginning has a single end.
            best, places = joint.topk(min(2 * self.width, len(joint)))
            for rank, (total, place) in enumerate(zip(best.tolist(), places.tolist(), strict=True)):
                parent, symbol = divmod(place, allowed.shape[1])
                if total == -math.inf or len(self.live) == self.width:
                    break
                if symbol != end:
                    text = (*before[parent].symbols, symbol)
                    self.live.append(Generated(text, total, False))
                    step.parents.append(parent)
                    step.symbols.append(symbol)
                elif rank < self.width:
                    self._finish([Generated(before[parent].symbols, total, True)])
            if len(self.done) == self.width:
                self.live = []
        unused = self.width - len(step.parents)  # read and never looked at
        return _Step([*step.parents, *[0] * unused], [*step.symbols, *[end] * unused])

    def _finish(self, texts: Iterable[Generated]) -> None:
        self.done = [*self.done, *texts][: self.width]

    def best(self, length_norm: float) -> list[Generated]:
        """Texts with the highest scores, the best first."""

        def score(text: Generated) -> float:
            return text.log_probability / length_penalty(text.length, length_norm)

        return sorted([*self.done, *self.live], key=score, reverse=True)[: self.width]
