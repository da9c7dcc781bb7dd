"""Defaults for the size of a corpus of the user's own, where those of an experiment do not suit it.

The settings in `experiments/configs` were chosen on 22,500 long reviews. On a few hundred rows they
end after some dozen optimiser steps, and word vectors learnt from so few words are noise. Published
corpora, which name a `task`, keep the settings as they are in the files, and what a user has typed
or written in a file of their own is never changed.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

from datamodules.vectors.files import VectorFile
from experiments.config.corpus_measure import CorpusSize, measure
from experiments.config.registry import ConfigError, merge
from experiments.config.resolved import Resolved
from lit_models.base.without_steps import WithoutSteps

LEAST_STEPS = 600
STEPS_OF_A_CLASS = 20  # with 150 classes 600 steps end before a net has seen a class often enough
LEAST_STEPS_PRETRAINED = 200  # weights that others have trained need few
LEAST_BATCH = 16  # a smaller one makes training noisy before it makes an epoch longer
LEAST_WORDS = 2_000_000  # 4,000 reviews are one million, and vectors learnt from them do harm
MOST_VECTOR_EPOCHS = 200
# Few n-grams, each with a weight near 0, make sums too small to tell many classes apart.
SHORT_TEXT, MANY_CLASSES = 50, 17

Setting = tuple[str, ...]

_STEPS, _BATCH, _PATIENCE = ("trainer", "max_epochs"), ("data", "batch_size"), ("run", "patience")
_WINDOW = ("data", "train_window")
_VECTORS, _VECTOR_EPOCHS = ("data", "vectors"), ("data", "vectors", "epochs")
_WEIGHT, _MIN_DF = ("model", "initial_weight"), ("model", "min_df")
# Naive Bayes of all n-grams to begin with.
_SHORT_TEXTS: dict[Setting, Any] = {_WEIGHT: 1.0, _MIN_DF: 1}
_SENTINELS = {_STEPS: 987_654, _BATCH: 987_653, _PATIENCE: 987_652, _VECTOR_EPOCHS: 987_651}
_SENTINELS |= {_WEIGHT: 987_650, _MIN_DF: 987_649}
_KAGGLE = "datamodules.kaggle.Kaggle"  # IMDB's train reviews, without a task of their own
_NAMING = ("--config", "--data", "--data.class_path")  # options that may name another corpus
_NO_PART_OF_SIZE = {"batch_size", "eval_batch_size", "vocab_size", "max_length", "truncation"}
_NO_PART_OF_SIZE |= {"train_window", "vectors"}


class CorpusDefaults:
    """Settings of experiments, fitted to the corpus of a plan. A corpus is read once.

    Args:
        overrides: words of the command line.
    """

    def __init__(self, overrides: Sequence[str]) -> None:
        self.words = [word for word in overrides if not word.startswith("--print_config")]
        self._sizes: dict[str, CorpusSize | None] = {}

    def fit(
        self, experiment: str, settings: dict[str, Any], own: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Any], str | None]:
        """Settings with defaults that suit the corpus.

        Args:
            experiment: name of the experiment, for the sentence.
            settings: its layers of settings, before those of the command line.
            own: what a file of the user's own says; None: the experiment is one of the suite.

        Returns:
            The settings, and a sentence on what was changed and how to override it; None where
            nothing was.

        Raises:
            ConfigError: a setting that cannot be used.
            DataError: a corpus that cannot be used.
        """
        if _is_published(settings, self.words):
            return settings, None
        before = Resolved(settings, self.words)
        size = self._size(before)
        if size is None:
            return settings, None
        size = size.of_model(_class(before.config["model"]), _value(before, _WINDOW))
        if not self._changes(before, size, set(_SENTINELS) | {_VECTORS})[0]:
            return settings, None  # as for all large corpora
        changes, reasons = self._changes(before, size, self._free(settings, before, own))
        if not changes:
            return settings, None
        changed = [
            f"{_name(k)} {_shown(_value(before, k))} → {_shown(v)}" for k, v in changes.items()
        ]
        typed = _STEPS if _STEPS in changes else next(iter(changes))
        sentence = (
            f"{experiment} on {size.name}: {', and '.join(reasons)}; changed defaults: "
            f"{', '.join(changed)}. A setting that you type wins, such as "
            f"--{_name(typed)} {_shown(_value(before, typed))}"
        )
        return merge(settings, *(_nested(before, *change) for change in changes.items())), sentence

    def _size(self, resolved: Resolved) -> CorpusSize | None:
        """Size of a corpus of the user's own; None for a published one, or one not to be had."""
        data = resolved.config["data"]
        if _class(data).task is not None or data["class_path"] == _KAGGLE:
            return None
        arguments = {
            k: v for k, v in (data.get("init_args") or {}).items() if k not in _NO_PART_OF_SIZE
        }
        texts = (_vectors(resolved) or {}).get("init_args", {}).get("text")
        key = repr((data["class_path"], arguments, texts, resolved.run.folds))
        if key not in self._sizes:
            self._sizes[key] = measure(resolved)
        return self._sizes[key]

    def _free(
        self, settings: dict[str, Any], before: Resolved, own: Mapping[str, Any] | None
    ) -> set[Setting]:
        """Settings that nobody has set but the suite, in whatever notation they may be typed."""
        probes = dict(_SENTINELS)
        if _vectors(before) is None or _value(before, _VECTOR_EPOCHS) is None:
            del probes[_VECTOR_EPOCHS]
        if not _has_weights(before):
            del probes[_WEIGHT], probes[_MIN_DF]
        layers: list[dict[str, Any]] = [_nested(before, *probe) for probe in probes.items()]
        probed = [Resolved(merge(settings, *layers), self.words)]
        if own is not None:
            probed.append(Resolved(merge(settings, *layers, own)))
        free = {key for key, v in probes.items() if all(_value(one, key) == v for one in probed)}
        if _vectors(before) is not None and not _named(own, _VECTORS):
            try:
                without = Resolved(merge(settings, _nested(before, _VECTORS, None)), self.words)
            except ConfigError:  # an option of the vectors, such as --data.vectors.window, is typed
                return free
            free |= {_VECTORS} if _vectors(without) is None else set()
        return free

    def _changes(
        self, before: Resolved, size: CorpusSize, free: set[Setting]
    ) -> tuple[dict[Setting, Any], list[str]]:
        """New values by setting, and the reasons for them."""
        model = _class(before.config["model"])
        changes: dict[Setting, Any] = {}
        reasons = []
        if not issubclass(model, WithoutSteps):
            changes = _longer_training(before, size, free)
        if changes:
            steps = _steps(before, size.rows, _value(before, _BATCH), _value(before, _STEPS))
            reasons.append(
                f"{size.rows:,} {size.unit} are {steps:,} optimiser steps, fewer than "
                f"{_least(before, size):,}"
            )
        if size.words < LEAST_WORDS and _vectors(before) is not None:
            if not model.needs_vectors and _VECTORS in free:
                changes[_VECTORS] = None
            elif model.needs_vectors and _VECTOR_EPOCHS in free:
                passes = min(math.ceil(LEAST_WORDS / max(size.words, 1)), MOST_VECTOR_EPOCHS)
                if passes > _value(before, _VECTOR_EPOCHS):
                    changes[_VECTOR_EPOCHS] = passes
            if changes.keys() & {_VECTORS, _VECTOR_EPOCHS}:
                reasons.append(f"{size.words:,} words are few to learn word vectors from")
        if size.text_words < SHORT_TEXT and size.classes >= MANY_CLASSES:
            weights = _has_weights(before)
            new = {k: v for k, v in _SHORT_TEXTS.items() if weights and k in free}
            if new := {k: v for k, v in new.items() if v != _value(before, k)}:
                changes |= new
                reasons.append(
                    f"texts of {size.text_words:.0f} words are short for {size.classes} classes"
                )
        return changes, reasons


