"""A corpus as language models read it: texts to learn from, to choose by, and to be judged by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from zipfile import BadZipFile

import numpy as np

from datamodules.errors import DataError
from datamodules.folds import fold_corpus
from datamodules.splits import grouped_split, merge_groups
from datamodules.store.batching import TextLoader
from datamodules.store.cache import digest, locked, new_folder
from datamodules.store.corpus import Corpus
from datamodules.store.ragged import Ragged, concat_ragged, rows_of
from datamodules.store.stream import StreamDataset, StreamSampler
from datamodules.store.train_view import TrainView
from datamodules.tagging.punctuation import Punctuation
from datamodules.text import TextDataModule
from datamodules.vectors.base import WordVectors, texts_of_rows

HELD_OUT = 2500
"""Number of texts by which language models are judged; a fifth of the texts where those are few."""
WINDOW = 64
_SHARE = 5
VERSION = "language-v1"
"""Part of the task's name, raised with the draw of the texts or the metrics."""


@dataclass(frozen=True)
class HeldOut:
    """Texts by which language models are judged.

    Attributes:
        split: split of the corpus that they are from.
        rows: int64[N], their numbers there.
        left_out: int64[M], numbers of the texts without labels that are not learnt from, since they
            are held out, or are of a group of which a text is.
    """

    split: str
    rows: np.ndarray
    left_out: np.ndarray


