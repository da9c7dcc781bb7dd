"""A page of published results, against what the published files give."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.recomputation.metrics import differ, metrics
from tests.recomputation.published import PARTS, Answers, read_answers, read_lines
from tests.recomputation.statistics import Model, interval, letters, pairs, ranks
from tests.recomputation.times import Times

Row = dict[str, Any]
_PART = {"test accuracy %": "test", "refit %": "test_refit", "val accuracy %": "val"}
_METRIC = {
    "F1 %": ("f1", 100),
    "log loss": ("log_loss", 1),
    "ECE %": ("ece", 100),
    "MAE": ("mae", 1),
}
_TIMES = {"training s": Times.training, "p50 ms": Times.latency}
_UNITS = {"k": 1e3, "M": 1e6, "G": 1e9}
_RANK = re.compile(r"(\d+)(?: \[(\d+)–(\d+)\])?, (\d+)%")
_ACCURACY = re.compile(r"([\d.]+)(?: ± ([\d.]+))?(?: \[([\d.]+), ([\d.]+)\])?")


class Table:
    """Rows of a published table that are compared: one corpus, task and profile."""

    def __init__(self, folder: Path, rows: list[Row]) -> None:
        self.rows: dict[str, list[Row]] = defaultdict(list)
        self.answers: dict[str, list[dict[str, Answers]]] = defaultdict(list)
        for row in sorted(rows, key=lambda row: row["seed"]):
            self.rows[row["experiment"]].append(row)
            self.answers[row["experiment"]].append(read_answers(folder, row))
        self.steady = {row["experiment"] for row in rows if row["deterministic"]}

    def runs(self, name: str, part: str) -> list[Answers]:
        """Predictions of the seeds of an experiment that have a part."""
        return [run[part] for run in self.answers[name] if part in run]

    def labels(self, part: str) -> np.ndarray | None:
        """Labels of the rows of a part; None if no experiment has it."""
        runs = (run for name in self.rows for run in self.runs(name, part))
        return next((run.labels for run in runs), None)

    def accuracy(self, name: str, part: str) -> float:
        """Mean accuracy of an experiment over seeds; -1 without any."""
        runs = [run.right.mean() for run in self.runs(name, part)]
        return float(np.mean(runs)) if runs else -1.0

    def order(self) -> list[str]:
        """Experiments by falling accuracy on test, on test after the second fit, on validation."""
        parts = ("test", "test_refit", "val")
        return sorted(self.rows, key=lambda n: (*(-self.accuracy(n, p) for p in parts), n))

    def models(self, part: str) -> dict[str, Model]:
        """Experiments that have a part, the most accurate first."""
        found = {}
        for name in sorted(self.rows, key=lambda name: (-self.accuracy(name, part), name)):
            if runs := self.runs(name, part):
                found[name] = Model(np.stack([run.right for run in runs]), runs[0].movies)
        return found

    def is_tested(self, name: str, model: Model) -> bool:
        """True if the model has several runs, or one that no seed changes."""
        return len(model.runs) > 1 or name in self.steady

    def letters(self, part: str) -> dict[str, str]:
        """Group letters of the experiments that are tested."""
        models = self.models(part)
        tested = [name for name, model in models.items() if self.is_tested(name, model)]
        found = pairs(models, self.steady)
        differ = {frozenset(key) for key, pair in found.items() if pair.p_holm <= 0.05}
        return letters(tested, differ)

    def intervals(self, part: str) -> dict[str, tuple[float, float]]:
        """95% intervals of all accuracies."""
        return {name: interval(model) for name, model in self.models(part).items()}

    def ranks(self, part: str) -> dict[str, tuple[float, ...]]:
        """Ranks of the experiments that are tested."""
        models = {n: m for n, m in self.models(part).items() if self.is_tested(n, m)}
        return ranks(models) if models else {}


@cache
def read_tables(folder: Path, name: str) -> list[Table]:
    """Tables of the published `name`, in the order of a page."""
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in read_lines(folder / f"{name}.jsonl"):
        keys = ("corpus", "profile", "corpus_fingerprint", "task")
        groups[tuple(str(row[key]) for key in keys)].append(row)
    return [Table(folder, rows) for _, rows in sorted(groups.items())]


def wrong_metrics(tables: list[Table]) -> Iterator[str]:
    """Metrics of rows that their predictions do not give."""
    for table in tables:
        for name, rows in table.rows.items():
            for row, parts in zip(rows, table.answers[name], strict=True):
                for part in PARTS:
                    stored = row[part] or {}
                    found = metrics(parts[part]) if part in parts else {}
                    for key in stored.keys() | found.keys():
                        if differ(key, stored.get(key), found.get(key)):
                            where = f"{name}, seed {row['seed']}: {part} {key}"
                            yield f"{where} is {stored.get(key)}, not {found.get(key)}"


def wrong_cells(page: str, folder: Path, name: str) -> Iterator[str]:
    """Cells of a page's tables that do not follow from the published files."""
    body = page.partition(f"<!-- results:{name} -->")[2].partition("<!-- /results")[0]
    grids = [block.splitlines() for block in body.split("\n\n") if block.startswith("| experi")]
    tables = read_tables(folder, name)
    if len(grids) != len(tables):
        yield f"{len(grids)} tables on the page, {len(tables)} among the rows"
    for table, (head, _, *lines) in zip(tables, grids, strict=False):
        heads = head.strip("| ").split(" | ")
        cells = [line.strip("|").strip().split(" | ") for line in lines]
        shown = [line[0].strip("`") for line in cells]
        if shown != [*table.order(), "largest class"]:
            yield f"the order is {shown}, not {table.order()} and the largest class"
        for title, cell in zip(heads, cells[-1], strict=True):
            labels = table.labels(_PART[title]) if title in _PART else None
            share = (
                "–" if labels is None else f"{100 * np.bincount(labels).max() / len(labels):.2f}"
            )
            if title not in ("experiment", "what") and cell.strip() != share:
                yield f"largest class, {title}: is {cell!r}, not {share!r}"
        expected = _Expected(table, folder, name)
        for line in (line for line in cells if line[0].strip("`") in table.rows):
            for at, (title, cell) in enumerate(zip(heads, line, strict=True)):
                before = {"group": 1, "rank": 2}.get(title, 0)
                column = f"{title} {heads[at - before]}" if before else title
                if problem := expected.difference(line[0].strip("`"), column, cell.strip()):
                    yield f"{line[0]}, {column}: {problem}"


