"""Translation of class paths, settings and words into today's names."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from datamodules.upgrade.names import (
    DATA_SETTINGS,
    DROPPED,
    KERAS,
    MODEL_SETTINGS,
    MODULES,
    REPLACED,
    RETIRED,
    SHARED_SETTINGS,
    VALUES,
)
from datamodules.upgrade.renamed import NAMES

Say = Callable[[str], None]
# A class is also named without its module, as in `--data IMDB`.
_DATA = DATA_SETTINGS | {path.rpartition(".")[2]: names for path, names in DATA_SETTINGS.items()}
_KERAS_OLD = {new: old for old, (new, _, _) in KERAS.items()}


def _nothing(sentence: str) -> None:
    """Say nothing: what a program wrote is translated in silence."""


def current_path(path: str) -> str:
    """Today's dotted path of a module, class or function; any other is returned as it is."""
    if path in NAMES:
        return NAMES[path]
    head, tail = path, ""
    while head:
        if head in MODULES:
            return MODULES[head] + tail
        head, _, last = head.rpartition(".")
        tail = f".{last}{tail}"
    return path


def current_object(
    class_path: str, arguments: Mapping[str, Any], say: Say = _nothing
) -> tuple[str, dict[str, Any]]:
    """Today's class path and arguments of an object, those of objects within it included.

    Args:
        class_path: dotted path of its class.
        arguments: of its constructor, by name.
        say: called with a sentence for each name that is another today.
    """
    path, variant = current_path(class_path), arguments.get("variant")
    path = _KERAS_OLD.get(path, path) if variant is not None else path
    given: dict[str, Any] = {}
    for name, value in arguments.items():
        if (path, name) in REPLACED:
            continue
        new = _current_name(path, name, value)
        if name == "average" and value is None and "average_decay" in arguments:
            new = MODEL_SETTINGS[name]  # written by the base class, whichever class this is
        given[new] = _current_value(path, new, value, say)
        if new != name:
            say(f"{name} of {path} is {new} today")
        elif isinstance(value, str) and given[new] != value:
            say(f"{name}: {value} of {path} is {name}: {given[new]} today")
    for name in (name for name in arguments if (path, name) in REPLACED):
        instead = REPLACED[path, name].get(arguments[name], {name: arguments[name]})
        given |= instead
        say(f"{name}: {arguments[name]} of {path} is {instead} today")
    if variant == "default" and path.startswith("lit_models."):
        retired = ("variant", *RETIRED.get(path, ()))
        given = {k: v for k, v in given.items() if k not in retired}
    elif variant == "seed" and path in KERAS:
        say(f"variant: seed of {path} is {KERAS[path][0]} today")
        path, renamed, ignored = KERAS[path]
        ignored = ignored | {"variant"}
        given = {renamed.get(k, k): v for k, v in given.items() if k not in ignored}
    return path, given


def current_config(config: Mapping[str, Any], say: Say = _nothing) -> dict[str, Any]:
    """Nested settings with today's names in every `class_path` and `init_args` within them.

    Args:
        config: settings, such as those of a run or of an experiment's file.
        say: called with a sentence for each name that is another today.
    """
    translated: dict[str, Any] = {}
    for name, value in config.items():
        if name in DROPPED and isinstance(value, Mapping) and "class_path" not in config:
            for old in set(value) & set(DROPPED[name]):
                say(f"{name}.{old} is no setting today, and is left out")
            value = {n: v for n, v in value.items() if n not in DROPPED[name]}
        if name != "init_args" or "class_path" not in config:
            translated[name] = _current_value("", name, value, say)
        else:
            translated[name] = value  # translated below, by its class
    if isinstance(old := config.get("class_path"), str):
        arguments = config.get("init_args")
        given = arguments if isinstance(arguments, Mapping) else {}
        translated["class_path"], given = current_object(old, given, say)
        if isinstance(arguments, Mapping):
            translated["init_args"] = given
        if current_path(old) != old:
            say(f"{old} is {current_path(old)} today")
    return translated


def current_words(
    words: Iterable[str], config: Mapping[str, Any], say: Say = _nothing
) -> list[str]:
    """Settings typed on the command line, with today's names.

    Args:
        words: such as `--model.dropout=0.3`.
        config: the settings that they change, for the classes that it names.
        say: called with a sentence for each word that has another name today.
    """
    paths = {part: current_path(_class_path(config, part)) for part in ("model", "data")}
    translated: list[str] = []
    for word in _without_dropped(words, say):
        part, after_option = "", bool(translated) and translated[-1] in ("--model", "--data")
        option, equals, value = ("", "", word) if after_option else word.partition("=")
        if after_option:
            part = translated[-1].removeprefix("--")
        elif option.startswith("--"):
            part = option.removeprefix("--").partition(".")[0]
        if part in paths:
            rest = option.removeprefix("--").partition(".")[2]
            new_value = _current_text(value, say)
            if rest in ("", "class_path") and value:
                paths[part] = _path_in(new_value)
            prefix = "init_args." if rest.startswith("init_args.") else ""
            name, dot, inner = rest.removeprefix(prefix).partition(".")
            if (name, inner.removeprefix("init_args.")) == ("tokenizer", "preparation"):
                new_value = VALUES["datamodules.tokenizers.WordTokenizer", "preparation"].get(
                    value, value
                )
            name = _current_name(paths[part], name, value)
            new_option = f"--{part}" + (f".{prefix}{name}{dot}{inner}" if rest else "")
            new_option = "" if after_option else new_option
            if new_option != option:
                say(f"{option} is {new_option} today")
            if new_value != value:
                say(f"{value} is {new_value} today")
            word = new_option + equals + new_value
        translated.append(word)
    return translated


def _without_dropped(words: Iterable[str], say: Say) -> Iterator[str]:
    dropped = {f"--{part}.{name}" for part, names in DROPPED.items() for name in names}
    rest = iter(words)
    for word in rest:
        option, equals, _ = word.partition("=")
        if option not in dropped:
            yield word
            continue
        say(f"{option} is no setting today, and is left out")
        if not equals:
            next(rest, None)  # its value


def _current_text(value: str, say: Say) -> str:
    """A typed value with today's names: a dotted path, or an object as JSON."""
    if not value.startswith("{"):
        return current_path(value)
    try:
        content = json.loads(value)
    except ValueError:
        return value  # YAML, or a mistake: the parser says so
    new = current_config(content, say)
    return value if new == content else json.dumps(new)


def _path_in(value: str) -> str:
    try:
        return str(json.loads(value)["class_path"]) if value.startswith("{") else value
    except (ValueError, KeyError, TypeError):
        return ""


def _class_path(config: Mapping[str, Any], part: str) -> str:
    section = config.get(part)
    return str(section.get("class_path", "")) if isinstance(section, Mapping) else ""


def _current_name(path: str, name: str, value: Any) -> str:
    """Today's name of a setting of a class."""
    if path in _DATA:
        return _DATA[path].get(name, name)
    if path.startswith("lit_models.") or (path and "." not in path):
        return MODEL_SETTINGS.get(name, name)
    # A class from outside the suite may have a setting `average` of its own.
    if name in SHARED_SETTINGS and (name != "average" or value in ("ema", "asgd")):
        return MODEL_SETTINGS[name]
    return name


def _current_value(path: str, name: str, value: Any, say: Say) -> Any:
    if isinstance(value, str):
        return VALUES.get((path, name), {}).get(value, value)
    if isinstance(value, Mapping):
        return current_config(value, say)
    if isinstance(value, list):
        return [current_config(v, say) if isinstance(v, Mapping) else v for v in value]
    return value
