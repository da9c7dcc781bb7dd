"""Questions to trained runs: answers side by side, changes between two texts, flips."""

from __future__ import annotations

import difflib
import math
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from datamodules.errors import DataError
from experiments.config.registry import ConfigError
from experiments.explaining.explanation import Explanation
from experiments.inference.loaded_run import LoadedRun

MOST_DELETIONS = 64
_MOST_SINGLES = 256
_MOST_COMPARED = 5_000**2  # pairs of words and spaces; they take seconds
_WORD = re.compile(r"\w+(?:['’]\w+)*")


@dataclass(frozen=True)
class Answer:
    """Prediction of one run for one text.

    Attributes:
        name: Name of the run.
        explanation: Label, probability and the contributions of tokens.
        probabilities: Probability of each class by its name, the most probable first.
        milliseconds: Time from the text to the prediction, without the explanation.
    """

    name: str
    explanation: Explanation
    probabilities: dict[str, float]
    milliseconds: float


@dataclass(frozen=True)
class Flip:
    """Words of a text without which a run predicts another label.

    Attributes:
        before: Label of the text.
        after: Label without the words; None if no deletion was found.
        probability: Its probability.
        words: First and last character of each deleted word, in the order of the text.
        smallest: Whether no smaller deletion exists: one word is enough. Otherwise none of the
            words can be put back alone, and a smaller deletion of other words may exist.
    """

    before: str
    after: str | None = None
    probability: float | None = None
    words: Sequence[tuple[int, int]] = ()
    smallest: bool = False


@dataclass(frozen=True)
class Change:
    """Piece of two texts: in both, in the first alone (removed) or in the second (added)."""

    kind: Literal["both", "removed", "added"]
    text: str


def answer(name: str, run: LoadedRun, text: str) -> Answer:
    """Predict one text and explain the prediction.

    Raises:
        ConfigError: The text is empty or blank.
    """
    started = time.perf_counter()
    found = run.predict([text])
    milliseconds = 1000 * (time.perf_counter() - started)
    if found.labels[0] is None:
        raise ConfigError(f"{found.reasons[0]}: there is nothing to predict; type a text")
    (explanation,) = run.explain([text])
    order = np.argsort(-found.probabilities[0], kind="stable").tolist()
    probabilities = {found.label_names[k]: float(found.probabilities[0, k]) for k in order}
    return Answer(name, explanation, probabilities, milliseconds)


def changes(first: str, second: str) -> list[Change]:
    """Pieces of two texts, word by word, in the order of the texts.

    What lies between the first and the last change of two very long texts is one change.
    """
    old, new = (re.findall(r"\s+|[^\s]+", text) for text in (first, second))
    found = []
    for kind, a, b, c, d in _opcodes(old, new):
        if kind == "equal":
            if b > a:
                found.append(Change("both", "".join(old[a:b])))
            continue
        if b > a:
            found.append(Change("removed", "".join(old[a:b])))
        if d > c:
            found.append(Change("added", "".join(new[c:d])))
    return found


def flip(run: LoadedRun, explanation: Explanation) -> Flip:
    """Delete as few words as are needed for another label.

    Words are deleted in the order of what they contribute to the label until it changes, then each
    is put back whose deletion was not needed. If one word alone is enough, it is found.

    Args:
        run: The run.
        explanation: Its explanation of a text that has a label.
    """
    text, label = explanation.text, str(explanation.label)
    words = _words_by_contribution(explanation)
    singles = [[word] for word in words[:_MOST_SINGLES]]
    if (found := _first_flip(run, text, label, singles)) is not None:
        return _flip(run, text, label, found, smallest=True)
    prefixes = [words[:count] for count in range(2, min(len(words), MOST_DELETIONS) + 1)]
    chosen = _first_flip(run, text, label, prefixes)
    if chosen is None:
        return Flip(label)
    for word in reversed(chosen.copy()):  # the least important first
        fewer = [one for one in chosen if one != word]
        if _first_flip(run, text, label, [fewer]) is not None:
            chosen = fewer
    return _flip(run, text, label, chosen, smallest=False)


