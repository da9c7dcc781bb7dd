"""Resolved settings: what they name is checked for each fit; a command parses them once."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest

from datamodules import trusted
from datamodules.trusted import Untrusted
from experiments.config import resolved
from experiments.config.parse_once import parse_once
from experiments.config.registry import ConfigError
from experiments.config.resolved import Resolved

SETTINGS = {
    "model": {"class_path": "lit_models.bag.Bag"},
    "data": {"class_path": "tests.toys.ToyData"},
}


@pytest.mark.parametrize("part", ["model", "data"])
@pytest.mark.parametrize("step", ["resolve", "build"])
def test_the_second_fit_imports_nothing_that_the_first_may_not(
    part: str, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trusted, "_typed", set())
    refused: set[str] = set()

    def check(path: str) -> None:
        if path in refused:
            raise Untrusted(f"{path} is not trusted")

    first = Resolved(copy.deepcopy(SETTINGS), check=check)
    second = first.refitted() if step == "build" else None
    refused.add(SETTINGS[part]["class_path"])
    with pytest.raises(Untrusted, match=SETTINGS[part]["class_path"]):
        first.refitted() if second is None else second.build()
    assert not trusted._typed, "what a file names was taken for typed"


def test_a_command_parses_equal_settings_once_and_hands_out_copies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parses: list[int] = []
    parse = resolved.ExperimentCLI.parse_arguments

    def counted(*args: Any) -> None:
        parses.append(1)
        parse(*args)

    monkeypatch.setattr(resolved.ExperimentCLI, "parse_arguments", counted)
    with parse_once():
        one = Resolved(SETTINGS, ["--model.dropout=0.25"])
        with parse_once():
            two = Resolved(SETTINGS, ["--model.dropout=0.25"])
        assert len(parses) == 1 and two.config == one.config and two.hash == one.hash
        first, second = one.build()[0], two.build()[0]
        assert first is not second and one.build()[0] is not first
        one.config["model"]["init_args"]["dropout"] = 0.5
        one.cli.config["seed_everything"] = one.run.patience = 7
        three = Resolved(SETTINGS, ["--model.dropout=0.25"])
        assert three.config == two.config and three.run.patience == two.run.patience
        assert three.seed == 0 and len(parses) == 1
        assert Resolved(SETTINGS, ["--model.dropout=0.5"]).hash != two.hash
        with pytest.raises(ConfigError, match="dropuot"):
            Resolved(SETTINGS, ["--model.dropuot=0.5"])
        with pytest.raises(Untrusted, match="lit_models.bag.Bag is mine"):  # each check for itself
            Resolved(SETTINGS, ["--model.dropout=0.25"], check=refuse)
    parses.clear()
    Resolved(SETTINGS)
    Resolved(SETTINGS)
    assert len(parses) == 2, "outside of a command, classes and files may change"


def test_models_of_equal_settings_share_no_hyper_parameters() -> None:
    settings = {**SETTINGS, "model": {"class_path": "lit_models.cnn.CNN"}}
    with parse_once():
        first, second = (Resolved(settings).build()[0] for _ in range(2))
    first.hparams["filter_sizes"].append(9)
    assert second.hparams["filter_sizes"] == [3, 4, 5]


@pytest.mark.parametrize("command", [parse_once, nullcontext])
def test_a_model_has_the_hyper_parameters_of_its_settings_whatever_is_parsed_later(
    command: Callable[[], AbstractContextManager[None]],
) -> None:
    with command():
        one, _ = (Resolved(SETTINGS, [f"--model.dropout={value}"]) for value in (0.25, 0.5))
        model, _ = one.build()
    assert model.hparams["dropout"] == 0.25


def refuse(path: str) -> None:
    raise Untrusted(f"{path} is mine")
