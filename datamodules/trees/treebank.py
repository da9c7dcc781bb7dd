"""Treebank: your own parsed texts with labels, in CoNLL-U files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from datamodules.errors import DataError
from datamodules.holdout import draw_validation, overlap_notes
from datamodules.reading.classes import check_classes, class_notes, listed
from datamodules.reading.conllu import read_conllu
from datamodules.store.corpus import Corpus, TextSplit
from datamodules.text import TextDataModule
from datamodules.trees.tokenizer import ARCS, TreeTokenizer, check_distances

READER_VERSION = 1
"""Part of the cache key: raise it whenever the same files would be read differently."""

_PARTS = ("train", "validation", "test")


class _Text(NamedTuple):
    """A parsed text: number of its first line, CoNLL-U without comments, and label."""

    line: int
    text: str
    label: str


class Treebank(TextDataModule):
    """Parsed texts with labels: what a parser of your own wrote, with a comment for each label.

    A text begins at each line `# newdoc`, in a file without such lines at each sentence; its label
    is in a line `# label = NAME` before its first word. The classes are the labels of the train
    file, sorted. Texts are never truncated, as a part of a tree is none. For
    `lit_models.child_sum_tree_lstm.ChildSumTreeLSTM`.
    """

    paths: ClassVar[tuple[str, ...]] = (*_PARTS, *TextDataModule.paths)
    test_remedy: ClassVar[str] = "name a CoNLL-U file of labelled texts with --data.test FILE"

    def __init__(
        self,
        *,
        train: str,
        validation: str | None = None,
        test: str | None = None,
        validation_fraction: float = 0.1,
        split_seed: int = 0,
        tokenizer: TreeTokenizer | None = None,
        max_length: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Reads the labels of the train file; `prepare_data` reads the rest.

        Args:
            train: CoNLL-U file of training texts.
            validation: file of texts to select epochs and settings. None: a share of train.
            test: file of texts of the final evaluation. None: there is none.
            validation_fraction: share of train set aside where there is no validation file.
            split_seed: random seed of that draw.
            tokenizer: None: `TreeTokenizer` with its default settings.
            max_length: must be None.
            **kwargs: see TextDataModule.
        """
        if not 0 < validation_fraction < 1:
            raise DataError(
                f"data.validation_fraction is {validation_fraction}; it must be above 0 and below 1"
            )
        super().__init__(tokenizer=tokenizer or TreeTokenizer(), max_length=max_length, **kwargs)
        self._check_settings()
        files = dict(zip(_PARTS, (train, validation, test), strict=True))
        self.files = {part: Path(name).expanduser() for part, name in files.items() if name}
        self.validation_fraction, self.split_seed = validation_fraction, split_seed
        counts = Counter(text.label for text in _read_texts(self.files["train"]))
        check_classes(self.files["train"], "label", counts)
        self.label_names = tuple(sorted(counts))

    def _check_settings(self) -> None:
        for name, wanted in (("max_length", None), ("train_window", None), ("min_frequency", 1)):
            value = getattr(self, name)
            if value != wanted:
                raise DataError(
                    f"data.{name} is {value}, and trees are whole, with their rarest words; set "
                    f"--data.{name} {'null' if wanted is None else wanted}"
                )
        least = len(ARCS) + 3
        if self.vocab_size is not None and self.vocab_size < least:
            raise DataError(
                f"data.vocab_size is {self.vocab_size}; it must be at least {least}, as "
                f"{len(ARCS)} tokens are for the places of heads"
            )
        if not isinstance(self.tokenizer, TreeTokenizer):
            raise DataError(
                f"data.tokenizer is {type(self.tokenizer).__name__}, which reads no trees; set "
                "--data.tokenizer null"
            )

    def source(self) -> dict[str, Any]:
        """Identity of the files, from their sizes and times alone."""
        files = {}
        for part, path in self.files.items():
            stat = _stat(path)
            files[part] = [str(path.resolve()), stat.st_size, stat.st_mtime_ns]
        return {
            "corpus": "treebank",
            "reader": READER_VERSION,
            "files": files,
            "validation_fraction": self.validation_fraction,
            "split_seed": self.split_seed,
        }

    def read(self) -> Corpus:
        """Reads, checks and splits everything.

        Raises:
            DataError: a file is missing or malformed; the message names the file and the line.
        """
        parts = {part: self._split(part) for part in self.files}
        train = parts["train"]
        path = self.files["train"]
        counts = np.bincount(train.labels, minlength=len(self.label_names)).tolist()
        notes = class_notes(path.name, dict(zip(self.label_names, counts, strict=True)))
        if (validation := parts.get("validation")) is not None:
            rows = np.arange(len(train) + len(validation))
            train_rows, val_rows = np.split(rows, [len(train)])
            labels = np.concatenate([train.labels, validation.labels])
            keys = [*train.keys, *validation.keys]
            train = TextSplit([*train.texts, *validation.texts], labels, keys)
        else:
            val_rows, remarks = draw_validation(
                train, self.validation_fraction, self.split_seed, str(path), None
            )
            train_rows = np.setdiff1d(np.arange(len(train)), val_rows)
            notes += remarks
        return Corpus(
            path.stem,
            self.label_names,
            train,
            train_rows,
            val_rows,
            parts.get("test"),
            notes=(*notes, *overlap_notes(parts)),
        )

    def _split(self, part: str) -> TextSplit:
        path, texts, labels, keys = self.files[part], list[str](), list[int](), list[str]()
        for text in _read_texts(path):
            if text.label not in self.label_names:
                raise DataError(
                    f"{path}:{text.line}: label {text.label!r} does not occur in the train file, "
                    f"whose labels are {listed(self.label_names)}; correct the label, or add "
                    "training texts with it"
                )
            texts.append(text.text)
            labels.append(self.label_names.index(text.label))
            keys.append(f"{path.name}:{text.line}")
        return TextSplit(texts, np.array(labels, dtype=np.int64), keys)


