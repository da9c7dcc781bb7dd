"""Tags that a finished run gives to the words of texts: marks and capitals, or a corpus's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import torch

from datamodules.console import escaped
from datamodules.errors import DataError
from datamodules.tagging.marks import restore
from datamodules.tagging.tokenizers import RestoresMarks, SplitsWords
from experiments.config.registry import ConfigError
from experiments.inference.loaded_run import reason_of
from experiments.inference.predictor import load_model
from lit_models.bilstm_crf import BiLSTMCRF
from lit_models.tagging.model import LitTagger

MOST_WORDS = 4096
"""Words that are read at once; a longer text is tagged in pieces."""
_BATCH = 32


class TaggedText(NamedTuple):
    """A text with the tags that a model gave to its words.

    Attributes:
        words: its words, in lower case where marks and capitals are put back.
        tags: numbers of their tags.
    """

    words: tuple[str, ...]
    tags: tuple[int, ...]


class Tagger:
    """A finished run that tags words.

    Args:
        folder: A run folder, such as `runs/fit/bilstm_crf/seed-0`.
        device: Device to compute on.

    Attributes:
        names: Names of the tags.

    Raises:
        ConfigError: The folder is not a finished run of a tagger.
        ResultsError, DataError, Untrusted: See `load_model`.
    """

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        self.folder = folder
        _, model, self.encoder = load_model(folder, device)
        if not isinstance(model, LitTagger):
            raise ConfigError(
                f"{folder}: {type(model).__name__} is a model of {model.problem} and tags no "
                "words; name a run of bilstm_tagger, bilstm_crf or minilm_tagger"
            )
        self.model, self.names = model, self.encoder.label_names
        tokenizer = self.encoder.tokenizer
        if len(self.names) != model.num_tags or not isinstance(tokenizer, SplitsWords):
            raise ConfigError(
                f"{folder}: its model has {model.num_tags} tags and its encoder, a "
                f"{type(tokenizer).__name__}, names {len(self.names)}; they come from different "
                "runs: fit it again"
            )
        self.restores = isinstance(tokenizer, RestoresMarks)
        self._split = tokenizer.words

    def __call__(self, texts: Iterable[str]) -> Iterator[TaggedText]:
        """Tag one text after the other; one without words has none.

        Raises:
            DataError: A text that is not valid Unicode.
        """
        texts = iter(texts)
        while chunk := [self._words(text) for text in islice(texts, _BATCH)]:
            pieces = [
                words[start : start + MOST_WORDS]
                for words in chunk
                for start in range(0, len(words), MOST_WORDS)
            ]
            tags = iter(self._tag(pieces))
            for words in chunk:
                yield TaggedText(tuple(words), tuple(next(tags) for _ in words))

    def lines(self, text: TaggedText) -> Iterator[str]:
        """Yield the text with marks and capitals; or a word and its tag a line, and a blank one."""
        if self.restores:
            yield restore(text.words, text.tags)
            return
        for word, tag in zip(text.words, text.tags, strict=True):
            yield f"{escaped(word)}\t{escaped(self.names[tag])}"
        yield ""

    def transitions(self) -> Iterator[str]:
        """Yield the lines of the table of transitions of a run of `bilstm_crf`.

        Raises:
            ConfigError: A run of another model.
        """
        if not isinstance(self.model, BiLSTMCRF):
            raise ConfigError(
                f"{self.folder}: {type(self.model).__name__} has no table of transitions; name a "
                "run of bilstm_crf"
            )
        crf, names = self.model.crf, [escaped(name) for name in self.names]
        rows = {"(start)": crf.starts.tolist()}
        rows |= {name: row.tolist() for name, row in zip(names, crf.transitions, strict=True)}
        ends = ["", *(f"{value:.2f}" for value in crf.ends.tolist())]
        yield "\t".join(["from / to", *names, "(end)"])
        for (name, row), end in zip(rows.items(), ends, strict=True):
            yield "\t".join([name, *(f"{value:.2f}" for value in row), end])

    def _words(self, text: str) -> list[str]:
        if text and (reason := reason_of(text)) not in (None, "blank text"):
            raise DataError(f"{text!r} is {reason}; give a text")
        return self._split(text if self.restores else "\n".join(text.split()))

    def _tag(self, pieces: list[list[str]]) -> list[int]:
        """Tags of the words of pieces, one after the other."""
        if not pieces:
            return []
        joint = " " if self.restores else "\n"
        batch = self.encoder.encode([joint.join(words) for words in pieces])
        with torch.inference_mode():
            found = self.model.predict_step(
                self.model.transfer_batch_to_device(batch, self.model.device, 0)
            )
        tags: list[int] = found.tags.tolist()
        return tags
