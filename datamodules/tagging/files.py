"""Tagging: a user's own words with tags, in CoNLL files."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from datamodules.errors import DataError
from datamodules.reading.classes import listed
from datamodules.reading.opening import FileSettings, SourceFile, inner_name
from datamodules.splits import grouped_split, merge_groups
from datamodules.store.corpus import UNLABELLED, Corpus, TextSplit
from datamodules.store.ragged import Ragged
from datamodules.tagging.base import TaggedData, check_unused, tokenizer_of_words
from datamodules.tagging.conll import Columns, Sentence, read_sentences
from datamodules.tagging.spans import spans_of
from datamodules.tagging.tokenizers import GivenPieceTokenizer, GivenWordTokenizer, given_words
from datamodules.text import TextDataModule

READER_VERSION = 2
"""Part of the cache key: raise it whenever the same files would be read differently."""

_PARTS = ("train", "validation", "test")
_SPAN = re.compile(r"O|[BIES]-\S+")
WORDS, SPANS = "words", "all spans"


class Tagging(TaggedData):
    """Words with tags of your own: a CoNLL file to train on, and up to two more.

    `datamodules.tagging.conll` says what a file looks like. The tags are those of the train file.
    If all are `O`, `B-…` and `I-…`, or `E-…` and `S-…` too, the main figure is the F1 of spans as
    the script conlleval counts them (`datamodules.tagging.spans`), else the share of words
    with the right tag. Where a file has `-DOCSTART-`, the sentences of a document are on one side
    of the validation split and count together in statistics.

    Attributes:
        label_names: names of the tags.
    """

    paths: ClassVar[tuple[str, ...]] = (*_PARTS, *TextDataModule.paths)
    test_remedy: ClassVar[str] = "name a CoNLL file with --data.test FILE when the run is fitted"
    averaged = 1

    def __init__(
        self,
        *,
        train: str,
        validation: str | None = None,
        test: str | None = None,
        word_column: int = 1,
        tag_column: int | None = None,
        encoding: str | None = None,
        validation_fraction: float = 0.1,
        split_seed: int = 0,
        **kwargs: Any,
    ) -> None:
        """Reads the tags of the train file; `prepare_data` reads the rest.

        Args:
            train: file of sentences to train on.
            validation: file of sentences to select epochs and settings. None: a share of train.
            test: file of sentences of the final evaluation. None: there is none.
            word_column: number of the column of words, from 1.
            tag_column: number of the column of tags, from 1. None: the last one.
            encoding: encoding of the files, such as `cp1252`. None: UTF-8, or what a byte order
                mark says.
            validation_fraction: share of train set aside where there is no validation file.
            split_seed: random seed of that draw.
            **kwargs: see TextDataModule.

        Raises:
            DataError: a file that cannot be read, or a setting that cannot be used.
        """
        if not 0 < validation_fraction < 1:
            raise DataError(
                f"data.validation_fraction is {validation_fraction}; it must be above 0 and below 1"
            )
        super().__init__(**kwargs)
        check_unused(self, "teacher")
        self.tokenizer = tokenizer_of_words(self.tokenizer, GivenWordTokenizer, GivenPieceTokenizer)
        files = dict(zip(_PARTS, (train, validation, test), strict=True))
        self.files = {part: Path(name).expanduser() for part, name in files.items() if name}
        self.columns, self.settings = Columns(word_column, tag_column), FileSettings(encoding)
        self.validation_fraction, self.split_seed = validation_fraction, split_seed
        self.tag_names = self.label_names = _scan_tags(
            self.files["train"], *_stamp(self.files["train"]), self.settings, self.columns
        )
        spans = sorted({tag[2:] for tag in self.tag_names if _SPAN.fullmatch(tag) and tag != "O"})
        if spans and all(map(_SPAN.fullmatch, self.tag_names)):
            self.figures = SPANS, *spans
        else:
            self.figures = (WORDS,)

    def source(self) -> dict[str, Any]:
        """Identity of the files, from their sizes and times alone."""
        files = {part: [str(p.resolve()), *_stamp(p)] for part, p in self.files.items()}
        return {
            "corpus": "tagged files",
            "reader": READER_VERSION,
            "files": files,
            "columns": vars(self.columns),
            "encoding": self.settings.encoding,
            "validation_fraction": self.validation_fraction,
            "split_seed": self.split_seed,
        }

    def read(self) -> Corpus:
        """Reads, checks and splits everything.

        Raises:
            DataError: a file is missing or malformed; the message names the file and the line.
        """
        documents = 0
        splits = dict[str, TextSplit]()
        for part in self.files:
            splits[part], documents = self._read(part, documents)
        train, number = splits["train"], len(splits["train"])
        if "validation" in splits:
            train = _joined(train, splits["validation"])
            val_rows = np.arange(number, len(train))
        else:
            val_rows = self._draw_validation(train)
        path = inner_name(self.files["train"].resolve())
        return Corpus(
            path.parent.name if path.stem == "train" else path.stem,
            self.tag_names,
            train,
            np.setdiff1d(np.arange(len(train)), val_rows),
            val_rows,
            splits.get("test"),
        )

    def tags_of(self, text: str) -> list[int]:
        """Tags of the words of a text."""
        numbers = {name: number for number, name in enumerate(self.tag_names)}
        return [numbers[line.partition("\t")[2]] for line in text.split("\n")]

    def count(self, right: Ragged, written: Ragged) -> np.ndarray:
        """Count spans, of all types and of each, or words."""
        if self.figures == (WORDS,):
            same = (right.values == written.values).astype(np.int64)
            three = [np.add.reduceat(same, right.offsets[:-1]), right.lengths, right.lengths]
            return np.stack(three, axis=1)[:, None]
        names = np.array(self.tag_names, dtype=object)
        places = {name: place for place, name in enumerate(self.figures)}
        counts = np.zeros((len(right), len(places), 3), dtype=np.int64)
        for row, (start, end) in enumerate(zip(right.offsets, right.offsets[1:], strict=False)):
            there, tagged = (
                spans_of(names[tags.values[start:end]].tolist()) for tags in (right, written)
            )
            for number, spans in enumerate((there & tagged, tagged, there)):
                for kind, *_ in spans:
                    counts[row, 0, number] += 1
                    counts[row, places[kind], number] += 1
        return counts

    def _draw_validation(self, train: TextSplit) -> np.ndarray:
        # Copies of a sentence are on one side, also where their tags are not the same.
        groups = merge_groups(train.groups, ["\n".join(given_words(text)) for text in train.texts])
        size = max(1, round(len(train) * self.validation_fraction))
        nothing = np.zeros(len(train), dtype=np.int64)
        drawn = grouped_split(nothing, groups, {"validation": size}, self.split_seed, exact=False)[
            "validation"
        ]
        if not len(drawn) or len(drawn) == len(train):
            raise DataError(
                f"{self.files['train']}: of its {len(train):,} sentences, in "
                f"{len(np.unique(groups)):,} documents or different sentences, none can be set "
                "aside; give a validation file with --data.validation"
            )
        return drawn

    def _read(self, part: str, documents: int) -> tuple[TextSplit, int]:
        """Checked sentences of a file, and the number of documents so far."""
        file, known = SourceFile(self.files[part], self.settings), set(self.tag_names)
        texts, keys, groups = list[str](), list[str](), list[int]()
        last: int | None = None
        for one in read_sentences(file, self.columns):
            _check_tags(file, one, known)
            pairs = zip(one.words, one.tags, strict=True)
            texts.append("\n".join(f"{word}\t{tag}" for word, tag in pairs))
            keys.append(f"{file.path.name}:{one.line}")
            documents += one.document is None or one.document != last or not groups
            last = one.document
            groups.append(documents)
        if not texts:
            raise DataError(f"{file.path}: has no words; give a file with at least one sentence")
        labels = np.full(len(texts), UNLABELLED, dtype=np.int64)
        return TextSplit(texts, labels, keys, np.array(groups, dtype=np.int64)), documents


def _check_tags(file: SourceFile, one: Sentence, known: set[str]) -> None:
    for place, tag in enumerate(one.tags):
        if tag not in known:
            raise DataError(
                f"{one.where(file, place)}: tag {tag!r} does not occur in the train file, whose "
                f"tags are {listed(tuple(sorted(known)))}; correct it, or add sentences with it to "
                "train"
            )


@lru_cache(maxsize=16)
def _scan_tags(
    path: Path, size: int, mtime_ns: int, settings: FileSettings, columns: Columns
) -> tuple[str, ...]:
    """Sorted tags of a train file; size and time are keys of the cache."""
    tags = set[str]()
    for sentence in read_sentences(SourceFile(path, settings), columns):
        tags.update(sentence.tags)
    if len(tags) < 2:
        found = f"the only tag {tags.pop()!r}" if tags else "no words"
        raise DataError(f"{path}: has {found}; a tagger needs at least two tags to choose from")
    return tuple(sorted(tags))


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); give a CoNLL file") from error
    return status.st_size, status.st_mtime_ns


def _joined(one: TextSplit, other: TextSplit) -> TextSplit:
    assert one.groups is not None and other.groups is not None
    return TextSplit(
        [*one.texts, *other.texts],
        np.concatenate([one.labels, other.labels]),
        [*one.keys, *other.keys],
        np.concatenate([one.groups, other.groups]),
    )
