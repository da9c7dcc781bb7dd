"""Size of the training side of a corpus."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from datamodules.console import plain_console
from datamodules.errors import Unavailable
from datamodules.language import WINDOW
from experiments.config.resolved import Resolved
from lit_models.language.model import LitLanguageModel


@dataclass(frozen=True)
class CorpusSize:
    """Size of the training side of a corpus.

    Attributes:
        name: name of the corpus.
        rows: number of training rows.
        classes: number of classes.
        words: number of words that word vectors would be learnt from.
        text_words: mean number of words of a training text.
        symbols: number of words and ends of all texts that a language model reads.
    """

    name: str
    rows: int
    classes: int
    words: int
    text_words: float
    symbols: int
    unit: str = "training rows"

    def of_model(self, model: type, window: int | None) -> CorpusSize:
        """The same for a model; the rows of a language model are windows of its stream."""
        if not issubclass(model, LitLanguageModel):
            return self
        window = window or WINDOW
        unit = f"windows of {window} words"
        return replace(self, rows=math.ceil(self.symbols / window), unit=unit)


def measure(resolved: Resolved) -> CorpusSize | None:
    """Size of the corpus of some settings, which is read; None: it is not to be had."""
    small = {"class_path": "lit_models.naive_bayes.NaiveBayes"}  # no weights are built or read
    # A corpus for one problem alone is refused by models of others.
    changes = {"model": small} if resolved.corpus_class.problem is None else {}
    try:
        first = Resolved({**resolved.config, **changes}, check=resolved.check).fits()[0]
        _, data = first.build()
        with plain_console(stderr=True).status("reading and tokenising the corpus (once)"):
            data.prepare_data()
    except Unavailable:  # a tokenizer without its files: the run becomes a skipped row
        return None
    data.setup()
    rows, store = data.train_indices(), data.store
    of_texts = int(store.tokens("train").lengths[rows].sum())
    words, symbols = of_texts, of_texts + len(rows)
    if "unlabelled" in store.splits:
        symbols += int((store.tokens("unlabelled").lengths + 1).sum())
    if data.vectors is not None and data.vectors.part(store.splits) != "train":
        words += int(store.tokens("unlabelled").lengths.sum())
    name, classes = str(store.meta["corpus"]), len(data.label_names)
    return CorpusSize(name, len(rows), classes, words, of_texts / max(len(rows), 1), symbols)
