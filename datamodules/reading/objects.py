"""Rows of JSON files: an object on each line, or an array of objects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from datamodules.errors import DataError
from datamodules.reading.opening import SourceFile

_EXAMPLE = '{"text": "…", "label": "…"}'


def columns(file: SourceFile) -> list[str]:
    """Names of the first object; empty for an empty file."""
    return list(next(objects(file), (0, dict[str, Any]()))[1])


def rows(file: SourceFile, wanted: list[str]) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Yields the line of an object (its number in an array) and its values of the wanted keys."""
    for number, value in objects(file):
        for name in wanted:
            if name not in value:
                raise DataError(
                    f"{file.where(number)}: has no {name!r}, but {list(value)}; give every row "
                    "the same keys"
                )
        yield number, tuple(value[name] for name in wanted)


def objects(file: SourceFile) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields the line of an object (its number in an array) and the object."""
    if file.is_array():
        yield from _of_array(file)
        return
    with file.text() as text:
        for number, line in enumerate(text, 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
                if "\\ud" in line.lower():  # half a surrogate pair is valid JSON, but no text
                    json.dumps(value, ensure_ascii=False).encode()
            except (ValueError, RecursionError) as error:
                also = " or the file one array of objects" if file.ending == ".json" else ""
                raise DataError(
                    f"{file.path}, line {number}: is not JSON ({error}); each line must be one "
                    f"object, such as {_EXAMPLE}{also}"
                ) from error
            yield number, _checked(f"{file.path}, line {number}", value)


def _of_array(file: SourceFile) -> Iterator[tuple[int, dict[str, Any]]]:
    with file.text() as text:
        content = text.read()
    try:
        values = json.loads(content)
        if "\\ud" in content.lower():
            json.dumps(values, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{file.path}: is not JSON ({error}); it must be one array of objects such as "
            f"{_EXAMPLE}, or one object on each line"
        ) from error
    for number, value in enumerate(values, 1):
        yield number, _checked(file.where(number), value)


def _checked(place: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(
            f"{place}: is a {type(value).__name__}, must be an object, such as {_EXAMPLE}"
        )
    return value