def _read_texts(path: Path) -> list[_Text]:
    """Texts of a file, in order.

    Raises:
        DataError: it is missing, no UTF-8 or malformed, or a text has no label.
    """
    _stat(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: cannot be read ({error}); give a CoNLL-U file in UTF-8"
        ) from error
    by_text = any(_is_start(line[1:].strip()) for line in lines if line.startswith("#"))
    texts = list[tuple[int, str | None, list[str]]]()  # line, label, sentences
    for sentence in read_conllu(lines, path):
        check_distances(sentence, path)
        label = next(filter(None, map(_label, sentence.comments)), None)
        if not by_text or not texts or any(map(_is_start, sentence.comments)):
            texts.append((sentence.line, label, []))
        elif label is not None:
            raise DataError(
                f"{path}:{sentence.line}: label {label!r} is not at the start of a text; move it "
                "to the lines after `# newdoc`, or begin a text there"
            )
        texts[-1][2].append("\n".join(sentence.lines))
    for line, label, _ in texts:
        if label is None:
            raise DataError(
                f"{path}:{line}: a text without a label; write `# label = NAME` in a line before "
                "its first word"
            )
    if not texts:
        raise DataError(f"{path}: has no sentences; give a CoNLL-U file with at least one")
    return [_Text(line, "\n\n".join(parts), str(label)) for line, label, parts in texts]


def _is_start(comment: str) -> bool:
    return comment.split("=")[0].strip() in ("newdoc", "newdoc id")


def _label(comment: str) -> str | None:
    name, sign, value = comment.partition("=")
    return (value.strip() or None) if sign and name.strip() == "label" else None


def _stat(path: Path) -> Any:
    try:
        return path.stat()
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); name a CoNLL-U file, such as one that a "
            "parser wrote"
        ) from error