class _Expected:
    def __init__(self, table: Table, folder: Path, name: str) -> None:
        self.table = table
        self.times = Times(folder, name, [row for rows in table.rows.values() for row in rows])
        tested = ("test", "test_refit")
        main = next((part for part in (*tested, "val") if table.models(part)), "val")
        self.parts = {main, "test_refit"}  # those with intervals and letters
        self.letters = {part: table.letters(part) for part in self.parts}
        self.intervals = {part: table.intervals(part) for part in self.parts}
        self.ranks = {part: table.ranks(part) for part in self.parts}
        self.looks, self.trials = _looks(folder), _trials(folder)

    def difference(self, name: str, column: str, cell: str) -> str:
        """Fault of a cell; empty if there is none."""
        rows = self.table.rows[name]
        if column in ("experiment", "what"):
            return ""
        if column == "seeds":
            return _unequal(cell, ", ".join(str(row["seed"]) for row in rows))
        if column.startswith("group "):
            part = _PART[column.removeprefix("group ")]
            return _unequal(cell, self.letters[part].get(name, "–"))
        if column.startswith("rank "):
            return _other_rank(cell, self.ranks[_PART[column.removeprefix("rank ")]].get(name))
        if column == "track":
            return _unequal(cell, " / ".join(dict.fromkeys(row["track"] for row in rows)))
        if column in _PART:
            return self._accuracy(name, _PART[column], cell)
        if column in ("looks", "trials"):
            return _unequal(cell, str((self.looks if column == "looks" else self.trials)[name]))
        if column == "parameters":
            return _far(cell, [row["parameters"] for row in rows])
        if column in _TIMES:
            values = [_TIMES[column](self.times, row) for row in rows]
            mark = self.times.mark(rows) if any(value is not None for value in values) else ""
            if not cell.endswith(mark):
                return f"is {cell!r}, without {mark}"
            return _far(cell.removesuffix(mark), values)
        key, scale = _METRIC[column]
        values = [metrics(run)[key] for run in self.table.runs(name, "test")]
        return _far(cell, [scale * value for value in values if value is not None])

    def _accuracy(self, name: str, part: str, cell: str) -> str:
        runs = [100 * float(run.right.mean()) for run in self.table.runs(name, part)]
        if not (match := _ACCURACY.fullmatch(cell)):
            return _unequal(cell, "–") if not runs else f"is {cell!r}"
        mean, sd, *ends = match.groups()
        problems = [_far(mean, runs)]
        if part != "val":
            spread = [float(np.std(runs, ddof=1))] if len(runs) > 1 else []
            problems.append(_far(sd or "–", spread))
        if part in self.parts and part != "val":
            low, high = self.intervals[part][name]
            problems += [_far(ends[0] or "–", [100 * low]), _far(ends[1] or "–", [100 * high])]
        return "; ".join(filter(None, problems))