def _is_published(settings: Mapping[str, Any], words: Sequence[str]) -> bool:
    """True where a look at the settings shows a published corpus; resolving them is slower."""
    data = settings.get("data") or {}
    named = any(word.partition("=")[0] in _NAMING for word in words)
    inside = str(data.get("class_path")).startswith("datamodules.")
    return not named and inside and _class(data).task is not None


def _longer_training(before: Resolved, size: CorpusSize, free: set[Setting]) -> dict[Setting, Any]:
    """Smaller batches, then more epochs, for a least number of steps, and patience to match."""
    trainer = before.config["trainer"]
    typed = trainer.get("max_steps") not in (None, -1) or trainer.get("max_time") is not None
    batch, epochs = _value(before, _BATCH), _value(before, _STEPS)
    if _STEPS not in free or typed or epochs is None or epochs < 0:
        return {}  # the length of training is the user's
    rows, least = size.rows, _least(before, size)
    changes: dict[Setting, Any] = {}
    while _BATCH in free and batch > LEAST_BATCH and _steps(before, rows, batch, epochs) < least:
        batch = max(batch // 2, LEAST_BATCH)
        changes[_BATCH] = batch
    an_epoch = _steps(before, rows, batch, 1)
    if an_epoch * epochs < least:
        changes[_STEPS] = math.ceil(least / an_epoch)
    # Early stopping must not end a fit before a net has begun to learn.
    patience = math.ceil(least / 4 / an_epoch)
    if changes and _PATIENCE in free and patience > before.run.patience:
        changes[_PATIENCE] = patience
    return changes


def _least(resolved: Resolved, size: CorpusSize) -> int:
    """Least number of optimiser steps."""
    arguments = resolved.config["model"].get("init_args") or {}
    least = LEAST_STEPS_PRETRAINED if arguments.get("source") else LEAST_STEPS
    return max(least, STEPS_OF_A_CLASS * size.classes)


def _steps(resolved: Resolved, rows: int, batch: int, epochs: int) -> int:
    accumulated = resolved.config["trainer"].get("accumulate_grad_batches") or 1
    return math.ceil(math.ceil(rows / batch) / accumulated) * epochs


def _class(part: Mapping[str, Any]) -> Any:
    module, _, name = str(part["class_path"]).rpartition(".")
    return getattr(importlib.import_module(module), name)


def _vectors(resolved: Resolved) -> dict[str, Any] | None:
    """Settings of word vectors that are learnt from the corpus; None without such."""
    vectors = resolved.config["data"].get("init_args", {}).get("vectors")
    return None if not vectors or issubclass(_class(vectors), VectorFile) else dict(vectors)


def _value(resolved: Resolved, key: Setting) -> Any:
    part, *names = key
    value = resolved.config[part]
    for name in names:
        value = (value.get("init_args", value) or {}).get(name) if value else None
    return value


def _has_weights(resolved: Resolved) -> bool:
    """True for a model that has all settings of `_SHORT_TEXTS`, as one of the user's may not."""
    return all(_value(resolved, key) is not None for key in _SHORT_TEXTS)


def _nested(resolved: Resolved, key: Setting, value: Any) -> dict[str, Any]:
    """Layer with one setting."""
    if key == _VECTOR_EPOCHS:
        return {"data": {"init_args": {"vectors": {"init_args": {"epochs": value}}}}}
    part, name = key
    inside = part in ("data", "model")
    return {part: {"init_args": {name: value}} if inside else {name: value}}


def _named(own: Mapping[str, Any] | None, key: Setting) -> bool:
    part, name = key
    return own is not None and name in ((own.get(part) or {}).get("init_args") or {})


def _name(key: Setting) -> str:
    return ".".join(key)


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return str(value["class_path"])
    return "null" if value is None else str(value)
