"""Strings that a finished transcription run writes for texts, such as the phones of words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from datamodules.errors import DataError
from experiments.config.registry import ConfigError
from experiments.inference.loaded_run import reason_of
from experiments.inference.predictor import load_model
from experiments.language.alignment import END, Alignment
from lit_models.seq2seq_attention import Seq2SeqAttention
from lit_models.sequences.model import LitTranscriber


class Written(NamedTuple):
    """A string for a text.

    Attributes:
        text: the text.
        symbols: names of the symbols that were written.
        log_probability: ln p of them, in nats.
    """

    text: str
    symbols: tuple[str, ...]
    log_probability: float


class Transcriber:
    """A finished run that writes strings.

    Args:
        folder: A run folder, such as `runs/fit/seq2seq/seed-0`.
        device: Device to compute on.

    Raises:
        ConfigError: The folder is not a finished run of a transcription model.
        ResultsError, DataError, Untrusted: See `load_model`.
    """

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        _, model, self.encoder = load_model(folder, device)
        if not isinstance(model, LitTranscriber):
            raise ConfigError(
                f"{folder}: {type(model).__name__} is a model of {model.problem} and writes no "
                "strings; name a run of seq2seq, seq2seq_attention, transformer_seq2seq or ctc"
            )
        self.model, self.names = model, self.encoder.label_names
        if len(self.names) + 1 != model.num_symbols:
            raise ConfigError(
                f"{folder}: its model writes {model.num_symbols - 1} symbols and its encoder names "
                f"{len(self.names)}; they come from different runs: fit it again"
            )

    def __call__(self, texts: Sequence[str], width: int = 1, best: int = 1) -> Iterator[Written]:
        """Write the `best` most probable strings that a beam finds, for one text after the other.

        Args:
            texts: Texts; none may be blank or have a letter that training never saw.
            width: Width of the beam; 1 is greedy search.
            best: Number of strings for each text, at most `width`.

        Raises:
            ConfigError: A width below `best`, or below 1.
            DataError: A text that cannot be read.
        """
        if not 1 <= best <= width:
            raise ConfigError(f"--best is {best} and --beam {width}; choose 1 ≤ best ≤ beam")
        for text in texts:
            tokens, lengths = self._read(text)
            with torch.inference_mode():
                [found] = self.model.transcribe(tokens, lengths, width)
            for one in found[:best]:
                names = tuple(self.names[symbol - 1] for symbol in one.symbols)
                yield Written(text, names, one.log_probability)

    def looking(self) -> Seq2SeqAttention:
        """The model, if it looks back at the letters while it writes.

        Raises:
            ConfigError: It does not.
        """
        if not isinstance(self.model, Seq2SeqAttention):
            raise ConfigError(
                f"{type(self.model).__name__} has no alignment of letters and symbols to draw; "
                "name a run of seq2seq_attention"
            )
        return self.model

    def align(self, written: Written) -> Alignment:
        """Where the model looked at each symbol that it wrote, the end included.

        Args:
            written: As `__call__` gives it.

        Raises:
            ConfigError: The model does not look back at the letters.
            DataError: See `__call__`.
        """
        model = self.looking()
        tokens, lengths = self._read(written.text)
        symbols = [self.names.index(name) + 1 for name in written.symbols]
        [weights] = model.alignments(
            tokens, lengths, torch.tensor([[*symbols, 0]], device=tokens.device)
        )
        vocabulary = self.encoder.tokenizer.vocabulary()
        letters = tuple(vocabulary[token] for token in tokens[0].tolist())
        return Alignment(letters, (*written.symbols, END), weights.double().cpu().numpy())

    def _read(self, text: str) -> tuple[Tensor, Tensor]:
        """int64[1, S] letters of a text, and int64[1], how many there are."""
        if (reason := reason_of(text)) is not None:
            raise DataError(f"{text!r} is {reason}; give a word")
        known = set(self.encoder.tokenizer.vocabulary())
        if unknown := sorted(set(text.strip().lower()) - known):
            letters = " ".join(map(repr, unknown))
            raise DataError(
                f"{text!r} has letters that training never saw: {letters}; spell it with others"
            )
        batch = self.encoder.encode([text])
        return batch.tokens.to(self.model.device), batch.lengths.to(self.model.device)
