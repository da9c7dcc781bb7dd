"""Commands that make the runs of a line again, with today's names and settings."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from datamodules.errors import DataError
from experiments.config.registry import CONFIGS, ConfigError, Registry, merge, read_profile
from experiments.config.repeat import words_for
from experiments.records.plan import PlannedRun
from experiments.records.publishing import strip_paths
from experiments.records.row import Row

OFFLINE = ("quick", "smoke")  # profiles whose corpus comes with the installation
_NO_EXPERIMENTS = ("profiles", "slurm", "sweeps")  # folders in `configs` with other YAML files


def commands(
    rows: Sequence[Row],
    name: str,
    plan: Sequence[PlannedRun] = (),
    registry: Registry | None = None,
) -> list[str]:
    """Commands that make rows of one experiment again.

    The settings to type are those in which a row differs from its experiment as it is today, so
    that a row of older settings is made again too. File names are given without their folders,
    which would reveal the machine.

    Args:
        rows: Rows of one experiment, corpus and profile.
        name: Name of the benchmark, for rows that are not published.
        plan: Runs that the benchmark planned, with the settings that were typed: for experiments
            whose file is not known.
        registry: The experiments, with those of `--configs`; None: those of this suite.

    Returns:
        One command for all tested seeds with the same settings, or on a corpus without a test file,
        and one for each other seed, which was only fitted; none for a row whose experiment is not
        known.
    """
    first = rows[0]
    home = first.evidence.file.partition("/")[0] if first.evidence else name
    seeds = [str(row.seed) for row in rows]
    if first.claimed:
        words = ["publish", "--predictions", "FILE", "--name", first.experiment]
        return [shlex.join(["lit-sentiment", *words, "--paper", str(first.paper)])]
    if first.members:
        there = f"experiments/results/{home}.jsonl:" if first.evidence else f"runs/{home}/"
        words = ["ensemble", first.experiment, *(there + member for member in first.members)]
        return [shlex.join(["lit-sentiment", *words, "--seeds", *seeds])]
    registry = registry or Registry()
    known, size = _size(first.experiment, registry)
    by_settings = dict[tuple[str, ...], list[str]]()
    written = []
    for row in rows:
        options = _options(row, plan, registry)
        if options is not None and (row.tested or _without_test_file(row)):
            by_settings.setdefault(tuple(options), []).append(str(row.seed))
        elif options is not None:
            words = ["fit", "-c", known, "--profile", row.profile, "--seed", str(row.seed)]
            written.append([*words, "--name", home, *options])
    for tested, numbers in by_settings.items():
        words = ["benchmark", known, "--profile", first.profile, "--seeds", *numbers]
        words += ["--train-sizes", size] if size else []
        written.append([*words, "--name", home, *tested])
    return [shlex.join(["lit-sentiment", *words]) for words in written]


def _options(row: Row, plan: Sequence[PlannedRun], registry: Registry) -> list[str] | None:
    """Options and settings of a row beside experiment, profile and seed; None: not known."""
    known, size = _size(row.experiment, registry)
    file, folder = _file(known, registry)
    if row.config and file:
        limit: dict[str, Any] = {"data": {"init_args": {"train_limit": int(size or 0)}}}
        try:
            profile = read_profile(row.profile)
            specific = (profile.experiments or {}).get(known) or {}
            settings = merge(registry.settings(str(file)), profile.settings, specific)
            words = words_for(merge(settings, limit if size else {}), row.config)
        except (ConfigError, DataError):  # a file that today's version cannot read
            return None
        words += _chosen_by_corpus(row, words)
        return [*(["--configs", folder] if folder else []), *_without_paths(words, row.profile)]
    planned = [one for one in plan if one.experiment == row.experiment]
    planned = [one for one in planned if one.seed == row.seed] or planned
    if row.config and not planned:
        return None
    words = [] if row.cross_validated else [f"--run.protocol={row.protocol}"]
    for one in planned[:1]:
        typed = any(word.startswith(("--run.protocol", "--run.folds")) for word in one.overrides)
        words = [*([] if typed else words), *_without_paths(one.overrides, row.profile)]
        words = [*(w for named in one.configs for w in ("--configs", _plain(named))), *words]
    return words


def _without_test_file(row: Row) -> bool:
    """True if the corpus has no test file, so that `benchmark` gives no more than `fit`."""
    arguments = (row.config.get("data") or {}).get("init_args") or {}
    return not row.cross_validated and "test" in arguments and arguments["test"] is None


def _chosen_by_corpus(row: Row, words: Sequence[str]) -> list[str]:
    """Settings of a run on another corpus that would be fitted to that corpus unless typed.

    They are those of `experiments.config.corpus_size` and the protocol: a run whose settings equal
    those of its experiment had them typed, or a corpus that needs no others.
    """
    if not any(word.startswith("--data=") for word in words):
        return []
    trainer = row.config.get("trainer") or {}
    vectors = (row.config["data"].get("init_args") or {}).get("vectors")
    vectors = vectors if isinstance(vectors, dict) else {}
    wanted = {
        "run.protocol": row.protocol if row.protocol == "refit" else None,
        "trainer.max_epochs": trainer.get("max_epochs") if row.epochs else None,
        "data.vectors": vectors.get("class_path"),
        "data.vectors.epochs": (vectors.get("init_args") or {}).get("epochs"),
    }
    named = {word.partition("=")[0] for word in words}
    return [
        f"--{name}={value}"
        for name, value in wanted.items()
        if value is not None and f"--{name}" not in named
    ]


def _without_paths(words: Iterable[str], profile: str) -> list[str]:
    """Settings without folders of this machine, the root of a corpus as `--root DIR`."""
    plain = [_plain(word) for word in words]
    rest = [word for word in plain if not word.startswith("--data.root=")]
    own = profile in OFFLINE and not any(word.startswith("--data=") for word in rest)
    return rest if own or len(rest) == len(plain) else ["--root", "DIR", *rest]


def _file(experiment: str, registry: Registry) -> tuple[Path | None, str]:
    """File of an experiment, and the folder to name with `--configs`, if it needs one."""
    if file := registry.files.get(experiment):
        return file, "" if file.parent == CONFIGS else _plain(str(file.parent))
    for file in sorted(CONFIGS.glob(f"*/{experiment}.yaml")):
        if file.parent.name not in _NO_EXPERIMENTS:
            return file, f"experiments/configs/{file.parent.name}"
    return None, ""


def _size(experiment: str, registry: Registry) -> tuple[str, str]:
    """Experiment and size in a name that `--train-sizes` gave, such as `cnn-500`."""
    name, _, size = experiment.rpartition("-")
    if _file(experiment, registry)[0] is None and size.isdecimal() and _file(name, registry)[0]:
        return name, size
    return experiment, ""


def _plain(text: str) -> str:
    """Remove folders, which reveal the machine."""
    return str(strip_paths(text))
