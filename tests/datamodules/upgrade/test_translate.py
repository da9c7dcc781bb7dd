"""Translation of old names: settings, class paths, words; and what must stay as it is."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import Any

import pytest

from datamodules.upgrade.names import KERAS, MODEL_SETTINGS, MODULES
from datamodules.upgrade.renamed import NAMES
from datamodules.upgrade.translate import (
    current_config,
    current_object,
    current_path,
    current_words,
)
from tests.experiments.conftest import REPOSITORY

OLD = {
    "model": {
        "class_path": "lit_models.cnn.CNN",
        "init_args": {"widths": [3], "filters": 7, "layers": 2, "average": "ema", "seed_length": 9},
    },
    "data": {
        "class_path": "datamodules.imdb.IMDB",
        "init_args": {
            "validation": 0.1,
            "vectors": {"class_path": "datamodules.vectors.Word2Vec", "init_args": {"dim": 4}},
            "tokenizer": {
                "class_path": "datamodules.tokenizers.WordTokenizer",
                "init_args": {"preparation": "seed"},
            },
        },
    },
    "trainer": {
        "callbacks": [{"class_path": "experiments.pruning.Prune", "init_args": {"trial": 1}}]
    },
}


def test_a_config_gets_todays_names_everywhere_within_it() -> None:
    said: list[str] = []
    new = current_config(OLD, said.append)
    assert new["model"]["init_args"] == {
        **{"filter_sizes": [3], "num_filters": 7, "num_layers": 2, "weight_averaging": "ema"},
        "seed_length": 9,  # no variant is named: a mistake of the user's, which the parser refuses
    }
    data = new["data"]["init_args"]
    assert data["validation_fraction"] == 0.1 and "validation" not in data
    assert data["vectors"]["class_path"] == "datamodules.vectors.word2vec.Word2Vec"
    assert data["tokenizer"]["init_args"] == {"preparation": "keras"}
    callback = new["trainer"]["callbacks"][0]
    assert callback["class_path"] == "experiments.tuning.study.PruningCallback"
    assert any("widths" in sentence and "filter_sizes" in sentence for sentence in said)
    assert any("datamodules.vectors.Word2Vec" in sentence for sentence in said)
    assert OLD["model"]["init_args"]["widths"] == [3], "the argument was changed"


def test_todays_names_stay_and_nothing_is_said() -> None:
    said: list[str] = []
    new = current_config(OLD)
    assert current_config(new, said.append) == new and said == []


@pytest.mark.parametrize("old", KERAS)
def test_the_keras_variant_is_a_class_and_the_default_loses_its_setting(old: str) -> None:
    path, renamed, ignored = KERAS[old]
    arguments: dict[str, Any] = dict.fromkeys(ignored, 1) | {"vocab_size": 5, "variant": "seed"}
    assert current_object(old, arguments) == (path, {"vocab_size": 5})
    assert current_object(path, arguments) == (path, {"vocab_size": 5})  # of a checkpoint
    assert current_object(old, {"variant": "default", "learning_rate": 1}) == (
        old,
        {"learning_rate": 1},
    )
    for name, new in renamed.items():
        assert current_object(old, {"variant": "seed", name: 3})[1] == {new: 3}
        assert current_object(old, {"variant": "default", name: 3})[1] == {}


def test_a_class_from_elsewhere_keeps_its_own_settings() -> None:
    arguments = {"layers": 2, "average": True, "average_decay": 0.5, "vectors_rate": 0}
    assert current_object("my.Net", arguments)[1] == {
        "layers": 2,
        "average": True,
        "weight_averaging_decay": 0.5,
        "vectors_lr_scale": 0,
    }
    assert current_object("my.Net", {"average": "ema"})[1] == {"weight_averaging": "ema"}
    written = {"average": None, "average_decay": 0.999}  # by the base class, into every config
    expected = {"weight_averaging": None, "weight_averaging_decay": 0.999}
    assert current_object("my.Net", written)[1] == expected
    assert current_object("my.Data", {"validation": "a.csv"})[1] == {"validation": "a.csv"}
    files = "datamodules.files.TextFiles"
    assert current_object(files, {"validation": "a.csv"})[1] == {"validation": "a.csv"}


def test_a_setting_that_others_replaced_wins_over_its_successor() -> None:
    perceptron = "lit_models.perceptron.Perceptron"
    arguments = {"averaged": True, "average": None, "average_start": 1}
    expected = {"weight_averaging": "asgd", "weight_averaging_start": 0}
    assert current_object(perceptron, arguments)[1] == expected
    assert current_object(perceptron, dict(reversed(arguments.items())))[1] == expected
    forest = "lit_models.vector_average_forest.VectorAverageForest"
    assert current_object(forest, {"distinct": True})[1] == {"counting": "distinct"}
    assert current_object("lit_models.bag.Bag", {"distinct": True})[1] == {"distinct": True}


def test_words_of_the_command_line() -> None:
    said: list[str] = []
    words = [
        *("--model.widths=[3,4]", "--model.init_args.filters=9", "--trainer.max_epochs=2"),
        *("--data.vectors=datamodules.vectors.Word2Vec", "--data.vectors.dim=8"),
        *("--data.validation=.2", "--data.tokenizer.preparation=seed", "--run.patience=1"),
    ]
    assert current_words(words, OLD, said.append) == [
        *("--model.filter_sizes=[3,4]", "--model.init_args.num_filters=9"),
        *("--trainer.max_epochs=2", "--data.vectors=datamodules.vectors.word2vec.Word2Vec"),
        *("--data.vectors.dim=8", "--data.validation_fraction=.2"),
        *("--data.tokenizer.preparation=keras", "--run.patience=1"),
    ]
    assert len(said) == 5 and said[0] == "--model.widths is --model.filter_sizes today"


def test_words_follow_the_class_that_they_name() -> None:
    files = ["--data=TextFiles", "--data.validation=a.csv"]
    assert current_words(files, OLD) == files
    apart = ["--data", "TextFiles", "--data.validation=a.csv"]
    assert current_words(apart, OLD) == apart
    apart = ["--data", "datamodules.imdb.IMDB", "--data.validation=.1"]
    assert current_words(apart, {})[2] == "--data.validation_fraction=.1"
    assert (
        current_words(["--model.class_path=my.Net", "--model.layers=2"], OLD)[1][8:14] == "layers"
    )
    typed = '--data.vectors={"class_path": "datamodules.vectors.Word2Vec", "init_args": {"dim": 4}}'
    assert "datamodules.vectors.word2vec.Word2Vec" in current_words([typed], OLD)[0]
    assert current_words(["--data=IMDB", "--data.validation=.1"], {})[1].endswith("fraction=.1")
    assert current_words(["--model=LSTM", "--model.layers=2"], OLD)[1] == "--model.num_layers=2"
    assert current_words(["--model=my.Net", "--model.layers=2"], OLD)[1] == "--model.layers=2"


def test_every_new_name_exists_and_no_old_one_does() -> None:
    for old, new in MODULES.items():
        importlib.import_module(new)
        if old == "experiments.results":  # the folder of published results has this name today
            continue
        with pytest.raises(ImportError, match=f"{old} is {new} today".replace(".", r"\.")):
            importlib.import_module(old)
    for old, new in NAMES.items():
        module, _, name = new.rpartition(".")
        assert hasattr(importlib.import_module(module), name), new
        assert current_path(old) == new and current_path(new) == new
    for old, new in MODULES.items():
        assert current_path(f"{old}.Thing") == f"{new}.Thing"
        assert current_path(f"{new}.Thing") == f"{new}.Thing"
    assert not set(MODEL_SETTINGS) & set(MODEL_SETTINGS.values())


@pytest.mark.parametrize(
    ("statement", "new"),
    [
        ("import experiments.benchmark", "experiments.launch.benchmark"),
        ("from experiments.run import execute", "experiments.training.run"),
        ("from experiments.config import Registry", "experiments.config.registry.Registry"),
        ("from datamodules.vectors import Word2Vec", "datamodules.vectors.word2vec.Word2Vec"),
        ("from lit_models.classifier import LitClassifier", "lit_models.base.classifier"),
    ],
)
def test_an_old_import_names_the_new_one(statement: str, new: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", statement], capture_output=True, text=True, cwd=REPOSITORY
    )
    assert done.returncode == 1
    assert f"is {new} today; CHANGELOG.md" in done.stderr.splitlines()[-1]
