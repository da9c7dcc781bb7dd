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
from experiments.statistics.table import analyse

TABLE = "imdb"
# Rows that learn from unlabelled texts, each under its counterpart that learns from labels alone.
# Settings chosen on validation, such as epochs and dropout, may differ, too.
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
FEW_LABELS = "imdb_few_labels"  # table of learning curves, with rows such as cnn-500
CURVES = (("seq_cnn", "region_cnn"), ("nb_logreg", "dv_ngrams"), ("cnn", "cnn_pseudo_labels"))
SIZES = (500, 2_500)
# Runs that come before a row's own, whose time is not in it: experiment and table.
BEFORE: dict[str, tuple[tuple[str, str], ...]] = {
    "lm_lstm": (("lstm_lm", "imdb_language"),),
    "mixed_objective_lstm": (("lstm_lm", "imdb_language"),),
    "lm_bidirectional_lstm": (("elmo", "imdb_language"),),
    "bidirectional_lstm_elmo": (("elmo", "imdb_language"),),
    "cnn_pseudo_labels": (("nb_bag", TABLE), ("dpcnn", TABLE)),
    "lstm_pseudo_labels": (("nb_bag", TABLE), ("dpcnn", TABLE)),
}


class Published:
    """Rows of a published table, and the differences between them.

    Args:
        file: The table; none need be there.
        wanted: Experiments to compare; None: all.
    """

    def __init__(self, file: Path, wanted: set[str] | None = None) -> None:
        self.rows: dict[str, list[Row]] = {}
        for row in read_table(file) if file.is_file() else ():
            if row.status == "ok" and row.test is not None:
                self.rows.setdefault(row.experiment, []).append(row)
        compared = [
            row
            for name, rows in self.rows.items()
            for row in rows
            if row.problem == "classification" and (wanted is None or name in wanted)
        ]
        self.analysis = analyse(compared, file, part="test") if compared else None

    def difference(self, one: str, other: str) -> Difference | None:
        """Accuracy of one experiment less that of another, if both are published."""
        for gap in self.analysis.differences if self.analysis is not None else ():
            if (gap.first, gap.second) == (one, other):
                return gap
            if (gap.first, gap.second) == (other, one):
                return _turned(gap)
        return None

    def accuracy(self, name: str) -> str:
        """Mean over the seeds, in percent."""
        values = [row.test.accuracy for row in self.rows[name]]  # type: ignore[union-attr]
        return f"{100 * float(np.mean(values)):.2f}"

    def minutes(self, name: str) -> float:
        """Minutes of one fit with its word vectors, the mean over the seeds."""
        rows = self.rows.get(name, [])
        seconds = [(row.fit_seconds or 0.0) + (row.fit_vectors_seconds or 0.0) for row in rows]
        return float(np.mean(seconds)) / 60 if seconds else float("nan")


class Page:
    """Figures of the published rows.

    Args:
        results: The published folder.
    """

    def __init__(self, results: Path) -> None:
        wanted = {TEACHER, *LIFTS, *(name for names in LIFTS.values() for name in names)}
        self.tables = {
            table: Published(results / f"{table}.jsonl", wanted)
            for table in (TABLE, "imdb_language")
        }
        self.all = self.tables[TABLE]
        self.few = Published(results / f"{FEW_LABELS}.jsonl")

    def lifts(self) -> Iterator[str]:
        """Lines of the table of lifts."""
        yield "| experiment | labels alone, % | minutes | with unlabelled, % | minutes | gain |"
        yield "|---|---:|---:|---:|---:|---:|"
        for base, names in LIFTS.items():
            for name in names:
                if (gap := self.all.difference(name, base)) is not None:
                    yield (
                        f"| `{name}` | {self.all.accuracy(base)} | {self._minutes(base)} | "
                        f"{self.all.accuracy(name)} | {self._minutes(name)} | {_points(gap)} |"
                    )

    def pupils(self) -> Iterator[str]:
        """Lines of the table of pupils and their teacher."""
        yield "| pupil | accuracy, % | its teacher, % | pupil − teacher |"
        yield "|---|---:|---:|---:|"
        for name in PUPILS:
            if (gap := self.all.difference(name, TEACHER)) is not None:
                yield (
                    f"| `{name}` | {self.all.accuracy(name)} | {self.all.accuracy(TEACHER)} | "
                    f"{_points(gap)} |"
                )

    def curves(self) -> Iterator[str]:
        """Lines of the table of gains by the number of labels."""
        yield "| experiment | labels | labels alone, % | with unlabelled, % | gain |"
        yield "|---|---:|---:|---:|---:|"
        for base, name in CURVES:
            parts = [(f"-{size}", f"{size:,}", self.few) for size in SIZES]
            for suffix, labels, table in [*parts, ("", "22,500", self.all)]:
                if (gap := table.difference(f"{name}{suffix}", f"{base}{suffix}")) is not None:
                    yield (
                        f"| `{name}` | {labels} | {table.accuracy(f'{base}{suffix}')} | "
                        f"{table.accuracy(f'{name}{suffix}')} | {_points(gap)} |"
                    )

    def _minutes(self, name: str) -> str:
        """Training of one fit with its vectors, and after + what comes before it."""
        before = [self.tables[table].minutes(first) for first, table in BEFORE.get(name, ())]
        return f"{self.all.minutes(name):.1f}" + (f" + {sum(before):.1f}" if before else "")


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
    tables = {"lifts": page.lifts(), "pupils": page.pupils(), "curves": page.curves()}
    for mark, lines in tables.items():
        text = fill(text, mark, "\n".join(lines))
    replace_bytes(chosen.out, text.encode())


if __name__ == "__main__":
    main()
