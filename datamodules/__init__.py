"""Text in, batches out. Knows nothing of models.

The names below are what a new corpus, tokenizer or kind of word vectors needs. Classes that a
config names, such as `datamodules.imdb.IMDB`, are not among them: the parser writes the shortest
address of a class into `config.yaml`, and a second one would change it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from datamodules.upgrade.imports import explain_moved_modules

if TYPE_CHECKING:
    from datamodules.errors import DataError
    from datamodules.store.batching import TextBatch
    from datamodules.store.corpus import UNLABELLED, Corpus, TextSplit
    from datamodules.store.ragged import Ragged
    from datamodules.store.train_view import TrainView
    from datamodules.text import TextDataModule
    from datamodules.tokenizers import Tokenizer
    from datamodules.vectors.base import Vectors

__all__ = [
    "UNLABELLED",
    "Corpus",
    "DataError",
    "Ragged",
    "TextBatch",
    "TextDataModule",
    "TextSplit",
    "Tokenizer",
    "TrainView",
    "Vectors",
]

_MODULES = {
    "UNLABELLED": "datamodules.store.corpus",
    "Corpus": "datamodules.store.corpus",
    "DataError": "datamodules.errors",
    "Ragged": "datamodules.store.ragged",
    "TextBatch": "datamodules.store.batching",
    "TextDataModule": "datamodules.text",
    "TextSplit": "datamodules.store.corpus",
    "Tokenizer": "datamodules.tokenizers",
    "TrainView": "datamodules.store.train_view",
    "Vectors": "datamodules.vectors.base",
}

if not TYPE_CHECKING:  # a type checker would take any name for one of this package

    def __getattr__(name: str) -> Any:
        """Imports a public name on first use: the package itself loads neither torch nor NumPy."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_MODULES[name]), name)


explain_moved_modules()
