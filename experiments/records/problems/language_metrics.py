"""Metrics of language models: perplexity, and bits for a character."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class LanguageMetrics:
    """Quality of a language model on the texts of one split.

    A symbol is a word, or the end of a text. Perplexities are comparable between models that
    predict the same symbols alone.

    Attributes:
        perplexity: exp of `log_loss`.
        log_loss: Mean of -ln p(symbol | those before it) over all symbols, in nats.
        bits_per_character: -log2 of the probability of all texts, per character of them.
        n: Number of texts.
        symbols: Number of symbols.
        characters: Number of characters.
    """

    perplexity: float
    log_loss: float
    bits_per_character: float
    n: int
    symbols: int
    characters: int

    @property
    def scores(self) -> dict[str, float | None]:
        """Figures by name."""
        return dict(vars(self))

    @property
    def headline(self) -> str:
        """The main figure in words."""
        return f"perplexity {self.perplexity:,.1f}"


def evaluate_scores(
    log_probability: float, n: int, symbols: int, characters: int
) -> LanguageMetrics:
    """Metrics of texts.

    Args:
        log_probability: Sum of ln p over all symbols.
        n: Number of texts, as in `LanguageMetrics`, like the following.
        symbols: Number of symbols.
        characters: Number of characters.
    """
    loss = -log_probability / symbols
    return LanguageMetrics(
        perplexity=math.exp(loss),
        log_loss=loss,
        bits_per_character=-log_probability / math.log(2) / characters,
        n=n,
        symbols=symbols,
        characters=characters,
    )
