"""ParagraphVectors: one vector for each text, learnt by gensim, kept as arrays."""

from __future__ import annotations

import zlib
from typing import Any, Literal

import numpy as np

from datamodules.store.ragged import Ragged
from datamodules.vectors.base import TokenRows, too_rare

_FIRST_RATE, _LAST_RATE = 0.025, 0.0001  # of inference, as gensim has them


class ParagraphVectors:
    """Distributed representations of texts (Le & Mikolov 2014).

    `dbow` draws words of a text and learns a vector that tells them from words drawn by chance;
    `dm` predicts each word from that vector and the words around it. A new text's vector is learnt
    the same way with everything else held fixed, from a start drawn from the text itself: the same
    text has the same vector, whatever stands around it.

    Args:
        architecture: which of the two.
        dim: d, width of a vector.
        window: largest distance of the words around, in `dm`.
        negative: words drawn by chance for each that stands there.
        min_count: rarer words are left out.
        sample: words more frequent than this share are left out at random, the more often the more
            frequent they are; 0 keeps all.
        epochs: passes over the texts, and over a new one.
        workers: threads of learning; more than one is faster, and never twice the same.
        seed: of what is drawn.
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
        """float32[N, d]: the vectors of N texts, learnt together with the words'.

        Raises:
            DataError: no word is frequent enough.
        """
        model, rows = self._new(), Tagged(texts, self.seed)
        model.build_vocab(rows)
        if not model.wv.index_to_key:
            raise too_rare(self.min_count, len(texts))
        model.train(rows, total_examples=model.corpus_count, epochs=self.epochs)
        return np.array(model.dv.vectors, dtype=np.float32)

    def infer(self, texts: Ragged) -> np.ndarray:
        """float32[N, d]: the vectors of N texts, each learnt alone."""
        names = TokenRows(texts)
        found = [self._infer(words, zlib.crc32(" ".join(words).encode())) for words in names]
        return np.stack(found) if found else np.zeros((0, self.dim), dtype=np.float32)

    def _infer(self, words: list[str], seed: int) -> np.ndarray:
        """float32[d], as `Doc2Vec.infer_vector`, whose start differs from process to process."""
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
        """What `infer` needs: the words, how often each stands there, and both layers."""
        model = self.gensim
        return {
            "words": np.array([int(word) for word in model.wv.index_to_key], dtype=np.int64),
            "counts": model.wv.expandos["count"].astype(np.int64),
            "input": model.wv.vectors,
            "output": model.syn1neg,
        }

    def load_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        """Takes back what `arrays` gave."""
        names = [str(word) for word in arrays["words"].tolist()]
        counts = dict(zip(names, arrays["counts"].tolist(), strict=True))
        # gensim orders by frequency, and words of one frequency from the last to the first.
        self._new().build_vocab_from_freq(dict(reversed(counts.items())))
        assert self.gensim.wv.index_to_key == names
        self.gensim.wv.vectors = np.array(arrays["input"])
        self.gensim.syn1neg = np.array(arrays["output"])

    def _new(self) -> Any:
        # It takes a second, which only those who want vectors should wait for.
        from gensim.models.doc2vec import Doc2Vec

        self.gensim = Doc2Vec(**self.settings)
        return self.gensim


class Tagged:
    """Rows as gensim wants them, each with its number, in an order drawn once.

    A corpus stands sorted by class. Read in that order, the words' layer would follow the class of
    the texts that it meets, and leave less of it for their vectors to tell.

    Args:
        texts: rows of word numbers.
        seed: of the order.
    """

    def __init__(self, texts: Ragged, seed: int) -> None:
        self.rows = TokenRows(texts)
        self.order = np.random.RandomState(seed).permutation(len(texts)).tolist()

    def __iter__(self) -> Any:
        from gensim.models.doc2vec import TaggedDocument

        for number in self.order:
            yield TaggedDocument(self.rows[number], [number])
