"""CTC: a label or a blank for each frame, without a decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from lit_models.language.decoding import Generated
from lit_models.layers.dropout import TextDropout
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.linear import Linear
from lit_models.layers.recurrent import Recurrent
from lit_models.sequences.model import LitTranscriber
from lit_models.sequences.prefix_beam import (
    best_path,
    frames_needed,
    log_probabilities,
    prefix_beam,
)

if TYPE_CHECKING:
    from datamodules.sequences.pairs import PairBatch


class CTCNet(nn.Module):
    """Letters → frames → BiLSTM → softmax at each frame. See `CTC`."""

    def __init__(
        self,
        vocab_size: int,
        num_symbols: int,
        embedding_dim: int,
        hidden_size: int,
        num_layers: int,
        upsampling: int,
        min_frames: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.upsampling, self.min_frames = upsampling, min_frames
        self.embedding = WordEmbedding(vocab_size, embedding_dim, 0.0, dropout)
        self.places = nn.Embedding(upsampling, embedding_dim)
        nn.init.normal_(self.places.weight, std=0.1)
        self.encoder = Recurrent(
            "lstm",
            embedding_dim,
            hidden_size,
            num_layers=num_layers,
            bidirectional=True,
            dropout=dropout,
        )
        self.dropout = TextDropout(dropout)
        self.output = Linear(self.encoder.output_size, num_symbols)

    def count_frames(self, lengths: Tensor) -> Tensor:
        """int64[B] number of frames of rows of int64[B] lengths."""
        return (self.upsampling * lengths).clamp(min=self.min_frames)

    def forward(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """float[B, F, P + 1] ln p of the symbols at each frame, and int64[B] numbers of frames."""
        counts = self.count_frames(lengths)
        frame = torch.arange(int(counts.max()), device=tokens.device)  # [F]
        parts = frame * lengths[:, None]  # [B, F] in units of 1 / counts of a letter
        letters = (parts // counts[:, None]).clamp(max=tokens.shape[1] - 1)
        places = parts % counts[:, None] * self.upsampling // counts[:, None]
        words = self.embedding(tokens.gather(1, letters)) + self.places(places)  # [B, F, E]
        states = self.dropout(self.encoder(words, counts))  # [B, F, 2H]
        logits = self.output(states)
        wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
        return wide.log_softmax(dim=2), counts


class CTC(LitTranscriber):
    """Graves et al. 2006, "Connectionist Temporal Classification".

    A BiLSTM reads the letters, each of them as several frames, and labels each frame with a symbol
    or a blank, independently of the other labels:
        p(π | x) = Π_f softmax_{π_f}(W [→h_f; ←h_f] + b);  p(y | x) = Σ p(π | x) over all paths π
        that become y when repeated labels are merged and blanks removed.
    S letters have F = max(r S, `min_frames`) frames, r the `upsampling`; the input of frame f, from
    0, is E[x_s] + U_k, with s = ⌊f S / F⌋ and k = ⌊r (f S / F - s)⌋.
    A string needs as many frames as it has symbols, and one more for each symbol equal to the one
    before it; training and validation refuse strings that need more than there are, as their
    probability is 0 and their loss infinite.
    Greedy search is the most probable path; its string, like those of the prefix beam, has its full
    ln p, the sum over all of its paths.
    Shapes: tokens [B, S] → frames [B, F, 64] → states [B, F, 512] → ln p [B, F, P + 1].
    At the default size 2,259,112 parameters: 32 × 64 embeddings of letters and 2 × 64 of places,
    659,456 + 1,576,960 in the two layers of the BiLSTM, 512 × 40 + 40 of the output.

    Args:
        embedding_dim: E, width of the vectors of letters.
        hidden_size: H, of each direction.
        num_layers: layers of the BiLSTM.
        upsampling: r, number of frames of a letter.
        min_frames: smallest number of frames of a text. The letters of short ones have more, for
            abbreviations such as "w".
        dropout: dropout of whole dimensions of a row on the vectors of letters, between the layers
            and before the softmax.
        **kwargs: arguments of `LitTranscriber`.

    Raises:
        ValueError: a setting outside its range.
    """

    net: CTCNet
    family: ClassVar[str] = "recurrent"

    def __init__(
        self,
        *,
        embedding_dim: int = 64,
        hidden_size: int = 256,
        num_layers: int = 2,
        upsampling: int = 2,
        min_frames: int = 16,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        sizes = {"num_layers": num_layers, "upsampling": upsampling, "min_frames": min_frames}
        for name, value in sizes.items():
            if value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1")
        super().__init__(**kwargs)
        self.net = CTCNet(
            self.vocab_size, self.num_symbols, embedding_dim, hidden_size, **sizes, dropout=dropout
        )

    def score(self, batch: PairBatch) -> Tensor:
        """float[B] ln p of the batch's targets.

        Raises:
            ValueError: a target needs more frames than its text has.
        """
        frames, counts = self.net(batch.tokens, batch.lengths)
        self._check_frames(batch, counts)
        return log_probabilities(frames, counts, batch.targets, batch.target_lengths)

    def _check_frames(self, batch: PairBatch, counts: Tensor) -> None:
        needed = frames_needed(batch.targets, batch.target_lengths)
        short = (needed > counts).nonzero().flatten().tolist()
        if short:
            row = short[0]
            needs, letters = int(needed[row]), int(batch.lengths[row])
            raise ValueError(
                f"row {int(batch.ids[row])} has {letters} letters, which are {int(counts[row])} "
                f"frames, and CTC needs {needs} for its {int(batch.target_lengths[row])} symbols; "
                f"set --model.min_frames {needs} or --model.upsampling {-(-needs // letters)}, or "
                "leave such rows out"
            )

    def decode(self, tokens: Tensor, lengths: Tensor, width: int) -> list[list[Generated]]:
        """See `transcribe`; all strings have their full ln p, by which they are put into order."""
        frames, counts = self.net(tokens, lengths)
        frames, counts = frames.double().cpu(), counts.cpu()
        texts = list[tuple[int, ...]]()
        rows = list[int]()  # of each of these texts
        for number, count in enumerate(counts.tolist()):
            row = frames[number, :count].numpy()
            strings = [best_path(row, self.longest)]
            if width > 1:
                strings += [string for string, _ in prefix_beam(row, width, self.longest)]
            different = dict.fromkeys(strings)
            texts += different
            rows += [number] * len(different)
        ranked: list[list[Generated]] = [[] for _ in counts]
        values = _full_log_probabilities(frames[rows], counts[rows], texts)
        for number, text, value in zip(rows, texts, values, strict=True):
            ranked[number].append(Generated(text, value, True))
        return [sorted(each, key=lambda one: -one.log_probability)[:width] for each in ranked]


def _full_log_probabilities(
    frames: Tensor, counts: Tensor, texts: list[tuple[int, ...]]
) -> list[float]:
    """ln p of a string for each row."""
    lengths = [len(text) for text in texts]
    symbols = torch.zeros(len(texts), max(1, *lengths), dtype=torch.int64)
    for line, text in zip(symbols, texts, strict=True):
        line[: len(text)] = torch.tensor(text)
    values: list[float] = log_probabilities(frames, counts, symbols, torch.tensor(lengths)).tolist()
    return values
