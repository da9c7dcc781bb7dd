"""Accuracy on doubtful parts of the official test split.

A few test reviews have a copy in train, and some labels are wrong. Neither is corrected, because
they are part of every published figure; their effect on each row is reported beside it.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datamodules.errors import DataError
from datamodules.imdb import IMDB
from datamodules.splits import text_key
from datamodules.store.corpus import Corpus
from experiments.records.atomic import replace_bytes
from experiments.records.problems.class_predictions import Predictions
from experiments.records.row import Part, ResultsError, Row
from experiments.records.run_files import ROW_FILE, read_rows, tables_in
from experiments.statistics.reading import read_run_predictions, rows_fingerprint

VOTES = ("given", "guessed", "neutral", "off-topic")
VOTERS = 5
PUBLISHED = "repository cleanlab/label-errors, file mturk/imdb_mturk.json"
LEFT_OUT = -1
WEIGHTS: dict[Part, str] = {"test": "holdout", "test_refit": "refit"}
"""Protocol of the weights by which a part was predicted."""


@dataclass(frozen=True)
class SubsetAccuracy:
    """Accuracy on a part of the test rows.

    Attributes:
        n: Number of rows.
        accuracy: In 0..1; None if there are no rows.
    """

    n: int
    accuracy: float | None


@dataclass(frozen=True)
class Audit:
    """Votes of five people on labels that confident learning had flagged (Northcutt 2021).

    Attributes:
        reviewed: Number of labels that were voted on.
        failed: Number of labels with fewer than 3 of 5 votes.
        other_class: Failed labels for which at least 3 voted for the other class.
        left_out: The other failed labels: votes for both classes, for neither, or off topic.
        labels: int64[N], the labels after the vote; -1 for those left out.
        rows: int64[reviewed], numbers of the rows whose labels were voted on.
    """

    reviewed: int
    failed: int
    other_class: int
    left_out: int
    labels: NDArray[np.int64]
    rows: NDArray[np.int64]


def find_copies(test: Sequence[str], train: Sequence[str]) -> tuple[NDArray[np.bool_], ...]:
    """Mark test texts with a copy in train: bool[N] of exact copies, bool[N] of near copies.

    Near copies are equal up to markup, case, spacing and punctuation, as in the splits
    (`datamodules.splits.text_key`).
    """
    known, keys = set(train), {text_key(text) for text in train}
    exact = np.array([text in known for text in test], dtype=bool)
    return exact, np.array([text_key(text) in keys for text in test], dtype=bool)


def read_audit(file: Path, keys: Sequence[str], labels: NDArray[np.int64]) -> Audit:
    """Read the label audit and apply its votes to the labels.

    A label with fewer than 3 of 5 votes fails. It changes to the other class if at least 3 voted
    for that, and is left out otherwise.

    Args:
        file: The published file (`PUBLISHED`): a list of objects with `id`, such as
            `test/neg/10003_3`, and `mturk`, the votes.
        keys: Names of the N test reviews.
        labels: int64[N], 0 or 1.

    Raises:
        ResultsError: The file is missing or malformed, or an id is not a test review.
    """
    remedy = f"get it again: {PUBLISHED}"
    try:
        entries = json.loads(file.read_bytes())
        votes = {entry["id"]: [entry["mturk"][name] for name in VOTES] for entry in entries}
    except OSError as error:
        raise ResultsError(f"--label-audit {file} cannot be read ({error}); {remedy}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ResultsError(f"{file}: not the label audit ({error!r}); {remedy}") from error
    place = {key: row for row, key in enumerate(keys)}
    decided = labels.copy()
    failed = other = 0
    for name, counts in votes.items():
        if name not in place:
            raise ResultsError(f"{file}: {name!r} is not a test review of this corpus; {remedy}")
        if not all(isinstance(c, int) and c >= 0 for c in counts) or sum(counts) != VOTERS:
            raise ResultsError(
                f"{file}: {name} has the votes {counts}; there must be {VOTERS}; {remedy}"
            )
        given, guessed = counts[:2]
        if given * 2 > VOTERS:
            continue
        failed += 1
        row = place[name]
        turned = guessed * 2 > VOTERS
        other += turned
        decided[row] = 1 - labels[row] if turned else LEFT_OUT
    rows = np.array(sorted(place[name] for name in votes), dtype=np.int64)
    return Audit(len(votes), failed, other, failed - other, decided, rows)


def subset_accuracy(
    labels: NDArray[np.int64],
    predicted: NDArray[np.int64],
    rows: NDArray[np.bool_] | None = None,
) -> SubsetAccuracy:
    """Accuracy of predicted classes under `labels`, on `rows` if given, without those of -1."""
    included = labels != LEFT_OUT
    if rows is not None:
        included &= rows
    right = predicted[included] == labels[included]
    return SubsetAccuracy(len(right), float(right.mean()) if len(right) else None)


def write_subsets(folder: Path, root: str | None, audit_file: Path | None) -> list[Path]:
    """Write the subset accuracies of every table of a folder beside it.

    Args:
        folder: A published folder, one of its tables, a benchmark or a run.
        root: The official corpus, as for `IMDB`.
        audit_file: The label audit; None to leave its figures out.

    Returns:
        The files written: `<table>.subsets.json`, or `subsets.json` in a benchmark folder.

    Raises:
        ResultsError: No row was tested, rows are of another corpus, or the audit is unusable.
        DataError: The corpus is not available.
        OSError: As raised by the file system.
    """
    # The results.jsonl of a benchmark is made from its runs, which have the predictions.
    runs = (folder / ROW_FILE).is_file() or any(folder.glob(f"*/seed-*/{ROW_FILE}"))
    sources = [folder] if runs or folder.is_file() else tables_in(folder)
    corpora: dict[str | None, Corpus] = {}
    files = []
    for source in sources:
        tested = [row for row in read_rows(source) if row.status == "ok" and row.tested]
        rows = [row for row in tested if row.classified("test") or row.classified("test_refit")]
        if not rows:
            continue
        for row in rows:
            if row.corpus != "imdb":
                raise ResultsError(
                    f"{source}: {row.experiment} is of corpus {row.corpus!r}; copies in train and "
                    "audited labels are those of the official test split, corpus 'imdb'"
                )
        for excluded in {row.excluded for row in rows} - corpora.keys():
            corpora[excluded] = _corpus(root, excluded)
        content = _figures(rows, source, corpora, audit_file)
        path = source / "subsets.json" if runs else source.with_suffix(".subsets.json")
        # A relative path is recorded, an absolute one would reveal the machine.
        place = folder.name if folder.is_absolute() else str(folder)
        command = ["lit-sentiment", "subsets", place, "--root", "DIR"]
        command += ["--label-audit", "FILE"] if audit_file else []
        content = {"command": shlex.join(command), **content}
        replace_bytes(path, (json.dumps(content, indent=1) + "\n").encode())
        files.append(path)
    if not files:
        raise ResultsError(f"{folder}: 0 tested rows; test a run first: `lit-sentiment test RUN`")
    return files


def _corpus(root: str | None, excluded: Any) -> Corpus:
    module = IMDB(root=root, exclude=excluded)
    module.prepare_data()
    return Corpus.load(module.corpus_folder)


def _figures(
    rows: list[Row], source: Path, corpora: Mapping[str | None, Corpus], audit_file: Path | None
) -> dict[str, Any]:
    tests = {}
    for excluded, corpus in corpora.items():
        if corpus.test is None:
            raise DataError("the corpus has no test split; give the official one with --root DIR")
        learnt = np.sort(np.concatenate([corpus.train_rows, corpus.val_rows]))
        train = [corpus.train.texts[row] for row in learnt]
        tests[excluded] = (corpus.test, find_copies(corpus.test.texts, train))
    some = next(iter(tests.values()))[0]
    audit = read_audit(audit_file, some.keys, some.labels) if audit_file else None
    lines = []
    runs = ((row, found) for row in rows for found in read_run_predictions(row, source).items())
    for row, (part, predictions) in runs:
        if part not in WEIGHTS:
            continue
        corpus, (test, (exact, _)) = corpora[row.excluded], tests[row.excluded]
        test_rows = Predictions(np.arange(len(test)), test.labels, np.ones((len(test), 2)) / 2)
        ours, theirs = rows_fingerprint(test_rows), rows_fingerprint(predictions)
        if row.task != IMDB.task:
            raise ResultsError(
                f"{source}: {row.experiment}, seed {row.seed} was evaluated for task {row.task}, "
                f"this version reads {IMDB.task}; use the version of lit-sentiment that made it"
            )
        if row.corpus_fingerprint != corpus.fingerprint or ours != theirs:
            raise ResultsError(
                f"{source}: {row.experiment}, seed {row.seed} was tested on corpus "
                f"{row.corpus_fingerprint} (test rows {theirs}), this corpus is "
                f"{corpus.fingerprint} ({ours}); give the corpus that it was tested on"
            )
        predicted = predictions.predicted(row.threshold)
        line: dict[str, Any] = {
            "experiment": row.experiment,
            "protocol": WEIGHTS[part],  # of these weights: a run under refit has both
            **{name: getattr(row, name) for name in ("profile", "seed", "excluded")},
            "all": asdict(subset_accuracy(test.labels, predicted)),
            "without_copies": asdict(subset_accuracy(test.labels, predicted, ~exact)),
            "copies": asdict(subset_accuracy(test.labels, predicted, exact)),
        }
        if audit is not None:
            line["audited"] = asdict(subset_accuracy(audit.labels, predicted))
        lines.append(line)
    counts = {
        excluded or "nothing excluded": {"copies": int(e.sum()), "near_copies": int(n.sum())}
        for excluded, (_, (e, n)) in tests.items()
    }
    votes = None
    if audit is not None:
        numbers = {k: v for k, v in vars(audit).items() if isinstance(v, int)}
        votes = {"source": PUBLISHED, **numbers}
    return {"test_reviews_with_a_copy_in_train": counts, "label_audit": votes, "rows": lines}
