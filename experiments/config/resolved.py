"""Resolved settings: LightningCLI's typed parser over model, data, trainer and run."""

from __future__ import annotations

import copy
import inspect
import sys
from argparse import ArgumentError
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lightning import Trainer
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI

import datamodules.files
import datamodules.imdb
import datamodules.kaggle
import datamodules.movie_reviews
import datamodules.vectors.fasttext
import datamodules.vectors.files
import datamodules.vectors.published
import datamodules.vectors.word2vec  # noqa: F401  # imported, so that short names are found
from datamodules.console import say_once
from datamodules.errors import DataError
from datamodules.language import check_problem, read_for, task_of
from datamodules.text import TextDataModule
from datamodules.trusted import check_trusted, trust_typed
from datamodules.upgrade.translate import current_config, current_words
from experiments.config.checked_imports import checked_imports
from experiments.config.checks import check_folds, check_labels, check_settings, check_words
from experiments.config.directions import direction_of
from experiments.config.identity import config_hash
from experiments.config.own_data import make_paths_absolute, named_files
from experiments.config.parse_once import parsed
from experiments.config.registry import ConfigError, constructor_words, explain
from experiments.config.run_config import evaluation_settings
from experiments.config.run_settings import RunSettings
from experiments.config.typed_text import plain_values, quoted_yaml, text_as_typed
from experiments.machine.messages import quiet_libraries
from lit_models.base.classifier import LitClassifier
from lit_models.base.model import LitModel

# Defaults of every run. Progress and epochs are shown by the benchmark, not by Lightning.
TRAINER_DEFAULTS = {
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
    "log_every_n_steps": 10,
    "use_distributed_sampler": False,  # the bucket sampler shards by itself
    "max_epochs": 10,
    "devices": 1,
}


class ExperimentCLI(LightningCLI):
    """LightningCLI that parses in its constructor and builds in `build`."""

    _one_parser: LightningArgumentParser | None = None

    def __init__(self, args: ArgsType) -> None:
        super().__init__(
            LitModel,
            TextDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            run=False,
            save_config_callback=None,
            seed_everything_default=0,
            trainer_defaults=TRAINER_DEFAULTS,
            parser_kwargs={"exit_on_error": False, "allow_abbrev": False},
            args=args,
        )

    def setup_parser(self, *args: Any, **kwargs: Any) -> None:
        """Take the parser of earlier configs: it keeps nothing of them, and making it is slow."""
        if ExperimentCLI._one_parser is None:
            super().setup_parser(*args, **kwargs)
            ExperimentCLI._one_parser = self.parser
        self.parser = ExperimentCLI._one_parser

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_class_arguments(RunSettings, "run", instantiate=False)
        parser.link_arguments("data.init_args.vocab_size", "model.init_args.vocab_size")
        parser.link_arguments("seed_everything", "data.init_args.seed")
        for name in ("num_classes", "multi_label", "num_symbols", "num_tags", "unmarked_tags"):
            parser.link_arguments(f"data.{name}", f"model.init_args.{name}", apply_on="instantiate")

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse `args` alone: Lightning's own method warns where the process has arguments too."""
        self.config = parser.parse_args(args)  # type: ignore[arg-type]  # always a list here

    def _dump_config(self) -> None:
        """Give each module hyper-parameters of its own; `build` has made them."""
        self.config_dump = copy.deepcopy(self._hyperparameters)

    def _set_seed(self) -> None:
        """Seed nothing: the run does so when it starts, and parsing has no side effects."""

    def instantiate_classes(self) -> None:
        """Build nothing yet: `build` does."""

    def build(self) -> None:
        """Make `self.model` and `self.datamodule`."""
        self._hyperparameters = plain_values(self.parser, self.config, linked=True)
        self._add_instantiators()  # the one parser has those of the settings parsed last
        self.config_init = self.parser.instantiate_classes(self.config)
        self.datamodule = self._get(self.config_init, "data")
        self.model = self._get(self.config_init, "model")

    def make_trainer(self, **settings: Any) -> Trainer:
        """Make a trainer as configured, with further settings on top."""
        return self.instantiate_trainer(**settings)


