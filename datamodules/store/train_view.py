"""TrainView: the training side of a corpus, as a model sees it before its first step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datamodules.store.ragged import Ragged


@dataclass(frozen=True)
class TrainView:
    """What a model may look at before its first step: the train side of the corpus, nothing else.

    Attributes:
        vocabulary: tokens by number, capped as the batches are.
        tokens: the rows that are learnt from, cut as the batches are.
        labels: int64[N] of those rows.
        unlabelled: rows without labels, cut the same way, or None.
        num_classes: number of classes.
        pad_id: the tokenizer's padding number.
        unk_id: the tokenizer's number for words outside the vocabulary.
        sentence_ends: numbers of the tokens that end a sentence.
        vectors: float32[V, d] of the vocabulary, zeros where a word has none; or None.
        vectors_seconds: what learning them took.
        vectors_covered: the shares of the vocabulary and of the running words that have one.
        max_length: longest row that the cut lets through; None: any.
        prefix: special tokens at the start of every row.
        suffix: the same at its end.
    """

    vocabulary: list[str]
    tokens: Ragged
    labels: np.ndarray
    unlabelled: Ragged | None
    num_classes: int
    pad_id: int
    unk_id: int
    sentence_ends: tuple[int, ...] = ()
    vectors: np.ndarray | None = None
    vectors_seconds: float = 0.0
    vectors_covered: tuple[float, float] | None = None
    max_length: int | None = None
    prefix: int = 0
    suffix: int = 0
