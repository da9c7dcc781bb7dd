"""Defaults for the size of a user's own corpus: what is changed, for whom, and what never is."""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from datamodules import console
from experiments.config.corpus_size import LEAST_STEPS, LEAST_STEPS_PRETRAINED, STEPS_OF_A_CLASS
from experiments.config.registry import ConfigError, Registry, layered, merge, read_profile
from experiments.config.resolved import Resolved
from experiments.launch.benchmark import expand
from experiments.training.spec import RunSpec
from lit_models.bag import Bag

pytestmark = pytest.mark.usefixtures("within_a_command")

ROWS, CLASSES = 720, 5
TYPED = {
    "trainer.max_epochs": 3,
    "data.batch_size": 24,
    "run.patience": 2,
    "data.vectors": "datamodules.vectors.word2vec.Word2Vec",
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """720 short texts in 5 classes, each with some words of its class."""
    rng, file = random.Random(0), tmp_path_factory.mktemp("corpus") / "reviews.csv"
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["text", "label"])
        for row in range(ROWS):
            words = [f"word{rng.randrange(200)}" for _ in range(12)]
            words += [f"class{row % CLASSES}sign{rng.randrange(5)}" for _ in range(3)]
            writer.writerow([" ".join(words), f"class{row % CLASSES}"])
    return file


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> dict[str, None]:
    """Sentences that were printed."""
    sentences: dict[str, None] = {}
    monkeypatch.setattr(console, "_said", sentences)
    return sentences


def spec_of(
    corpus: Path, experiment: str, *words: str, profile: str = "full", **more: Any
) -> RunSpec:
    overrides = ["--data=datamodules.files.TextFiles", f"--data.train={corpus}", *words]
    plan = expand(
        Registry(),
        read_profile(profile),
        names=[experiment],
        seeds=[0],
        name="b",
        runs=Path("runs"),
        overrides=overrides,
        test=False,
        **more,
    )
    return plan.specs[0]


def values(config: dict[str, Any]) -> dict[str, Any]:
    data, vectors = config["data"]["init_args"], config["data"]["init_args"]["vectors"]
    return {
        "trainer.max_epochs": config["trainer"]["max_epochs"],
        "data.batch_size": data["batch_size"],
        "run.patience": config["run"]["patience"],
        "data.vectors": vectors and vectors["class_path"],
    }


def settings_of(corpus: Path, experiment: str, *words: str, **more: Any) -> dict[str, Any]:
    return values(spec_of(corpus, experiment, *words, **more).resolve().config)


