"""Small made streams and texts for tests of language models."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from datamodules.store.stream import StreamBatch

VOCAB = 30


def make_stream(rows: int, width: int, batches: int, seed: int = 0) -> list[StreamBatch]:
    """Batches of one stream, of which each continues the one before."""
    generator = torch.Generator().manual_seed(seed)
    symbols = torch.randint(0, VOCAB, (rows, width * batches + 1), generator=generator)
    symbols[:, 0] = 0
    lengths = torch.full((rows,), width)
    return [
        StreamBatch(
            symbols[:, start : start + width],
            symbols[:, start + 1 : start + width + 1],
            lengths,
            torch.full((rows,), start == 0),
        )
        for start in range(0, width * batches, width)
    ]


class StreamLoader:
    """Loader that resumes within an epoch, as Lightning asks of it."""

    def __init__(self, batches: list[StreamBatch]) -> None:
        self.batches, self.position = batches, 0

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[StreamBatch]:
        first = self.position % len(self.batches)
        for number in range(first, len(self.batches)):
            self.position = number + 1
            yield self.batches[number]

    def state_dict(self) -> dict[str, int]:
        return {"position": self.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.position = state["position"]
