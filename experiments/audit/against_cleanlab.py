"""Ranks of test labels against votes, beside cleanlab's on the same probabilities.

    python -m experiments.audit.against_cleanlab --root DIR --label-audit FILE RUN…

cleanlab is the extra `audit`. Each RUN is a run folder or a published row, as for `audit --run`;
several joined by `+` are averaged.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from datamodules.imdb import IMDB
from experiments.audit.judges import judges_of_runs
from experiments.audit.labels import label_quality
from experiments.audit.parts import Rows, read_rows
from experiments.audit.votes import Ranking, rank_against_votes
from experiments.statistics.subsets import Audit, read_audit


def compare(
    labels: np.ndarray, probabilities: np.ndarray, votes: Audit, groups: np.ndarray | None
) -> dict[str, tuple[int, dict[str, Ranking]]]:
    """Number of likely wrong labels and rank against votes, by this audit and by cleanlab.

    Args:
        labels: int64[N], the labels of test.
        probabilities: float64[N, C].
        votes: The votes.
        groups: int64[N], movie of each row.

    Returns:
        For `audit` and each of cleanlab's scores the number and the rankings.
    """
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    ours = label_quality(labels, probabilities)
    theirs = find_label_issues(labels, probabilities, filter_by="confident_learning", n_jobs=1)
    scores = {"audit": (int(ours.likely_wrong.sum()), ours.margin)}
    for method in ("self_confidence", "normalized_margin", "confidence_weighted_entropy"):
        found = get_label_quality_scores(labels, probabilities, method=method)
        scores[f"cleanlab, {method}"] = int(theirs.sum()), found
    return {
        name: (count, rank_against_votes(1 - quality, labels, votes, groups))
        for name, (count, quality) in scores.items()
    }


def main() -> None:
    """Print the comparison of each run as a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", nargs="+", metavar="RUN")
    parser.add_argument("--root", help="the official corpus: its folder, or its archive")
    parser.add_argument("--label-audit", type=Path, required=True, metavar="FILE")
    options = parser.parse_args()
    data = IMDB(root=options.root)
    data.prepare_data()
    rows = read_rows(data)
    votes = read_audit(options.label_audit, _test_keys(rows), rows.labels[rows.of("test")])
    groups = None if rows.groups is None else rows.groups[rows.of("test")]
    print("| probabilities of | score of | likely wrong | failed | other class | all rows |")
    print("|---|---|---:|---:|---:|---:|")
    for names in options.run:
        judged = judges_of_runs(names.split("+"), data, rows)["test"]
        found = compare(judged.labels, judged.probabilities, votes, groups)
        for score, (count, rankings) in found.items():
            cells = [f"{r.auc:.3f} [{r.low:.3f}, {r.high:.3f}]" for r in rankings.values()]
            print(
                f"| {judged.by.partition(' of ')[2]} | {score} | {count:,} | {' | '.join(cells)} |",
                flush=True,
            )


def _test_keys(rows: Rows) -> list[str]:
    return [rows.keys[row] for row in rows.of("test").tolist()]


if __name__ == "__main__":
    main()
