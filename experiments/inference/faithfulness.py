"""Faithfulness of explanations, measured on runs that learnt without the counterfactual pairs.

python -m experiments.inference.faithfulness runs/robustness/tfidf_logreg/seed-0 --reviews 500
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from datamodules.robustness import Pairs, counterfactuals
from datamodules.splits import text_key
from datamodules.store.batching import TextBatch
from experiments.explaining.explain import Explainer
from experiments.explaining.faithfulness import erase, mean_interval
from experiments.explaining.gradients import RowInParts
from experiments.explaining.occlusion import occlude
from experiments.explaining.rationales import average_precision, edited_characters, edited_tokens
from experiments.inference.loaded_run import LoadedRun, load_run
from experiments.inference.robustness import UnsuitableRun, check_unseen, suitable_data
from experiments.inference.robustness_sets import Challenge

RANDOM, LEAVE_ONE_OUT = "random order", "leave one out"
FIGURES = ("comprehensiveness", "sufficiency", "AUPRC")


@dataclass(frozen=True)
class Faithfulness:
    """Figures of one explainer on the reviews of one run.

    Attributes:
        experiment: Name of the run's experiment.
        explainer: Name of the explainer.
        figures: float64[N] each, by name; NaN where a review has no edited token that was read, or
            the explainer has nothing on it.
        groups: int64[N], the movie of each review.
    """

    experiment: str
    explainer: str
    figures: dict[str, np.ndarray]
    groups: np.ndarray

    @property
    def left_out(self) -> int:
        """Number of reviews on which the explainer has nothing."""
        return int(np.isnan(self.figures[FIGURES[0]]).sum())

    def line(self) -> str:
        """Row of the table in Markdown, with 95% intervals over movies."""
        cells = []
        for name in FIGURES:
            values = self.figures[name]
            known = ~np.isnan(values)
            if not known.any():
                cells.append("–")
                continue
            mean, low, high = mean_interval(values[known], self.groups[known])
            cells.append(f"{mean:.3f} [{low:.3f}, {high:.3f}]")
        return f"| `{self.experiment}` | {self.explainer} | {' | '.join(cells)} |"


def measure(run: LoadedRun, pairs: Pairs, groups: np.ndarray) -> list[Faithfulness]:
    """Measure the explanations of the original reviews of pairs.

    Contributions speak for the predicted class; as rationales for the label of the review, which
    the edits changed, they are turned round where the prediction is wrong. Weights that the
    architecture shows have no sign. A review that a model reads in windows has no integrated
    gradients.

    Args:
        run: A run of two classes.
        pairs: N pairs.
        groups: int64[N], the movie of each original.
    """
    explainer, rng = run.explainer, np.random.default_rng(0)
    method = explainer.method()
    names = [method] if method == "occlusion" else [method, LEAVE_ONE_OUT]
    unknown = np.full((len(pairs.originals), len(FIGURES)), np.nan)
    figures: dict[str, np.ndarray] = {name: unknown.copy() for name in names}
    truths = pairs.original_labels.tolist()
    texts = zip(pairs.originals, pairs.revised, truths, strict=True)
    for number, (text, revised, truth) in enumerate(texts):
        batch = run.encoder.encode([text])
        row = batch.tokens[0].numpy()
        with torch.inference_mode():
            label = int(run.model.predict_step(batch).probabilities[0].argmax())
            shown = _of_tokens(explainer, batch, label)
        values: dict[str, np.ndarray] = {}
        with suppress(RowInParts):
            values[method] = explainer.attribute(row, label, method).contributions
        if method != "occlusion":
            lost = occlude(run.model, row, label, explainer.truncation)
            values[LEAVE_ONE_OUT] = lost.contributions
        signed = set(values)
        values |= shown | {RANDOM: rng.random(len(row))}
        erased = erase(run.model, row, label, list(values.values()), explainer.truncation)
        wanted = edited_tokens(edited_characters(text, revised), run.encoder.spans(text))
        for (name, contributions), (comprehensive, sufficient) in zip(
            values.items(), erased, strict=True
        ):
            if name in signed and label != truth:
                contributions = -contributions
            agreement = average_precision(wanted, contributions) if wanted.any() else np.nan
            of_name = figures.setdefault(name, unknown.copy())
            of_name[number] = comprehensive, sufficient, agreement
    return [
        Faithfulness(run.row.experiment, name, dict(zip(FIGURES, found.T, strict=True)), groups)
        for name, found in figures.items()
        if not np.isnan(found).all()
    ]


def _of_tokens(explainer: Explainer, batch: TextBatch, label: int) -> dict[str, np.ndarray]:
    """Weights that an architecture shows for every token."""
    length = batch.tokens.shape[1]
    return {
        name: marks.weights.double().numpy()
        for name, marks in explainer.model.shown(batch, label).items()
        if len(marks.weights) == length and bool((marks.stops - marks.starts == 1).all())
    }


def counterfactual_pairs(run: LoadedRun, reviews: int | None) -> tuple[Pairs, np.ndarray]:
    """Counterfactual pairs that a run has not seen, and the movie of each original.

    Args:
        run: The run.
        reviews: Number of pairs, drawn at random, the same for every run; None: all 2,439.

    Raises:
        UnsuitableRun: The run may have learnt from them.
        DataError: The corpus or the pairs cannot be read.
    """
    data, train = suitable_data(run.folder, run.row)
    pairs = counterfactuals(data.robustness_folder(), train)
    challenge = Challenge("counterfactual_original", pairs.originals, pairs.original_labels)
    check_unseen(run.row, data, train.texts, [challenge])
    rows = {text_key(text): number for number, text in enumerate(train.texts)}
    if train.groups is None:
        raise UnsuitableRun(f"{data.corpus_folder}: the movies of its reviews are not known")
    groups = train.groups[[rows[text_key(text)] for text in pairs.originals]]
    order = np.sort(np.random.default_rng(0).permutation(len(groups))[:reviews])
    chosen = Pairs(
        [pairs.originals[row] for row in order],
        [pairs.revised[row] for row in order],
        pairs.original_labels[order],
        pairs.revised_labels[order],
    )
    return chosen, groups[order]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table of some runs in Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", help="run folders")
    parser.add_argument("--reviews", type=int, help="number of pairs, drawn at random (all)")
    options = parser.parse_args(arguments)
    print(f"| experiment | explainer | {' | '.join(FIGURES)} |\n|---|---|---:|---:|---:|")
    for folder in options.runs:
        run, started = load_run(folder), time.perf_counter()
        try:
            pairs, groups = counterfactual_pairs(run, options.reviews)
        except UnsuitableRun as reason:
            print(f"left out: {reason}", file=sys.stderr)
            return 1
        for found in measure(run, pairs, groups):
            print(found.line(), flush=True)
            if found.left_out:
                print(
                    f"{folder}: {found.left_out:,} of {len(groups):,} reviews have no "
                    f"{found.explainer}, such as those that are read in windows; its row is of the "
                    "others",
                    file=sys.stderr,
                )
        seconds = time.perf_counter() - started
        print(f"{folder}: {len(groups):,} reviews in {seconds:,.0f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
