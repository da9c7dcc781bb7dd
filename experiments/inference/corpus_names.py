"""Corpora as commands name them: `imdb`, its folder or archive, a file, a class, or a run's."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING

from datamodules.errors import DataError
from experiments.config.registry import ConfigError

if TYPE_CHECKING:  # it loads torch
    from datamodules.text import TextDataModule

_OFFICIAL = "imdb"
WANTED = "imdb, the official folder or archive, a file of labelled texts, or a class that reads one"


def check_root(root: str | None, corpus: str) -> None:
    """Refuse `--root` beside a file of texts.

    Raises:
        ConfigError: both are given.
    """
    if root and Path(corpus).expanduser().is_file():
        raise ConfigError(
            f"--root {root}: is the place of the official corpus, and {corpus} is a file of your "
            "own, which has none; leave --root out"
        )


def corpus_words(corpus: str, root: str | None) -> list[str]:
    """Settings that name a corpus.

    Args:
        corpus: `imdb`, its folder or archive, a file of labelled texts, or a class.
        root: Folder or archive of the official corpus.

    Raises:
        ConfigError: Both name the official corpus, or a file has a root.
        DataError: It is no corpus.
    """
    words = [f"--data.root={root}"] if root else []
    place = Path(corpus).expanduser()
    if corpus.lower() == _OFFICIAL:
        return words
    if place.is_dir() or place.suffixes[-2:-1] == [".tar"]:
        if words:
            raise ConfigError(f"{corpus} and --root {root} both name the corpus; leave one out")
        if place.is_dir() and not _is_official(place):
            raise DataError(
                f"{corpus}: is a folder without the official corpus (it contains neither aclImdb/ "
                f"nor aclImdb*.tar*); name {WANTED}"
            )
        return [f"--data.root={corpus}"]
    check_root(root, corpus)
    if not place.is_file() and ("/" in corpus or not corpus.replace(".", "_").isidentifier()):
        raise DataError(f"{corpus}: no such file or folder; name {WANTED}")
    return [f"--data={corpus}", *words]


def _is_official(place: Path) -> bool:
    return (place / "train").is_dir() and (place / "test").is_dir() or any(place.glob("aclImdb*"))


def runs_of(corpus: str) -> str | None:
    """Say what sort of folder of runs was named as the corpus; None: it is none."""
    from experiments.inference.run_folders import kind_of

    place = Path(corpus).expanduser()
    return None if _is_official(place) else kind_of(place)


def corpus_of_run(folder: Path, root: str | None, rest: Sequence[str] = ()) -> TextDataModule:
    """Corpus of a run, whose place may be another today.

    Args:
        folder: The run folder.
        root: Its place; None: where the settings of the run say.
        rest: Further settings, such as `--data.test=FILE`.

    Raises:
        ConfigError: The corpus has no such setting.
    """
    from experiments.config.resolved import Resolved

    words = [f"--data.root={root}"] if root else []
    if root and "root" not in signature(kind := Resolved.of_run(folder).corpus_class).parameters:
        raise ConfigError(
            f"--root {root}: {folder} is on {kind.__name__}, which has no root; its settings name "
            "its files, so give no folder"
        )
    return Resolved.of_run(folder, words=[*words, *rest]).build()[1]
