"""YAML that takes for numbers and true or false only what everybody writes for them.

YAML 1.1 also reads `yes` as true, `1:30:00` as 5400, `0123` as 83, `1_000` as 1000 and 2024-01-01
as a date. Version 1.2 gave these up; PyYAML reads 1.1.
"""

from __future__ import annotations

import copy
import re
from functools import lru_cache
from typing import Any

import yaml

_SCALARS = {
    "null": (r"~|null|Null|NULL|", "~nN"),
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (r"[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+", "-+0123456789"),
    # With a point, as PyYAML writes them: `1e3` may be a text, which the setting's type says.
    "float": (
        r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
}


MOST_VALUES = 100_000
"""A few lines of aliases of aliases are billions of values, for which no memory is enough."""


class PlainLoader(yaml.SafeLoader):
    """Safe loader without the surprises of YAML 1.1."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # PyYAML copies it before it changes it
        first: [(tag, regexp) for tag, regexp in resolvers if tag.endswith((":merge", ":value"))]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


for _kind, (_pattern, _first) in _SCALARS.items():
    PlainLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_kind}",
        re.compile(f"^(?:{_pattern})$"),
        [*_first, ""] if _kind == "null" else list(_first),
    )


def read_plain(text: str) -> Any:
    """Parse YAML, each text once: a command asks for the same file several times.

    The loader in C is faster, but ends the whole process on YAML that is nested too deeply.

    Raises:
        yaml.YAMLError: it is no YAML, or has too many values once its aliases are written out.
    """
    return copy.deepcopy(_parsed(text))


@lru_cache(maxsize=256)
def _parsed(text: str) -> Any:
    loader = PlainLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _values(node, {}) > MOST_VALUES:
            raise yaml.YAMLError(
                f"more than {MOST_VALUES:,} values once its aliases are written out; write fewer"
            )
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _values(node: yaml.Node, known: dict[int, int]) -> int:
    """Number of values of a node; one that contains itself, which others refuse, counts once."""
    if id(node) not in known:
        known[id(node)] = 1
        children = node.value if isinstance(node, yaml.CollectionNode) else []
        if isinstance(node, yaml.MappingNode):
            children = [one for pair in children for one in pair]
        known[id(node)] = 1 + sum(_values(child, known) for child in children)
    return known[id(node)]
