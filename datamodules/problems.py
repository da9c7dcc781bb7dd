"""Kinds of problems, each with the datamodule that reads a corpus of texts for it."""

from __future__ import annotations

from datamodules.errors import DataError
from datamodules.language import LanguageData
from datamodules.tagging.punctuation import Punctuation
from datamodules.text import TextDataModule

READERS: dict[str, type[LanguageData] | type[Punctuation] | None] = {
    "classification": None,  # a corpus gives the batches itself
    "language modelling": LanguageData,
    "transcription": None,
    "tagging": Punctuation,
}
"""Kinds of problems, each with the datamodule that reads a corpus for it."""


def read_for(problem: str, corpus: TextDataModule) -> TextDataModule:
    """The datamodule that reads a corpus for a kind of problem.

    Raises:
        DataError: a corpus that is made for another kind of problem.
    """
    check_problem(problem, type(corpus))
    reader = None if corpus.problem == problem else READERS[problem]
    return corpus if reader is None else reader(corpus)


def check_problem(problem: str, corpus: type[TextDataModule]) -> None:
    """Refuse a corpus that is made for another kind of problem.

    Raises:
        DataError: it is.
    """
    if corpus.problem not in (None, problem):
        raise DataError(
            f"{corpus.__name__} is a corpus for {corpus.problem}, and the model is one of "
            f"{problem}; name a model for it, or another corpus with --data"
        )


def task_of(problem: str, corpus: type[TextDataModule]) -> str | None:
    """Name and version of the evaluation on a corpus, from its class alone."""
    reader = None if corpus.problem == problem else READERS[problem]
    return corpus.task if reader is None else reader.task_of(corpus.task)
