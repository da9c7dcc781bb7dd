"""Text settings taken as they were typed.

jsonargparse reads a value as YAML before it looks at the setting's type, so that a column `Review:
text` would be a mapping and a project `#1` nothing. Here a value whose type is text stays as it is;
on the command line `null` is none where there may be none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import jsonargparse._typehints
import yaml
from jsonargparse import ArgumentParser, Namespace, set_dumper
from jsonargparse._loaders_dumpers import dumpers
from jsonargparse._util import NestedArg

from experiments.config.registry import ConfigError

NONE = "null"


def is_text(hint: Any) -> bool:
    """Check whether a type hint is `str`, or `str` or a path or None."""
    kinds = set(get_args(hint)) if get_origin(hint) in (Union, UnionType) else {hint}
    return str in kinds and kinds <= {str, Path, NoneType}


@contextmanager
def text_as_typed() -> Iterator[None]:
    """Let jsonargparse, within the block, keep the values of text settings as they are."""
    typehints: Any = jsonargparse._typehints
    action: Any = typehints.ActionTypeHint
    adapt, parse = typehints.adapt_typehints, typehints.parse_value_or_config
    check, call = action._check_type, action.__call__

    @wraps(adapt)
    def adapt_text(val: Any, typehint: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(val, str) and is_text(typehint):
            return val
        if type(val) is int and is_text(typehint):  # a column `1`, in a file of settings
            return str(val)
        return adapt(val, typehint, *args, **kwargs)

    @wraps(parse)
    def parse_later(value: Any, *args: Any, **kwargs: Any) -> Any:
        # A setting of a class: what its type is, its own parser knows.
        if isinstance(value, NestedArg) and isinstance(value.val, str):
            return value, None
        return parse(value, *args, **kwargs)

    @wraps(check)
    def check_text(self: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(value, str) and is_text(self._typehint):
            return value
        return check(self, value, *args, **kwargs)

    @wraps(call)
    def call_text(self: Any, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 4 and args[2] == NONE and NoneType in get_args(self._typehint):
            args = (*args[:2], None, args[3])
        return call(self, *args, **kwargs)

    places: list[tuple[Any, str, Any]] = [
        (typehints, "adapt_typehints", adapt_text),
        (typehints, "parse_value_or_config", parse_later),
        (action, "_check_type", check_text),
        (action, "__call__", call_text),
    ]
    before = [(place, name, getattr(place, name)) for place, name, _ in places]
    for place, name, function in places:
        setattr(place, name, function)
    try:
        yield
    finally:
        for place, name, function in before:
            setattr(place, name, function)


# Those in C, which not every build of PyYAML has, take a tenth of the time.
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Quoting(_Dumper):
    """Writer of YAML in which every text has quotes."""


def plain_values(
    parser: ArgumentParser, config: Namespace, *, linked: bool = False
) -> dict[str, Any]:
    """Convert a parsed config to nested plain values, its texts as they are.

    jsonargparse writes the settings of each class as YAML and reads them again. Parsing has checked
    them, which takes longer than all of this and is not done again.

    Args:
        parser: the parser that has made the config.
        config: the parsed config.
        linked: with the settings that follow from others, such as the model's `vocab_size`.
    """
    before = dumpers["yaml"]
    set_dumper("yaml", quoted_yaml)
    try:
        text = parser.dump(
            config, skip_unset=False, skip_validation=True, skip_link_targets=not linked
        )
        return yaml.load(text, _Loader)
    finally:
        set_dumper("yaml", before)


def quoted_yaml(settings: dict[str, Any]) -> str:
    """Write settings as YAML in which no reader takes a text, such as `1e3`, for something else.

    Raises:
        ConfigError: a text that is not Unicode, such as a file's name in another encoding.
    """
    try:
        return yaml.dump(settings, Dumper=_Quoting, width=2**20, sort_keys=False)
    except UnicodeEncodeError as error:
        raise ConfigError(f"{error.object!r} is not UTF-8; rename what it names") from error


_Quoting.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)