@pytest.mark.parametrize(
    ("net", "profile"),
    [("cnn", "full"), ("lstm", "quick"), ("transformer", "full"), ("fasttext", "quick")],
)
def test_a_net_takes_enough_steps_and_learns_no_vectors(
    corpus: Path, net: str, profile: str, said: dict[str, None]
) -> None:
    found = settings_of(corpus, net, profile=profile)
    steps = -(-648 // found["data.batch_size"]) * found["trainer.max_epochs"]
    assert LEAST_STEPS <= steps < 1.2 * LEAST_STEPS
    assert found["data.vectors"] is None
    [sentence] = said
    assert sentence.startswith(f"{net} on reviews: 648 training rows are ")
    assert ",;" not in sentence
    assert "A setting that you type wins, such as --trainer.max_epochs " in sentence


def test_a_step_of_a_language_model_is_windows_of_its_stream(
    corpus: Path, said: dict[str, None]
) -> None:
    found = settings_of(corpus, "lstm_lm", profile="full")
    windows = -(-648 * 16 // 64)  # of 15 words and the end
    steps = -(-windows // found["data.batch_size"]) * found["trainer.max_epochs"]
    assert LEAST_STEPS <= steps < 1.2 * LEAST_STEPS
    [sentence] = said
    assert sentence.startswith("lstm_lm on reviews: 162 windows of 64 words are 6 optimiser steps")


def test_the_sentence_says_what_was_changed_and_why(corpus: Path, said: dict[str, None]) -> None:
    spec_of(corpus, "lstm")
    assert set(said) == {
        "lstm on reviews: 648 training rows are 88 optimiser steps, fewer than 600, and 9,720 "
        "words are few to learn word vectors from; changed defaults: data.batch_size 64 → 16, "
        "trainer.max_epochs 8 → 15, run.patience 3 → 4, data.vectors "
        "datamodules.vectors.word2vec.Word2Vec → null. A setting that you type wins, such as "
        "--trainer.max_epochs 8"
    }


@pytest.mark.parametrize(
    "words",
    [
        *([f"--{name}={value}"] for name, value in TYPED.items()),
        ["--trainer.max_epochs", "3"],
        ["--trainer", "{max_epochs: 3}"],
    ],
    ids=" ".join,
)
def test_what_is_typed_is_never_changed(corpus: Path, words: list[str]) -> None:
    name = words[0].strip("-").partition("=")[0]
    name = "trainer.max_epochs" if name.startswith("trainer") else name
    assert settings_of(corpus, "lstm", *words)[name] == TYPED[name]


def test_an_option_of_the_word_vectors_keeps_them(corpus: Path) -> None:
    assert settings_of(corpus, "lstm", "--data.vectors.window=3")["data.vectors"]


@pytest.mark.parametrize("word", ["--trainer.max_epochs=3", "--trainer.max_steps=40"])
def test_a_typed_length_of_training_leaves_the_batches_too(corpus: Path, word: str) -> None:
    found = settings_of(corpus, "lstm", word)
    assert (found["data.batch_size"], found["run.patience"]) == (64, 3)


def test_a_file_of_the_users_own_is_never_changed(corpus: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "# Mine.\nmodel: {class_path: lit_models.cnn.CNN}\ntrainer: {max_epochs: 4}\n"
        "data: {init_args: {vectors: {class_path: datamodules.vectors.word2vec.Word2Vec}}}\n"
    )
    found = settings_of(corpus, str(file))
    assert (found["trainer.max_epochs"], found["data.batch_size"]) == (4, 32)
    assert found["data.vectors"]
    file.write_text("# Mine.\nmodel: {class_path: lit_models.cnn.CNN}\n")
    assert settings_of(corpus, str(file))["trainer.max_epochs"] > 10, "it says nothing of its own"


@pytest.mark.parametrize("words", [["--run.folds=3"], ["--data.train_limit=100"]])
def test_rows_are_those_that_a_fit_learns_from(corpus: Path, words: Sequence[str]) -> None:
    rows = 480 if "folds" in words[0] else 100
    found = settings_of(corpus, "bag", *words)
    steps = -(-rows // found["data.batch_size"]) * found["trainer.max_epochs"]
    assert LEAST_STEPS <= steps < 1.2 * LEAST_STEPS
    assert found == settings_of(corpus, "bag", *words)


def test_a_learning_curve_has_steps_for_each_size(corpus: Path) -> None:
    found = [
        settings_of(corpus, "bag", train_sizes=[size])["trainer.max_epochs"] for size in (50, 400)
    ]
    assert found[0] > found[1] > 6


def test_many_classes_need_more_steps(tmp_path: Path) -> None:
    classes, rows = 60, 240
    assert classes * STEPS_OF_A_CLASS > LEAST_STEPS
    lines = [f"word{row % classes} and word{row},class{row % classes}\n" for row in range(rows)]
    (tmp_path / "many.csv").write_text("text,label\n" + "".join(lines))
    for experiment in ("cnn", "minilm"):
        config = spec_of(tmp_path / "many.csv", experiment).resolve().config
        an_epoch = -(-216 // config["data"]["init_args"]["batch_size"])  # 216 rows to learn from
        epochs = config["trainer"]["max_epochs"]
        steps = (an_epoch * (epochs - 1), an_epoch * epochs)
        assert steps[0] < classes * STEPS_OF_A_CLASS <= steps[1], experiment


def test_pretrained_weights_need_fewer_steps(corpus: Path) -> None:
    found = settings_of(corpus, "minilm")
    steps = -(-648 // found["data.batch_size"]) * found["trainer.max_epochs"]
    assert LEAST_STEPS_PRETRAINED <= steps < 1.3 * LEAST_STEPS_PRETRAINED


def test_vectors_that_a_model_needs_are_learnt_in_more_passes(corpus: Path) -> None:
    config = spec_of(corpus, "vector_average_logreg").resolve().config
    assert config["data"]["init_args"]["vectors"]["init_args"]["epochs"] == 200
    typed = spec_of(corpus, "vector_average_logreg", "--data.vectors.epochs=7").resolve().config
    assert typed["data"]["init_args"]["vectors"]["init_args"]["epochs"] == 7


def test_a_model_without_steps_keeps_its_settings(corpus: Path, said: dict[str, None]) -> None:
    assert settings_of(corpus, "nb_logreg")["trainer.max_epochs"] == 10
    assert not said


def test_the_settings_are_part_of_the_identity_and_are_read_back(corpus: Path) -> None:
    resolved = spec_of(corpus, "cnn").resolve()
    assert Resolved(resolved.config).hash == resolved.hash == spec_of(corpus, "cnn").resolve().hash
    typed = [
        f"--{name}={'null' if v is None else v}" for name, v in values(resolved.config).items()
    ]
    assert spec_of(corpus, "cnn", *typed).resolve().hash == resolved.hash


PUBLISHED = [
    "datamodules.imdb.IMDB",
    "datamodules.movie_reviews.MovieReviews",
    "datamodules.kaggle.Kaggle",
]


@pytest.mark.parametrize(
    ("profile", "data"),
    [
        *((profile, None) for profile in ("full", "quick", "gpu", "smoke")),
        *(("full", data) for data in PUBLISHED),
    ],
)
def test_published_corpora_keep_the_settings_of_the_files(
    profile: str, data: str | None, said: dict[str, None]
) -> None:
    names = ["cnn", "vector_average_logreg"]
    words = [f"--data={data}"] if data else []
    words += ["--data.root=folder"] if "Kaggle" in str(data) else []
    registry, sizes = Registry(), read_profile(profile)
    options: dict[str, Any] = {"seeds": [0], "name": "b", "runs": Path("runs")}
    specs = expand(registry, sizes, names=names, overrides=words, **options).specs
    for name, spec in zip(names, specs, strict=True):
        assert spec.settings == merge(layered(registry, name, sizes))
    assert not said


def test_a_setting_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown setting 'trainer.max_epoch'"):
        spec_of(tmp_path / "none.csv", "cnn", "--trainer.max_epoch=3")


@pytest.mark.parametrize(
    ("classes", "words", "weight", "min_df"), [(17, 8, 1.0, 1), (16, 8, 0.01, 2), (17, 60, 0.01, 2)]
)
def test_weights_start_as_naive_bayes_for_many_classes_of_short_texts(
    classes: int, words: int, weight: float, min_df: int, tmp_path: Path
) -> None:
    rows = [f"w{row} " * words + f",label{row % classes}" for row in range(10 * classes)]
    file = tmp_path / "texts.csv"
    file.write_text("text,label\n" + "\n".join(rows) + "\n")
    typed = ["--model.initial_weight=0.02", "--model.min_df=5"]
    for words_typed, expected in [([], (weight, min_df)), (typed, (0.02, 5))]:
        model = spec_of(file, "nb_bag", *words_typed).resolve().config["model"]["init_args"]
        assert (model["initial_weight"], model["min_df"]) == expected


class Weighted(Bag):
    """A model of the user's own with a setting of the same name as one of `nb_bag`."""

    def __init__(self, *, initial_weight: float = 0.5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.initial_weight = initial_weight


def test_a_model_of_the_users_own_need_not_have_all_of_these_settings(tmp_path: Path) -> None:
    rows = [f"w{row} " * 8 + f",label{row % 17}" for row in range(170)]
    (tmp_path / "texts.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    file = tmp_path / "mine.yaml"
    file.write_text(f"# Mine.\nmodel: {{class_path: {__name__}.Weighted}}\n")
    config = spec_of(tmp_path / "texts.csv", str(file)).resolve().config
    assert config["model"]["init_args"]["initial_weight"] == 0.5
