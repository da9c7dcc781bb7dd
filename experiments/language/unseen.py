"""Trigrams of held-out texts that were seen or not, as examples of what smoothing does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from datamodules.store.ragged import Ragged
from lit_models.language.ngram_counts import Order, Stream, Symbols, find


class Example(NamedTuple):
    """Trigram of held-out texts.

    Attributes:
        words: Its three symbols.
        context: How often the first two were learnt from.
        seen: How often all three were.
    """

    words: tuple[int, int, int]
    context: int
    seen: int


def examples(
    orders: Sequence[Order], held_out: Ragged, symbols: Symbols, words: np.ndarray
) -> list[Example]:
    """Choose held-out trigrams of words by how often they were learnt from.

    The one learnt from most often; of those never learnt from that with the most frequent context;
    and of those whose context was never learnt from that with the most frequent last word.

    Args:
        orders: N-grams of the orders 1 to 3, at least.
        held_out: The texts.
        symbols: The symbols.
        words: bool[V], tokens of which examples are made.

    Returns:
        One of each kind that there is.
    """
    stream = Stream.of(held_out, symbols)
    at = np.flatnonzero(stream.places >= 3)  # the third word of a text or a later one
    triples = np.stack([stream.words[at - back] for back in (2, 1, 0)], axis=1)
    known = np.append(words, [False, False])  # neither end of a text is one
    triples = triples[known[triples].all(axis=1)]
    contexts = find(orders[1].keys, triples[:, 0] * symbols.count + triples[:, 1])
    trigrams = find(orders[2].keys, np.maximum(contexts, 0) * symbols.count + triples[:, 2])
    trigrams[contexts < 0] = -1
    of_context = np.where(contexts < 0, 0, orders[1].counts[contexts])
    of_trigram = np.where(trigrams < 0, 0, orders[2].counts[trigrams])
    of_word = orders[0].counts[triples[:, 2]]
    kinds = (
        (of_trigram > 0, of_trigram),
        ((of_trigram == 0) & (of_context > 0), of_context),
        (of_context == 0, of_word),
    )
    chosen = []
    for kind, rank in kinds:
        if kind.any():
            row = int(np.where(kind, rank, -1).argmax())
            first, second, third = triples[row].tolist()
            found = Example((first, second, third), int(of_context[row]), int(of_trigram[row]))
            chosen.append(found)
    return chosen
