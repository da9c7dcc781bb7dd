"""GensimVectors: settings and training that gensim's word vectors have in common."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

from datamodules.vectors.base import Text, TokenRows, Vectors, too_rare


class GensimVectors(Vectors):
    """Word vectors trained by gensim on the training rows.

    With one worker, the same texts, settings and seed give the same vectors on one machine. With
    more, the rows of the results say that they are not repeatable.

    Args:
        dim: d, width of a vector.
        architecture: `cbow` predicts a word from the mean of the words around it, `skip-gram` the
            words around it from the word.
        window: largest distance between the two words of a pair.
        negative: words drawn at random for each pair, in negative sampling.
        min_count: lowest count of a word that is trained.
        sample: words with a larger share of the text are left out at random, the more often the
            more frequent they are.
        epochs: passes over the texts.
        workers: threads; with more than one, training is faster and never gives the same twice.
        text: see Vectors.

    Raises:
        ValueError: a size is below 1, or `text` is unknown.
    """

    def __init__(
        self,
        dim: int = 128,
        architecture: Literal["cbow", "skip-gram"] = "skip-gram",
        window: int = 5,
        negative: int = 5,
        min_count: int = 5,
        sample: float = 1e-4,
        epochs: int = 5,
        workers: int = 1,
        text: Text = "train",
    ) -> None:
        super().__init__(text)
        check_sizes(dim=dim, window=window, negative=negative)
        check_sizes(min_count=min_count, epochs=epochs, workers=workers)
        self.dim, self.architecture = dim, architecture
        self.window, self.negative, self.min_count = window, negative, min_count
        self.sample, self.epochs, self.workers = sample, epochs, workers

    def note(self, splits: Collection[str]) -> str | None:
        remarks = (super().note(splits), not_repeatable("word vectors", self.workers))
        return "; ".join(remark for remark in remarks if remark) or None

    def _train(self, model_class: Any, rows: TokenRows, seed: int, **options: Any) -> Any:
        """Trained gensim model.

        Args:
            model_class: gensim's class.
            rows: texts.
            seed: random seed.
            **options: further arguments of the class, or others than those of the settings.

        Raises:
            DataError: no word has `min_count`.
        """
        settings = {
            "vector_size": self.dim,
            "sg": int(self.architecture == "skip-gram"),
            "negative": self.negative,
            "window": self.window,
            "min_count": self.min_count,
            "sample": self.sample,
            "epochs": self.epochs,
            "workers": self.workers,
        }
        model = model_class(**(settings | options), seed=seed)
        model.build_vocab(rows)
        if not model.wv.index_to_key:
            raise too_rare(self.min_count, len(rows.texts))
        model.train(rows, total_examples=model.corpus_count, epochs=self.epochs)
        return model


def not_repeatable(vectors: str, workers: int) -> str | None:
    """Remark for readers of results that several workers learnt these vectors; None for one."""
    return f"{vectors} not repeatable: learnt by {workers} workers" if workers > 1 else None


def check_sizes(**sizes: int) -> None:
    """Raises ValueError if one of the named settings is below 1."""
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} is {size}; it must be at least 1")
