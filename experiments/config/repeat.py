"""Words of the command line that turn the settings of an experiment into those of a run."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from datamodules.errors import DataError
from datamodules.trusted import check_trusted, import_trusted
from datamodules.upgrade.translate import current_config
from experiments.config.identity import NEUTRAL

# Settings that a link fills, that say where files of this machine are, or that send to W&B.
_LEFT_OUT = {
    *("data.seed", "data.cache_dir", "model.vocab_size", "model.num_classes"),
    *("model.num_symbols", "model.num_tags", "model.unmarked_tags"),
    *("trainer.default_root_dir", "trainer.logger", "run.checkpoint_minutes"),
    *("run.wandb_project", "run.wandb_entity", "run.wandb_mode", "run.wandb_texts"),
}
_PARTS = ("data", "model", "trainer", "run")


def words_for(settings: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """Settings to type after an experiment and its profile, so that a run has a given config.

    Only classes of trusted places are imported (`datamodules.trusted`): of any other class all
    settings are named, those at their defaults too.

    Args:
        settings: Layered settings of the experiment (`experiments.config.registry.layered`).
        config: Resolved settings of the run, of any version.

    Returns:
        Words such as `--model.dropout=0.3`; a class comes before its settings.

    Raises:
        ConfigError: The experiment's own settings cannot be used.
        Untrusted: They name a class that is not one of a trusted place.
    """
    from experiments.config.resolved import Resolved  # loads torch

    base = Resolved(dict(settings), check=check_trusted).config
    wanted = current_config(dict(config))
    pairs = [pair for part in _PARTS for pair in _section(base.get(part), wanted.get(part), part)]
    return [f"--{name}={_text(value)}" for name, value in pairs if name not in _LEFT_OUT]


def _section(base: Any, wanted: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Differences of a part of the config, or of an object in it, as name and wanted value."""
    if not isinstance(wanted, Mapping):
        return
    base = base if isinstance(base, Mapping) else {}
    if "class_path" not in wanted:  # `trainer` and `run`
        yield from _values(base, wanted, {}, name, NEUTRAL.get(name, {}))
        return
    path = str(wanted["class_path"])
    before, after = base.get("init_args") or {}, wanted.get("init_args") or {}
    defaults = {}
    if path != base.get("class_path"):
        yield name, path
        defaults = _defaults(path)
    neutral = NEUTRAL.get(name, {}) | NEUTRAL.get(path, {})
    yield from _values(before, after, defaults, name, neutral)


def _values(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    defaults: Mapping[str, Any],
    prefix: str,
    neutral: Mapping[str, Any],
) -> Iterator[tuple[str, Any]]:
    """Differences of arguments.

    Args:
        before: Those of the experiment.
        after: Those of the run.
        defaults: Those of the class, where it is another than the experiment's.
        prefix: Dotted name of their owner.
        neutral: Values of settings that are younger than the run.
    """
    known = {**defaults, **before}
    for name in dict.fromkeys((*after, *before)):
        dotted = f"{prefix}.{name}"
        if name not in after:
            if name in neutral and _plain(before[name]) != neutral[name]:
                yield dotted, neutral[name]
            continue
        value = after[name]
        if isinstance(value, Mapping) and "class_path" in value:
            yield from _section(before.get(name), value, dotted)
            continue
        same = name in known and _plain(known[name]) == _plain(value)
        # Arguments of the experiment's own class may be taken over by another one.
        if not same or (defaults and _plain(defaults.get(name, value)) != _plain(value)):
            yield dotted, value


def _defaults(path: str) -> dict[str, Any]:
    """Default arguments of a class and its bases; empty for one that is not trusted."""
    try:
        named = import_trusted(path)
    except (DataError, ImportError, AttributeError, TypeError):
        return {}
    return {
        name: argument.default
        for base in reversed(named.__mro__)
        if "__init__" in vars(base)
        for name, argument in inspect.signature(base).parameters.items()
        if argument.default is not inspect.Parameter.empty
    }


def _plain(value: Any) -> Any:
    """Value with lists in the place of tuples, as YAML has it."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    listed = isinstance(value, Sequence) and not isinstance(value, str)
    return [_plain(entry) for entry in value] if listed else value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
