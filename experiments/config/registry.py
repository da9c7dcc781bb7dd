"""Which experiments exist, and what a run of one of them is set to.

A run's settings are layers, the later ones winning: the experiment's file, the profile's settings,
the profile's word on this experiment, and the command line.
"""

from __future__ import annotations

import difflib
import hashlib
import inspect
import json
import re
import sys
from argparse import ArgumentError
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

CONFIGS = Path(__file__).parents[1] / "configs"
CLASSES = ("model", "data")  # the parts of a config that name a class


class ConfigError(Exception):
    """A setting that cannot be used. The message gives the value, the rule and the remedy."""


@dataclass(frozen=True)
class Profile:
    """How large a benchmark is.

    Attributes:
        name: the YAML file's name.
        settings: laid over every experiment.
        experiments: the experiments it runs, each with settings of its own; None means all.
        seeds: the seeds it runs.
    """

    name: str
    settings: dict[str, Any]
    experiments: dict[str, dict[str, Any]] | None
    seeds: list[int]


class Registry:
    """The experiments: every YAML file in `experiments/configs` and in the folders added to it.

    Python files of an added folder can be named in `class_path`, so an architecture may live
    outside this repository.

    Args:
        folders: further folders, as in `--configs DIR`.

    Raises:
        ConfigError: a folder does not exist, or two files have one name.
    """

    def __init__(self, folders: Iterable[Path] = ()) -> None:
        self.folders = [Path(folder).resolve() for folder in folders]
        self.files = {file.stem: file for file in sorted(CONFIGS.glob("*.yaml"))}
        for folder in self.folders:
            if not folder.is_dir():
                raise ConfigError(f"--configs {folder}: no such folder; name one that holds YAMLs")
            for file in sorted(folder.glob("*.yaml")):
                if file.stem in self.files:
                    raise ConfigError(
                        f"{file}: {self.files[file.stem]} has this name already; rename one"
                    )
                self.files[file.stem] = file
            if str(folder) not in sys.path:
                sys.path.append(str(folder))

    def settings(self, experiment: str) -> dict[str, Any]:
        """What the experiment's file says; `experiment` is a name, or the path of a YAML file."""
        file = self.files.get(experiment)
        if file is None and experiment.endswith((".yaml", ".yml")):
            file = Path(experiment)
        if file is None:
            raise ConfigError(
                f"no experiment {experiment!r}{nearest(experiment, self.files)}; "
                "`lit-sentiment list` shows all"
            )
        return read_yaml(file)

    def description(self, experiment: str) -> str | None:
        """The first comment line of the experiment's file, of those in subfolders of `configs` too.

        None: there is no such file.
        """
        variants = CONFIGS.glob(f"*/{experiment}.yaml")
        path = self.files.get(experiment) or next(variants, None)
        if path is None:
            return None
        with open(path, encoding="utf-8") as file:
            return file.readline().removeprefix("#").strip()


def read_profile(name: str) -> Profile:
    """Reads `configs/profiles/<name>.yaml`.

    Raises:
        ConfigError: there is no such profile.
    """
    files = {file.stem: file for file in sorted((CONFIGS / "profiles").glob("*.yaml"))}
    if name not in files:
        raise ConfigError(f"no profile {name!r}; choose one of {', '.join(files)}")
    content = read_yaml(files[name])
    experiments = content["experiments"]
    return Profile(
        name=name,
        settings=content.get("settings") or {},
        experiments=None if experiments == "all" else experiments,
        seeds=content["seeds"],
    )


def layered(registry: Registry, experiment: str, profile: Profile) -> dict[str, Any]:
    """The settings of an experiment under a profile, before the command line has its say."""
    own = (profile.experiments or {}).get(experiment) or {}
    return merge(registry.settings(experiment), profile.settings, own)


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Lays mappings over one another, the later winning, nested mappings key by key."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            if isinstance(value, Mapping) and isinstance(result.get(key), dict):
                result[key] = merge(result[key], value)
            else:
                result[key] = deepcopy(value)
    return result


def read_yaml(file: Path) -> dict[str, Any]:
    """Reads one YAML mapping.

    Raises:
        ConfigError: the file is missing or no YAML mapping.
    """
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: is not YAML ({error})") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{file}: must hold keys such as `model:` and `data:`")
    return content