class LanguageData(TextDataModule):
    """A corpus for language models; its labels and its test texts are not used.

    - Training: texts of the train part, and those without labels, as one stream
      (`datamodules.store.stream`) of `batch_size` parallel ones; `train_window` is the number of
      symbols of a step (64 if None).
    - Validation: the texts of the validation part, each on its own.
    - Test: texts without labels, held out. No labelled train text and no text to learn from is of
      the same movie, or a copy. A corpus without texts for that holds out texts of its train part.

    Texts are whole, whatever `max_length` is: the probability of their end counts, too. The
    vocabulary is that of the corpus for classifiers, which use `elmo` by its token ids: words of
    train texts that are held out are part of it, although nothing is learnt of them.

    Args:
        corpus: the corpus, not set up.
        held_out: largest number of texts held out; a fifth of those that may be where that is less.
    """

    holds_out = True

    def __init__(self, corpus: TextDataModule, held_out: int = HELD_OUT) -> None:
        for name in ("teacher", "unlabelled_batch_size"):
            if value := getattr(corpus, name):
                raise DataError(
                    f"data.{name} is {value!r}, and a language model learns from all texts without "
                    "any labels; leave it out"
                )
        vars(self).update(vars(corpus))  # its settings; what it reads and caches is the same
        self.corpus, self.most_held_out = corpus, held_out
        self.task, self.official_test = self.task_of(corpus.task), corpus.official_test

    @staticmethod
    def task_of(task: str | None) -> str | None:
        """Name and version of the evaluation on a corpus that has `task` for classifiers."""
        return task and f"{task}-{VERSION}"

    def source(self) -> dict[str, Any]:
        """Identity of the corpus."""
        return self.corpus.source()

    def read(self) -> Corpus:
        """Reads the corpus."""
        return self.corpus.read()

    def setup(self, stage: str | None = None) -> None:
        """Opens the token store, and draws the texts that are held out, once."""
        super().setup(stage)
        encoder = self.encoder
        whole = encoder.token_truncation._replace(max_length=None)
        self._encoder = replace(encoder, token_truncation=whole, label_names=())
        self.label_names = ()
        self.held_out = self._held_out()
        self.reads_unlabelled = "unlabelled" in self.store.splits

    def train_dataloader(self) -> TextLoader:
        """Batches of the stream, `StreamBatch`, in another order of texts in each epoch."""
        rank, world = 0, 1
        if self.trainer is not None:
            rank, world = self.trainer.global_rank, self.trainer.world_size
        dataset = StreamDataset(
            self.train_texts(),
            self.batch_size,
            self.train_window or WINDOW,
            self.encoder.token_truncation.pad_id,
            seed=self.seed,
            rank=rank,
            world=world,
        )
        return TextLoader(dataset, sampler=StreamSampler(len(dataset)))

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """The batch as it is."""
        return batch

    def loader(self, part: str) -> TextLoader:
        """Batches of whole texts: of `val`, or, as `test`, of those that are held out."""
        if part != "test":
            return super().loader(part)
        return self._loader(self.held_out.split, self.held_out.rows, self.eval_batch_size)

    def predict_dataloader(self) -> TextLoader:
        """Batches of the held-out texts."""
        return self.loader("test")

    def train_view(self) -> TrainView:
        """Texts that a model may learn from, without those that are held out."""
        view = super().train_view()
        return replace(view, unlabelled=self._unlabelled())

    def train_indices(self) -> np.ndarray:
        """Numbers of the rows of split train that are learnt from, int64, ascending."""
        rows = super().train_indices()
        return np.setdiff1d(rows, self.held_out.rows) if self.held_out.split == "train" else rows

    def word_vectors(self) -> WordVectors | None:
        """Word vectors of the texts to learn from; None where `vectors` is None."""
        if self.vectors is None:
            return None
        part = self.vectors.part(self.store.splits)
        held_out = {"split": self.held_out.split, "rows": self.held_out.rows.tolist()}
        source = {"store": self._store_folder().name, "part": part, "without": digest(held_out)}
        unlabelled = None
        if part == "train+unlabelled":
            unlabelled = rows_of(self.store.tokens("unlabelled"), self._unlabelled_rows())
        texts = texts_of_rows(self.store, self.encoder, self.train_indices(), unlabelled)
        cache, vocabulary = self.cache_dir / "vectors", self.encoder.tokenizer.vocabulary()
        return self.vectors.load_or_learn(cache, source, texts, vocabulary, self.seed)

    def train_texts(self) -> Ragged:
        """int32 tokens of all texts to learn from."""
        truncation = self.encoder.token_truncation
        labelled = truncation.ragged(self.store.tokens("train"), self.train_indices())
        unlabelled = self._unlabelled()
        return labelled if unlabelled is None else concat_ragged(labelled, unlabelled)

    def held_out_texts(self) -> Ragged:
        """int32 tokens of the held-out texts."""
        tokens = self.store.tokens(self.held_out.split)
        return self.encoder.token_truncation.ragged(tokens, self.held_out.rows)

    def characters(self, part: str) -> np.ndarray:
        """Number of characters of every text of the split that `val` or `test` is from, int64."""
        split = self.held_out.split if part == "test" else "train"
        return np.array([len(text) for text in self.texts(split)], dtype=np.int64)

    def groups(self, split: str) -> np.ndarray | None:
        """Group of each row of a split; `test` is the split of the held-out texts."""
        return super().groups(self.held_out.split if split == "test" else split)

    def token_notes(self) -> list[str]:
        """Sentences on the texts, among them where the held-out ones are from."""
        kind = "unlabelled" if self.held_out.split == "unlabelled" else "train"
        count = len(self.held_out.rows)
        texts = "text is" if count == 1 else "texts are"
        note = f"{count:,} {kind} {texts} held out to judge the model"
        if self.task is None and "test" in self.store.splits:  # a user's own file
            note += "; its own test texts are not used"
        return [*super().token_notes(), note]

    def _unlabelled(self) -> Ragged | None:
        if "unlabelled" not in self.store.splits:
            return None
        tokens = self.store.tokens("unlabelled")
        return self.encoder.token_truncation.ragged(tokens, self._unlabelled_rows())

    def _unlabelled_rows(self) -> np.ndarray:
        """Numbers of the texts without labels that are learnt from, int64, ascending."""
        rows = np.arange(len(self.store.labels("unlabelled")))
        return np.setdiff1d(rows, self.held_out.left_out)

    def _held_out(self) -> HeldOut:
        """The held-out texts, drawn once for a corpus: finding the copies takes seconds."""
        key = {
            "corpus": self.corpus_folder.name,  # the fingerprint says nothing of groups
            "limit": self.train_limit,
            "refit": self.refit,
            "fold": self.fold,
            "most": self.most_held_out,
            "version": VERSION,
        }
        folder = self.cache_dir / "held_out" / digest(key)
        with locked(folder):
            if not folder.exists():
                drawn = self._draw()
                with new_folder(folder) as temporary:
                    arrays = {"rows": drawn.rows, "left_out": drawn.left_out}
                    np.savez(temporary / f"{drawn.split}.npz", **arrays)  # type: ignore[arg-type]
        try:
            file = next(folder.glob("*.npz"))
            with np.load(file, allow_pickle=False) as arrays:
                return HeldOut(file.stem, arrays["rows"], arrays["left_out"])
        except (StopIteration, OSError, ValueError, KeyError, BadZipFile) as error:
            raise DataError(
                f"{folder} is damaged ({error}); delete it, and it is made anew"
            ) from error

    def _draw(self) -> HeldOut:
        """Draw whole groups of texts without labels, of none of which a labelled text is."""
        corpus = Corpus.load(self.corpus_folder)
        if self.fold is not None:
            corpus = fold_corpus(corpus, self.fold, self.split_seed)
        train, unlabelled = corpus.train, corpus.unlabelled
        groups, texts = train.groups, list(train.texts)
        if unlabelled is not None:
            texts += unlabelled.texts
            if groups is not None:
                own = unlabelled.groups
                if own is None:  # each is a group of its own
                    own = groups.max() + 1 + np.arange(len(unlabelled))
                groups = np.concatenate([groups, own])
        groups = merge_groups(groups, texts)
        labelled, others = np.split(groups, [len(train)])
        drawn = self._some(np.flatnonzero(~np.isin(others, labelled)), others)
        if len(drawn):
            return HeldOut("unlabelled", drawn, drawn)
        rows = self._training_rows(train.labels, corpus.train_rows, corpus.val_rows)
        rest = np.setdiff1d(np.arange(len(train)), rows)  # validation texts
        drawn = self._some(rows[~np.isin(labelled[rows], labelled[rest])], labelled)
        if not len(drawn):
            raise DataError(
                f"{self.head.name} has {len(rows)} train texts; a language model needs at least "
                f"{_SHARE} that are of no validation text's group, one of which is held out"
            )
        copies = np.flatnonzero(np.isin(others, labelled[drawn]))
        return HeldOut("train", drawn, copies)

    def _some(self, rows: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """Rows of whole groups, drawn at random."""
        size = min(self.most_held_out, len(rows) // _SHARE)
        nothing = np.zeros(len(rows), dtype=np.int64)
        drawn = grouped_split(nothing, groups[rows], {"held out": size}, seed=0, exact=False)
        return rows[drawn["held out"]]


READERS: dict[str, type[LanguageData | Punctuation] | None] = {
    "multi-label classification": None,
    "classification": None,  # a corpus gives the batches itself
    "language modelling": LanguageData,
    "transcription": None,
    "tagging": Punctuation,
}
"""Kinds of problems, each with the datamodule that reads a corpus for it."""


def read_for(problem: str, corpus: TextDataModule) -> TextDataModule:
    """The datamodule that reads a corpus for a kind of problem.

    Raises:
        DataError: a corpus that is made for another kind of problem.
    """
    check_problem(problem, type(corpus))
    reader = None if corpus.problem == problem else READERS[problem]
    return corpus if reader is None else reader(corpus)


def check_problem(problem: str, corpus: type[TextDataModule]) -> None:
    """Refuse a corpus that is made for another kind of problem.

    Raises:
        DataError: it is.
    """
    if corpus.problem not in (None, problem):
        raise DataError(
            f"{corpus.__name__} is a corpus for {corpus.problem}, and the model is one of "
            f"{problem}; name a model for it, or another corpus with --data"
        )


def task_of(problem: str, corpus: type[TextDataModule]) -> str | None:
    """Name and version of the evaluation on a corpus, from its class alone."""
    reader = None if corpus.problem == problem else READERS[problem]
    return corpus.task if reader is None else reader.task_of(corpus.task)
