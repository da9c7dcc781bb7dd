"""Soft labels of a corpus's unlabelled texts by finished runs: `lit-sentiment teach`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.errors import DataError
from datamodules.splits import text_key
from datamodules.store.soft_labels import SoftLabels
from datamodules.text import TextDataModule
from experiments.config.registry import ConfigError
from experiments.config.resolved import Resolved
from experiments.inference.loaded_ensemble import LoadedEnsemble
from experiments.inference.loaded_run import LoadedRun, TextClassifier, load_run
from experiments.inference.predictor import check_one_label, read_finished
from experiments.records.atomic import replace_bytes
from experiments.records.row import Row
from experiments.records.run_files import Weights, weights_folder

_PART = 2000  # texts predicted between two reports of progress


def teach(
    folders: Sequence[Path],
    out: Path,
    *,
    root: str | None = None,
    device: str = "cpu",
    started: Callable[[int], Any] = lambda texts: None,
    advance: Callable[[int], Any] = lambda texts: None,
) -> SoftLabels:
    """Predict the unlabelled texts of the runs' corpus, and write the probabilities.

    Several runs teach as an ensemble, with weights fitted on validation. Of a run under `refit` the
    first fit teaches, which has not seen the validation rows. Texts that are copies of a labelled
    one are left out: what they say is learnt from labels.

    Args:
        folders: Run folders.
        out: File to write, `.parquet`.
        root: The official corpus, if it is at another place than when the runs were fitted.
        device: See `load_run`.
        started: Called with the number of texts.
        advance: Called with a number of texts after they have been predicted.

    Returns:
        What was written.

    Raises:
        ConfigError: No run, one without a model, or an output that cannot be written.
        DataError: The corpus cannot be read, is another one, or has no unlabelled texts.
        ResultsError: Files of a run that are missing or were changed, or runs of unequal corpora.
    """
    _check_out(out)
    rows = [read_finished(folder) for folder in folders]
    weights = [_weights(folder, row) for folder, row in zip(folders, rows, strict=True)]
    runs = [
        load_run(folder, device=device, weights=fit)
        for folder, fit in zip(folders, weights, strict=True)
    ]
    for run in runs:
        check_one_label(run.model, run.folder)
    data = _corpus(folders[0], rows[0], root)
    teacher: TextClassifier = runs[0] if len(runs) == 1 else LoadedEnsemble(runs)
    texts, labelled = data.texts("unlabelled"), {text_key(t) for t in data.texts("train")}
    ids = np.array([row for row, text in enumerate(texts) if text_key(text) not in labelled])
    if not len(ids):
        raise DataError(
            f"every text without labels is a copy of a labelled one ({len(texts):,} texts), so "
            "that there is nothing to teach; give others"
        )
    started(len(ids))
    found = list[np.ndarray]()
    for first in range(0, len(ids), _PART):
        part = [texts[row] for row in ids[first : first + _PART]]
        found.append(teacher.predict(part).probabilities)
        advance(len(part))
    probabilities = np.concatenate([np.zeros((0, data.num_classes), np.float32), *found])
    known = np.isfinite(probabilities).all(axis=1)  # blank texts have none
    soft = SoftLabels(
        ids=ids[known].astype(np.int64),
        probabilities=probabilities[known].astype(np.float32),
        corpus_fingerprint=data.fingerprint,
        label_names=tuple(data.label_names),
        labelled_rows=_labelled_rows(data, rows, weights),
        teacher=_in_words(teacher, runs),
    )
    replace_bytes(out, soft.to_bytes())
    return soft


def _check_out(out: Path) -> None:
    if out.suffix != ".parquet":
        raise ConfigError(f"--out {out}: soft labels are a Parquet file; name one, *.parquet")
    if out.is_dir() or not out.parent.is_dir():
        raise ConfigError(f"--out {out}: name a file in a folder that there is; make it first")


def _weights(folder: Path, row: Row) -> Weights:
    """The first fit, if it was kept."""
    only_second = row.protocol == "refit" and weights_folder(folder, row) == folder
    return "refit" if only_second else "holdout"


def _corpus(folder: Path, row: Row, root: str | None) -> TextDataModule:
    words = [] if root is None else [f"--data.root={Path(root).absolute()}"]
    data = Resolved.of_run(folder, words=words).build()[1]
    data.prepare_data()
    data.setup()
    if data.fingerprint != row.corpus_fingerprint:
        raise DataError(
            f"the corpus is {data.fingerprint}, and {folder} was fitted on "
            f"{row.corpus_fingerprint}; name that one with --root, or fit the run again"
        )
    if "unlabelled" not in data.store.splits:
        raise DataError(f"{row.corpus} has no texts without labels, which a teacher could label")
    return data


def _labelled_rows(data: TextDataModule, rows: Sequence[Row], weights: Sequence[Weights]) -> int:
    """The most labelled texts that a member learnt from.

    A second fit counts as one on all of them: however few it had, some are validation texts.
    """
    without_validation = len(data.store.rows("train"))
    counts = [
        min(row.train_rows or without_validation, without_validation)
        if fit == "holdout"
        else len(data.store.labels("train"))
        for row, fit in zip(rows, weights, strict=True)
    ]
    return max(counts)


def _in_words(teacher: TextClassifier, runs: Sequence[LoadedRun]) -> str:
    names = [f"{run.row.experiment} (seed {run.row.seed}, {run.row.config_hash})" for run in runs]
    if not isinstance(teacher, LoadedEnsemble):
        return names[0]
    return " + ".join(
        f"{weight:.3f} · {name}" for weight, name in zip(teacher.weights, names, strict=True)
    )
