"""The tables of docs/unlabelled.md, which follow from published rows and their evidence.

python -m experiments.unlabelled.page --out docs/unlabelled.md
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from experiments.machine.marked import fill
from experiments.records.atomic import replace_bytes
from experiments.records.logs import RESULTS
from experiments.records.row import Row
from experiments.records.run_files import read_table
from experiments.statistics.pairwise_tests import Difference
from experiments.statistics.table import Analysis, analyse

TABLE = "imdb"
# Rows that learn from unlabelled texts, each under the row that differs from it in that alone.
LIFTS: dict[str, tuple[str, ...]] = {
    "cnn": ("cnn_word2vec", "cnn_virtual_adversarial", "cnn_pseudo_labels"),
    "seq_cnn": ("region_cnn",),
    "lstm": ("lstm_word2vec", "lm_lstm", "mixed_objective_lstm", "lstm_pseudo_labels"),
    "bidirectional_lstm": (
        "bidirectional_lstm_word2vec",
        "bidirectional_lstm_virtual_adversarial",
        "bidirectional_lstm_elmo",
        "lm_bidirectional_lstm",
    ),
    "attention_lstm": ("attention_lstm_word2vec",),
    "capsule": ("capsule_word2vec",),
    "nb_logreg": ("dv_ngrams",),
    "nb_bag+dpcnn": ("semi_supervised_ensemble",),
}
TEACHER = "nb_bag+dpcnn"
PUPILS = ("cnn_pseudo_labels", "lstm_pseudo_labels")
# Runs that come before a row's own, whose time is not in it: experiment and table.
BEFORE: dict[str, tuple[tuple[str, str], ...]] = {
    "lm_lstm": (("lstm_lm", "imdb_language"),),
    "mixed_objective_lstm": (("lstm_lm", "imdb_language"),),
    "lm_bidirectional_lstm": (("elmo", "imdb_language"),),
    "bidirectional_lstm_elmo": (("elmo", "imdb_language"),),
    "cnn_pseudo_labels": (("nb_bag", TABLE), ("dpcnn", TABLE)),
    "lstm_pseudo_labels": (("nb_bag", TABLE), ("dpcnn", TABLE)),
}


class Page:
    """Figures of the published rows.

    Args:
        results: The published folder.
    """

    def __init__(self, results: Path) -> None:
        wanted = {TEACHER, *LIFTS, *(name for names in LIFTS.values() for name in names)}
        file = results / f"{TABLE}.jsonl"
        self.rows: dict[tuple[str, str], list[Row]] = {}
        for table in (TABLE, "imdb_language"):
            path = results / f"{table}.jsonl"
            for row in read_table(path) if path.is_file() else ():
                if row.status == "ok":
                    self.rows.setdefault((row.experiment, table), []).append(row)
        rows = [row for (name, table), of in self.rows.items() for row in of if table == TABLE]
        self.analysis: Analysis | None = analyse(
            [row for row in rows if row.experiment in wanted and row.test is not None],
            file,
            part="test",
        )

    def lifts(self) -> Iterator[str]:
        """Lines of the table of lifts."""
        yield "| experiment | labels alone, % | minutes | with unlabelled, % | minutes | gain |"
        yield "|---|---:|---:|---:|---:|---:|"
        for base, names in LIFTS.items():
            for name in names:
                if (gap := self._difference(name, base)) is not None:
                    yield (
                        f"| `{name}` | {self._accuracy(base)} | {self._minutes(base)} | "
                        f"{self._accuracy(name)} | {self._minutes(name)} | {_points(gap)} |"
                    )

    def pupils(self) -> Iterator[str]:
        """Lines of the table of pupils and their teacher."""
        yield "| pupil | accuracy, % | its teacher, % | pupil − teacher |"
        yield "|---|---:|---:|---:|"
        for name in PUPILS:
            if (gap := self._difference(name, TEACHER)) is not None:
                yield (
                    f"| `{name}` | {self._accuracy(name)} | {self._accuracy(TEACHER)} | "
                    f"{_points(gap)} |"
                )

    def _difference(self, one: str, other: str) -> Difference | None:
        """Accuracy of one experiment less that of another, if both are published."""
        for gap in self.analysis.differences if self.analysis is not None else ():
            if (gap.first, gap.second) == (one, other):
                return gap
            if (gap.first, gap.second) == (other, one):
                return _turned(gap)
        return None

    def _accuracy(self, name: str) -> str:
        values = [row.test.accuracy for row in self.rows[name, TABLE] if row.test is not None]  # type: ignore[union-attr]
        return f"{100 * float(np.mean(values)):.2f}"

    def _minutes(self, name: str) -> str:
        """Training of one fit with its vectors, and after + what comes before it."""
        own = self._fit_minutes(name, TABLE)
        before = [self._fit_minutes(*key) for key in BEFORE.get(name, ())]
        return f"{own:.1f}" + (f" + {sum(before):.1f}" if before else "")

    def _fit_minutes(self, name: str, table: str) -> float:
        rows = self.rows.get((name, table), [])
        seconds = [(row.fit_seconds or 0.0) + (row.fit_vectors_seconds or 0.0) for row in rows]
        return float(np.mean(seconds)) / 60 if seconds else float("nan")


def _turned(gap: Difference) -> Difference:
    values = {"difference": -gap.difference, "low": -gap.high, "high": -gap.low}
    return Difference(**{**vars(gap), **values, "first": gap.second, "second": gap.first})


def _points(gap: Difference) -> str:
    star = "\\*" if gap.reviews_only else ""
    low, high = 100 * gap.low, 100 * gap.high
    return f"{100 * gap.difference:+.2f} [{low:+.2f}, {high:+.2f}]{star}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the tables into the document."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="document with the marks")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the published folder")
    chosen = parser.parse_args(arguments)
    page = Page(chosen.results)
    text = chosen.out.read_text(encoding="utf-8")
    for mark, lines in (("lifts", page.lifts()), ("pupils", page.pupils())):
        text = fill(text, mark, "\n".join(lines))
    replace_bytes(chosen.out, text.encode())


if __name__ == "__main__":
    main()
