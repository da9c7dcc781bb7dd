"""Queue of the published table: every experiment that this machine can train, three seeds.

It is a row of `benchmark` commands, one for each seed and protocol. Seed 0 of every experiment
comes first, the fastest ahead, then seed 1, then seed 2: whenever it is stopped, it leaves the most
useful rows. A run whose row is published is not made again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from experiments.config.identity import setting_hash
from experiments.config.registry import Profile, Registry
from experiments.launch import benchmark
from experiments.launch.prefetch import sources_of
from experiments.records.row import Row
from experiments.records.run_files import ROW_FILE, read_row, read_table
from experiments.training.spec import RunSpec

TABLE = "imdb"  # the published table of classifiers, and the benchmark
TABLES: dict[str, str] = {
    "classification": TABLE,
    "multi-label classification": "several_labels",
    "language modelling": "imdb_language",
    "transcription": "pronunciation",
    "tagging": "imdb_tagging",
}
"""Published table of each kind of problem."""
SEEDS = (0, 1, 2)
FAST_SECONDS = 300.0  # a fit that takes less is refitted with every seed

Protocol = Literal["holdout", "refit"]
PROTOCOLS: tuple[Protocol, ...] = ("refit", "holdout")


def protocol_of(seed: int, first: Row | None, refits: bool = True) -> Protocol | None:
    """Choose the protocol of a run.

    Seed 0 is refitted. The other seeds follow its row: they are refitted too where one fit took
    less than `FAST_SECONDS`, vectors included.

    Args:
        seed: Seed of the run.
        first: Row of seed 0, if it has ended.
        refits: Whether the model may be refitted.

    Returns:
        The protocol; None where the run is not made: seed 0 gave no result, or another seed would
        give the same.
    """
    if seed == SEEDS[0]:
        return "refit" if refits else "holdout"
    if first is None or first.status != "ok" or first.deterministic:
        return None
    return "refit" if refits and _fit_seconds(first) < FAST_SECONDS else "holdout"


def _fit_seconds(row: Row) -> float:
    """Seconds of one fit of a finished run, word vectors included."""
    return (row.fit_seconds or 0.0) + (row.fit_vectors_seconds or 0.0)


@dataclass(frozen=True)
class Part:
    """Runs of one seed and protocol that are left.

    Attributes:
        seed: Their seed.
        protocol: Their protocol.
        specs: The runs, the fastest first.
    """

    seed: int
    protocol: Protocol
    specs: list[RunSpec]

    def is_over(self) -> bool:
        """Check whether every run has its row."""
        return all((spec.folder / ROW_FILE).exists() for spec in self.specs)


class Queue:
    """Runs of the table, each part decided when the parts before it have ended.

    Args:
        registry: The experiments that exist.
        profile: Sizes, and the experiments where `names` is empty.
        runs: Folder of the benchmark's folder.
        published: The published folder; complete rows of present settings in it count as made.
        names: Experiments; empty: all.
        overrides: Settings typed on the command line, for every run.

    Attributes:
        specs: Seed 0 of each experiment in the table.
        left_out: Experiments that are not, since their weights are on a hub.
    """

    def __init__(
        self,
        registry: Registry,
        profile: Profile,
        *,
        runs: Path,
        published: Path,
        names: Sequence[str] = (),
        overrides: Sequence[str] = (),
    ) -> None:
        self.registry, self.profile, self.runs = registry, profile, runs
        self.overrides = tuple(overrides)
        files = [published / f"{table}.jsonl" for table in TABLES.values()]
        self.published = [row for file in files if file.is_file() for row in read_table(file)]
        self.left_out, self.specs = list[str](), dict[str, RunSpec]()
        for spec in self._plan(names, SEEDS[0], "refit"):
            if not _refits(spec):
                [spec] = self._plan([spec.experiment], SEEDS[0], "holdout")
            if sources_of(spec.resolve().config):
                self.left_out.append(spec.experiment)
            else:
                self.specs[spec.experiment] = spec

    def parts(self) -> Iterator[Part]:
        """Parts that have runs to do; take the next when the runs of the last have ended."""
        for seed in SEEDS:
            first = {name: self._first_row(name) for name in self.specs}
            order = sorted(self.specs, key=lambda name: self._seconds(name, first[name]))
            for protocol in PROTOCOLS:
                names = [
                    name
                    for name in order
                    if protocol_of(seed, first[name], _refits(self.specs[name])) == protocol
                ]
                specs = self._plan(names, seed, protocol) if names else []
                specs = [spec for spec in specs if self._published_row(spec) is None]
                plan = benchmark.Plan(TABLE, self.runs / TABLE, specs)
                if left := benchmark.pending(plan, retry=True):
                    yield Part(seed, protocol, left)

    def command(self, part: Part) -> list[str]:
        """Command of a part."""
        words = [spec.experiment for spec in part.specs]
        words += ["--profile", self.profile.name, "--runs", str(self.runs), "--name", TABLE]
        words += ["--seeds", str(part.seed), "--retry"]
        words += [f"--configs={folder}" for folder in self.registry.folders]
        words += [*self.overrides, f"--run.protocol={part.protocol}"]
        return [sys.executable, "-m", "experiments", "benchmark", *words]

    def to_time(self) -> list[tuple[RunSpec, int]]:
        """Experiments of present settings that are published, the fastest first, and their epochs.

        Epochs are the most of any seed; 1 for a model without.
        """
        chosen = []
        for name, spec in self.specs.items():
            setting = setting_hash(spec.resolve().config)
            rows = [
                row
                for row in self.published
                if row.experiment == name and row.config and setting_hash(row.config) == setting
            ]
            if rows:
                epochs = max(1, *(row.epochs or 0 for row in rows))
                chosen.append((max(row.fit_seconds or 0.0 for row in rows), spec, epochs))
        return [(spec, epochs) for _, spec, epochs in sorted(chosen, key=lambda one: one[0])]

    def rows(self) -> list[Row]:
        """Rows of all runs so far, failed ones too; published ones are not among them."""
        folders = sorted((self.runs / TABLE).glob(f"*/seed-*/{ROW_FILE}"))
        return [read_row(folder.parent) for folder in folders]

    def _plan(self, names: Sequence[str], seed: int, protocol: Protocol) -> list[RunSpec]:
        return benchmark.expand(
            self.registry,
            self.profile,
            names=names,
            seeds=[seed],
            name=TABLE,
            runs=self.runs,
            overrides=[*self.overrides, f"--run.protocol={protocol}"],
        ).specs

    def _first_row(self, name: str) -> Row | None:
        """Row of seed 0: this queue's, else the published one."""
        folder = self.specs[name].folder
        if (folder / ROW_FILE).is_file():
            return read_row(folder)
        return self._published_row(self.specs[name])

    def _published_row(self, spec: RunSpec) -> Row | None:
        """Published row of a run, if it has all that the run would give."""
        for row in self.published:
            tested = row.test and (row.test_refit or row.protocol == "holdout")
            same = (row.experiment, row.seed) == (spec.experiment, spec.seed)
            if same and tested and benchmark.is_current(row, spec):
                return row
        return None

    def _seconds(self, name: str, first: Row | None) -> float:
        """Seconds of a fit, by this queue's row or the last published ones; unknown: the most."""
        rows = [first, *(row for row in self.published if row.experiment == name)]
        return next((_fit_seconds(row) for row in rows if row and row.status == "ok"), float("inf"))


def _refits(spec: RunSpec) -> bool:
    """Check whether the model of a run may be refitted."""
    return "refit" in spec.resolve().model_class.protocols
