"""The audit on the official corpus: known copies, and the rank of audited labels."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from datamodules.imdb import IMDB
from experiments.audit.copies import find_copies
from experiments.audit.judges import judges_of_runs
from experiments.audit.labels import label_quality
from experiments.audit.parts import SPLITS, read_rows
from experiments.audit.votes import rank_against_votes
from experiments.audit.words import numbered_words
from experiments.statistics.subsets import read_audit
from tests.experiments.conftest import REPOSITORY

PLACE = os.environ.get("LIT_SENTIMENT_IMDB")
TABLE = REPOSITORY / "experiments" / "results" / "imdb.jsonl"
COPIES = {  # of the first split in the second
    ("test", "train"): 123,
    ("unlabelled", "test"): 270,
    ("unlabelled", "train"): 371,
    ("train", "train"): 96,
    ("test", "test"): 199,
    ("unlabelled", "unlabelled"): 493,
}


@pytest.mark.slow
@pytest.mark.skipif(PLACE is None, reason="LIT_SENTIMENT_IMDB names no copy of the corpus")
def test_copies_and_audited_labels_of_imdb() -> None:
    data = IMDB(root=PLACE)
    data.read().save(data.corpus_folder)
    rows = read_rows(data)
    found = find_copies(rows.texts, rows.split, rows.labels, numbered_words(rows.texts)[0])
    counts = Counter(
        (SPLITS[rows.split[one.row]], SPLITS[rows.split[one.other]])
        for one in found
        if one.kind == "exact"
    )
    assert counts == COPIES

    votes_file = Path(str(PLACE)) / "robustness" / "label_audit_imdb_mturk.json"
    if not votes_file.is_file():
        pytest.skip(f"{votes_file} is not there: the rank of audited labels is not tested")
    judged = judges_of_runs([f"{TABLE}:tfidf_logreg"], data, rows)["test"]
    test = rows.of("test")
    votes = read_audit(votes_file, [rows.keys[row] for row in test.tolist()], judged.labels)
    quality = label_quality(judged.labels, judged.probabilities)
    assert quality.likely_wrong.sum() == 515
    assert rows.groups is not None
    ranking = rank_against_votes(1 - quality.margin, judged.labels, votes, rows.groups[test])
    areas = {name: round(one.auc, 3) for name, one in ranking.items()}
    assert areas == {"failed": 0.689, "other class": 0.777, "all rows": 0.947}
