"""Statistics of the rows of a table whose figures their predictions give."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np

from experiments.records.metrics import largest_class
from experiments.records.problems.class_predictions import Predictions
from experiments.records.problems.hypotheses import Hypotheses
from experiments.records.problems.outputs import Outputs
from experiments.records.problems.scores import Scores
from experiments.records.problems.tag_counts import TagCounts
from experiments.records.row import Part, Problem, ResultsError, Row
from experiments.records.run_files import VAL_FILE
from experiments.report.columns import MAIN, STRING_ERRORS
from experiments.report.provenance import run_folder
from experiments.report.tables import Evidence, Key
from experiments.statistics.f1 import f1_difference, f1_interval
from experiments.statistics.intervals import Interval
from experiments.statistics.perplexity import perplexity_interval, ratio_interval
from experiments.statistics.reading import read_run_outputs, read_run_predictions
from experiments.statistics.table import Analysis, analyse_runs

Run: TypeAlias = tuple[Row, dict[Part, Outputs]]
AnyOutputs = TypeVar("AnyOutputs", bound=Outputs)


def analyse_rows(rows: list[Row], folder: Path, parts: list[Part]) -> Evidence:
    """Analyse the outputs of finished rows; rows that they do not bear out are left out.

    Args:
        rows: Rows of a table.
        folder: Folder that they were read from.
        parts: Parts of the predictions, the most important one first.

    Raises:
        ResultsError: Runs were evaluated on different reviews.
    """
    home = folder.parent if folder.is_file() else folder
    runs = list[Run]()
    missing, wrong = dict[Key, str](), dict[Key, str]()
    for row in rows:
        key, run = (row.experiment, row.seed), run_folder(home, row)
        if not row.evidence and (run is None or not (run / VAL_FILE).is_file()):
            missing[key] = f"{row.experiment}, seed {row.seed}"
            continue
        try:
            runs.append((row, read_run_outputs(row, folder)))
        except ResultsError as error:
            # The name within the folder alone: the path would reveal the machine.
            wrong[key] = str(error).replace(f"{home}/", "")
    found = _ANALYSES[rows[0].problem](runs, folder, parts) if rows else Evidence()
    notes = list(found.notes)
    if missing:
        names = "; ".join(missing.values())
        notes.append(f"Unverified and not shown, because their predictions are missing: {names}.")
    notes += [f"Unverified and not shown: {text}." for text in wrong.values()]
    return replace(found, notes=tuple(notes), unverified=frozenset(missing | wrong))


def _classifiers(runs: list[Run], folder: Path, parts: list[Part]) -> Evidence:
    predicted = [
        (row, {part: one for part, one in run.items() if isinstance(one, Predictions)})
        for row, run in runs
    ]
    analyses = dict[Part, Analysis]()
    for part in parts:
        if analysis := analyse_runs(predicted, folder, part=part):
            analyses[part] = analysis
    notes = list[str]()
    if (main := analyses.get(parts[0])) and main.left_out:
        notes.append(f"Not in the statistics: {'; '.join(main.left_out)}.")
    shares = largest_classes(run for _, run in predicted)
    return Evidence(analyses, tuple(notes), largest_class=shares)


def _language_models(runs: list[Run], folder: Path, parts: list[Part]) -> Evidence:
    """Intervals of perplexities.

    Raises:
        ResultsError: Runs were evaluated on different texts, or on texts of other sizes.
    """
    intervals: dict[str, dict[str, Interval]] = {}
    for part, key in MAIN["language modelling"].items():
        by_name: dict[str, list[tuple[Row, Scores]]] = {}
        first: Scores | None = None
        for row, run in sorted(runs, key=lambda run: run[0].seed):
            if not isinstance(one := run.get(part), Scores):
                continue
            first = first or one
            if not (
                np.array_equal(first.ids, one.ids) and np.array_equal(first.symbols, one.symbols)
            ):
                raise ResultsError(
                    f"{folder}: {row.experiment}, seed {row.seed} was evaluated on other texts or "
                    "symbols than others of its table; run it again with the same vocabulary"
                )
            by_name.setdefault(row.experiment, []).append((row, one))
        for name, models in by_name.items():
            one = models[0][1]
            found = perplexity_interval(
                np.stack([-scores.log_probabilities for _, scores in models]),
                one.symbols,
                one.groups,
                draws=not models[0][0].deterministic,
            )
            if found is not None:
                intervals.setdefault(key, {})[name] = found
    return Evidence(intervals=intervals)


def _transcriptions(runs: list[Run], folder: Path, parts: list[Part]) -> Evidence:
    """Intervals of error rates, in 0..1 as those of accuracies, and differences from the best.

    Raises:
        ResultsError: Runs were evaluated on different texts.
    """
    intervals, notes = dict[str, dict[str, Interval]](), list[str]()
    for part, key in MAIN["transcription"].items():
        by_name: dict[str, dict[int, tuple[Row, Hypotheses]]] = {}
        first: Hypotheses | None = None
        for row, run in sorted(runs, key=lambda run: run[0].seed):
            if not isinstance(one := run.get(part), Hypotheses):
                continue
            first = first or one
            if not np.array_equal(first.ids, one.ids):
                raise ResultsError(
                    f"{folder}: {row.experiment}, seed {row.seed} was evaluated on other texts "
                    "than others of its table; run it again on the same split"
                )
            by_name.setdefault(row.experiment, {})[row.seed] = row, one
        for name, models in by_name.items():
            written = [one for _, one in models.values()]
            draws = not next(iter(models.values()))[0].deterministic
            # The nearest answer of a text may differ between runs, and so its length.
            lengths = np.mean([one.answer_lengths for one in written], axis=0)
            distances = np.stack([one.distances.astype(float) for one in written])
            found = ratio_interval(distances, lengths, written[0].groups, draws=draws)
            if found is not None:
                intervals.setdefault(key, {})[name] = found
            found = string_errors(written, draws=draws)
            if found is not None:
                intervals.setdefault(STRING_ERRORS[part], {})[name] = found
        known = intervals.get(STRING_ERRORS[part], {})
        order = sorted(known, key=lambda name: known[name].mean)
        notes = notes or _differences("WER", by_name, order, part, string_errors)
    return Evidence(intervals=intervals, notes=tuple(notes))


def string_errors(
    written: list[Hypotheses], others: list[Hypotheses] | None = None, *, draws: bool = True
) -> Interval | None:
    """Rate of texts without a right answer by the runs of some seeds, or how far above others'."""
    wrong = np.stack([~one.right for one in written]).astype(float)
    if others is not None:
        wrong -= np.stack([~one.right for one in others])
    texts = np.ones(wrong.shape[1], dtype=np.int64)
    return ratio_interval(wrong, texts, written[0].groups, draws=draws)