def disagreement(answers: np.ndarray) -> np.ndarray:
    """Distance of models on each text: the mean of KL(model ‖ mean of models), in nats.

    The generalised Jensen-Shannon divergence (Lin 1991): 0 where all say the same, at most ln M.

    Args:
        answers: float[M, N, C], probabilities of M models.

    Returns:
        float[N].
    """
    p = np.clip(answers.astype(np.float64), 1e-12, 1)
    mean = p.mean(axis=0)
    divergence: np.ndarray = (p * np.log(p / mean)).sum(axis=-1).mean(axis=0)
    return np.maximum(divergence, 0.0)


def log_odds(answer: Answer, label: str) -> float:
    """Logarithm of the odds of a label, in nats."""
    p = min(max(answer.probabilities[label], 1e-12), 1 - 1e-12)
    return math.log(p / (1 - p))


def check_classes(runs: dict[str, LoadedRun]) -> None:
    """Refuse runs whose classes differ.

    Raises:
        DataError: They do.
    """
    first, *others = runs.items()
    for name, run in others:
        if set(run.label_names) != set(first[1].label_names):
            raise DataError(
                f"{name} has the classes {', '.join(run.label_names)} and {first[0]} has "
                f"{', '.join(first[1].label_names)}; show runs of one corpus"
            )


def _opcodes(old: list[str], new: list[str]) -> list[tuple[str, int, int, int, int]]:
    """As `difflib.SequenceMatcher.get_opcodes`, in bounded time."""
    head = len(os.path.commonprefix([old, new]))
    tail = len(os.path.commonprefix([old[head:][::-1], new[head:][::-1]]))
    a, b = old[head : len(old) - tail], new[head : len(new) - tail]
    middle: Sequence[tuple[str, int, int, int, int]] = [("replace", 0, len(a), 0, len(b))]
    if len(a) * len(b) <= _MOST_COMPARED:
        middle = difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes()
    return [
        ("equal", 0, head, 0, head),
        *((kind, i + head, j + head, k + head, m + head) for kind, i, j, k, m in middle),
        ("equal", len(old) - tail, len(old), len(new) - tail, len(new)),
    ]


def _words_by_contribution(explanation: Explanation) -> list[tuple[int, int]]:
    """Words of the text that the model read, those that speak most for the label first."""
    words = [match.span() for match in _WORD.finditer(explanation.text)]
    starts = np.array([start for start, _ in words], dtype=np.int64)
    total = np.zeros(len(words))
    for token in explanation.tokens:
        if token.start < 0 or not words:
            continue
        at = int(np.searchsorted(starts, token.end - 1, side="right")) - 1
        if at >= 0 and words[at][1] > token.start:
            total[at] += token.contribution
    order = np.argsort(-total, kind="stable").tolist()
    return [words[at] for at in order if total[at] > 0]


def _first_flip(
    run: LoadedRun, text: str, label: str, choices: Sequence[list[tuple[int, int]]]
) -> list[tuple[int, int]] | None:
    """First of several sets of words without which the label is another."""
    size = 32
    for start in range(0, len(choices), size):
        part = choices[start : start + size]
        found = run.predict([_without(text, words) for words in part])
        for words, predicted in zip(part, found.labels, strict=True):
            if predicted not in (label, None):
                return words
    return None


def _flip(
    run: LoadedRun, text: str, label: str, words: list[tuple[int, int]], smallest: bool
) -> Flip:
    found = run.predict([_without(text, words)])
    probability = float(np.nanmax(found.probabilities[0]))
    return Flip(label, found.labels[0], probability, sorted(words), smallest)


def _without(text: str, words: Sequence[tuple[int, int]]) -> str:
    """Text without some words; the spaces around them stay."""
    parts, done = [], 0
    for start, end in sorted(words):
        parts.append(text[done:start])
        done = end
    return "".join([*parts, text[done:]])
