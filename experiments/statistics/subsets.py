"""Accuracy on parts of the official test split that are in doubt.

A few test reviews have a copy in train, and some labels are wrong. Neither is mended, since every
published figure has them; what they do to a row is told beside it.
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
from experiments.records.predictions import Predictions
from experiments.records.row import ResultsError, Row
from experiments.records.run_files import ROW_FILE, read_rows, tables_in
from experiments.statistics.reading import read_run_predictions, rows_fingerprint

VOTES = ("given", "guessed", "neutral", "off-topic")
VOTERS = 5
PUBLISHED = "repository cleanlab/label-errors, file mturk/imdb_mturk.json"
LEFT_OUT = -1


@dataclass(frozen=True)
class SubsetAccuracy:
    """Accuracy on a part of the test rows.

    Attributes:
        n: Number of rows.
        accuracy: In 0..1; None without rows.
    """

    n: int
    accuracy: float | None


@dataclass(frozen=True)
class Audit:
    """What five voters said of the labels that confident learning had doubted (Northcutt 2021).

    Attributes:
        reviewed: Number of labels that were put to the vote.
        failed: Those for which fewer than 3 of 5 voted.
        other_class: Of these, those where at least 3 voted for the other class.
        left_out: The other failed ones: the votes went to both classes, to neither, off topic.
        labels: int64[N], the labels after the vote; -1 where left out.
    """

    reviewed: int
    failed: int
    other_class: int
    left_out: int
    labels: NDArray[np.int64]


def find_copies(test: Sequence[str], train: Sequence[str]) -> tuple[NDArray[np.bool_], ...]:
    """Which test texts stand in train: bool[N] word for word, and bool[N] but for markup and such.

    The second takes texts for copies as the splits do (`datamodules.splits.text_key`): markup,
    case, spacing and punctuation aside.
    """
    known, keys = set(train), {text_key(text) for text in train}
    exact = np.array([text in known for text in test], dtype=bool)
    return exact, np.array([text_key(text) in keys for text in test], dtype=bool)


def read_audit(file: Path, keys: Sequence[str], labels: NDArray[np.int64]) -> Audit:
    """The labels after the vote.

    A label fails if fewer than 3 of the 5 voted for it. It turns to the other class if at least 3
    voted for that, and is left out otherwise.

    Args:
        file: As published (`PUBLISHED`): a list of objects with `id`, such as `test/neg/10003_3`,
            and `mturk`, the votes.
        keys: N names of the test reviews.
        labels: int64[N], 0 or 1.

    Raises:
        ResultsError: No such file, another form, or an id that is no test review.
    """
    remedy = f"get it anew: {PUBLISHED}"
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
            raise ResultsError(f"{file}: {name!r} is no test review of this corpus; {remedy}")
        if not all(isinstance(c, int) and c >= 0 for c in counts) or sum(counts) != VOTERS:
            raise ResultsError(f"{file}: {name} has the votes {counts}, not five; {remedy}")
        given, guessed = counts[:2]
        if given * 2 > VOTERS:
            continue
        failed += 1
        row = place[name]
        turned = guessed * 2 > VOTERS
        other += turned
        decided[row] = 1 - labels[row] if turned else LEFT_OUT
    return Audit(len(votes), failed, other, failed - other, decided)


def subset_accuracy(
    labels: NDArray[np.int64], predictions: Predictions, rows: NDArray[np.bool_] | None = None
) -> SubsetAccuracy:
    """The accuracy under `labels`, on `rows` if given, without those labelled -1."""
    included = labels != LEFT_OUT
    if rows is not None:
        included &= rows
    right = predictions.probabilities.argmax(axis=1)[included] == labels[included]
    return SubsetAccuracy(len(right), float(right.mean()) if len(right) else None)


def write_subsets(folder: Path, root: str | None, audit_file: Path | None) -> list[Path]:
    """Writes the derived figures of every table of a folder beside it.

    Args:
        folder: A published folder, one of its tables, a benchmark or a run.
        root: The official corpus, as `IMDB` takes it.
        audit_file: The label audit; None leaves its figures out.

    Returns:
        The files: `<table>.subsets.json`, or `subsets.json` in a benchmark's folder.

    Raises:
        ResultsError: No tested rows, rows of another corpus, or an unusable audit.
        DataError: The corpus cannot be had.
        OSError: As raised by the file system.
    """
    # A benchmark's results.jsonl is derived from its runs, which have the predictions.
    runs = (folder / ROW_FILE).is_file() or any(folder.glob(f"*/seed-*/{ROW_FILE}"))
    sources = [folder] if runs or folder.is_file() else tables_in(folder)
    corpora: dict[str | None, Corpus] = {}
    files = []
    for source in sources:
        rows = [row for row in read_rows(source) if row.status == "ok" and row.test]
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
        # A path within the checkout is worth telling, one of the machine is not.
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
            raise DataError("the corpus has no test split")
        learnt = np.sort(np.concatenate([corpus.train_rows, corpus.val_rows]))
        train = [corpus.train.texts[row] for row in learnt]
        tests[excluded] = (corpus.test, find_copies(corpus.test.texts, train))
    some = next(iter(tests.values()))[0]
    audit = read_audit(audit_file, some.keys, some.labels) if audit_file else None
    lines = []
    for row in rows:
        corpus, (test, (exact, _)) = corpora[row.excluded], tests[row.excluded]
        predictions = read_run_predictions(row, source).test
        assert predictions is not None
        test_rows = Predictions(np.arange(len(test)), test.labels, np.ones((len(test), 2)) / 2)
        ours, theirs = rows_fingerprint(test_rows), rows_fingerprint(predictions)
        if row.corpus_fingerprint != corpus.fingerprint or ours != theirs:
            raise ResultsError(
                f"{source}: {row.experiment}, seed {row.seed} was tested on corpus "
                f"{row.corpus_fingerprint} (test rows {theirs}), the one at hand is "
                f"{corpus.fingerprint} ({ours}); give the corpus that it was tested on"
            )
        line: dict[str, Any] = {
            **{name: getattr(row, name) for name in ("experiment", "protocol", "profile", "seed")},
            "excluded": row.excluded,
            "all": asdict(subset_accuracy(test.labels, predictions)),
            "without_copies": asdict(subset_accuracy(test.labels, predictions, ~exact)),
            "copies": asdict(subset_accuracy(test.labels, predictions, exact)),
        }
        if audit is not None:
            line["audited"] = asdict(subset_accuracy(audit.labels, predictions))
        lines.append(line)
    counts = {
        excluded or "nothing excluded": {"copies": int(e.sum()), "near_copies": int(n.sum())}
        for excluded, (_, (e, n)) in tests.items()
    }
    votes = None
    if audit is not None:
        votes = {"source": PUBLISHED, **{k: v for k, v in vars(audit).items() if k != "labels"}}
    return {"test_reviews_with_a_copy_in_train": counts, "label_audit": votes, "rows": lines}
