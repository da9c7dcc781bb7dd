"""From settings to objects: LightningCLI's typed parser over model, data, trainer and run."""

from __future__ import annotations

import inspect
from argparse import ArgumentError
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
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
from datamodules.errors import DataError
from datamodules.text import TextDataModule
from experiments.config.registry import (
    ConfigError,
    RunSettings,
    config_hash,
    constructor_words,
    explain,
    read_yaml,
)
from lit_models.base.classifier import LitClassifier

# What every run starts from. Progress and epochs are shown by the benchmark, not by Lightning.
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
    """Parses at once, builds when asked to."""

    def __init__(self, args: ArgsType) -> None:
        super().__init__(
            LitClassifier,
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

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_class_arguments(RunSettings, "run", instantiate=False)
        parser.link_arguments("data.init_args.vocab_size", "model.init_args.vocab_size")
        parser.link_arguments("seed_everything", "data.init_args.seed")
        parser.link_arguments(
            "data.num_classes", "model.init_args.num_classes", apply_on="instantiate"
        )

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parses `args` alone; Lightning's own would warn that the process has arguments too."""
        self.config = parser.parse_args(args)  # type: ignore[arg-type]  # always a list here

    def _set_seed(self) -> None:
        """The run seeds itself when it starts; parsing has no side effects."""

    def instantiate_classes(self) -> None:
        """Nothing yet: `build` does it."""

    def build(self) -> None:
        """Makes `self.model` and `self.datamodule`."""
        self.config_init = self.parser.instantiate_classes(self.config)
        self.datamodule = self._get(self.config_init, "data")
        self.model = self._get(self.config_init, "model")

    def make_trainer(self, **settings: Any) -> Trainer:
        """A trainer as configured, with further settings on top."""
        return self.instantiate_trainer(**settings)


class Resolved:
    """A checked configuration of one run.

    Attributes:
        cli: the parser and its result.
        config: plain nested values of every setting.
        run: how the run is carried out.
        seed: the run's seed.
    """

    def __init__(self, settings: dict[str, Any], overrides: Sequence[str] = ()) -> None:
        args = ["--config", yaml.safe_dump(settings), *overrides]
        try:
            self.cli = ExperimentCLI(args)
        except ArgumentError as error:
            raise explain(error, settings, _known_keys()) from error
        text = self.cli.parser.dump(self.cli.config, skip_none=False)
        self.config: dict[str, Any] = yaml.safe_load(text)
        for part in ("model", "data"):
            if not self.config.get(part):
                raise ConfigError(f"the config has no `{part}:`; it must name a class_path")
        self.run: Any = self.cli.config["run"]
        self.seed: int = self.cli.config["seed_everything"]

    def build(self) -> tuple[LitClassifier, TextDataModule]:
        """Makes the model and the datamodule, once.

        Raises:
            DataError: what the datamodule's constructor says of its arguments.
            ConfigError: what any other constructor says.
        """
        try:
            self.cli.build()
        except (ValueError, TypeError, ArgumentError) as error:
            cause: BaseException | None = error
            while cause is not None:  # jsonargparse wraps what a constructor raises
                if isinstance(cause, DataError):
                    raise cause from None
                cause = cause.__cause__ or cause.__context__
            raise ConfigError(constructor_words(str(error)) or str(error)) from error
        return self.cli.model, self.cli.datamodule

    def refitted(self) -> Resolved:
        """The same run with the validation rows among those it learns from; not built yet."""
        data = self.config["data"]
        again = {**data, "init_args": {**(data.get("init_args") or {}), "refit": True}}
        return Resolved({**self.config, "data": again})

    @property
    def hash(self) -> str:
        """Tells runs apart by what they compute."""
        return config_hash(self.config)

    @classmethod
    def of_run(cls, folder: Path) -> Resolved:
        """The configuration that a finished run keeps in `config.yaml`."""
        return cls(read_yaml(folder / "config.yaml"))


def _known_keys() -> set[str]:
    """The dotted keys of a config outside its classes' own arguments."""
    parts = {"trainer": Trainer, "run": RunSettings}
    keys = {
        f"{part}.{name}"
        for part, owner in parts.items()
        for name in inspect.signature(owner).parameters
    }
    return keys | {"model", "data", "seed_everything"}
