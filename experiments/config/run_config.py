"""Settings of a run folder, of which an evaluation takes what it needs.

The folder may come from somebody else. Its `config.yaml` was written by the program, so each
setting is in one place there. The parser knows further notations for the same setting (YAML in a
string, the name of a file, dotted keys), in which one could pass by what is left out here.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from lightning import Trainer

from datamodules.trusted import check_settings
from datamodules.upgrade.translate import current_config
from experiments.config.registry import CLASSES, ConfigError, read_yaml

TEXT_FILES = "datamodules.files.TextFiles"
"""Class of the corpora to which test rows can be added."""

_OF_TRAINING = {"callbacks", "plugins", "logger", "profiler", "strategy", "default_root_dir"}
_UNUSED = {"optimizer", "lr_scheduler"}  # Lightning's parser writes them, always null
_OF_CLASS = ("class_path", "init_args", "dict_kwargs")
_REMEDY = "restore it, or fit again"


def evaluation_settings(folder: Path) -> dict[str, Any]:
    """Read the settings of a run folder that an evaluation needs, under today's names.

    What serves training alone is left out, since a strategy or a callback may do anything, and so
    is the cache: an evaluation has the user's own.

    Raises:
        ConfigError: `config.yaml` is not as the program writes it.
        Untrusted: it names a class that is not one of a trusted place (`datamodules.trusted`).
    """
    file = folder / "config.yaml"
    try:
        return _evaluation_settings(file)
    except RecursionError as error:
        raise ConfigError(f"{file}: a setting contains itself; {_REMEDY}") from error


def _evaluation_settings(file: Path) -> dict[str, Any]:
    settings = {name: v for name, v in read_yaml(file).items() if name not in _UNUSED}
    _check_keys(settings, f"{file}", (*CLASSES, "trainer", "run", "seed_everything"))
    settings = current_config(settings)
    for part in CLASSES:
        section = settings.get(part)
        _check_keys(section, f"{file}: {part}", _OF_CLASS)
        for name in _OF_CLASS[1:]:
            if arguments := (section or {}).get(name):
                _check_keys(arguments, f"{file}: {part}.{name}")
                if part == "data":
                    arguments.pop("cache_dir", None)
    _check_keys(settings.get("run"), f"{file}: run")
    data = settings.get("data") or {}
    if data.get("class_path") == TEXT_FILES and (test := _added_test(file.parent)):
        data["init_args"] = {**(data.get("init_args") or {}), "test": test}
    trainer = settings.get("trainer")
    _check_keys(trainer, f"{file}: trainer", inspect.signature(Trainer).parameters)
    settings["trainer"] = {k: v for k, v in (trainer or {}).items() if k not in _OF_TRAINING}
    check_settings(settings)
    return settings


def _added_test(folder: Path) -> str | None:
    """File of test rows that was named after the fit; the row has it, `config.yaml` does not."""
    try:
        row = json.loads((folder / "row.json").read_bytes())
        test = row["config"]["data"]["init_args"]["test"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return test if isinstance(test, str) else None


def _check_keys(section: Any, place: str, known: Collection[str] | None = None) -> None:
    """Refuse a section that is no mapping, and a key that is not known or not a plain name."""
    if not isinstance(section, dict | None):
        raise ConfigError(f"{place} is {section!r}; it must be keys with values: {_REMEDY}")
    for key in section or {}:
        if known is not None and key not in known:
            raise ConfigError(f"{place} has key {key!r}; it may have {', '.join(known)}: {_REMEDY}")
        if not str(key).isidentifier():
            raise ConfigError(f"{place} has key {key!r}; it must be a plain name: {_REMEDY}")
