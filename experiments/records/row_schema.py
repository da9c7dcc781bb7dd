"""Rows as JSON: checked against the schema when written and read; older schemas are migrated."""

import dataclasses
import math
import types
import typing
from typing import Any, Literal

from experiments.config.names import check_part
from experiments.config.track import track_of
from experiments.records.row import METRICS, SCHEMA, Part, ResultsError, Row

READABLE = (1, 2, SCHEMA)
LATER = {"best_batch_size", "flops_per_review", "energy_joules"}
LATER |= {"excluded", "train_rows", "checksums", "trainable_parameters", "vectors_seconds"}
LATER |= {"origin", "paper", "label_names"}
"""Fields that older rows may lack: their defaults then apply."""
LATER_METRICS = {"balanced_accuracy", "per_class", "confusion", "mae"}
"""The same of their metrics."""
SINCE: dict[int, dict[str, Any]] = {
    2: {"config": {}, "family": "other"},
    3: {
        "task": None,
        "problem": "classification",
        "track": "labels",
        "deterministic": False,
        "threshold": None,
        "test_refit": None,
    },
}
"""Fields that came with a schema, each with its value in rows of earlier ones."""
_TASKS = {"imdb": "imdb-v1", "movie_reviews": "movie-reviews-v1"}
"""Tasks of rows that do not name theirs, by corpus."""
REMEDY = "rows are written by the program: run the experiment again, or read it with the version "
REMEDY += "of lit-sentiment that wrote it"


DIGITS = {"git_commit": (40, 64), "config_hash": (16,), "corpus_fingerprint": (16,)}
"""Fields that are hashes, with their numbers of hex digits: git's are SHA-1 or SHA-256."""


def row_to_dict(row: Row) -> dict[str, Any]:
    """Convert a row to values that JSON can hold.

    Raises:
        ResultsError: A number outside `history` is not finite, or a field has another type than
            the schema says, so that the file could not be read back.
    """
    data = dataclasses.asdict(row)
    for epoch in data["history"]:
        for key, value in epoch.items():
            # A diverged epoch is worth keeping, but NaN is not JSON.
            if isinstance(value, float) and not math.isfinite(value):
                epoch[key] = None
    row_from_dict(data, f"the row of {row.experiment}, seed {row.seed}")
    return data


def row_from_dict(data: Any, source: str) -> Row:
    """Check a decoded row against the schema; one of an earlier schema becomes one of today's.

    Args:
        data: The decoded JSON.
        source: File (and line) named by errors.

    Raises:
        ResultsError: An unknown schema version, an unknown or missing field, a value of another
            type, or fields that contradict each other.
    """
    if not isinstance(data, dict):
        raise ResultsError(f"{source}: holds {type(data).__name__}; a row is an object. {REMEDY}")
    if data.get("schema") not in READABLE:
        known = ", ".join(map(str, READABLE))
        raise ResultsError(
            f"{source}: field 'schema' is {data.get('schema')!r}; this program reads {known}. "
            f"{REMEDY}"
        )
    data = _migrated(data, source)
    try:
        row = _build(Row, data, "")
        assert isinstance(row, Row)
        for name in ("experiment", "profile", "task"):
            if (value := getattr(row, name)) is not None:
                check_part(value, f"field {name!r}")
        for name, lengths in DIGITS.items():
            _check_digits(name, getattr(row, name), lengths)
    except (ResultsError, ValueError) as error:
        raise ResultsError(f"{source}: {error}") from None
    return row


def _migrated(data: dict[str, Any], source: str) -> dict[str, Any]:
    """Fill in the fields that came after a row's schema."""
    before = data["schema"]
    for schema, fields in SINCE.items():
        if before >= schema:
            continue
        if later := sorted(fields.keys() & data.keys()):
            raise ResultsError(f"{source}: unknown field {later[0]!r} of schema {before}. {REMEDY}")
        data = data | fields
    if before < 3:
        config = data.get("config")
        data["track"] = track_of(config if isinstance(config, dict) else {})
        data["task"] = _TASKS.get(str(data.get("corpus")))
        if data.get("protocol") == "refit":  # such a run tested its second fit alone
            data |= {"test": None, "test_refit": data.get("test")}
    return data | {"schema": SCHEMA}


def _check_digits(name: str, value: str | None, lengths: tuple[int, ...]) -> None:
    if value is None or len(value) in lengths and not set(value) - set("0123456789abcdef"):
        return
    rule = f"{' or '.join(map(str, lengths))} hex digits in lower case"
    raise ResultsError(f"field {name!r} is {value!r}; it must be {rule}. {REMEDY}")


def _build(cls: type, data: Any, prefix: str) -> Any:
    """Make the dataclass `cls` from a dict whose keys are exactly its fields."""
    if not isinstance(data, dict):
        raise ResultsError(f"field {prefix.rstrip('.')!r} is {data!r}; it must be an object")
    hints = typing.get_type_hints(cls)
    if cls is Row:  # whose metrics depend on the kind of problem
        problem: Any = data.get("problem")
        if problem not in list(METRICS):
            problems = " or ".join(map(repr, METRICS))
            raise ResultsError(f"field 'problem' is {problem!r}; it must be {problems}. {REMEDY}")
        hints |= {part: METRICS[problem] | None for part in typing.get_args(Part)}
    for name in sorted(data.keys() - hints.keys()):
        raise ResultsError(f"unknown field {prefix + name!r}. {REMEDY}")
    for name in sorted(hints.keys() - data.keys() - LATER - LATER_METRICS):
        raise ResultsError(f"missing field {prefix + name!r}. {REMEDY}")
    known = {name: data[name] for name in hints if name in data}
    return cls(**{name: _value(hints[name], value, prefix + name) for name, value in known.items()})


def _value(hint: Any, value: Any, name: str) -> Any:
    """Check `value` against a type hint and return it, nested dataclasses built."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):  # here always `X | None`
        return None if value is None else _value(arguments[0], value, name)
    if dataclasses.is_dataclass(hint):
        return _build(typing.cast(type, hint), value, f"{name}.")
    if origin is Literal and value in arguments:
        return value
    if origin is list and isinstance(value, list):
        return [_value(arguments[0], entry, f"{name}[{i}]") for i, entry in enumerate(value)]
    if origin is dict and isinstance(value, dict):
        return {
            key: _value(arguments[1], entry, f"{name}[{key!r}]") for key, entry in value.items()
        }
    if hint is Any:
        return value
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise ResultsError(f"field {name!r} is {value}; it must be a finite number, or null")
        return float(value)
    if isinstance(hint, type) and type(value) is hint:
        return value
    expected = getattr(hint, "__name__", str(hint)) if origin is None else str(hint)
    raise ResultsError(f"field {name!r} is {value!r}; it must be {expected}. {REMEDY}")
