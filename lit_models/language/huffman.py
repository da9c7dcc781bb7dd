"""Huffman codes (1952): short codes for frequent words, none the beginning of another."""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np


class HuffmanCodes(NamedTuple):
    """Paths from the root of a binary tree to the words, its leaves.

    Attributes:
        bits: int8[V, L], turns at the inner nodes of a word's path, the root's first: 0 left,
            1 right; -1 beyond its end.
        nodes: int32[V, L], numbers below V - 1 of these inner nodes; 0 beyond the end.
        lengths: int64[V], number of turns.
    """

    bits: np.ndarray
    nodes: np.ndarray
    lengths: np.ndarray


def huffman_codes(counts: np.ndarray) -> HuffmanCodes:
    """Codes of the least mean length for words of these counts, int64[V].

    Raises:
        ValueError: fewer than two words.
    """
    words = len(counts)
    if words < 2:
        raise ValueError(f"there are {words} words; a tree needs at least 2")
    # Nodes below `words` are leaves; the later ones are inner nodes, the last the root.
    parent = np.zeros(2 * words - 1, dtype=np.int64)
    is_right = np.zeros(2 * words - 1, dtype=np.int8)
    heap = [(count, word) for word, count in enumerate(counts.tolist())]
    heapq.heapify(heap)
    for node in range(words, 2 * words - 1):
        left, right = heapq.heappop(heap), heapq.heappop(heap)
        parent[[left[1], right[1]]] = node
        is_right[right[1]] = 1
        heapq.heappush(heap, (left[0] + right[0], node))
    root, place = 2 * words - 2, np.arange(words)
    turns: list[np.ndarray] = []  # of all words at once, from the leaves up
    above: list[np.ndarray] = []
    while (place != root).any():
        turns.append(np.where(place == root, -1, is_right[place]))
        above.append(np.where(place == root, words, parent[place]) - words)
        place = np.where(place == root, root, parent[place])
    upward, nodes = np.stack(turns, axis=1).astype(np.int8), np.stack(above, axis=1)
    lengths = (upward >= 0).sum(axis=1)
    # Column j of the result is turn `length - 1 - j` of the way up.
    places = lengths[:, None] - 1 - np.arange(upward.shape[1])
    inside = places >= 0
    places = np.where(inside, places, 0)
    bits = np.where(inside, np.take_along_axis(upward, places, axis=1), -1)
    path = np.where(inside, np.take_along_axis(nodes, places, axis=1), 0)
    return HuffmanCodes(bits.astype(np.int8), path.astype(np.int32), lengths)
