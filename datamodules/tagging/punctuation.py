"""Punctuation: a corpus of texts as words without marks and capitals, which are to be put back."""

from __future__ import annotations

from typing import Any

import numpy as np

from datamodules.store.corpus import Corpus
from datamodules.store.ragged import Ragged
from datamodules.tagging.base import TaggedData, check_unused, tokenizer_of_words
from datamodules.tagging.marks import CASES, LOWER, MARKS, TAGS, tagged_words
from datamodules.tagging.tokenizers import PlainPieceTokenizer, PlainWordTokenizer
from datamodules.text import TextDataModule

TASK_VERSION = "punctuation-v1"
"""Part of the task's name, raised with the tags or the metrics."""


class Punctuation(TaggedData):
    """A corpus whose words have lost case and marks, each with a tag that gives both back.

    `datamodules.tagging.marks` says what words and tags are. Labels are not used. The splits are
    those of the corpus; the vocabulary is that of the train texts, and `vectors` are learnt of
    words in lower case without marks, too. With `unlabelled_batch_size` texts without labels are
    learnt from as well: a pass over the train texts then has so many of their pieces in each batch.

    Args:
        corpus: the corpus, not set up.
    """

    tag_names = TAGS
    unmarked_tags = tuple(range(len(CASES)))
    figures = ("comma", "period", "question mark", "exclamation mark", "capitals")
    averaged = 3

    def __init__(self, corpus: TextDataModule) -> None:
        check_unused(corpus, "teacher")
        vars(self).update(vars(corpus))  # its settings; what it reads and caches is the same
        self.corpus = corpus
        self.tokenizer = tokenizer_of_words(
            corpus.tokenizer, PlainWordTokenizer, PlainPieceTokenizer
        )
        self.task, self.official_test = self.task_of(corpus.task), corpus.official_test

    @staticmethod
    def task_of(task: str | None) -> str | None:
        """Name and version of the evaluation on a corpus that has `task` for classifiers."""
        return task and f"{task}-{TASK_VERSION}"

    def source(self) -> dict[str, Any]:
        """Identity of the corpus."""
        return self.corpus.source()

    def read(self) -> Corpus:
        """Reads the corpus."""
        return self.corpus.read()

    def tags_of(self, text: str) -> list[int]:
        """Tags of the words of a text."""
        return tagged_words(text).tags

    def count(self, right: Ragged, written: Ragged) -> np.ndarray:
        """Count marks by kind, and capitals: words whose case is not lower, and is the right one.

        A mark is right if the word before it has this mark, whatever the case of the word.
        """
        (mark, case), (its_mark, its_case) = (
            np.divmod(tags.values.astype(np.int64), len(CASES)) for tags in (right, written)
        )
        masks = [
            ((mark == kind) & (its_mark == kind), its_mark == kind, mark == kind)
            for kind in range(1, len(MARKS))
        ]
        raised, its_raised = case != LOWER, its_case != LOWER
        masks.append((raised & (case == its_case), its_raised, raised))
        starts = right.offsets[:-1]
        return np.stack(
            [
                np.stack([np.add.reduceat(one.astype(np.int64), starts) for one in three], axis=1)
                for three in masks
            ],
            axis=1,
        )