def _several_labels(runs: list[Run], folder: Path, parts: list[Part]) -> Evidence:
    """Nothing: micro F1 has no interval here."""
    return Evidence()


def _taggers(runs: list[Run], folder: Path, parts: list[Part]) -> Evidence:
    """Intervals of F1 scores, in 0..1 as those of accuracies, and differences from the best.

    Raises:
        ResultsError: Runs were evaluated on different texts, words or kinds of tags.
    """
    intervals, notes = dict[str, dict[str, Interval]](), list[str]()
    for part, key in MAIN["tagging"].items():
        by_name: dict[str, dict[int, tuple[Row, TagCounts]]] = {}
        first: TagCounts | None = None
        for row, run in sorted(runs, key=lambda run: run[0].seed):
            if not isinstance(one := run.get(part), TagCounts):
                continue
            first = first or one
            same = np.array_equal(first.ids, one.ids) and np.array_equal(first.words, one.words)
            if not same or (first.kinds, first.averaged) != (one.kinds, one.averaged):
                raise ResultsError(
                    f"{folder}: {row.experiment}, seed {row.seed} was evaluated on other texts or "
                    "tags than others of its table; run it again on the same split"
                )
            by_name.setdefault(row.experiment, {})[row.seed] = row, one
        for name, models in by_name.items():
            draws = not next(iter(models.values()))[0].deterministic
            counts = _main_counts(one for _, one in models.values())
            if found := f1_interval(counts, models[min(models)][1].groups, draws=draws):
                intervals.setdefault(key, {})[name] = found
        known = intervals.get(key, {})
        order = sorted(known, key=lambda name: -known[name].mean)
        notes = notes or _differences("F1", by_name, order, part, _f1_difference)
    return Evidence(intervals=intervals, notes=tuple(notes))


def _main_counts(runs: Iterable[TagCounts]) -> np.ndarray:
    """int64[S, N, C, 3] counts of the kinds that the main figure averages."""
    return np.stack([one.counts[:, : one.averaged] for one in runs])


def _f1_difference(one: list[TagCounts], other: list[TagCounts]) -> Interval | None:
    return f1_difference(_main_counts(one), _main_counts(other), one[0].groups)


def _differences(
    figure: str,
    by_name: Mapping[str, Mapping[int, tuple[Row, AnyOutputs]]],
    order: list[str],
    part: Part,
    difference: Callable[[list[AnyOutputs], list[AnyOutputs]], Interval | None],
) -> list[str]:
    """Sentences on the differences of the best figure from others, by the seeds that both have.

    Args:
        figure: Its name.
        by_name: Outputs of each model, by seed.
        order: Names of the models, the best first.
        part: Part of the outputs.
        difference: Of the outputs of two models, on the same texts.
    """
    notes = list[str]()
    for name in order[1:]:
        best, other = by_name[order[0]], by_name[name]
        seeds = sorted(best.keys() & other.keys())
        pairs = [[models[seed][1] for seed in seeds] for models in (best, other)]
        if seeds and (found := difference(*pairs)):
            mean, low, high = (100 * value for value in (found.mean, found.low, found.high))
            text = f"{figure} of {order[0]} minus that of {name}, {part}: "
            text += f"{mean:.2f} points, 95% interval {low:.2f} to {high:.2f}"
            notes.append(f"{text}{', one seed, texts only' if found.reviews_only else ''}.")
    return notes


_ANALYSES: dict[Problem, Callable[[list[Run], Path, list[Part]], Evidence]] = {
    "classification": _classifiers,
    "multi-label classification": _several_labels,
    "language modelling": _language_models,
    "transcription": _transcriptions,
    "tagging": _taggers,
}


def largest_classes(runs: Iterable[Mapping[Part, Predictions]]) -> dict[Part, float]:
    """Share of the largest class in each part that was evaluated, which all runs share."""
    return {part: largest_class(one.labels) for run in runs for part, one in run.items()}


def analyse_labels(rows: list[Row], folder: Path, parts: list[Part]) -> Evidence:
    """Read the labels of finished rows alone, for a table without statistics."""
    try:
        runs = [read_run_predictions(row, folder) for row in rows]
    except (ResultsError, OSError):  # the table says so where statistics are asked for
        return Evidence()
    return Evidence(largest_class=largest_classes(runs))
