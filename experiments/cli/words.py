"""Words of the command line, put into the order in which argparse reads each for what it is.

argparse gives up on names between options, takes the value of an option that it does not know for a
name, and takes a text that begins with a dash for an option. So the kind of each word is decided
first: options with their values go first, joined by `=`, then `--`, then everything else. Settings
are not for argparse.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any

_SECTIONS = "data|model|trainer|run|seed_everything"
_SETTING = re.compile(rf"--(?:{_SECTIONS}|[A-Za-z_]\w*(?:\.\w+)+)\+?")
_NUMBER = re.compile(r"-\d+|-\d*\.\d+")


def parse_words(
    words: Sequence[str], command: argparse.ArgumentParser
) -> tuple[argparse.Namespace, list[str], list[str]]:
    """Parse the words after a command's name.

    Args:
        words: as typed. After a word `--` nothing is an option.
        command: the command's parser.

    Returns:
        The options and names; settings such as `--model.dropout=0.3`; words that are neither.
    """
    options, settings, others, position = list[str](), list[str](), list[str](), 0
    overridable = bool(command.get_default("overridable"))
    known = command._option_string_actions  # argparse has no public way to ask for it
    while position < len(words):
        word = words[position]
        position += 1
        if word == "--":
            others += words[position:]
            break
        option, equals, _ = word.partition("=")
        action = known.get(option)
        if action is not None and equals:
            values = []
        elif action is not None:
            values = _values(action, words[position:], known)
        elif overridable and _SETTING.fullmatch(option):
            follows = position < len(words) and not words[position].startswith("--")
            values = list(words[position : position + follows]) if not equals else []
            settings += _joined(word, values)
            position += len(values)
            continue
        elif _is_option(word):
            values = []
        else:
            others.append(word)
            continue
        position += len(values)
        options += _joined(word, values)
    names = ["--", *others] if others else []
    parsed, extra = command.parse_known_args([*options, *names])
    unknown = [word for word in extra if word != "--"]
    if overridable and all(word.startswith("--") for word in unknown):
        settings += unknown  # `--print_config`, and mistakes, which the parser of settings explains
        unknown = []
    return parsed, settings, unknown


def _joined(option: str, values: Sequence[str]) -> list[str]:
    return [f"{option}={value}" for value in values] or [option]


def _values(action: argparse.Action, following: Sequence[str], known: dict[str, Any]) -> list[str]:
    """Values of an option among the words that follow it."""
    if action.nargs == 0:
        return []
    values = list[str]()
    for word in following:
        if (
            word == "--"
            or word.partition("=")[0] in known
            or _SETTING.fullmatch(word.partition("=")[0])
        ):
            break
        if action.nargs in ("+", "*") and not _fits(action, word):
            break
        values.append(word)
        if action.nargs not in ("+", "*"):
            break
    return values


def _fits(action: argparse.Action, word: str) -> bool:
    """Check whether a word can be one of the several values of an option."""
    if action.choices is not None:
        return word in action.choices
    if action.type is int:
        return re.fullmatch(r"-?\d+", word) is not None
    return not _is_option(word)


def _is_option(word: str) -> bool:
    """Check whether a word looks like an option, and not like a text or a number."""
    return word.startswith("-") and word != "-" and not (" " in word or _NUMBER.fullmatch(word))
