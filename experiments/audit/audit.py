"""Audit of a corpus: labels, copies, odd texts and weak groups, found and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from datamodules.text import TextDataModule
from experiments.audit.copies import find_copies
from experiments.audit.judges import Judged
from experiments.audit.labels import label_quality
from experiments.audit.odd_texts import find_odd_texts
from experiments.audit.parts import SPLITS, Rows, group_names
from experiments.audit.votes import Ranking, rank_against_votes
from experiments.audit.weak_groups import WeakGroup, files_of, length_bands, weak_groups
from experiments.audit.words import numbered_words
from experiments.statistics.subsets import Audit as Votes

COPIES = {"exact": "copy", "words": "copy but for markup", "similar": "similar text"}
ODD = ("empty", "short", "foreign", "encoding")


@dataclass(frozen=True)
class Finding:
    """Row with something that may be wrong.

    Attributes:
        finding: `label`, `copy`, `copy but for markup`, `similar text`, `empty`, `short`,
            `foreign` or `encoding`.
        split: Its split.
        row: Its number there.
        key: Its name in the source.
        label: Its label; None where it has none.
        suggestion: The label that the model would have given, of a label.
        score: Normalised margin of a label, in 0..1, the lowest the likeliest to be wrong;
            Jaccard similarity of a copy.
        other: Name of the row that it is a copy of.
        detail: The rest, in words.
        text: Its text.
    """

    finding: str
    split: str
    row: int
    key: str
    label: str | None
    suggestion: str | None
    score: float | None
    other: str | None
    detail: str | None
    text: str


@dataclass(frozen=True)
class JudgedLabels:
    """Figures on the labels of a split.

    Attributes:
        split: `train` or `test`.
        by: Who judged.
        rows: Number of judged rows.
        accuracy: Share of them whose most probable class is the label.
        likely_wrong: Number of labels that are likely wrong.
        not_judged: Number of rows that are not judged.
        weak: Groups with a significantly lower accuracy.
        groups_tested: Number of groups that were tested.
    """

    split: str
    by: str
    rows: int
    accuracy: float
    likely_wrong: int
    not_judged: int
    weak: list[WeakGroup]
    groups_tested: int


@dataclass
class Report:
    """Result of an audit.

    Attributes:
        corpus: Name of the corpus.
        fingerprint: Its fingerprint.
        sizes: Number of rows of each split.
        labels: Figures on the labels of each judged split.
        copies: Of each pair of splits how many rows of the first have a copy in the second (an
            earlier one, where both are the same), by kind.
        other_labels: Number of labelled copies of an earlier text with another label.
        odd: Number of odd texts of each kind.
        votes: Rank of the test labels that people have voted on, by comparison.
        findings: All findings: labels by their score, then copies and odd texts in row order.
    """

    corpus: str
    fingerprint: str
    sizes: dict[str, int]
    labels: list[JudgedLabels] = field(default_factory=list)
    copies: dict[str, dict[str, int]] = field(default_factory=dict)
    other_labels: int = 0
    odd: dict[str, int] = field(default_factory=dict)
    votes: dict[str, Ranking] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def audit(
    data: TextDataModule,
    rows: Rows,
    judged: Mapping[str, Judged],
    votes: Votes | None = None,
    tell: Callable[[str], None] = lambda step: None,
) -> Report:
    """Audit a corpus.

    Args:
        data: The corpus, prepared.
        rows: Its rows.
        judged: Judged splits, by name.
        votes: Votes on test labels.
        tell: Called with what is done.
    """
    sizes = {name: len(rows.of(name)) for name in SPLITS if len(rows.of(name))}
    report = Report(data.head.name, data.fingerprint, sizes)
    tell("words")
    words, _ = numbered_words(rows.texts)
    for one in judged.values():
        tell(f"labels of {one.split}")
        report.labels.append(_judge(report, data, rows, one, words.lengths))
    of_test = judged.get("test")
    if votes is not None and of_test is not None and len(of_test.rows) == len(of_test.labels):
        report.votes = _against_votes(rows, of_test, votes)
    tell("copies")
    _add_copies(report, rows, words)
    tell("odd texts")
    odd = find_odd_texts(rows.texts, words)
    report.odd = dict(Counter(one.kind for one in odd))
    report.findings += [_finding(one.kind, rows, one.row, detail=one.detail) for one in odd]
    return report


def _judge(
    report: Report, data: TextDataModule, rows: Rows, judged: Judged, lengths: np.ndarray
) -> JudgedLabels:
    places = rows.of(judged.split)[judged.rows]  # [M] among all rows
    labels, probabilities = judged.labels[judged.rows], judged.probabilities[judged.rows]
    quality = label_quality(labels, probabilities)
    names = rows.label_names
    for at in np.argsort(quality.margin, kind="stable").tolist():
        if quality.likely_wrong[at]:
            suggestion = names[quality.suggested[at]]
            detail = f"its label has probability {quality.self_confidence[at]:.4f}"
            report.findings.append(
                _finding(
                    *("label", rows, int(places[at])),
                    suggestion=suggestion,
                    score=float(quality.margin[at]),
                    detail=detail,
                )
            )
    kinds = {"words": length_bands(lengths[places])}
    files = files_of([rows.keys[place] for place in places.tolist()])
    if len(np.unique(files[0])) > 1:
        kinds["file"] = files
    clusters = None if rows.groups is None else rows.groups[places]
    if clusters is not None:
        kind, of_groups = group_names(data, rows)
        kinds = {kind: (clusters, of_groups), **kinds}
    correct = judged.correct
    weak, tested = weak_groups(correct, kinds, clusters)
    return JudgedLabels(
        split=judged.split,
        by=judged.by,
        rows=len(places),
        accuracy=float(correct.mean()) if len(correct) else float("nan"),
        likely_wrong=int(quality.likely_wrong.sum()),
        not_judged=len(judged.labels) - len(places),
        weak=weak,
        groups_tested=tested,
    )


def _against_votes(rows: Rows, judged: Judged, votes: Votes) -> dict[str, Ranking]:
    every = label_quality(judged.labels, judged.probabilities)
    groups = None if rows.groups is None else rows.groups[rows.of("test")]
    return rank_against_votes(1 - every.self_confidence, judged.labels, votes, groups)


def _add_copies(report: Report, rows: Rows, words: Any) -> None:
    for copy in find_copies(rows.texts, rows.split, rows.labels, words):
        pair = f"{SPLITS[rows.split[copy.row]]} in {SPLITS[rows.split[copy.other]]}"
        counts = report.copies.setdefault(pair, dict.fromkeys(COPIES.values(), 0))
        counts[COPIES[copy.kind]] += 1
        detail = None
        if (conflict := copy.conflict) is not None:
            report.other_labels += 1
            where = "the other" if conflict == copy.other else rows.keys[conflict]
            detail = f"{where} has label {rows.label_names[int(rows.labels[conflict])]}"
        report.findings.append(
            _finding(
                *(COPIES[copy.kind], rows, copy.row),
                score=round(copy.similarity, 4),
                other=rows.keys[copy.other],
                detail=detail,
            )
        )


def _finding(kind: str, rows: Rows, row: int, **more: Any) -> Finding:
    label = int(rows.labels[row])
    known: dict[str, Any] = {
        "label": rows.label_names[label] if label >= 0 else None,
        **dict.fromkeys(("suggestion", "score", "other", "detail")),
        **more,
    }
    split = SPLITS[rows.split[row]]
    return Finding(kind, split, int(rows.row[row]), rows.keys[row], text=rows.texts[row], **known)