class RunSettings:
    """How a run is carried out, whatever its model and data.

    Args:
        protocol: `holdout` trains on 90% of train and chooses on the rest; `refit` does the same,
            then trains anew on all of train for as many epochs as were chosen, and what it tests
            and keeps are those weights. Validation metrics are those of the first fit.
        monitor: what the best epoch is chosen by, on the validation rows.
        mode: whether less or more of it is better.
        patience: epochs without improvement after which a run stops.
        precision: `auto` is bf16 where the card has it in hardware, fp16 on older cards, fp32
            elsewhere; or any of Lightning's names.
        checkpoint_minutes: how often a resumable checkpoint is written within an epoch.
        tuning_trials: settings tried on validation before these were chosen.
        wandb_project: W&B project; None is `$WANDB_PROJECT`, else `lit-sentiment`.
        wandb_entity: W&B entity; None is the account's own.
        wandb_mode: `auto` is offline unless an API key is set up.
        wandb_texts: send the worst mistakes with their texts to W&B.
    """

    def __init__(
        self,
        protocol: Literal["holdout", "refit"] = "holdout",
        monitor: str = "val/log_loss",
        mode: Literal["min", "max"] = "min",
        patience: int = 3,
        precision: str = "auto",
        checkpoint_minutes: float = 10.0,
        tuning_trials: int = 1,
        wandb_project: str | None = None,
        wandb_entity: str | None = None,
        wandb_mode: Literal["auto", "online", "offline", "disabled"] = "auto",
        wandb_texts: bool = False,
    ) -> None:
        self.__dict__.update({k: v for k, v in locals().items() if k != "self"})


# Where a run happens, not what it computes: left out of the hash that tells runs apart.
_PLACES = {
    "trainer": ("accelerator", "devices", "num_nodes", "strategy", "default_root_dir", "logger"),
    "data": ("root", "robustness", "cache_dir", "train", "validation", "test", "unlabelled"),
    "run": (
        "tuning_trials",
        "wandb_project",
        "wandb_entity",
        "wandb_mode",
        "wandb_texts",
        "checkpoint_minutes",
    ),
}


def comparable(config: Mapping[str, Any]) -> dict[str, Any]:
    """A resolved config without paths, devices and launcher: what a run computes."""
    kept = deepcopy(dict(config))
    for part, names in _PLACES.items():
        values = kept.get(part) or {}
        for name in names:
            values.get("init_args", values).pop(name, None)
    return kept


def config_hash(config: Mapping[str, Any]) -> str:
    """16 hex digits over a resolved config without paths, devices and launcher."""
    content = json.dumps(comparable(config), sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


_UNKNOWN = re.compile(
    r"Option '(?P<a>[^']+)' is not accepted|does not accept option '(?P<b>[^']+)'"
    r"|[Uu]nrecognized arguments: --(?P<c>[^\s=]+)|[Kk]ey '(?P<d>[^']+)' is not expected"
)


def explain(error: ArgumentError, config: Mapping[str, Any], known: Iterable[str]) -> ConfigError:
    """Turns a parser's error into one that names the nearest right key.

    Args:
        error: what the parser raised.
        config: the settings that were parsed, for the classes they name.
        known: all keys of the parser itself, dotted.
    """
    message = str(error)
    found = _UNKNOWN.search(message)
    if not found:
        problem = message.split("Subtypes:")[0].strip()
        reason = constructor_words(message)
        return ConfigError(f"{problem.splitlines()[0]} {reason}" if reason else message)
    key = next(value for value in found.groups() if value)
    names = set(known) | {name.rpartition(".")[2] for name in known}
    for part in CLASSES:
        names |= _init_args((config.get(part) or {}).get("class_path"))
    near = nearest(key, names) or nearest(key.rpartition(".")[2], names)
    if not near and (head := key.partition(".")[0]) != key:
        near = nearest(head, {name.partition(".")[0] for name in known})
    return ConfigError(
        f"unknown setting {key!r}{near}; `lit-sentiment fit -c NAME --print_config` lists all"
    )


def constructor_words(message: str) -> str:
    """What a class itself said, out of the account that the parser wraps it in; or nothing."""
    inner = re.search(r"Errors:\n\s+- (.*?)\n\s+- Expected a <class 'NoneType'>", message, re.S)
    return " ".join(inner.group(1).split()) if inner else ""


def nearest(word: str, words: Iterable[str]) -> str:
    """`, did you mean 'x'?` with the most alike of some words, or nothing."""
    close = difflib.get_close_matches(word, list(words), n=1, cutoff=0.6)
    return f", did you mean {close[0]!r}?" if close else ""


def _init_args(class_path: str | None) -> set[str]:
    """The names of all constructor arguments of a class and its bases."""
    module, _, name = (class_path or "").rpartition(".")
    found = getattr(sys.modules.get(module), name, None)
    if not inspect.isclass(found):
        return set()
    return {
        argument
        for base in found.__mro__
        if "__init__" in vars(base)
        for argument in inspect.signature(base).parameters
    }
