"""Rows from outside: probabilities that others publish for the official IMDB test reviews."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.config.identity import config_hash
from experiments.config.names import check_name
from experiments.config.registry import ConfigError
from experiments.config.track import Track
from experiments.machine.environment import now
from experiments.records import logs
from experiments.records.metrics import ROW_SUM_TOLERANCE, evaluate
from experiments.records.problems.class_predictions import Predictions
from experiments.records.publishing import read_published_evidence, store
from experiments.records.row import ResultsError, Row
from experiments.records.run_files import read_table

TASK, TABLE = "imdb-v1", "imdb"
PER_CLASS = 12_500
_KEY = re.compile(r"(?:test/)?(neg|pos)/([0-9]{1,5})_[0-9]{1,2}(?:\.txt)?")
_NUMBER = re.compile(r"[0-9]{1,5}")
_RULE = (
    "an id is a key of the official test split, such as test/neg/10003_3 or neg/10003_3, or the "
    "number of its row: test/neg/N_… is row N, test/pos/N_… row 12500 + N"
)


def publish_claim(
    file: Path,
    name: str,
    paper: str,
    table: str,
    results_dir: Path,
    seed: int = 0,
    track: Track = "open weights",
) -> Row:
    """Measure predictions of others and publish them as a claimed row.

    Labels and movies of the test reviews are those behind the committed table `imdb`, so that no
    corpus is needed.

    Args:
        file: CSV with the columns `id,prob_1` or `id,prob_0,prob_1` (`read_claim`).
        name: Name of the row, as that of an experiment.
        paper: Address of the paper or repository that the predictions are from.
        table: Name of the table.
        results_dir: The published folder.
        seed: Seed of the row, where the authors give several.
        track: What the model was learnt from, as its authors say.

    Returns:
        The published row.

    Raises:
        ResultsError: The file or one of its rows is wrong, or the table has rows of this name that
            were recomputed.
        ConfigError: A name that cannot be that of a file, or an address that is none.
        OSError: As raised by the file system.
    """
    check_name(name, "name")
    if not re.fullmatch(r"https?://[^\s<>\"'`|]+", paper):
        raise ConfigError(
            f"--paper is {paper!r}; it must be an address that begins with https:// or http://"
        )
    reference, official = _official()
    predictions = Predictions(
        official.ids, official.labels, read_claim(file, len(official.ids)), official.groups
    )
    time = now()
    row = Row(
        experiment=name,
        architecture="not stated",
        corpus=reference.corpus,
        corpus_fingerprint=reference.corpus_fingerprint,
        protocol="holdout",
        profile=reference.profile,
        seed=seed,
        test=evaluate(predictions.labels, predictions.probabilities),
        started=time,
        ended=time,
        config_hash=config_hash({"claimed": name, "paper": paper}),
        task=TASK,
        track=track,
        origin="claimed",
        paper=paper,
    )
    [published] = store([(row, {"test": predictions})], table, results_dir)
    return published


def read_claim(file: Path, rows: int) -> NDArray[np.float64]:
    """Read a CSV of probabilities; with `prob_1` alone, that of class 0 is the rest.

    Args:
        file: UTF-8, with or without byte-order mark, lines in any order.
        rows: Number of rows, each of which must be there once.

    Returns:
        float64[N, 2] in the order of the row numbers.

    Raises:
        ResultsError: Another header, an id that is none, that is missing or that occurs twice, a
            value that is no probability; the message names file and line.
    """
    if not file.is_file():
        raise ResultsError(f"{file}: no such file; give a CSV with columns id,prob_1")
    found = np.full((rows, 2), np.nan)
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            _fill(found, csv.reader(stream), file)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ResultsError(f"{file}: not a CSV file in UTF-8 ({error})") from error
    missing = np.flatnonzero(np.isnan(found[:, 0]))
    if len(missing):
        raise ResultsError(
            f"{file}: {len(missing):,} of {rows:,} ids are missing, the first is {_key(missing[0])}"
            f" (row {missing[0]}); every test review is predicted once"
        )
    return found


def _fill(found: NDArray[np.float64], reader: Iterable[list[str]], file: Path) -> None:
    lines = iter(reader)
    header = next(lines, [])
    if header not in (["id", "prob_1"], ["id", "prob_0", "prob_1"]):
        raise ResultsError(
            f"{file}: the header is {_brief(','.join(header))}; it must be id,prob_1 or "
            "id,prob_0,prob_1"
        )
    for at, cells in enumerate(lines, start=2):
        source = f"{file}: row {at}"
        if not cells:
            continue  # an empty line
        if len(cells) != len(header):
            raise ResultsError(
                f"{source} has {len(cells)} values; it must have {len(header)}, one for each column"
            )
        number = _row_number(cells[0], len(found), source)
        values = [_probability(text, source) for text in cells[1:]]
        if len(values) == 1:
            values = [1 - values[0], values[0]]
        if abs(sum(values) - 1) > ROW_SUM_TOLERANCE:
            raise ResultsError(
                f"{source}: the probabilities sum to {sum(values):.6g}; they must sum to 1 within "
                f"{ROW_SUM_TOLERANCE}"
            )
        if not np.isnan(found[number, 0]):
            raise ResultsError(
                f"{source}: id {_brief(cells[0])} (row {number}) occurs twice; every test review "
                "is predicted once"
            )
        found[number] = values


def _row_number(text: str, rows: int, source: str) -> int:
    number = -1
    if match := _KEY.fullmatch(text):
        within = int(match[2])
        number = within + PER_CLASS * (match[1] == "pos") if within < PER_CLASS else -1
    elif _NUMBER.fullmatch(text):
        number = int(text)
    if not 0 <= number < rows:
        raise ResultsError(f"{source}: {_brief(text)} is no id of {rows:,} reviews; {_RULE}")
    return number


def _probability(text: str, source: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not 0 <= value <= 1:
        raise ResultsError(
            f"{source}: {_brief(text)} is no probability; it must be a number in 0..1"
        )
    return value


def _key(number: int) -> str:
    return f"test/{('neg', 'pos')[number // PER_CLASS]}/{number % PER_CLASS}_…"


def _brief(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}…")


def _official() -> tuple[Row, Predictions]:
    """Row of the committed table, and its predictions of the official test reviews."""
    path = logs.RESULTS / f"{TABLE}.jsonl"
    for row in read_table(path) if path.is_file() else []:
        if row.task == TASK and row.tested and row.evidence and not row.claimed:
            parts = read_published_evidence(path.parent, row).parts
            test = parts["test"] if "test" in parts else parts["test_refit"]
            ordered = np.arange(2 * PER_CLASS) // PER_CLASS
            if isinstance(test, Predictions) and np.array_equal(test.labels, ordered):
                return row, test
    raise ResultsError(
        f"{path}: has no row of {TASK} with its evidence, from which the labels of the test "
        "reviews are taken; restore it from version control"
    )