class Resolved:
    """Checked configuration of one run.

    Args:
        settings: nested settings, of this version or an older one.
        overrides: words of the command line, such as `--model.dropout=0.3`.
        check: called with each dotted path in them before it is imported.

    Attributes:
        cli: the parser and its result.
        config: every setting, as plain nested values.
        run: its `RunSettings`.
        seed: its random seed.

    Raises:
        ConfigError: a setting that does not exist or cannot have its value.
        Untrusted: `check` refuses a class.
    """

    def __init__(
        self,
        settings: dict[str, Any],
        overrides: Sequence[str] = (),
        check: Callable[[str], None] = trust_typed,
    ) -> None:
        settings, self.check = current_config(settings), check
        words = current_words(list(named_files(overrides)), settings, say_once)
        check_words(words)
        args = ["--config", quoted_yaml(settings), *words]
        self.cli, self.config = parsed((check, *args), lambda: self._parse(settings, args))
        self.run: Any = self.cli.config["run"]
        self.seed: int = self.cli.config["seed_everything"]

    def _parse(
        self, settings: dict[str, Any], args: list[str]
    ) -> tuple[ExperimentCLI, dict[str, Any]]:
        try:
            with checked_imports(self.check), text_as_typed():
                cli = ExperimentCLI(args)
                run: Any = cli.config["run"]
                if run.mode is None:
                    run.mode = direction_of(run.monitor)
                check_folds(run)
                config = plain_values(cli.parser, cli.config)
        except ArgumentError as error:
            raise explain(error, settings, _known_keys()) from error
        for part in ("model", "data"):
            if not config.get(part):
                raise ConfigError(f"the config has no `{part}:`; it must name a class_path")
        check_settings(config, TRAINER_DEFAULTS)
        make_paths_absolute(config["data"])
        return cli, config

    def build(self) -> tuple[LitModel, TextDataModule]:
        """Make the model and the datamodule, once.

        Raises:
            DataError: the datamodule refuses its arguments.
            ConfigError: any other constructor does.
        """
        quiet_libraries()
        check_problem(self.model_class.problem, self.corpus_class)
        try:
            with checked_imports(self.check), text_as_typed():
                self.cli.build()
            self.cli.datamodule.soft_cap = type(self.cli.model).any_vocabulary
        except (ValueError, TypeError, ArgumentError) as error:
            cause: BaseException | None = error
            while cause is not None:  # jsonargparse wraps what a constructor raises
                if isinstance(cause, DataError):
                    raise cause from None
                cause = cause.__cause__ or cause.__context__
            raise ConfigError(constructor_words(str(error)) or str(error)) from error
        self._check_protocol(type(self.cli.model))
        several = getattr(self.cli.model, "multi_label", False)
        check_labels(self.run, self.cli.datamodule.num_classes, several)
        self.cli.datamodule = read_for(self.cli.model.problem, self.cli.datamodule)
        return self.cli.model, self.cli.datamodule

    def _check_protocol(self, kind: type[LitModel]) -> None:
        protocol = self.run.protocol if self.run.folds is None else "folds"
        if protocol not in kind.protocols:
            named = "run.folds is set" if protocol == "folds" else f"run.protocol is {protocol!r}"
            raise ConfigError(
                f"{named}, and {kind.__name__} ({kind.problem}) is fitted under "
                f"{', '.join(kind.protocols)} alone; leave it out"
            )
        if self.run.threshold is not None and not issubclass(kind, LitClassifier):
            raise ConfigError(
                f"run.threshold is {self.run.threshold!r}, and {kind.__name__} predicts no "
                "classes; leave --run.threshold out"
            )

    def refitted(self) -> Resolved:
        """The second fit of `refit`: the same settings, validation rows among those of train."""
        return self._with_data(refit=True)

    def fold(self, number: int) -> Resolved:
        """The fit that is validated on one of `run.folds` folds, counted from 0."""
        return self._with_data(fold=[number, self.run.folds])

    def fits(self) -> list[Resolved]:
        """The settings of each fit of the run, in order."""
        if self.run.folds is not None:
            return [self.fold(number) for number in range(self.run.folds)]
        return [self, self.refitted()] if self.run.protocol == "refit" else [self]

    def _with_data(self, **arguments: Any) -> Resolved:
        data = self.config["data"]
        again = {**data, "init_args": {**(data.get("init_args") or {}), **arguments}}
        return Resolved({**self.config, "data": again}, check=self.check)

    @property
    def model_class(self) -> type[LitModel]:
        """Class of the model; parsing has imported it."""
        module, _, name = self.config["model"]["class_path"].rpartition(".")
        return getattr(sys.modules[module], name)

    @property
    def task(self) -> str | None:
        """Name and version of the evaluation; None on a user's own corpus."""
        return task_of(self.model_class.problem, self.corpus_class)

    @property
    def corpus_class(self) -> type[TextDataModule]:
        """Class that reads the corpus; parsing has imported it."""
        module, _, name = self.config["data"]["class_path"].rpartition(".")
        return getattr(sys.modules[module], name)

    def corpus_fingerprint(self) -> str:
        """Fingerprint of the corpus that a run reads; a corpus not cached in this state is read."""
        _, data = self.build()
        if not data.corpus_folder.exists():
            data.prepare_data()
        return data.fingerprint

    @property
    def hash(self) -> str:
        """Hash of what the run computes: equal hashes, equal runs."""
        return config_hash(self.config)

    @classmethod
    def of_run(cls, folder: Path, test: Path | None = None, words: Sequence[str] = ()) -> Resolved:
        """Read the configuration in a run folder's `config.yaml`, of any version.

        What serves training alone is left out, and the cache is the user's own.

        Args:
            folder: the run folder.
            test: file of test rows, for a run on a user's own files; None: the run's own.
            words: words of the command line, such as `--data.root=DIR`.

        Raises:
            ConfigError: a setting that does not exist or cannot have its value.
            Untrusted: a class that is not one of a trusted place (`datamodules.trusted`).
        """
        settings = evaluation_settings(folder)
        if test is not None:
            settings["data"]["init_args"]["test"] = f"{test}"
        return cls(settings, words, check=check_trusted)


def _known_keys() -> set[str]:
    """Dotted keys of a config outside the arguments of its classes."""
    parts = {"trainer": Trainer, "run": RunSettings}
    keys = {
        f"{part}.{name}"
        for part, owner in parts.items()
        for name in inspect.signature(owner).parameters
    }
    return keys | {"model", "data", "seed_everything"}
