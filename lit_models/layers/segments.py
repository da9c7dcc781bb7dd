"""Rows of two segments, for pretraining on the relation between them."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

PairObjective = Literal["next-sentence", "sentence-order"]


class SegmentPairs(NamedTuple):
    """Rows `[CLS] first [SEP] second [SEP]`.

    Attributes:
        tokens: int64[B, T], padded at the end.
        lengths: int64[B].
        segments: int64[B, T], 0 through the first `[SEP]`, 1 after it.
        answers: int64[B], 1 where the second segment does not follow the first.
    """

    tokens: Tensor
    lengths: Tensor
    segments: Tensor
    answers: Tensor


def pair_segments(
    tokens: Tensor,
    lengths: Tensor,
    objective: PairObjective,
    generator: torch.Generator | None = None,
) -> SegmentPairs:
    """Split each row into two halves, and with probability 1/2 make them an inconsecutive pair.

    `next-sentence` (Devlin et al. 2019) replaces the second half by that of another row.
    `sentence-order` (Lan et al. 2020) swaps the halves, so that the topic does not give the answer.

    Args:
        tokens: int64[B, T], rows `[CLS] text [SEP]`; the second half of a one-token text is empty.
        lengths: int64[B], at least 3.
        objective: `next-sentence` or `sentence-order`.
        generator: random generator of the choices.

    Returns:
        Pairs, one token longer than the rows unless the second half is of another row.

    Raises:
        ValueError: an unknown objective, or a row of fewer than 3 tokens.
    """
    if objective not in ("next-sentence", "sentence-order"):
        raise ValueError(f"objective is {objective!r}; choose one of next-sentence, sentence-order")
    if int(lengths.min()) < 3:
        raise ValueError(f"a row of {int(lengths.min())} tokens; [CLS] text [SEP] has at least 3")
    count = len(tokens)
    sizes = lengths - 2  # of the texts
    middles = 1 + (sizes + 1) // 2  # starts of the second halves
    broken = torch.rand(count, generator=generator) < 0.5
    shift = int(torch.randint(1, max(count, 2), (1,), generator=generator))
    rows, segments, answers = [], [], []
    for row in range(count):
        end, middle = int(lengths[row]) - 1, int(middles[row])
        first, second = tokens[row, 1:middle], tokens[row, middle:end]
        wrong = bool(broken[row]) and count > 1 if objective == "next-sentence" else broken[row]
        if wrong and objective == "next-sentence":
            other = (row + shift) % count
            second = tokens[other, int(middles[other]) : int(lengths[other]) - 1]
        elif wrong:
            first, second = second, first
        cls, sep = tokens[row, :1], tokens[row, end : end + 1]
        rows.append(torch.cat([cls, first, sep, second, sep]))
        segments.append(torch.arange(len(rows[-1]), device=tokens.device) >= len(first) + 2)
        answers.append(int(wrong))
    pad = torch.nn.utils.rnn.pad_sequence
    return SegmentPairs(
        pad(rows, batch_first=True),
        torch.tensor([len(row) for row in rows], device=tokens.device),
        pad(segments, batch_first=True).long(),
        torch.tensor(answers, device=tokens.device),
    )
