"""Identity of settings: names, places and neutral values do not change it, all else does."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from experiments.config.identity import NEUTRAL, comparable, config_hash, setting_hash
from experiments.config.registry import Registry, layered, read_profile
from experiments.config.resolved import Resolved


def config_of(experiment: str, *words: str) -> dict[str, Any]:
    settings = layered(Registry(), experiment, read_profile("full"))
    return Resolved({**settings, "seed_everything": 0}, words).config


@pytest.mark.parametrize(
    "word",
    [
        *("--trainer.devices=2", "--trainer.accelerator=cpu", "--data.root=DIR"),
        *("--data.cache_dir=DIR", "--run.wandb_mode=disabled", "--run.tuning_trials=9"),
    ],
)
def test_places_do_not_change_it(word: str) -> None:
    assert config_hash(config_of("cnn", word)) == config_hash(config_of("cnn"))


@pytest.mark.parametrize(
    "word",
    [
        *("--model.dropout=0.1", "--data.validation_fraction=0.2", "--trainer.max_epochs=9"),
        *("--seed_everything=1", "--run.protocol=refit", "--model.weight_averaging=asgd"),
        *("--data.train_window=9", "--data.vectors.text=train+unlabelled"),
    ],
)
def test_what_a_run_computes_changes_it(word: str) -> None:
    assert config_hash(config_of("cnn", word)) != config_hash(config_of("cnn"))


def test_the_folder_of_a_teacher_s_file_does_not_change_it() -> None:
    """Published rows have the file's name alone."""

    def hashed(teacher: str | None) -> str:
        data = {"class_path": "datamodules.imdb.IMDB", "init_args": {"teacher": teacher}}
        return config_hash({"data": data})

    names = "/a/soft.parquet", "b/soft.parquet", r"C:\b\soft.parquet"
    assert {hashed(name) for name in names} == {hashed("soft.parquet")}
    assert len({hashed(name) for name in ("soft.parquet", "/a/other.parquet", None)}) == 3


def test_a_setting_at_its_neutral_value_might_as_well_not_be_there() -> None:
    config = config_of("cnn")
    without = deepcopy(config)
    for part in ("model", "data"):
        for name, value in NEUTRAL[part].items():
            arguments = without[part]["init_args"]
            if name in arguments and arguments[name] == value:
                del arguments[name]
    assert without != config
    assert config_hash(without) == config_hash(config)


def test_a_neutral_value_of_one_class_is_kept_in_another() -> None:
    tfidf = comparable(config_of("tfidf_logreg"))["model"]["init_args"]
    assert "char_ngrams" not in tfidf and "max_features" not in tfidf
    bag = {"model": {"class_path": "my.Net", "init_args": {"char_ngrams": 0}}}
    assert comparable(bag) == bag


def test_every_neutral_setting_exists_and_no_default_but_it_is_left_out() -> None:
    """A setting renamed or removed must leave the table, too."""
    model = config_of("tfidf_logreg")["model"]["init_args"]
    cnn = config_of("cnn")
    data, network = cnn["data"]["init_args"], cnn["model"]["init_args"]
    assert NEUTRAL["model"].keys() <= model.keys() | network.keys()
    assert NEUTRAL["data"].keys() <= data.keys()
    assert NEUTRAL["lit_models.tfidf_logreg.TfidfLogReg"].keys() <= model.keys()
    vectors = data["vectors"]
    assert NEUTRAL[vectors["class_path"]].keys() <= vectors["init_args"].keys()


def test_a_teacher_is_the_same_wherever_its_file_lies() -> None:
    def config(teacher: str | None) -> dict:
        return {"data": {"class_path": "a.B", "init_args": {"teacher": teacher}}}

    here, there = config("/home/a/soft.parquet"), config("soft.parquet")
    assert setting_hash(here) == setting_hash(there)
    assert config_hash(here) == config_hash(there)
    others = [config("/home/a/other.parquet"), config(None)]
    assert len({setting_hash(one) for one in (here, *others)}) == 3
