"""TextDataModule: the base of every corpus, with Lightning's hooks and the loaders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from datamodules.errors import DataError
from datamodules.named_tokenizers import TokenizerName, make_tokenizer
from datamodules.store.batching import TextBatch, TextLoader, TokenDataset, make_loader
from datamodules.store.cache import default_cache_dir
from datamodules.store.checks import check_settings
from datamodules.store.encoder import Encoder
from datamodules.store.mixed import training_loader
from datamodules.store.prepared import PreparedCorpus
from datamodules.store.soft_labels import SoftLabels, read_soft_labels
from datamodules.store.token_notes import MOST_OUTSIDE, outside_share, token_notes
from datamodules.store.token_store import TokenStore
from datamodules.store.train_view import TrainView
from datamodules.store.truncation import TokenTruncation, Truncation
from datamodules.store.windows import random_windows
from datamodules.tokenizers import Tokenizer
from datamodules.vectors.base import Vectors, WordVectors, vectors_of_rows


class TextDataModule(PreparedCorpus):
    """Text corpus as batches of tokens, rows of similar length together.

    `prepare_data` reads the corpus once (into `cache_dir/corpora`) and tokenises it once (into
    `cache_dir/stores`), under a lock; `setup` opens the store; the loaders read batches from it.

    A subclass defines `label_names`, `source` and `read`.

    Args:
        tokenizer: splits texts into tokens: `words` (None is the same), `unicode`, `subwords`,
            `characters`, `bytes` (`datamodules.named_tokenizers`), or a tokenizer.
        vectors: word vectors for the model, trained on the untruncated training rows, or read from
            a file. None: none.
        vocab_size: cap on the vocabulary, specials included; rarer words become `<unk>`. None: no
            cap.
        min_frequency: words with a lower count in the training rows become `<unk>`.
        max_length: longest row in tokens. None: no limit.
        truncation: part of a longer row that remains.
        train_window: longest row in training batches: a random window of a longer one, drawn anew
            in each epoch. Evaluation uses whole rows. None: training does too.
        batch_size: rows per optimiser step, over all devices.
        eval_batch_size: rows per batch in validation, test and prediction, over all devices.
        unlabelled_batch_size: texts without labels beside the rows of each training batch, over all
            devices, where the corpus has any; for `model.virtual_adversarial` and `model.entropy`,
            and for taggers, whose tags these texts have, too.
        teacher: file of `lit-sentiment teach`, whose texts with soft labels are training rows too.
            None: none.
        train_limit: largest number of training rows, drawn in proportion to the classes; the
            vocabulary and word vectors are those of these rows. The rows of a smaller limit are
            among those of a larger one; validation does not change. None: no limit.
        refit: train on the validation rows too (second fit of protocol `refit`).
        fold: number of a fold of the train split, from 0, and number of folds: validation is this
            fold, training the others, and test is left out. None: validation as the corpus has it.
        seed: random seed of the order of batches.
        cache_dir: folder of downloads, corpora and token stores. None: `$LIT_SENTIMENT_CACHE`, else
            `lit-sentiment` in the user's cache folder.
    """

    label_names: tuple[str, ...]
    official_test: bool = False
    """True where `test` is that of a published benchmark: every evaluation on it is then logged."""
    problem: ClassVar[str | None] = None
    """Kind of problem that its rows are made for; None: texts, for any that reads texts."""
    task: str | None = None
    """Name and version of the evaluation, raised with splits or metrics; None: a user's own."""
    paths: ClassVar[tuple[str, ...]] = ("cache_dir", "teacher")
    """Settings that name files or folders; a run keeps them absolute."""
    test_remedy: ClassVar[str] = ""  # where a corpus has no test rows
    holds_out: bool = False  # test rows are some of those that another problem would learn from
    reads_unlabelled: bool = False  # any model learns from texts without labels
    soft_cap: bool = False  # `vocab_size` gives way where it makes too many characters unknown
    exclude: str | None = None  # name of reviews excluded from training and validation

    def __init__(
        self,
        *,
        tokenizer: TokenizerName | Tokenizer | None = None,
        vectors: Vectors | None = None,
        vocab_size: int | None = 30_000,
        min_frequency: int = 1,
        max_length: int | None = 400,
        truncation: Truncation = "head",
        train_window: int | None = None,
        batch_size: int = 32,
        eval_batch_size: int = 128,
        unlabelled_batch_size: int = 0,
        teacher: str | None = None,
        train_limit: int | None = None,
        refit: bool = False,
        fold: tuple[int, int] | None = None,
        seed: int = 0,
        cache_dir: str | None = None,
    ) -> None:
        super().__init__()
        self.tokenizer, self.vectors = make_tokenizer(tokenizer), vectors
        self.vocab_size, self.min_frequency = vocab_size, min_frequency
        self.max_length, self.truncation, self.train_window = max_length, truncation, train_window
        self.batch_size, self.eval_batch_size = batch_size, eval_batch_size
        self.unlabelled_batch_size, self.teacher = unlabelled_batch_size, teacher
        self.train_limit, self.refit, self.fold, self.seed = train_limit, refit, fold, seed
        self.cache_dir = Path(cache_dir) if cache_dir else default_cache_dir()
        check_settings(self)
        self._store: TokenStore | None = None
        self._encoder: Encoder | None = None

    # Lightning's hooks

    def setup(self, stage: str | None = None) -> None:
        """Opens the token store and the tokenizer fitted for it."""
        if self._store is not None:
            return
        store = TokenStore.open(self._store_folder())
        self.tokenizer.load(store.tokenizer_file)
        self.label_names = tuple(store.meta["label_names"])
        vocab_size = store.vocab_size(self.vocab_size, self.min_frequency)
        if self.soft_cap and outside_share(store, self.tokenizer, vocab_size) > MOST_OUTSIDE:
            vocab_size = None
        token_truncation = TokenTruncation.for_tokenizer(
            self.tokenizer, vocab_size, self.max_length, self.truncation
        )
        self._encoder = Encoder(self.tokenizer, token_truncation, self.label_names)
        self._store = store

    def train_dataloader(self) -> TextLoader:
        """Shuffled batches of the training rows, and rows without labels beside them if so set."""
        soft, beside = self.soft_labels(), None
        if self.unlabelled_batch_size and "unlabelled" in self.store.splits:
            beside = self._dataset("unlabelled", np.arange(len(self.store.labels("unlabelled"))))
        return training_loader(
            self._dataset("train", self.train_indices()),
            (self._dataset("unlabelled", soft.ids), soft.probabilities) if soft else None,
            beside,
            (self.batch_size, self.unlabelled_batch_size),
            seed=self.seed,
            **self._process(),
        )

    def val_dataloader(self) -> TextLoader | list[TextLoader]:
        """Batches of the validation rows; none under `refit`, where they are training rows."""
        return [] if self.refit else self.loader("val")

    def on_after_batch_transfer(self, batch: TextBatch, dataloader_idx: int) -> TextBatch:
        """Truncates training batches to windows of `train_window` tokens."""
        if self.train_window is None or not self.trainer.training:  # type: ignore[union-attr]
            return batch
        specials = self.tokenizer.prefix, self.tokenizer.suffix
        tokens, lengths = random_windows(batch.tokens, batch.lengths, self.train_window, *specials)
        return batch._replace(tokens=tokens, lengths=lengths)

    def test_dataloader(self) -> TextLoader:
        """Batches of the test rows."""
        return self.loader("test")

    def predict_dataloader(self) -> TextLoader:
        """Batches of the test rows; of the validation rows where the corpus has no test."""
        return self.loader("test" if "test" in self.store.splits else "val")

    def loader(self, part: str) -> TextLoader:
        """Batches of `val`, or of a split other than train, longest rows first.

        Raises:
            DataError: the corpus has no such split.
        """
        if part == "val":
            return self._loader("train", self.store.rows("val"), self.eval_batch_size)
        if part not in self.store.splits:
            remedy = f"; {self.test_remedy}" if part == "test" and self.test_remedy else ""
            there = f"it has {self.store.splits}{remedy}"
            raise DataError(f"this corpus has no split {part!r}; {there}")
        rows = np.arange(len(self.store.labels(part)))
        return self._loader(part, rows, self.eval_batch_size)

    def train_view(self) -> TrainView:
        """Training side, for `LitClassifier.prepare`."""
        vectors, soft = self.word_vectors(), self.soft_labels()
        rows, stars = self.train_indices(), self.stars("train")
        view = TrainView.build(self.store, self.encoder, rows, vectors)
        view = replace(view, stars=None if stars is None else stars[rows])
        return view if soft is None else view.with_soft_labels(soft.ids, soft.probabilities)

    def stars(self, split: str) -> np.ndarray | None:
        """int64[N] ratings of a split's rows, 1 to 10 stars; None: the corpus has none."""
        return None

    def soft_labels(self) -> SoftLabels | None:
        """Soft labels of some unlabelled texts; None where no teacher is set.

        Raises:
            Unavailable: the teacher's file does not exist.
            DataError: it is damaged, or made for another corpus or for a run with more labels.
        """
        if self.teacher is None:
            return None
        texts = len(self.store.labels("unlabelled")) if "unlabelled" in self.store.splits else 0
        soft, labelled = (
            read_soft_labels(Path(self.teacher).expanduser(), texts),
            len(self.train_indices()),
        )
        soft.check(self.fingerprint, tuple(self.label_names), labelled, texts)
        return soft

    def train_indices(self) -> np.ndarray:
        """Numbers of the training rows in split train, int64, ascending."""
        store = self.store
        return self._training_rows(store.labels("train"), store.rows("train"), store.rows("val"))

    def word_vectors(self) -> WordVectors | None:
        """Word vectors of the training rows; None where `vectors` is None.

        Raises:
            DataError: no word is frequent enough, or cached vectors cannot be read.
        """
        if self.vectors is None:
            return None
        folder = self._store_folder().name
        rows, cache = self.train_indices(), self.cache_dir / "vectors"
        return vectors_of_rows(
            self.vectors, self.store, self.encoder, rows, cache, folder, self.seed
        )

    @property
    def store(self) -> TokenStore:
        """Opened token store."""
        if self._store is None:
            raise RuntimeError("call prepare_data() and setup() first")
        return self._store

    @property
    def encoder(self) -> Encoder:
        """Encoder of new texts into batches, truncated as those of the corpus."""
        if self._encoder is None:
            raise RuntimeError("call prepare_data() and setup() first")
        return self._encoder

    def token_notes(self) -> list[str]:
        """Sentences on texts that the tokenizer does not divide or know (`store.token_notes`)."""
        cap = self.encoder.token_truncation
        return token_notes(self.store, cap, self.tokenizer, self.vocab_size)

    def teacher_notes(self) -> list[str]:
        """A sentence on the teacher, if there is one."""
        soft = self.soft_labels()
        return [f"{len(soft.ids):,} unlabelled texts are taught by {soft.teacher}"] if soft else []

    def _loader(self, split: str, rows: np.ndarray, batch_size: int) -> TextLoader:
        dataset = self._dataset(split, rows)
        return make_loader(
            dataset, batch_size, split=split, shuffle=False, seed=self.seed, **self._process()
        )

    def _dataset(self, split: str, rows: np.ndarray) -> TokenDataset:
        tokens, labels = self.store.tokens(split), self.store.labels(split)
        return TokenDataset(tokens, labels, rows, self.encoder.token_truncation)

    def _process(self) -> dict[str, int]:
        """Number of this process, and of all."""
        if self.trainer is None:
            return {"rank": 0, "world": 1}
        return {"rank": self.trainer.global_rank, "world": self.trainer.world_size}
