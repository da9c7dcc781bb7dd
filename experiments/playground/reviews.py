"""Runs of a playground, and texts with labels to ask them about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datamodules.errors import DataError
from datamodules.text import TextDataModule
from experiments.config.registry import ConfigError
from experiments.inference.loaded_run import LoadedRun, load_run
from experiments.inference.predictor import check_one_label
from experiments.playground.answers import check_classes, disagreement
from experiments.records.row import ResultsError
from experiments.records.run_files import EARLIER, ROW_FILE, Weights

SAMPLE = 200
"""Texts that are drawn from the validation part."""


@dataclass(frozen=True)
class Review:
    """Labelled text of the validation part.

    Attributes:
        text: The text.
        label: Its label.
        key: Its name in the source, such as `train/pos/17_9`.
    """

    text: str
    label: str
    key: str


def load_runs(
    folders: Sequence[Path], device: str = "cpu", weights: Weights | None = None
) -> tuple[dict[str, LoadedRun], list[str]]:
    """Load runs, and all runs of benchmarks.

    Args:
        folders: Folders of runs or of benchmarks.
        device: As in `load_run`.
        weights: As in `load_run`.

    Returns:
        Runs by name (experiment, and the seed where several are shown), and a sentence on each run
        of a benchmark that cannot be used.

    Raises:
        ConfigError: A folder holds no finished run, or the classes of runs differ.
        ResultsError: A named run was changed.
        DataError: The encoder of a named run is damaged.
    """
    loaded, notes = list[LoadedRun](), list[str]()
    for folder in folders:
        if (folder / ROW_FILE).is_file():
            loaded.append(load_run(folder, device=device, weights=weights))
            continue
        found = sorted(p for p in folder.glob(f"*/seed-*/{ROW_FILE}") if p.parts[-3] != EARLIER)
        if not found:
            raise ConfigError(
                f"{folder}: no finished run here; name a run folder, such as "
                "runs/quick/cnn/seed-0, or a benchmark folder, such as runs/quick"
            )
        for file in found:
            try:
                loaded.append(load_run(file.parent, device=device, weights=weights))
            except (ConfigError, ResultsError, DataError) as error:
                notes.append(f"left out: {error}")
    if not loaded:
        raise ConfigError(f"no run can be used; {notes[0]}")
    counts = [run.row.experiment for run in loaded]
    runs = dict[str, LoadedRun]()
    for run in loaded:
        name = run.row.experiment
        name += f", seed {run.row.seed}" if counts.count(name) > 1 else ""
        runs[name if name not in runs else f"{name} ({run.folder})"] = run
    for run in runs.values():
        check_one_label(run.model, run.folder)
    check_classes(runs)
    for run in runs.values():
        run.predict(["first"])  # the first prediction alone is slow
    return runs, notes


def sample(data: TextDataModule, count: int = SAMPLE, seed: int = 0) -> list[Review]:
    """Draw texts of the validation part, from which no first fit of a run has learnt.

    Args:
        data: The corpus, set up.
        count: Number of texts, or all if there are fewer.
        seed: Seed of the draw.
    """
    rows = data.store.rows("val")
    chosen = np.random.default_rng(seed).permutation(rows)[:count].tolist()
    texts, keys, labels = data.texts("train"), data.store.keys("train"), data.store.labels("train")
    names = data.label_names
    return [Review(texts[row], names[int(labels[row])], keys[row]) for row in chosen]


def by_disagreement(
    runs: dict[str, LoadedRun], reviews: Sequence[Review]
) -> list[tuple[Review, float, list[str]]]:
    """Sort texts by how far the runs are apart, the farthest first.

    Returns:
        Each text with `disagreement` in nats, and the label that each run gives it.
    """
    texts = [review.text for review in reviews]
    found = [run.predict(texts) for run in runs.values()]
    order = {name: number for number, name in enumerate(found[0].label_names)}
    columns = [np.argsort([order[name] for name in one.label_names]) for one in found]
    together = np.stack([one.probabilities[:, c] for one, c in zip(found, columns, strict=True)])
    known = ~np.isnan(together).any(axis=(0, 2))
    apart = np.full(len(texts), -1.0)
    apart[known] = disagreement(together[:, known])
    ranked = np.argsort(-apart, kind="stable").tolist()
    return [
        (reviews[row], float(apart[row]), [str(one.labels[row]) for one in found])
        for row in ranked
        if known[row]
    ]
