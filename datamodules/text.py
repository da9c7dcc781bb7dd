"""TextDataModule: prepare_data → setup → loaders. A corpus subclasses it and says how to read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, get_args

import lightning as L
import numpy as np

from datamodules.errors import DataError
from datamodules.splits import nested_subset
from datamodules.store.batching import TextBatch, TextLoader, TokenDataset
from datamodules.store.cache import default_cache_dir, digest, locked
from datamodules.store.corpus import Corpus, read_fingerprint, read_texts
from datamodules.store.encoder import Encoder
from datamodules.store.ragged import Ragged, concat_ragged, drop_token
from datamodules.store.sampler import BucketSampler
from datamodules.store.token_store import FORMAT, TokenStore
from datamodules.store.train_view import TrainView
from datamodules.store.truncation import TokenTruncation, Truncation
from datamodules.store.windows import random_windows
from datamodules.tokenizers import Tokenizer, WordTokenizer
from datamodules.vectors.base import Vectors, WordVectors


class TextDataModule(L.LightningDataModule, ABC):
    """Any text corpus as length-bucketed batches of tokens.

    `prepare_data` reads the corpus once (into `cache_dir/corpora`) and tokenises it once (into
    `cache_dir/stores`), under a lock; `setup` opens the store; the loaders slice batches from it.

    Args:
        tokenizer: splits texts into tokens; None means `WordTokenizer()`.
        vectors: how word vectors are learnt from the rows that are learnt from (and from those
            without labels, where it says so), whole and uncut, before a model takes or starts from
            them; None: there are none.
        vocab_size: cap on the vocabulary, specials included; rarer words become `<unk>`. None: all.
        min_frequency: words seen less often in train become `<unk>`.
        max_length: longest row in tokens. None: no limit.
        truncation: which part of a longer row stays.
        train_window: in training, show a random stretch of this many words of each longer row,
            another one each time; None shows the whole. What is predicted is always read whole.
        batch_size: rows per optimiser step, over all devices.
        eval_batch_size: rows per batch in validation, test and prediction, over all devices.
        train_limit: learn from this many rows at most, each class in its share: vocabulary and word
            vectors are theirs, too, a smaller limit takes a part of the rows of a larger one, and
            validation stays as it is. None: all.
        refit: learn from the validation rows too (second fit of protocol `refit`).
        seed: seed of the order in which batches come.
        cache_dir: folder for downloads, corpora and token stores; None means
            `$LIT_SENTIMENT_CACHE`, else `lit-sentiment` in the user's cache folder.
    """

    label_names: tuple[str, ...]
    official_test: ClassVar[bool] = False
    """Whether `test` is a published benchmark's own: every evaluation on it is then logged."""
    exclude: str | None = None
    """Which reviews a corpus keeps out of all that is learnt; the row tells."""

    def __init__(
        self,
        *,
        tokenizer: Tokenizer | None = None,
        vectors: Vectors | None = None,
        vocab_size: int | None = 30_000,
        min_frequency: int = 1,
        max_length: int | None = 400,
        truncation: Truncation = "head",
        train_window: int | None = None,
        batch_size: int = 32,
        eval_batch_size: int = 128,
        train_limit: int | None = None,
        refit: bool = False,
        seed: int = 0,
        cache_dir: str | None = None,
    ) -> None:
        super().__init__()
        rules = {
            "vocab_size": (vocab_size, 2),
            "min_frequency": (min_frequency, 1),
            "max_length": (max_length, 1),
            "train_window": (train_window, 1),
            "batch_size": (batch_size, 1),
            "eval_batch_size": (eval_batch_size, 1),
            "train_limit": (train_limit, 2),
            "seed": (seed, 0),
        }
        for name, (value, least) in rules.items():
            if value is not None and value < least:
                raise DataError(f"data.{name} is {value}; it must be at least {least}")
        if truncation not in get_args(Truncation):
            raise DataError(f"data.truncation is {truncation!r}; choose of {get_args(Truncation)}")
        self.tokenizer, self.vectors = tokenizer or WordTokenizer(), vectors
        if not self.tokenizer.learns and (vocab_size is not None or min_frequency > 1):
            raise DataError(
                f"data.vocab_size is {vocab_size} and data.min_frequency {min_frequency}, and "
                f"{type(self.tokenizer).__name__} brings a vocabulary of its own, of which none "
                "can be left out; set --data.vocab_size null and --data.min_frequency 1"
            )
        self.vocab_size, self.min_frequency = vocab_size, min_frequency
        self.max_length, self.truncation = max_length, truncation
        self.train_window = train_window
        self.batch_size, self.eval_batch_size = batch_size, eval_batch_size
        self.train_limit, self.refit, self.seed = train_limit, refit, seed
        self.cache_dir = Path(cache_dir) if cache_dir else default_cache_dir()
        self._store: TokenStore | None = None
        self._encoder: Encoder | None = None

    # What a corpus says of itself

    @abstractmethod
    def source(self) -> dict[str, Any]:
        """What identifies the source without reading it whole: paths, sizes, times, settings."""

    @abstractmethod
    def read(self) -> Corpus:
        """Reads, checks and splits the corpus.

        Raises:
            DataError: the source is missing or not as it must be.
        """

    @property
    def num_classes(self) -> int:
        """Number of labels."""
        return len(self.label_names)

    # Lightning's hooks

    def prepare_data(self) -> None:
        """Reads and tokenises what is not cached yet; the second of two processes waits."""
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
                    corpus = corpus or Corpus.load(folder)
                    parts = corpus.train_rows, corpus.val_rows
                    learn_from = self._learnt(corpus.train.labels, *parts)
                    TokenStore.write(store, corpus, self.tokenizer, learn_from)

    def setup(self, stage: str | None = None) -> None:
        """Opens the token store and the tokenizer learnt with it."""
        if self._store is not None:
            return
        store = TokenStore.open(self._store_folder())
        self.tokenizer.load(store.tokenizer_file)
        self.label_names = tuple(store.meta["label_names"])
        kind = self.tokenizer
        specials = kind.prefix + kind.suffix
        if self.max_length is not None and self.max_length <= specials:
            raise DataError(
                f"data.max_length is {self.max_length}, and each row has {specials} special "
                f"tokens; it must be at least {specials + 1}"
            )
        ids = kind.pad_id, kind.unk_id, kind.prefix, kind.suffix
        cut = TokenTruncation(self._cap(store), self.max_length, self.truncation, *ids)
        self._encoder = Encoder(self.tokenizer, cut, self.label_names)
        self._store = store

    def train_dataloader(self) -> TextLoader:
        """Shuffled batches of the rows that are learnt from."""
        return self._loader("train", self.train_indices(), self.batch_size, shuffle=True)

    def val_dataloader(self) -> TextLoader | list[TextLoader]:
        """The validation rows; none under `refit`, where they are learnt from."""
        return [] if self.refit else self.loader("val")

    def on_after_batch_transfer(self, batch: TextBatch, dataloader_idx: int) -> TextBatch:
        """Cuts training batches to `train_window`."""
        if self.train_window is None or not self.trainer.training:  # type: ignore[union-attr]
            return batch
        kept = self.tokenizer.prefix, self.tokenizer.suffix
        tokens, lengths = random_windows(batch.tokens, batch.lengths, self.train_window, *kept)
        return batch._replace(tokens=tokens, lengths=lengths)

    def test_dataloader(self) -> TextLoader:
        """The test rows."""
        return self.loader("test")

    # What the experiments ask for

    def loader(self, part: str) -> TextLoader:
        """Every row of `val` or `test` once, in an order of lengths; `ids` tell which is which."""
        if part == "val":
            return self._loader("train", self.store.rows("val"), self.eval_batch_size)
        if part not in self.store.splits:
            raise DataError(f"this corpus has no split {part!r}; it has {self.store.splits}")
        rows = np.arange(len(self.store.labels(part)))
        return self._loader(part, rows, self.eval_batch_size)

    def train_view(self) -> TrainView:
        """The train side, for `LitClassifier.prepare`."""
        rows, store, cut = self.train_indices(), self.store, self.encoder.cut
        unlabelled: Ragged | None = None
        if "unlabelled" in store.splits:
            every = store.tokens("unlabelled")
            unlabelled = cut.ragged(every, np.arange(len(every)))
        vocabulary = self.tokenizer.vocabulary()[: cut.vocab_size]
        tokens = cut.ragged(store.tokens("train"), rows)
        vectors, covered = self.word_vectors(), None
        if vectors is not None:
            counts = np.bincount(tokens.values, minlength=len(vocabulary))
            covered = vectors.covered(counts, (cut.pad_id, cut.unk_id))
        return TrainView(
            vocabulary=vocabulary,
            tokens=tokens,
            labels=store.labels("train")[rows],
            unlabelled=unlabelled,
            num_classes=self.num_classes,
            pad_id=cut.pad_id,
            unk_id=cut.unk_id,
            sentence_ends=tuple(e for e in self.tokenizer.sentence_ends() if e < len(vocabulary)),
            vectors=None if vectors is None else vectors.matrix(len(vocabulary)),
            vectors_seconds=0.0 if vectors is None else vectors.seconds,
            vectors_covered=covered,
            max_length=cut.max_length,
            prefix=cut.prefix,
            suffix=cut.suffix,
        )

    def train_indices(self) -> np.ndarray:
        """int64 rows of train that are learnt from, ascending."""
        store = self.store
        return self._learnt(store.labels("train"), store.rows("train"), store.rows("val"))

    def word_vectors(self) -> WordVectors | None:
        """Vectors of the words of the rows that are learnt from; None where none are asked for.

        Raises:
            DataError: no word is frequent enough, or what is kept of them cannot be read.
        """
        if self.vectors is None:
            return None
        store, cut, part = self.store, self.encoder.cut, self.vectors.part(self.store.splits)
        whole = cut._replace(vocab_size=None, max_length=None)
        texts = whole.ragged(store.tokens("train"), self.train_indices())
        if part == "train+unlabelled":
            # Their other words are in no vocabulary: left out, as gensim leaves out rare ones.
            texts = concat_ragged(texts, drop_token(store.tokens("unlabelled"), cut.unk_id))
        source = {"store": self._store_folder().name, "part": part}
        vocabulary = self.tokenizer.vocabulary()
        return self.vectors.of(self.cache_dir / "vectors", source, texts, vocabulary, self.seed)

    def texts(self, split: str) -> list[str]:
        """The raw texts of `train`, `test` or `unlabelled`, by id."""
        return read_texts(self.corpus_folder, split)

    @property
    def store(self) -> TokenStore:
        """The opened token store."""
        if self._store is None:
            raise RuntimeError("call prepare_data() and setup() first")
        return self._store

    @property
    def encoder(self) -> Encoder:
        """Turns new texts into batches, cut as the corpus is."""
        if self._encoder is None:
            raise RuntimeError("call prepare_data() and setup() first")
        return self._encoder

    @property
    def fingerprint(self) -> str:
        """The corpus fingerprint; known once the corpus is prepared."""
        if not self.corpus_folder.exists():
            raise RuntimeError("call prepare_data() first")
        return read_fingerprint(self.corpus_folder)

    @property
    def corpus_folder(self) -> Path:
        """Where this corpus lies in the cache."""
        return self.cache_dir / "corpora" / digest(self.source())

    # Inside

    def _store_folder(self) -> Path:
        key = {"corpus": self.fingerprint, "tokenizer": self.tokenizer.settings(), "format": FORMAT}
        key["learnt_from"] = "train and val" if self.refit else "train"
        if self.train_limit is not None:
            key["train_limit"] = self.train_limit
        return self.cache_dir / "stores" / digest(key)

    def _cap(self, store: TokenStore) -> int | None:
        if self.min_frequency == 1:
            return self.vocab_size
        counts = store.counts()[2:]
        frequent = int((counts >= self.min_frequency).sum()) + 2
        if frequent == 2:
            raise DataError(
                f"data.min_frequency {self.min_frequency} leaves no word of {len(counts):,}: the "
                f"most frequent stands {counts.max(initial=0):,} times in train; lower it"
            )
        return frequent if self.vocab_size is None else min(frequent, self.vocab_size)

    def _learnt(self, labels: np.ndarray, train: np.ndarray, val: np.ndarray) -> np.ndarray:
        rows = np.union1d(train, val) if self.refit else train
        if self.train_limit is None:
            return rows
        chosen = nested_subset(labels, rows, self.train_limit)
        if len(np.unique(labels[chosen])) < self.num_classes:
            raise DataError(
                f"data.train_limit is {self.train_limit}, which leaves no row of some of the "
                f"{self.num_classes} classes; give more"
            )
        return chosen

    def _loader(
        self, split: str, rows: np.ndarray, batch_size: int, shuffle: bool = False
    ) -> TextLoader:
        store, cut = self.store, self.encoder.cut
        dataset = TokenDataset(store.tokens(split), store.labels(split), rows, cut)
        rank, world = 0, 1
        if self.trainer is not None:
            rank, world = self.trainer.global_rank, self.trainer.world_size
        if shuffle and batch_size % world:
            raise DataError(
                f"data.batch_size is {batch_size}, over all devices, and {world} processes cannot "
                f"share it equally; choose a multiple of {world}"
            )
        if not shuffle:  # there the size of a batch decides nothing
            batch_size = max(1, batch_size // world) * world
        if len(rows) < world:
            raise DataError(f"{len(rows)} rows of {split} cannot be shared by {world} processes")
        sampler = BucketSampler(
            dataset.lengths, batch_size, shuffle=shuffle, seed=self.seed, rank=rank, world=world
        )
        return TextLoader(dataset, sampler=sampler)
