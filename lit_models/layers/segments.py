"""Two segments in a row, for the objectives that ask how one follows the other."""

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
        segments: int64[B, T], 0 up to the first `[SEP]`, 1 after it.
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
    """Cuts each row in two halves and, in half of the cases, breaks their succession.

    `next-sentence` (Devlin et al. 2019): the second half is that of another row. `sentence-order`
    (Lan et al. 2020): the halves change places, so that topic alone does not tell.

    Args:
        tokens: int64[B, T], rows `[CLS] text [SEP]`; a text of one token stays whole and alone.
        lengths: int64[B], at least 3.
        objective: which of the two.
        generator: of the choices.

    Returns:
        The pairs; a row is one token longer than before, but for a second half from elsewhere.

    Raises:
        ValueError: there is no such objective, or a row is too short to hold a text.
    """
    if objective not in ("next-sentence", "sentence-order"):
        raise ValueError(f"{objective!r} is no objective of pairs: next-sentence, sentence-order")
    if int(lengths.min()) < 3:
        raise ValueError(f"a row of {int(lengths.min())} tokens; [CLS] text [SEP] has at least 3")
    count = len(tokens)
    sizes = lengths - 2  # of the texts
    middles = 1 + (sizes + 1) // 2  # where the second half starts
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
