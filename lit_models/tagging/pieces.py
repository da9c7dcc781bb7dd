"""Rows of pieces of words as windows, divided between two words."""

from __future__ import annotations

import torch
from torch import Tensor


def split_words(
    tokens: Tensor, lengths: Tensor, size: int, prefix: int, suffix: int, continued: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Divide every row into consecutive windows, as long as words allow.

    Args:
        tokens: int64[B, T].
        lengths: int64[B].
        size: longest window, special tokens included; longer than any word.
        prefix: number of special tokens at the start of a row; each window begins with them.
        suffix: number of special tokens at the end of a row; each window ends with them.
        continued: ids from here on are those of pieces that continue a word.

    Returns:
        int64[N, S] tokens, int64[N] lengths, int64[N] row of each window, in order.
    """
    if int(lengths.max()) <= size:
        return tokens, lengths, torch.arange(len(tokens), device=tokens.device)
    windows, rows = list[Tensor](), list[int]()
    for number, (row, length) in enumerate(zip(tokens, lengths.tolist(), strict=True)):
        body = row[prefix : length - suffix]
        begins = (body < continued).nonzero()[:, 0].tolist()
        for start, end in _cuts([*begins, len(body)], size - prefix - suffix):
            ends = row[:prefix], row[length - suffix : length]
            windows.append(torch.cat([ends[0], body[start:end], ends[1]]))
            rows.append(number)
    matrix = torch.nn.utils.rnn.pad_sequence(windows, batch_first=True)
    device = tokens.device
    sizes = torch.tensor([len(window) for window in windows], device=device)
    return matrix, sizes, torch.tensor(rows, device=device)


def _cuts(begins: list[int], size: int) -> list[tuple[int, int]]:
    """Starts and ends of the windows of a row, given where its words begin, and its end."""
    cuts, start, end = list[tuple[int, int]](), begins[0], begins[0]
    for begin in begins[1:]:
        if begin - start > size:
            cuts.append((start, end))
            start = end
        end = begin
    return [*cuts, (start, end)]
