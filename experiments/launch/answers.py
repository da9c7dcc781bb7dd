"""Answers of commands, kept with what they follow from, and given again while nothing has changed.

A second `make benchmark` has nothing to train: reading every row, parsing every setting and drawing
the same report again would take it longer than anything that a user waits for.
"""

from __future__ import annotations

import json
import os
import site
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from datamodules.console import say_once
from datamodules.store.cache import default_cache_dir, digest
from experiments.records.atomic import replace_bytes

_HOME = Path(__file__).parents[2]
_UNREAD = ("__pycache__", "wandb", "wandb_id.txt")  # bytecode, W&B's own records
_VARIABLES = ("LIT_SENTIMENT_", "WANDB_", "HF_", "CUDA_", "PYTHON", "COLUMNS", "TERM", "NO_COLOR")
_MOST = 20_000  # with more files than these an answer is not kept
_OF_WANDB = "offline-run-"
_KEPT = 50  # answers; the oldest make room
Stamp = list[int | str]


class Answer(NamedTuple):
    """Printed answer of a command.

    Attributes:
        printed: Text on standard output, with the colours of its terminal.
        notes: Sentences on standard error.
    """

    printed: str
    notes: tuple[str, ...]

    def give(self, console: Console) -> None:
        """Say it again."""
        for note in self.notes:
            say_once(note)
        console.file.write(self.printed)


class Answers:
    """The kept answer of one command.

    Answers lie in the user's own cache, since a text in a run folder may be a stranger's.

    Args:
        asked: Name of the command, and its options.
        console: Console that it prints on; its width and colours are those of the answer.
        written: Files that the command writes. They are part of its answer, and no input.
    """

    def __init__(self, asked: Mapping[str, object], console: Console, written: Iterable[Path]):
        self.written = [path.absolute() for path in written]
        surroundings = {
            "asked": {name: repr(value) for name, value in asked.items()},
            "folder": os.getcwd(),
            "python": [sys.executable, sys.version],
            "variables": {k: v for k, v in os.environ.items() if k.startswith(_VARIABLES)},
            "console": [console.width, console.is_terminal, console.color_system, console.encoding],
        }
        self.file = default_cache_dir() / "answers" / f"{digest(surroundings)}.json"

    def known(self) -> Answer | None:
        """The answer, if everything that it follows from is as it was."""
        try:
            kept = json.loads(self.file.read_bytes())
            if kept["outputs"] != self._outputs() or None in kept["outputs"]:
                return None
            if self.stamps(map(Path, kept["places"])) != kept["inputs"]:
                return None
            return Answer(str(kept["printed"]), tuple(map(str, kept["notes"])))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None  # there is none, or it is damaged: the command is carried out

    def keep(self, answer: Answer, places: Iterable[Path], before: str | None) -> None:
        """Keep an answer, unless what it follows from has changed while it was made.

        Args:
            answer: What the command said.
            places: Files and folders that it follows from.
            before: Their stamps from before the command read them.
        """
        places = list(places)
        if before is None or self.stamps(places) != before:
            return
        kept = {"inputs": before, "outputs": self._outputs(), "places": [str(p) for p in places]}
        try:
            replace_bytes(self.file, json.dumps(kept | answer._asdict()).encode())
            for old in sorted(self.file.parent.glob("*.json"), key=_changed)[:-_KEPT]:
                old.unlink(missing_ok=True)
        except OSError:
            return  # no space: the next command is slow, and right

    def _outputs(self) -> list[Stamp | None]:
        return [_file_stamp(path) for path in self.written]

    def stamps(self, places: Iterable[Path]) -> str | None:
        """Digest of sizes and times of change: of files, of all in folders, and of the program.

        Returns:
            16 hex digits; None if the folders have too many files to look at.
        """
        program = [_HOME / "datamodules", _HOME / "lit_models", *(_HOME / "experiments").iterdir()]
        program.remove(_HOME / "experiments" / "results")  # each test is logged there
        files = (one for place in (*program, *places) for one in self._entries(place))
        found: dict[str, Any] = {str(path): stamp for path, stamp in islice(files, _MOST + 1)}
        if len(found) > _MOST:
            return None
        # What is installed, and what the report can show.
        packages = [*site.getsitepackages(), site.getusersitepackages()]
        for folder in (*map(Path, packages), default_cache_dir() / "corpora"):
            found[str(folder)] = _file_stamp(folder)
        return digest(found)

    def _entries(self, place: Path) -> Iterator[tuple[Path, Stamp | None]]:
        """A file or folder and what is in it, each with its stamp.

        Of a folder of more than 1,000 files, as those of reviews, the time of change is the stamp
        of all of them, as where the corpus is read. Folders in it are looked into as others are.
        """
        if not place.is_dir():
            yield place, _file_stamp(place)
            return
        if place.name.startswith(_OF_WANDB):
            yield place, []  # it is there; W&B may go on writing into it for a while
            return
        try:
            with os.scandir(place) as listing:
                found = sorted((one.name, one.is_dir()) for one in listing)
        except OSError:  # it is closed to the user, or gone by now
            yield place, None
            return
        inside = {
            place / name: is_folder
            for name, is_folder in found
            if name not in _UNREAD and not name.startswith(".")
        }
        inside = {
            path: kind for path, kind in inside.items() if path.absolute() not in self.written
        }
        many = len(inside) - sum(inside.values()) > 1_000
        # Else not by time: a report that is written changes that of its folder.
        yield place, _file_stamp(place) if many else [path.name for path in inside]
        for path, is_folder in inside.items():
            if is_folder or not many:
                yield from self._entries(path)


def _file_stamp(path: Path) -> Stamp | None:
    """Kind, size and time of change; None where nothing is."""
    try:
        status = path.stat()
    except OSError:
        return None
    return [stat.S_IFMT(status.st_mode), status.st_size, status.st_mtime_ns]


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns
