"""Evidence of each kind of problem but classification: outputs as small arrays, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.records.problems.hypotheses import Hypotheses
from experiments.records.problems.label_evidence import label_arrays, label_sets
from experiments.records.problems.label_sets import LabelSets
from experiments.records.problems.outputs import Outputs
from experiments.records.problems.scores import Scores
from experiments.records.problems.tag_counts import TagCounts
from experiments.records.problems.tag_evidence import tag_arrays, tag_counts

Arrays = Mapping[str, NDArray]


class Form(NamedTuple):
    """Form of the evidence of one kind of outputs.

    Attributes:
        number: Its format.
        kind: The outputs.
        key: Name of an array that every part has.
        encode: Arrays of outputs in id order, under the row's threshold.
        decode: Outputs of arrays and int64[N] ids, and the bytes that a checksum covers.
    """

    number: int
    kind: type[Outputs]
    key: str
    encode: Callable[[Any, float | None], dict[str, NDArray]]
    decode: Callable[[Arrays, NDArray[np.int64]], tuple[Outputs, bytes]]


def smallest(values: NDArray[np.int64]) -> NDArray:
    """Convert numbers, none negative, to the narrowest unsigned type that holds them."""
    kind = np.min_scalar_type(int(values.max(initial=0)))
    return values.astype(kind.newbyteorder("<"))


def _score_arrays(rows: Scores, threshold: float | None) -> dict[str, NDArray]:
    return {
        "log_probabilities": rows.log_probabilities.astype(np.float64),
        "symbols": smallest(rows.symbols),
        "characters": smallest(rows.characters),
    }


def _scores(arrays: Arrays, ids: NDArray[np.int64]) -> tuple[Scores, bytes]:
    logs = arrays["log_probabilities"].astype("<f8")
    sizes = [arrays[name].astype("<i8") for name in ("symbols", "characters")]
    symbols, characters = (values.astype(np.int64) for values in sizes)
    content = b"".join(values.tobytes() for values in (logs, *sizes))
    return Scores(ids, logs.astype(np.float64), symbols, characters), content


def _hypothesis_arrays(rows: Hypotheses, threshold: float | None) -> dict[str, NDArray]:
    return {
        "strings": np.frombuffer(b"\0".join(rows.strings), dtype=np.uint8),
        "log_probabilities": rows.log_probabilities,
        "distances": smallest(rows.distances),
        "answer_lengths": smallest(rows.answer_lengths),
    }


def _hypotheses(arrays: Arrays, ids: NDArray[np.int64]) -> tuple[Hypotheses, bytes]:
    content = arrays["strings"].astype(np.uint8).tobytes()
    logs = arrays["log_probabilities"].astype("<f4")
    sizes = [arrays[name].astype("<i8") for name in ("distances", "answer_lengths")]
    distances, answer_lengths = (values.astype(np.int64) for values in sizes)
    strings = content.split(b"\0") if len(ids) else []
    found = Hypotheses(ids, strings, logs.astype(np.float32), distances, answer_lengths)
    return found, content + b"".join(values.tobytes() for values in (logs, *sizes))


SCORES = Form(4, Scores, "symbols", _score_arrays, _scores)
HYPOTHESES = Form(5, Hypotheses, "strings", _hypothesis_arrays, _hypotheses)
TAGS = Form(6, TagCounts, "counts", lambda rows, _: tag_arrays(rows), tag_counts)
LABEL_SETS = Form(7, LabelSets, "label_bits", label_arrays, label_sets)
FORMS = (SCORES, HYPOTHESES, TAGS, LABEL_SETS)
