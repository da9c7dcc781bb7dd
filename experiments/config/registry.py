"""Registry of experiments, profiles, and the layers of settings of a run.

Later layers win: the experiment's file, the profile's settings for all experiments, the profile's
settings for this one, the command line.
"""

from __future__ import annotations

import difflib
import inspect
import re
import sys
from argparse import ArgumentError
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from datamodules.console import say_once
from datamodules.trusted import trust_folder
from datamodules.upgrade.names import EXPERIMENTS
from datamodules.upgrade.translate import current_config
from experiments.config.plain_yaml import read_plain

CONFIGS = Path(__file__).parents[1] / "configs"
VARIANTS = ("word2vec", "unlabelled")  # folders of further experiments in the published table
CLASSES = ("model", "data")  # the parts of a config that name a class


class ConfigError(Exception):
    """A setting that cannot be used. The message names the value, the rule and the remedy."""


def current_experiment(name: str, registry: Registry) -> str:
    """Today's name of an experiment, said once where it is another."""
    if name in registry.files:
        return name
    if name in EXPERIMENTS:
        say_once(f"experiment {name} is {EXPERIMENTS[name]} today")
    return EXPERIMENTS.get(name, name)


@dataclass(frozen=True)
class Profile:
    """Size of a benchmark.

    Attributes:
        name: the YAML file's name.
        settings: merged over those of every experiment.
        experiments: the experiments that it runs, each with its own settings; None means all.
        seeds: the random seeds that it runs.
        fits_corpus: fit defaults to the size of a corpus of the user's own.
        corpora: settings of corpora that experiments name themselves, by class; the profile's own
            corpus does not replace these.
    """

    name: str
    settings: dict[str, Any]
    experiments: dict[str, dict[str, Any]] | None
    seeds: list[int]
    fits_corpus: bool = True
    corpora: Mapping[str, dict[str, Any]] = field(default_factory=dict)


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
            trust_folder(folder)
            if str(folder) not in sys.path:
                sys.path.append(str(folder))

    def name_of(self, experiment: str) -> str:
        """Name of an experiment that is given by name or as the path of a YAML file."""
        if experiment in self.files:
            return experiment  # a dot in it is part of it
        return re.sub(r"\.ya?ml$", "", Path(experiment).name)

    def settings(self, experiment: str) -> dict[str, Any]:
        """Settings in an experiment's file, under today's names.

        Args:
            experiment: its name, or the path of a YAML file.

        Raises:
            ConfigError: no such experiment, or a file that is no YAML mapping.
        """
        file = self.files.get(experiment)
        if file is None and experiment.endswith((".yaml", ".yml")):
            file = Path(experiment)
        if file is None:
            raise ConfigError(
                f"no experiment {experiment!r}{nearest(experiment, self.files)}; "
                "`lit-sentiment list` shows all"
            )
        return current_config(read_yaml(file), say=lambda old: say_once(f"{file}: {old}"))

    def own_settings(self, experiment: str) -> dict[str, Any] | None:
        """Settings in a file of the user's own; None for an experiment of the suite."""
        file = self.files.get(experiment, Path(experiment)).resolve()
        return None if file.is_relative_to(CONFIGS.resolve()) else self.settings(experiment)

    def description(self, experiment: str) -> str | None:
        """First comment line of an experiment's file, in subfolders of `configs` too.

        None where there is no such file.
        """
        variants = CONFIGS.glob(f"*/{experiment}.yaml")
        path = self.files.get(experiment) or next(variants, None)
        if path is None:
            return None
        with open(path, encoding="utf-8") as file:
            return file.readline().removeprefix("#").strip()


def read_profile(name: str) -> Profile:
    """Read `configs/profiles/<name>.yaml`.

    Raises:
        ConfigError: no such profile.
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
        fits_corpus=content.get("fits_corpus", True),
        corpora=content.get("corpora") or {},
    )


def layered(registry: Registry, experiment: str, profile: Profile) -> dict[str, Any]:
    """Settings of an experiment under a profile, before those of the command line."""
    specific = (profile.experiments or {}).get(experiment) or {}
    own, shared = registry.settings(experiment), dict(profile.settings)
    if corpus := (own.get("data") or {}).get("class_path"):  # a part of the experiment
        shared["data"] = {"init_args": profile.corpora.get(corpus, {})}
    return merge(own, shared, specific)


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Merge mappings, later ones winning, nested mappings key by key."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            if isinstance(value, Mapping) and isinstance(result.get(key), dict):
                result[key] = merge(result[key], value)
            else:
                result[key] = deepcopy(value)
    return result


def read_yaml(file: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Raises:
        ConfigError: the file is missing, or holds something else.
    """
    try:
        content = read_plain(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: is not YAML ({error})") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{file}: must hold keys such as `model:` and `data:`")
    return content


_UNKNOWN = re.compile(
    r"Option '(?P<a>[^']+)' is not accepted|does not accept option '(?P<b>[^']+)'"
    r"|[Uu]nrecognized arguments: --(?P<c>[^\s=]+)|[Kk]ey '(?P<d>[^']+)' is not expected"
)


_OF_CLASS = re.compile(r"Problem with given class_path '(?P<path>[^']+)'")


def explain(error: ArgumentError, config: Mapping[str, Any], known: Iterable[str]) -> ConfigError:
    """Convert a parser's error into one that names the nearest valid key.

    Args:
        error: the parser's error.
        config: the settings that were parsed, for the classes that they name.
        known: dotted keys of the parser itself.
    """
    message = str(error)
    unknown = _UNKNOWN.search(message)
    if not unknown:
        problem = message.split("Subtypes:")[0].strip()
        reason = constructor_words(message)
        return ConfigError(f"{problem.splitlines()[0]} {reason}" if reason else message)
    key = next(value for value in unknown.groups() if value)
    if section := _OF_CLASS.search(message):
        names = _init_args(section["path"])
    else:
        names = set(known) | {name.rpartition(".")[2] for name in known}
        for part in CLASSES:
            names |= _init_args((config.get(part) or {}).get("class_path"))
    near = nearest(key, names) or nearest(key.rpartition(".")[2], names)
    if not near and (head := key.partition(".")[0]) != key:
        near = nearest(head, {name.partition(".")[0] for name in known})
    owner = f" ({section['path'].rpartition('.')[2]} has no such)" if section else ""
    return ConfigError(
        f"unknown setting {key!r}{near}{owner}; `lit-sentiment fit -c NAME --print_config` lists "
        "all"
    )


def constructor_words(message: str) -> str:
    """Message of a class's own error within the parser's; empty where there is none."""
    inner = re.search(r"Errors:\n\s+- (.*?)\n\s+- Expected a <class 'NoneType'>", message, re.S)
    return " ".join(inner.group(1).split()) if inner else ""


def nearest(word: str, words: Iterable[str]) -> str:
    """`, did you mean 'x'?` with the most similar word; empty where none is similar."""
    close = difflib.get_close_matches(word, list(words), n=1, cutoff=0.6)
    return f", did you mean {close[0]!r}?" if close else ""


def _init_args(class_path: str | None) -> set[str]:
    module, _, name = (class_path or "").rpartition(".")
    named = getattr(sys.modules.get(module), name, None)
    return init_args(named) if inspect.isclass(named) else set()


def init_args(named: type) -> set[str]:
    """Names of the constructor arguments of a class and its bases."""
    return {
        argument
        for base in named.__mro__
        if "__init__" in vars(base)
        for argument in inspect.signature(base).parameters
    }
