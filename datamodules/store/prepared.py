"""PreparedCorpus: a corpus read and tokenised once, in the cache."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np

from datamodules.folds import fold_corpus
from datamodules.splits import limited_rows
from datamodules.store.cache import digest, locked
from datamodules.store.corpus import Corpus, CorpusHead, read_groups, read_head, read_texts
from datamodules.store.token_store import FORMAT, TokenStore
from datamodules.tagging.marks import TAGS
from datamodules.tokenizers import Tokenizer


class PreparedCorpus(L.LightningDataModule, ABC):
    """Part of a `TextDataModule` that reads the corpus and tokenises it, or finds both cached."""

    tokenizer: Tokenizer
    label_names: tuple[str, ...]
    train_limit: int | None
    refit: bool
    fold: tuple[int, int] | None
    cache_dir: Path
    multi_label: bool = False  # a text has any number of labels, none included
    tag_names: tuple[str, ...] = TAGS  # of words; of a corpus without tags its marks and capitals
    unmarked_tags: tuple[int, ...] = ()  # of words without a mark, where tags are marks
    num_symbols: int = 0  # of what is to be written for a text, the end included; 0: nothing is
    split_seed: int = 0  # random seed of the draw of validation rows and of folds

    @abstractmethod
    def source(self) -> dict[str, Any]:
        """Identity of the source without reading it whole: paths, sizes, times, settings."""

    @abstractmethod
    def read(self) -> Corpus:
        """Reads, checks and splits the corpus.

        Raises:
            DataError: the source is missing, damaged or malformed.
        """

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.label_names)

    @property
    def num_tags(self) -> int:
        """Number of tags of a word."""
        return len(self.tag_names)

    def prepare_data(self) -> None:
        """Reads and tokenises the corpus unless it is cached; a second process waits."""
        folder, corpus = self.corpus_folder, None
        if not folder.exists():
            with locked(folder):
                if not folder.exists():  # a process before us may have made it
                    corpus = self.read()
                    corpus.save(folder)
        store = self._store_folder()
        if not store.exists():
            with locked(store):
                if not store.exists():
                    corpus = corpus or Corpus.load(folder, on_disk=True)
                    if self.fold is not None:
                        corpus = fold_corpus(corpus, self.fold, self.split_seed)
                    labels, val_rows = corpus.train.labels, corpus.val_rows
                    fit_rows = self._training_rows(labels, corpus.train_rows, val_rows)
                    TokenStore.write(store, corpus, self.tokenizer, fit_rows)

    def texts(self, split: str) -> Sequence[str]:
        """Raw texts of `train`, `test` or `unlabelled`, by id, read as they are asked for."""
        return read_texts(self.corpus_folder, split)

    def groups(self, split: str) -> np.ndarray | None:
        """Group (movie) of each row of a split, by id; None: each row is a group of its own."""
        return read_groups(self.corpus_folder, split)

    @property
    def head(self) -> CorpusHead:
        """Name, notes and fingerprint of this corpus; known once it is prepared.

        Corpora of equal content share a token store, which has no name of its own.
        """
        if not self.corpus_folder.exists():
            raise RuntimeError("call prepare_data() first")
        return read_head(self.corpus_folder)

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the corpus; known once it is prepared."""
        return self.head.fingerprint

    @property
    def corpus_folder(self) -> Path:
        """Folder of this corpus in the cache."""
        return self.cache_dir / "corpora" / digest(self.source())

    def _store_folder(self) -> Path:
        # Another name in this key would tokenise every cached corpus anew.
        key = {"corpus": self.fingerprint, "tokenizer": self.tokenizer.settings(), "format": FORMAT}
        key["learnt_from"] = "train and val" if self.refit else "train"
        later = {"train_limit": self.train_limit, "fold": self.fold}
        key |= {name: value for name, value in later.items() if value is not None}
        return self.cache_dir / "stores" / digest(key)

    def _training_rows(self, labels: np.ndarray, train: np.ndarray, val: np.ndarray) -> np.ndarray:
        rows = np.union1d(train, val) if self.refit else train
        return limited_rows(labels, rows, self.train_limit, self.num_classes)
