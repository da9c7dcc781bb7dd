"""Word vectors: learnt from a corpus, read from files, or published ones."""

from datamodules.upgrade.imports import moved_attribute


def __getattr__(name: str) -> object:
    raise moved_attribute(__name__, name)
