"""Texts of a corpus that are similar to a new one."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from datamodules.store.cache import digest, locked
from datamodules.store.corpus import Corpus
from datamodules.store.ragged import Ragged
from datamodules.text import TextDataModule
from experiments.config.registry import ConfigError
from experiments.inference.loaded_run import reason_of
from experiments.inference.progress import progress
from experiments.inference.vectors import Vectors, text_vectors
from experiments.records.atomic import replace_bytes
from experiments.records.run_files import ROW_FILE, checksum
from lit_models.base.ngrams import NgramCounter

if TYPE_CHECKING:
    from experiments.inference.loaded_run import LoadedRun

SPLITS = ("train", "test", "unlabelled")
_FORMAT = 1
"""Part of the key of cached vectors: raise it whenever they would be computed differently."""


class Neighbour(NamedTuple):
    """Text of a corpus that is similar to another.

    Attributes:
        text: The text.
        label: Its label; None where it has none.
        similarity: Cosine of the angle between the vectors of the two, at most 1.
        key: Its name in the source, such as `train/pos/17_9`.
        split: `train` (validation rows too), `test` or `unlabelled`.
        row: Its number there.
    """

    text: str
    label: str | None
    similarity: float
    key: str
    split: str
    row: int


class SimilarTexts:
    """Split of a corpus, to be searched for what is similar to a new text.

    `similar_by_words` and `similar_by_run` make it.

    Args:
        corpus: The corpus.
        split: The split.
        vectors: float[N, F], a vector for each of its texts.
        vector_of: float[1, F] vector of a new text.
    """

    def __init__(
        self,
        corpus: Corpus,
        split: str,
        vectors: Vectors,
        vector_of: Callable[[str], Vectors],
    ) -> None:
        self.rows, self.split, self.label_names = corpus.splits[split], split, corpus.label_names
        # By columns: the texts of each word, as in an inverted index.
        self._vectors: Any = vectors if isinstance(vectors, np.ndarray) else vectors.tocsc()
        self._vector_of = vector_of

    def __len__(self) -> int:
        return len(self.rows)

    def nearest(self, text: str, k: int = 5) -> list[Neighbour]:
        """Find the k most similar texts, the most similar first.

        Texts that have nothing in common with it are left out, so there may be fewer.

        Raises:
            ConfigError: The text is empty or blank, or nothing in it is known.
        """
        if (reason := reason_of(text)) is not None:
            raise ConfigError(f"nothing is similar to {reason}; give a text with words")
        similarities = self._similarities(unit_rows(self._vector_of(text)))
        order = np.argsort(-similarities, kind="stable")[:k]
        return [
            self._neighbour(row, float(similarities[row]))
            for row in order.tolist()
            if similarities[row] > 0
        ]

    def _similarities(self, vector: Vectors) -> np.ndarray:
        """float[N] cosines with a vector of length 1."""
        if isinstance(vector, np.ndarray):
            product: np.ndarray = self._vectors @ vector[0]
            return product
        if not vector.nnz:
            raise ConfigError("no word of the text is known; give a longer one")
        found: np.ndarray = self._vectors[:, vector.indices] @ vector.data
        return found

    def _neighbour(self, row: int, similarity: float) -> Neighbour:
        label, text = self.rows.labels[row], self.rows.texts[row]
        name: str | None
        if label.ndim:  # several
            name = "|".join(self.label_names[at] for at in np.flatnonzero(label == 1))
        else:
            name = self.label_names[label] if label >= 0 else None
        return Neighbour(text, name, min(similarity, 1.0), self.rows.keys[row], self.split, row)


def similar_by_words(data: TextDataModule, split: str = "train") -> SimilarTexts:
    """Search by the words that texts have in common, weighted by TF-IDF.

    w(t, d) = (1 + ln tf(t, d)) · (ln((1 + N) / (1 + df(t))) + 1), rows scaled to length 1, with df
    of the N rows of train (Salton & Buckley 1988).

    Args:
        data: The corpus, set up.
        split: `train`, `test` or `unlabelled`.

    Raises:
        ConfigError: The corpus has no such split.
        DataError: The corpus is damaged.
    """
    corpus = _corpus_with(data, split)
    truncation = data.encoder.token_truncation._replace(max_length=None)
    size = len(data.encoder.tokenizer.vocabulary()) + 1
    counter = NgramCounter(1, 1, size)
    counter.keys = np.arange(1, size)  # keys of single words, numbered from 1
    specials = [truncation.pad_id, truncation.unk_id]

    def counts(tokens: Ragged) -> sp.csr_matrix:
        matrix = counter.count(tokens)
        matrix.data = 1 + np.log(matrix.data)
        keep = np.ones(matrix.shape[1])
        keep[specials] = 0
        matrix = sp.csr_matrix(matrix.multiply(keep))
        matrix.eliminate_zeros()
        return matrix

    def of_split(name: str) -> sp.csr_matrix:
        tokens = data.store.tokens(name)
        return counts(truncation.ragged(tokens, np.arange(len(tokens))))

    def weights() -> dict[str, Any]:
        train = of_split("train")
        documents = np.bincount(train.indices, minlength=train.shape[1])
        idf = np.log((1 + train.shape[0]) / (1 + documents)) + 1
        matrix = train if split == "train" else of_split(split)
        return {"idf": idf.astype(np.float32), **_arrays(unit_rows(_scaled(matrix, idf)))}

    key = {"by": "words", "store": data.store.folder.name, "split": split}
    arrays = _cached(data, key, weights)
    idf = arrays["idf"]

    def vector_of(text: str) -> sp.csr_matrix:
        tokens = next(iter(data.encoder.tokenizer.encode([text])))
        offsets = np.array([0, len(tokens)])
        return _scaled(counts(Ragged(tokens.astype(np.int32), offsets)), idf)

    return SimilarTexts(corpus, split, _vectors(arrays), vector_of)


def similar_by_run(run: LoadedRun, data: TextDataModule, split: str = "train") -> SimilarTexts:
    """Search by what the last layer of a model sees of texts (`text_vectors`).

    Args:
        run: The run, which may be of another corpus.
        data: The corpus, read into the cache.
        split: `train`, `test` or `unlabelled`.

    Raises:
        ConfigError: The corpus has no such split, or the model has no vectors.
        DataError: The corpus is damaged.
    """
    corpus = _corpus_with(data, split)

    def weights() -> dict[str, Any]:
        texts = corpus.splits[split].texts
        with progress(len(texts), 0) as shown:
            return _arrays(unit_rows(text_vectors(run.predictor, texts, shown.advance)))

    key = {
        "by": checksum(run.folder / ROW_FILE),
        "weights": run.weights,
        "corpus": corpus.fingerprint,
        "split": split,
    }
    arrays = _cached(data, key, weights)
    return SimilarTexts(
        corpus, split, _vectors(arrays), lambda text: text_vectors(run.predictor, [text])
    )


def read_corpus(data: TextDataModule) -> None:
    """Read a corpus into the cache unless it is there; nothing is tokenised.

    Raises:
        DataError: The source is missing, damaged or malformed.
    """
    if not data.corpus_folder.exists():
        with locked(data.corpus_folder):
            if not data.corpus_folder.exists():
                data.read().save(data.corpus_folder)


def unit_rows(vectors: Vectors) -> Vectors:
    """Vectors of length 1; those of length 0 stay what they are."""
    if isinstance(vectors, np.ndarray):
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        scaled: np.ndarray = vectors / np.where(lengths > 0, lengths, 1)
        return scaled
    lengths = np.sqrt(np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel())
    return sp.csr_matrix(sp.diags(1 / np.where(lengths > 0, lengths, 1)) @ vectors)


def _corpus_with(data: TextDataModule, split: str) -> Corpus:
    corpus = Corpus.load(data.corpus_folder)
    if split not in corpus.splits or not len(corpus.splits[split]):
        raise ConfigError(
            f"--split {split}: the corpus has no such texts; choose one of "
            f"{', '.join(corpus.splits)}"
        )
    return corpus


def _scaled(matrix: sp.csr_matrix, idf: np.ndarray) -> sp.csr_matrix:
    return sp.csr_matrix(matrix.multiply(idf))


def _arrays(vectors: Vectors) -> dict[str, np.ndarray]:
    """Arrays of vectors, in single precision."""
    if isinstance(vectors, np.ndarray):
        return {"dense": vectors.astype(np.float32)}
    return {
        "data": vectors.data.astype(np.float32),
        "indices": vectors.indices,
        "indptr": vectors.indptr,
        "shape": np.array(vectors.shape),
    }


def _vectors(arrays: dict[str, np.ndarray]) -> Vectors:
    if "dense" in arrays:
        return arrays["dense"]
    parts = arrays["data"], arrays["indices"], arrays["indptr"]
    return sp.csr_matrix(parts, shape=tuple(arrays["shape"].tolist()))


def _cached(
    data: TextDataModule, key: dict[str, Any], make: Callable[[], dict[str, Any]]
) -> dict[str, np.ndarray]:
    """Arrays of the cache, made unless they are there and whole."""
    file = data.cache_dir / "similar" / f"{digest({**key, 'format': _FORMAT})}.npz"
    with locked(file):
        try:
            return _read(file)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            arrays = make()
            buffer = io.BytesIO()
            np.savez(buffer, allow_pickle=False, **arrays)
            replace_bytes(file, buffer.getvalue())
            return arrays


def _read(file: Path) -> dict[str, np.ndarray]:
    with np.load(file, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
