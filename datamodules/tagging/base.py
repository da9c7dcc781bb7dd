"""TaggedData: the base of corpora whose words have tags."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar
from zipfile import BadZipFile

import numpy as np

from datamodules.errors import DataError
from datamodules.store.batching import TextLoader, make_loader
from datamodules.store.cache import digest, locked, new_folder
from datamodules.store.mixed import BesideSampler
from datamodules.store.ragged import Ragged
from datamodules.subwords import SubwordTokenizer
from datamodules.tagging.batches import BesideTagDataset, TagDataset, count_words
from datamodules.text import TextDataModule
from datamodules.tokenizers import Tokenizer, WordTokenizer

PIECE = 256
"""Longest piece of a text in training, in tokens."""
VERSION = 1
"""Part of the cache key: raise it whenever the tags of the same text would be others."""


class TaggedData(TextDataModule):
    """Corpus whose words have tags.

    Training batches have pieces of texts: of consecutive words, at most `train_window` tokens (256
    if None). Evaluation has whole texts, whatever `max_length` is: every word has a tag.

    A subclass gives the tags of a text, and counts what a model tagged.

    Attributes:
        tag_names: names of tag 0, 1, …
        figures: names of what is counted, such as `comma`.
        averaged: number of the first of these whose F1 scores are averaged to the main figure.
    """

    problem: ClassVar[str | None] = "tagging"
    tag_names: tuple[str, ...]
    figures: tuple[str, ...]
    averaged: int

    @abstractmethod
    def tags_of(self, text: str) -> list[int]:
        """Tags of the words of a text, none for a text without words."""

    @abstractmethod
    def count(self, right: Ragged, written: Ragged) -> np.ndarray:
        """Count what is tagged right, what is tagged, and what there is, for each figure.

        Args:
            right: right tags of N texts.
            written: tags that a model gave to the same words.

        Returns:
            int64[N, len(figures), 3].
        """

    @property
    def num_classes(self) -> int:
        """0: a text has no class."""
        return 0

    def prepare_data(self) -> None:
        """Reads and tokenises the corpus, and numbers its tags, unless that is cached."""
        super().prepare_data()
        folder = self._tags_folder()
        if folder.exists():
            return
        with locked(folder):
            if folder.exists():
                return
            found = {}
            for split in self._tagged_splits():
                if (self.corpus_folder / f"{split}.parquet").exists():
                    rows = [self.tags_of(text) or [0] for text in self.texts(split)]
                    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
                    found[split] = offsets, np.concatenate([np.array(row) for row in rows])
            with new_folder(folder) as temporary:
                for split, (offsets, values) in found.items():
                    kind = np.min_scalar_type(len(self.tag_names))
                    arrays = {"offsets": offsets, "values": values.astype(kind)}
                    np.savez(temporary / f"{split}.npz", **arrays)  # type: ignore[arg-type]

    def setup(self, stage: str | None = None) -> None:
        """Opens the token store, and the tags of its words."""
        if self._store is not None:
            return
        super().setup(stage)
        encoder = self.encoder
        cap = encoder.token_truncation._replace(max_length=None)
        names = self.tag_names
        self._encoder = type(encoder)(encoder.tokenizer, cap, names)
        self.label_names, self._tags = names, dict[str, Ragged]()
        for file in sorted(self._tags_folder().glob("*.npz")):
            if file.stem in self.store.splits:
                self._tags[file.stem] = self._read_tags(file.stem)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """The batch as it is."""
        return batch

    def train_dataloader(self) -> TextLoader:
        """Shuffled batches of pieces of the training texts, `TagBatch`.

        With `unlabelled_batch_size` each also has so many pieces of texts without labels.
        """
        rows = self.train_indices()
        loader = self._batches("train", rows, self.batch_size, shuffle=True)
        if "unlabelled" not in self._tags:
            return loader
        every = np.arange(len(self._tags["unlabelled"]))
        others = self._batches("unlabelled", every, self.unlabelled_batch_size, shuffle=True)
        dataset: Any = BesideTagDataset(loader.dataset, others.dataset)  # type: ignore[arg-type]
        return TextLoader(dataset, sampler=BesideSampler(loader.sampler, others.sampler))  # type: ignore[arg-type]

    def token_notes(self) -> list[str]:
        """None: what they advise is no tokenizer of words with tags."""
        return []

    def tags(self, split: str) -> Ragged:
        """Right tags of all rows of a split."""
        return self._tags[split]

    def _loader(self, split: str, rows: np.ndarray, batch_size: int) -> TextLoader:
        return self._batches(split, rows, batch_size)

    def _batches(
        self, split: str, rows: np.ndarray, batch_size: int, shuffle: bool = False
    ) -> TextLoader:
        dataset = TagDataset(
            self.store.tokens(split),
            self._tags[split],
            rows,
            self.encoder.token_truncation,
            self.tokenizer.continued,
            (self.train_window or PIECE) if shuffle else None,
        )
        return make_loader(
            dataset, batch_size, split=split, shuffle=shuffle, seed=self.seed, **self._process()
        )

    def _tags_folder(self) -> Path:
        key = {"corpus": self.fingerprint, "tags": self.tag_names, "version": VERSION}
        return self.cache_dir / "tags" / digest(key | {"splits": self._tagged_splits()})

    def _tagged_splits(self) -> tuple[str, ...]:
        """Splits whose words have tags; `prepare_data` takes longer with texts without labels."""
        return ("train", "test", *(["unlabelled"] if self.unlabelled_batch_size else []))

    def _read_tags(self, split: str) -> Ragged:
        file = self._tags_folder() / f"{split}.npz"
        try:
            with np.load(file, allow_pickle=False) as arrays:
                tags = Ragged(arrays["values"], arrays["offsets"])
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise DataError(
                f"{file.parent} is damaged ({error}); delete it, and it is made anew"
            ) from error
        tokens, cap = self.store.tokens(split), self.encoder.token_truncation
        words = tokens.lengths
        if self.tokenizer.continued is not None:
            words = count_words(tokens, cap, self.tokenizer.continued)
        if not np.array_equal(words, tags.lengths):
            raise DataError(f"{file.parent} is of other words; delete it, and it is made anew")
        return tags


def check_unused(data: TextDataModule, *names: str) -> None:
    """Refuse settings that have no meaning for tags.

    Raises:
        DataError: one of them is set.
    """
    for name in names:
        if value := getattr(data, name):
            raise DataError(f"data.{name} is {value!r}, and a tagger has no use for it; leave it")


def tokenizer_of_words(
    given: Tokenizer, words: type[Tokenizer], pieces: type[SubwordTokenizer]
) -> Tokenizer:
    """Tokenizer of words, or of pieces of words, in place of the one of a corpus.

    Args:
        given: tokenizer of the corpus.
        words: takes the place of the default one.
        pieces: takes the place of that of a pretrained model.

    Raises:
        DataError: another tokenizer.
    """
    if isinstance(given, words | pieces):
        return given
    if isinstance(given, SubwordTokenizer):
        return pieces(given.source)
    if isinstance(given, WordTokenizer) and given.settings() == WordTokenizer().settings():
        return words()
    raise DataError(
        f"data.tokenizer is {type(given).__name__} with settings of its own, and a tagger reads "
        "whole words or the pieces of a pretrained model; leave it out, or name "
        "datamodules.subwords.SubwordTokenizer"
    )