def _unequal(cell: str, expected: str) -> str:
    return "" if cell == expected else f"is {cell!r}, not {expected!r}"


def _far(cell: str, values: Sequence[float | None]) -> str:
    """Say that a number is not the mean of values, to the last digit shown."""
    known = [value for value in values if value is not None]
    if cell == "–" or not known:
        return _unequal(cell, "–") if cell != "–" or known else ""
    unit = _UNITS.get(cell[-1], 1)
    digits = cell.rstrip("kMG").replace(",", "")
    last = unit * 10.0 ** -len(digits.partition(".")[2])
    if unit > 1:  # three digits, without zeros at the end
        last = min(last, 10.0 ** (np.floor(np.log10(np.mean(known))) - 2))
    close = abs(float(digits) * unit - np.mean(known)) <= last * (0.5 + 1e-6)
    return "" if close else f"is {cell}, not {np.mean(known)}"


def _other_rank(cell: str, expected: tuple[float, ...] | None) -> str:
    """Say that a rank is another one, or that its interval and chance are not about the same."""
    if expected is None or not (match := _RANK.fullmatch(cell)):
        return _unequal(cell, "–") if expected is None else f"is {cell!r}"
    rank, low, high, chance = match.groups()
    ends = np.array([float(low or rank), float(high or rank)])
    close = (abs(ends - expected[1:3]) <= 1).all() and abs(float(chance) / 100 - expected[3]) < 0.05
    return "" if int(rank) == expected[0] and close else f"is {cell!r}, not {expected}"


def _looks(folder: Path) -> dict[str, int]:
    """Settings evaluated on test, under each protocol, by experiment."""
    looks = defaultdict(set)
    for line in read_lines(folder / "test_log.jsonl"):
        setting = line.get("setting") or line["config_hash"]
        looks[line["experiment"]].add((line["protocol"], setting))
    return {name: len(found) for name, found in looks.items()}


def _trials(folder: Path) -> dict[str, int]:
    """Settings tried on validation, by experiment; a setting that two tried joins their trials."""
    tried: dict[str, set[str]] = defaultdict(set)
    counted: dict[str, int] = defaultdict(int)
    older: dict[str, set[str]] = defaultdict(set)
    for line in read_lines(folder / "tuning_log.jsonl"):
        if "before" in line:
            counted[line["experiment"]] += line["trials"]
            older[line["experiment"]] |= set(line.get("settings", []))
        else:
            tried[line["experiment"]].add(line["setting"])
    names = {*tried, *counted}
    every = {name: tried[name] | older[name] for name in names}
    trials = defaultdict(int)
    for name in names:
        joined = {other for other in names if other == name or every[other] & every[name]}
        known = set().union(*(older[other] for other in joined))
        new = set().union(*(tried[other] for other in joined)) | every[name]
        trials[name] = sum(counted[other] for other in joined) + len(new - known)
    return trials
