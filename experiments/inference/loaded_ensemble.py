"""Ensemble of loaded runs, for new texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from experiments.inference.ensembles import check_equal, combine_members, rule_of
from experiments.inference.loaded_run import LoadedRun, TextClassifier
from experiments.inference.members import Member, seed_of
from experiments.records.threshold import threshold_and_note
from experiments.statistics.combining import combine


class LoadedEnsemble(TextClassifier):
    """Runs that predict together, combined as `lit-sentiment ensemble` combines their predictions.

    The weights are fitted on the validation predictions that the runs left. A threshold, where the
    runs have one, is chosen anew on the combination of these.

    Args:
        runs: Two or more.

    Attributes:
        runs: The runs.
        weights: float64[M], one for each.

    Raises:
        ConfigError: Fewer than two runs, or one given twice.
        ResultsError: A run without predictions of validation rows, or runs of unequal tasks,
            corpora, profiles, reviews or labels.
    """

    def __init__(self, runs: Sequence[LoadedRun]) -> None:
        members = [Member(run.row, run.folder) for run in runs]
        combination = combine_members(members, test=False)
        check_equal(members, "labels", [run.label_names for run in runs])
        self.runs, self.weights = runs, combination.weights
        self.label_names = runs[0].label_names
        rule, val = rule_of(runs[0].row), combination.parts["val"]
        self.threshold = threshold_and_note(rule, val, self.label_names, seed_of(members))[0]

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Predict the combined probabilities of N ≥ 1 texts, float64[N, C]."""
        return combine([run.probabilities(texts) for run in self.runs], self.weights)
