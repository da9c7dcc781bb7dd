"""Origin of a line of the table: command, settings, machines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from datamodules.upgrade.translate import current_config
from experiments.config.registry import ConfigError, Registry
from experiments.records.plan import PlannedRun
from experiments.records.publishing import strip_paths
from experiments.records.row import ResultsError, Row
from experiments.report.facts import describe_machine
from experiments.report.page.commands import commands
from experiments.report.tables import Line

WORDS = ("good", "terrible", "funny", "boring", "not")
_LARGEST = 100e6  # bytes


@dataclass(frozen=True)
class Origin:
    """Origin of a line.

    Attributes:
        what: Description of the experiment; empty if its file is not available.
        commands: Commands that repeat the runs; empty if the experiment's file is not known.
        config: Resolved settings as YAML; empty if only their hash is known.
        machines: Machine, precision and versions of the runs, each once.
        neighbours: Some words with the nearest words in the word vectors of the run.
    """

    what: str
    commands: list[str]
    config: str
    machines: list[str]
    neighbours: list[tuple[str, str]]


def find_origin(
    line: Line,
    name: str,
    folder: Path,
    plan: list[PlannedRun],
    registry: Registry | None = None,
) -> Origin:
    """Find the origin of a line.

    Args:
        line: Line of the table.
        name: Name of the benchmark.
        folder: Folder that was read.
        plan: Plan of the benchmark (`experiments.records.plan`); empty if there is none.
        registry: The experiments, with those of `--configs`; None: those of this suite.
    """
    run = run_folder(folder, line.rows[0])
    return Origin(
        what=((registry or Registry()).description(line.experiment) or "").rstrip("."),
        commands=commands(line.rows, name, plan, registry),
        config=_config(line.rows[0]),
        machines=list(dict.fromkeys(map(_made, line.rows))),
        neighbours=_neighbours(run),
    )


def run_folder(folder: Path, row: Row) -> Path | None:
    """Folder of a run inside the folder that was read; None for a published row."""
    if row.evidence is not None:
        return None
    places = (folder / row.experiment / f"seed-{row.seed}", folder)
    return next((place for place in places if (place / "row.json").is_file()), None)


def _config(row: Row) -> str:
    """Settings of a row as YAML, without paths; empty if they were not recorded."""
    if not row.config:
        return ""
    return yaml.safe_dump(strip_paths(current_config(row.config)), sort_keys=False).rstrip()


def _made(row: Row) -> str:
    versions = ", ".join(
        f"{name} {row.versions[name]}"
        for name in ("python", "torch", "lightning", "scikit-learn", "transformers")
        if name in row.versions
    )
    return "; ".join(
        part for part in (describe_machine(row), row.precision or "", versions) if part
    )


def _neighbours(run: Path | None) -> list[tuple[str, str]]:
    """Words with their nearest words; empty if the run has no word vectors of our tokenizer."""
    if run is None or not _is_small(run):
        return []
    from datamodules.errors import DataError
    from datamodules.store.encoder import names_tokenizer
    from datamodules.tokenizers import WordTokenizer
    from experiments.inference.word_table import read_table

    try:
        if not names_tokenizer(run, WordTokenizer):
            return []  # a report imports nothing that a run's files name
        table = read_table(run)
    except (ConfigError, DataError, ResultsError):  # none, or damaged: an optional part
        return []
    known = set(table.words)
    return [
        (word, ", ".join(near for near, _ in table.neighbours(word, 8)))
        for word in WORDS
        if word in known
    ]


def _is_small(run: Path) -> bool:
    """Check that the model is small: reading a large encoder, which has no words, takes seconds."""
    files = [run / name for name in ("model.ckpt", "arrays.safetensors")]
    sizes = [file.stat().st_size for file in files if file.is_file()]
    return bool(sizes) and max(sizes) < _LARGEST
