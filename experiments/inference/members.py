"""Members of an ensemble: finished runs, in their folders or published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.config.identity import setting_hash
from experiments.config.registry import ConfigError
from experiments.records.row import Row
from experiments.records.run_files import ROW_FILE, read_row, read_table

_TABLE = ".jsonl:"


@dataclass(frozen=True)
class Member:
    """Member of an ensemble.

    Attributes:
        row: Its row.
        source: Run folder or published table that the row was read from.
    """

    row: Row
    source: Path

    @property
    def setting(self) -> str:
        """Name and setting, equal for all its seeds."""
        row = self.row
        return f"{row.experiment}@{setting_hash(row.config) if row.config else row.config_hash}"


def find_member(text: str, seed: int | None = None) -> Member:
    """Find a member.

    Args:
        text: A run folder, the folder of an experiment's runs, or a published row as
            `TABLE.jsonl:EXPERIMENT` or `TABLE.jsonl:EXPERIMENT:SEED`.
        seed: Seed to choose; a deterministic run stands for every seed. None: the only one.

    Raises:
        ConfigError: There is no such row, or several.
        ResultsError: It cannot be read.
    """
    found = _rows(text)
    if not found:
        raise ConfigError(
            f"{text}: no finished run; give a run folder, the folder of an experiment's runs, or a "
            "published row as TABLE.jsonl:EXPERIMENT[:SEED]"
        )
    chosen = [one for one in found if seed is None or one.row.seed == seed]
    if not chosen and len(found) == 1 and found[0].row.deterministic:
        chosen = found
    if len(chosen) == 1:
        return chosen[0]
    there = ", ".join(f"seed {one.row.seed} ({one.row.profile})" for one in found)
    raise ConfigError(
        f"{text}: {len(chosen)} runs {'' if seed is None else f'of seed {seed} '}fit, there are "
        f"{there}; name one run, or choose with --seeds"
    )


def seed_of(members: Sequence[Member]) -> int:
    """Seed of an ensemble: that of the first member that draws."""
    return next((m.row.seed for m in members if not m.row.deterministic), members[0].row.seed)


def _rows(text: str) -> list[Member]:
    table, mark, rest = text.partition(_TABLE)
    if mark:
        path = Path(table + _TABLE[:-1])
        if not path.is_file():
            raise ConfigError(f"{path}: no such table")
        name, _, seed = rest.partition(":")
        return [
            Member(row, path)
            for row in read_table(path)
            if row.experiment == name and seed in ("", str(row.seed))
        ]
    folder = Path(text)
    places = [folder] if (folder / ROW_FILE).is_file() else sorted(folder.glob("seed-*"))
    return [Member(read_row(one), one) for one in places if (one / ROW_FILE).is_file()]
