"""Layers, hashes and errors of configurations."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from experiments.config.identity import config_hash
from experiments.config.registry import (
    CONFIGS,
    VARIANTS,
    ConfigError,
    Registry,
    layered,
    merge,
    read_profile,
    read_yaml,
)
from experiments.config.resolved import Resolved

PROFILES = sorted(file.stem for file in (CONFIGS / "profiles").glob("*.yaml"))

LAUGHS = ["a0: &a0 [x, x, x, x, x, x, x, x, x]\n"]
LAUGHS += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)]


def cnn(*overrides: str) -> Resolved:
    return Resolved(layered(Registry(), "cnn", read_profile("quick")), overrides)


@cache
def resolved_under(experiment: str, profile: str) -> Resolved:
    return Resolved(layered(Registry(), experiment, read_profile(profile)))


@pytest.mark.parametrize(
    "profile",
    ["full", *(pytest.param(name, marks=pytest.mark.slow) for name in PROFILES if name != "full")],
)
def test_every_experiment_resolves_under_every_profile(any_experiment: str, profile: str) -> None:
    assert_resolves(any_experiment, profile)


@pytest.mark.parametrize("profile", [name for name in PROFILES if name != "full"])
@pytest.mark.parametrize("one", ["tfidf_logreg", "vector_average_logreg", "cnn", "minilm"])
def test_an_experiment_of_each_kind_resolves_under_every_profile(one: str, profile: str) -> None:
    assert_resolves(one, profile)


def assert_resolves(experiment: str, profile: str) -> None:
    resolved = resolved_under(experiment, profile)
    again = Resolved(resolved.config)
    assert again.hash == resolved.hash, "config.yaml must mean the same when it is read back"


VARIANT_FILES = sorted(
    file for file in CONFIGS.glob("*/*.yaml") if file.parent.name in ("keras", "elmo", *VARIANTS)
)


@pytest.mark.parametrize("file", VARIANT_FILES, ids=lambda file: file.stem)
def test_every_variant_resolves_and_says_how_it_is_run(file: Path) -> None:
    registry = Registry([file.parent])
    resolved = Resolved(layered(registry, file.stem, read_profile("full")))
    assert Resolved(resolved.config).hash == resolved.hash
    run = f"lit-sentiment fit --configs experiments/configs/{file.parent.name} -c {file.stem}"
    assert f"# Run:      {run}\n" in file.read_text(encoding="utf-8")
    assert Registry().description(file.stem) == registry.description(file.stem)


def test_every_header_names_purpose_paper_command_and_an_override(any_experiment: str) -> None:
    registry = Registry()
    text = registry.files[any_experiment].read_text(encoding="utf-8")
    assert registry.description(any_experiment)
    assert "# Paper:" in text
    assert f"# Run:      lit-sentiment fit -c {any_experiment}\n" in text
    override = text.split("# Override: ")[1].splitlines()[0]
    words = override.split()
    assert words[:4] == ["lit-sentiment", "fit", "-c", any_experiment]
    settings = layered(registry, any_experiment, read_profile("full"))
    assert Resolved(settings, words[4:]).hash != resolved_under(any_experiment, "full").hash


def test_profiles_name_experiments_that_exist() -> None:
    for name in PROFILES:
        assert set(read_profile(name).experiments or {}) <= set(Registry().files)


def test_an_experiment_s_own_corpus_stays_at_the_profile_s_size() -> None:
    own = "datamodules.sequences.pronunciation.Pronunciations"
    for profile, limit in (("full", None), ("gpu", None), ("smoke", 200)):
        data = layered(Registry(), "seq2seq", read_profile(profile))["data"]
        assert data["class_path"] == own and data["init_args"].get("train_limit") == limit
        assert "train_size" not in data["init_args"]


def test_later_layers_win_and_leave_their_inputs_alone() -> None:
    first = {"a": {"x": 1, "y": 2}, "b": [1]}
    assert merge(first, {"a": {"y": 3}}, {"b": [2]}) == {"a": {"x": 1, "y": 3}, "b": [2]}
    assert first == {"a": {"x": 1, "y": 2}, "b": [1]}


def test_the_command_line_wins_over_profile_and_experiment() -> None:
    resolved = cnn("--data.max_length=77", "--model.dropout=0.1")
    assert resolved.config["data"]["init_args"]["max_length"] == 77
    assert resolved.config["model"]["init_args"]["dropout"] == 0.1
    assert cnn().config["data"]["init_args"]["max_length"] == 128  # the profile's


def test_the_hash_knows_what_is_computed_not_where() -> None:
    here = cnn("--data.cache_dir=/a", "--trainer.devices=1", "--run.wandb_mode=disabled")
    there = cnn("--data.cache_dir=/b", "--trainer.accelerator=cpu")
    assert here.hash == there.hash
    others = [
        cnn(w).hash for w in ("--model.dropout=0.1", "--seed_everything=1", "--run.patience=9")
    ]
    assert len({here.hash, *others}) == 4
    assert config_hash({"data": {"init_args": {"root": "x", "a": 1}}}) == config_hash(
        {"data": {"init_args": {"a": 1}}}
    )


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("--model.dropuot=0.3", "unknown setting 'dropuot', did you mean 'dropout'"),
        ("--data.batchsize=3", "unknown setting 'batchsize', did you mean 'batch_size'"),
        ("--trainer.max_epoch=3", "'trainer.max_epoch', did you mean 'trainer.max_epochs'"),
        ("--run.patince=3", "'run.patince', did you mean 'run.patience'"),
        ("--model.dropout=much", "Expected a <class 'float'>. Got value: much"),
    ],
)
def test_a_wrong_word_stops_with_the_nearest_right_one(word: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        cnn(word)
    assert message in str(caught.value)


def test_a_typo_in_a_file_stops_with_the_nearest_right_key(tmp_path: Path) -> None:
    base = layered(Registry(), "cnn", read_profile("quick"))
    for wrong, right in (
        ({"model": {"init_args": {"num_filterz": 3}}}, "did you mean 'num_filters'"),
        ({"trainer": {"max_epoch": 3}}, "did you mean 'max_epochs'"),
        ({"data": {"init_args": {"max_len": 3}}}, "did you mean 'max_length'"),
    ):
        with pytest.raises(ConfigError, match=right):
            Resolved(merge(base, wrong))


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="no experiment 'lstn', did you mean 'lstm'"):
        Registry().settings("lstn")
    with pytest.raises(ConfigError, match="no profile 'quik'; choose one of .*quick"):
        read_profile("quik")


def test_a_file_is_read_anew_whatever_was_done_with_its_settings(tmp_path: Path) -> None:
    file = tmp_path / "one.yaml"
    file.write_text("model: {init_args: {sizes: [3, 4]}}\n")
    read_yaml(file)["model"]["init_args"]["sizes"].append(5)
    assert read_yaml(file) == {"model": {"init_args": {"sizes": [3, 4]}}}
    file.write_text("model: {init_args: {sizes: [5, 6]}}\n")
    assert read_yaml(file) == {"model": {"init_args": {"sizes": [5, 6]}}}


def test_folders_of_experiments_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere: no such folder"):
        Registry([tmp_path / "nowhere"])
    (tmp_path / "cnn.yaml").write_text("model: {}\n")
    with pytest.raises(ConfigError, match="cnn.yaml: .* has this name already"):
        Registry([tmp_path])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [", "is not YAML"),
        ("- a\n", "must hold keys"),
        ("".join([*LAUGHS, "b: *a9\n"]), "more than 100,000 values once its aliases"),
    ],
    ids=["unclosed", "list", "aliases"],
)
def test_a_file_that_is_no_config_is_named(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError, match=f"x.yaml.*{message}"):
        Registry().settings(str(file))


def test_a_setting_that_a_class_refuses_is_told_in_the_words_of_that_class() -> None:
    with pytest.raises(ConfigError) as refused:
        cnn("--model.optimizer=sparse_adam").build()
    message = str(refused.value)
    assert message.startswith("gradient_clip_norm is 1.0 and optimizer is 'sparse_adam'")
    assert "Subtypes" not in message
