"""TrainView: the training side of a corpus, from which a model prepares itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from datamodules.store.ragged import Ragged, concat_ragged, rows_of

if TYPE_CHECKING:  # models import this module, and need no reader of corpora
    from datamodules.store.encoder import Encoder
    from datamodules.store.token_store import TokenStore
    from datamodules.vectors.base import WordVectors


@dataclass(frozen=True)
class TrainView:
    """Everything that a model may use before its first step: the training side, nothing else.

    Attributes:
        vocabulary: tokens by id, capped.
        tokens: training rows, truncated and capped as in the batches.
        labels: int64[N], labels of these rows; int8[N, C] where a text may have several.
        unlabelled: rows without labels, truncated and capped likewise; None: the corpus has none.
        num_classes: number of classes.
        pad_id: token id of padding.
        unk_id: token id of words outside the vocabulary.
        sentence_ends: ids of the tokens that end a sentence.
        vectors: float32[V, d], word vectors by token id, zeros where a token has none; None: no
            word vectors are set.
        vectors_seconds: training time of the word vectors.
        vectors_covered: shares of the vocabulary and of the running words that have a vector.
        max_length: longest row in tokens; None: no limit.
        prefix: number of special tokens at the start of every row.
        suffix: the same at its end.
        encode: token ids of a text without special tokens, capped; None: there is no tokenizer.
        continued: ids from here on are those of pieces that continue a word, for taggers; None:
            tokens do not tell where words begin.
        head_distances: distance to the head by the id of its token (`TreeTokenizer`).
        stars: int64[N], ratings of these rows, 1 to 10; None: the corpus has none.
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
    encode: Callable[[str], np.ndarray] | None = None
    continued: int | None = None
    head_distances: Mapping[int, int] = field(default_factory=dict)
    stars: np.ndarray | None = None

    @classmethod
    def build(
        cls, store: TokenStore, encoder: Encoder, rows: np.ndarray, vectors: WordVectors | None
    ) -> TrainView:
        """View of some training rows.

        Args:
            store: token store of the corpus.
            encoder: tokenizer and truncation of the batches.
            rows: int64[N], numbers of the training rows.
            vectors: word vectors trained on these rows; None: there are none.

        Raises:
            DataError: no word of these rows has a word vector.
        """
        truncation, tokenizer = encoder.token_truncation, encoder.tokenizer
        vocabulary = tokenizer.vocabulary()[: truncation.vocab_size]
        tokens = truncation.ragged(store.tokens("train"), rows)
        unlabelled = covered = None
        if "unlabelled" in store.splits:
            unlabelled_tokens = store.tokens("unlabelled")
            unlabelled = truncation.ragged(unlabelled_tokens, np.arange(len(unlabelled_tokens)))
        if vectors is not None:
            counts = np.bincount(tokens.values, minlength=len(vocabulary))
            covered = vectors.coverage(counts, (truncation.pad_id, truncation.unk_id))
        return cls(
            vocabulary=vocabulary,
            tokens=tokens,
            labels=store.labels("train")[rows],
            unlabelled=unlabelled,
            num_classes=len(encoder.label_names),
            pad_id=truncation.pad_id,
            unk_id=truncation.unk_id,
            sentence_ends=tuple(e for e in tokenizer.sentence_ends() if e < len(vocabulary)),
            vectors=None if vectors is None else vectors.matrix(len(vocabulary)),
            vectors_seconds=0.0 if vectors is None else vectors.seconds,
            vectors_covered=covered,
            max_length=truncation.max_length,
            prefix=truncation.prefix,
            suffix=truncation.suffix,
            encode=encoder.ids,
            continued=tokenizer.continued,
            head_distances=tokenizer.head_distances,
        )

    def with_soft_labels(self, ids: np.ndarray, probabilities: np.ndarray) -> TrainView:
        """View in which some unlabelled rows are training rows, of their most probable class.

        Args:
            ids: int64[M], numbers of these rows.
            probabilities: float32[M, C].
        """
        assert self.unlabelled is not None, "soft labels are of unlabelled rows"
        tokens = concat_ragged(self.tokens, rows_of(self.unlabelled, ids))
        labels = np.concatenate([self.labels, probabilities.argmax(axis=1)])
        return replace(self, tokens=tokens, labels=labels, stars=None)
