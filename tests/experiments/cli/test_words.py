"""Words of the command line: names, options, settings and texts in any order."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from experiments.cli.main import main
from experiments.cli.parser import parser
from experiments.cli.words import parse_words


def parsed(*words: str) -> tuple[argparse.Namespace, list[str]]:
    options, settings, unknown = parse_words(words[1:], parser()[1][words[0]])
    assert not unknown
    return options, settings


@pytest.mark.parametrize(
    "words",
    [
        ["cnn", "bag", "--seeds", "0", "1", "--data", "a.csv", "--model.dropout", "0.3"],
        ["--seeds", "0", "1", "cnn", "--data", "a.csv", "bag", "--model.dropout", "0.3"],
        ["--data", "a.csv", "cnn", "--model.dropout", "0.3", "bag", "--seeds", "0", "1"],
        ["--model.dropout=0.3", "cnn", "--seeds=0", "bag", "--data=a.csv", "--seeds", "1"],
        ["--data=a.csv", "--model.dropout", "0.3", "--seeds", "0", "1", "--", "cnn", "bag"],
    ],
)
def test_names_options_and_settings_may_come_in_any_order(words: list[str]) -> None:
    options, rest = parsed("benchmark", *words)
    assert options.experiments == ["cnn", "bag"] and options.seeds == [0, 1]
    assert options.data == "a.csv" and rest == ["--model.dropout=0.3"]


@pytest.mark.parametrize(
    ("words", "rest"),
    [
        (["--data.split_seed", "-1"], ["--data.split_seed=-1"]),
        (["--data.text_column", "-x"], ["--data.text_column=-x"]),
        (["--data.text_column", "a=b"], ["--data.text_column=a=b"]),
        (["--model.dropout", "--retry"], ["--model.dropout"]),
        (["--trainer", "{max_epochs: 2}"], ["--trainer={max_epochs: 2}"]),
        (["--seed_everything", "5"], ["--seed_everything=5"]),
        (["--data.text_column", "Review: text"], ["--data.text_column=Review: text"]),
        (["--data.text_column=Review: text"], ["--data.text_column=Review: text"]),
        (["--modle.dropout", "0.3"], ["--modle.dropout=0.3"]),
        (["--print_config"], ["--print_config"]),
    ],
)
def test_a_setting_has_the_next_word_as_its_value(words: list[str], rest: list[str]) -> None:
    options, found = parsed("benchmark", "cnn", *words)
    assert found == rest and options.experiments == ["cnn"]


def test_sizes_weights_and_choices_end_where_names_begin() -> None:
    options, _ = parsed("benchmark", "--train-sizes", "100", "500", "cnn")
    assert options.train_sizes == [100, 500] and options.experiments == ["cnn"]
    options, _ = parsed("prepare", "cnn", "--weights", "bert", "roberta", "--root", "x")
    assert options.weights == ["bert", "roberta"] and options.experiments == ["cnn"]
    options, _ = parsed("report", "--wandb", "predictions", "runs/quick")
    assert options.wandb == ["predictions"] and options.folder == Path("runs/quick")
    options, _ = parsed("report", "--wandb", "runs/quick")
    assert options.wandb == [] and options.folder == Path("runs/quick")


@pytest.mark.parametrize(
    "texts",
    [
        ["--not a setting. at all", "--weights of the plot"],
        ["--a.b c", "0.3"],
        ["-5 stars", "-1", "- dash", "-"],
        ["a film", "--", "--weights", "--data.x", "-h"],
        ["--", "--great"],
        ["5 * 3 = 15", "a=b", "null", "yes", "1e3", "Review: text", "[a]"],
    ],
)
def test_texts_stay_as_they_were_typed(texts: list[str]) -> None:
    options, rest = parsed("predict", "--weights", "refit", "RUN", *texts)
    first = texts.index("--") if "--" in texts else len(texts)
    assert options.text == texts[:first] + texts[first + 1 :]
    assert rest == [] and options.run == Path("RUN") and options.weights == "refit"


def test_a_text_like_an_option_is_told_where_it_goes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["predict", "RUN", "--great.x", "film"])
    assert ended.value.code == 2
    assert "--great.x; a text that begins with - goes after --" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["fit", "-c", "cnn", "bag"], ["list", "x"], ["nonsense"]])
def test_words_too_many_are_wrong_usage(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert words[-1] in capsys.readouterr().err


def test_folders_may_begin_with_a_dash_or_a_tilde(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    options, _ = parsed("fit", "-c", "cnn", "--runs", "-my runs")
    assert options.runs == Path("-my runs")
    options, _ = parsed("fit", "-c", "cnn", "--runs=~/runs", "--configs=~/models")
    assert options.runs == tmp_path / "runs" and options.configs == [tmp_path / "models"]
    options, _ = parsed("report", "--", "-runs")
    assert options.folder == Path("-runs")


@pytest.mark.parametrize(("path", "told"), [("~nobody-here/x", "no home folder"), ("", "no path")])
def test_a_path_that_cannot_be_is_told(
    path: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parsed("report", path)
    assert told in capsys.readouterr().err


def test_the_name_alone_shows_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 0 and "benchmark" in capsys.readouterr().out


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0 and capsys.readouterr().out.startswith("lit-sentiment ")


@pytest.mark.parametrize("command", sorted(parser()[1]))
def test_every_option_and_name_has_help(command: str) -> None:
    for action in parser()[1][command]._actions:
        assert action.help, f"{command} {action.dest}"


def test_an_option_of_another_command_is_named_with_its_values(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["fit", "-c", "cnn", "--seeds", "0", "1", "--model.dropout", "0.3"])
    assert "unrecognized arguments: --seeds 0 1" in capsys.readouterr().err
