"""ParagraphVectors: a vector for each text, learnt by gensim, saved as arrays."""

from __future__ import annotations

import zlib
from typing import Any, Literal

import numpy as np

from datamodules.store.ragged import Ragged
from datamodules.vectors.base import TokenRows, too_rare

_FIRST_RATE, _LAST_RATE = 0.025, 0.0001  # gensim's learning rates of inference


class ParagraphVectors:
    """Distributed representations of texts (Le & Mikolov 2014).

    `dbow` learns a vector that distinguishes the words of a text from randomly drawn words; `dm`
    predicts each word from the text's vector and the words around it. A new text's vector is learnt
    in the same way with all other weights fixed, starting from random numbers seeded by the text:
    equal texts have equal vectors, whatever other texts are inferred with them.

    Args:
        architecture: `dbow` or `dm`.
        dim: d, width of a vector.
        window: largest distance of the words around, in `dm`.
        negative: number of randomly drawn words for each word of a text.
        min_count: rarer words are ignored.
        sample: relative frequency above which words are dropped at random, with a probability that
            grows with their frequency; 0 drops none.
        epochs: passes over the texts in learning, and over a new text in inference.
        workers: threads of learning; with more than one the vectors are not reproducible.
        seed: random seed.
    """

    def __init__(
        self,
        architecture: Literal["dbow", "dm"],
        dim: int,
        window: int,
        negative: int,
        min_count: int,
        sample: float,
        epochs: int,
        workers: int,
        seed: int,
    ) -> None:
        self.dim, self.epochs, self.min_count, self.seed = dim, epochs, min_count, seed
        self.settings = {
            "vector_size": dim,
            "dm": int(architecture == "dm"),
            "window": window,
            "negative": negative,
            "hs": 0,
            "sample": sample,
            "min_count": min_count,
            "epochs": epochs,
            "workers": workers,
            "seed": seed,
        }
        self.gensim: Any = None

    def fit(self, texts: Ragged) -> np.ndarray:
        """Learn the weights and float32[N, d] vectors of N texts.

        Raises:
            DataError: no word occurs `min_count` times.
        """
        model, rows = self._new(), Tagged(texts, self.seed)
        model.build_vocab(rows)
        if not model.wv.index_to_key:
            raise too_rare(self.min_count, len(texts))
        model.train(rows, total_examples=model.corpus_count, epochs=self.epochs)
        return np.array(model.dv.vectors, dtype=np.float32)

    def infer(self, texts: Ragged) -> np.ndarray:
        """float32[N, d] vectors of N texts, each inferred by itself."""
        rows = TokenRows(texts)
        vectors = [self._infer(words, zlib.crc32(" ".join(words).encode())) for words in rows]
        return np.stack(vectors) if vectors else np.zeros((0, self.dim), dtype=np.float32)

    def _infer(self, words: list[str], seed: int) -> np.ndarray:
        """float32[d], as `Doc2Vec.infer_vector`, whose start varies between processes."""
        from gensim.models.doc2vec import train_document_dbow, train_document_dm

        model = self.gensim
        train = train_document_dbow if model.sg else train_document_dm
        model.random = np.random.RandomState(seed)
        start = (model.random.random_sample(self.dim) - 0.5) / self.dim
        vector = start.astype(np.float32)[None, :]
        fixed: dict[str, Any] = {"learn_words": False, "learn_hidden": False}
        for rate in np.linspace(_FIRST_RATE, _LAST_RATE, self.epochs).tolist():
            train(
                model,
                words,
                [0],
                rate,
                doctag_vectors=vector,
                doctags_lockf=np.ones(1, dtype=np.float32),
                **fixed,
            )
        return vector[0]

    def arrays(self) -> dict[str, np.ndarray]:
        """Arrays from which `load_arrays` restores `infer`: words, counts and both layers."""
        model = self.gensim
        return {
            "words": np.array([int(word) for word in model.wv.index_to_key], dtype=np.int64),
            "counts": model.wv.expandos["count"].astype(np.int64),
            "input": model.wv.vectors,
            "output": model.syn1neg,
        }

    def load_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        """Restore from `arrays`."""
        names = [str(word) for word in arrays["words"].tolist()]
        counts = dict(zip(names, arrays["counts"].tolist(), strict=True))
        # gensim sorts words by frequency, and equally frequent ones from last to first.
        self._new().build_vocab_from_freq(dict(reversed(counts.items())))
        assert self.gensim.wv.index_to_key == names
        self.gensim.wv.vectors = np.array(arrays["input"])
        self.gensim.syn1neg = np.array(arrays["output"])

    def _new(self) -> Any:
        # Importing gensim takes a second.
        from gensim.models.doc2vec import Doc2Vec

        self.gensim = Doc2Vec(**self.settings)
        return self.gensim


class Tagged:
    """Rows for gensim, each with its number, in one random order.

    A corpus is sorted by class. Read in that order, the weights of words would adapt to the class
    of the current texts, and the vectors of texts would encode less of it.

    Args:
        texts: rows of token ids.
        seed: random seed of the order.
    """

    def __init__(self, texts: Ragged, seed: int) -> None:
        self.rows = TokenRows(texts)
        self.order = np.random.RandomState(seed).permutation(len(texts)).tolist()

    def __iter__(self) -> Any:
        from gensim.models.doc2vec import TaggedDocument

        for number in self.order:
            yield TaggedDocument(self.rows[number], [number])
