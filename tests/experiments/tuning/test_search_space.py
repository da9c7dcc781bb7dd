"""Spaces of sweeps: malformed ones, those that fit no experiment, and those that are shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.cli.main import main
from experiments.config.registry import CONFIGS, ConfigError
from experiments.tuning.search_space import check_space, read_space
from tests.experiments.tuning.conftest import FIT, SPACE, spec_of

SPACES = sorted((CONFIGS / "sweeps").glob("*.yaml"))
pytestmark = pytest.mark.usefixtures("fork_server")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "names no setting"),
        ("dropout: {low: 0, high: 1}", "dropout cannot vary"),
        ("run.monitor: {choices: [a, b]}", "run.monitor cannot vary"),
        ("seed_everything: {low: 0, high: 9}", "seed_everything cannot vary"),
        ("model.x: 3", "model.x is 3; it must have low and high, or choices"),
        ("model.x: {lo: 1, high: 2}", "has 'lo', did you mean 'low'"),
        ("model.x: {low: 2, high: 2}", "low is 2 and high is 2; low must be the smaller"),
        ("model.x: {low: 0, high: 1, log: true}", "low is 0 and log is true"),
        ("model.x: {low: 1e-4, high: 1, log: true}", "low is '1e-4'.*write 1.0e-4"),
        ("model.x: {low: 1, high: 2, step: 0}", "step is 0; it must be above 0"),
        ("model.x: {low: 1}", "high is None; it must be a number"),
        ("model.x: {choices: []}", "choices is \\[\\]; it must be a list"),
        ("model.x: {choices: [1], low: 0}", "must be a list, and alone"),
        ("model.x: {choices: [[1]]}", "choice \\[1\\] must be a word or a number"),
    ],
)
def test_a_space_that_cannot_be_meant_is_refused(
    content: str, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "space.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError, match=message) as caught:
        read_space(file)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    ("space", "words", "message"),
    [
        ("model.dropuot: {low: 0.0, high: 1.0}", [], "'dropuot', did you mean 'dropout'"),
        ("model.dropout: {choices: [0.1, much]}", [], "value: much"),
        (SPACE, ["--trials", "0"], "--trials is 0; it must be at least 1"),
        (SPACE, ["--jobs", "0"], "--jobs is 0; it must be at least 1"),
    ],
)
def test_bad_input_stops_before_a_trial(
    space: str, words: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "space.yaml"
    file.write_text(space)
    places = ["--space", str(file), "--runs", str(tmp_path / "runs")]
    assert main(["sweep", "bag", *places, *FIT, *words]) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.rglob("trial-*"))


@pytest.mark.parametrize("file", SPACES, ids=lambda file: file.stem)
def test_every_shipped_space_fits_its_experiment(file: Path, tmp_path: Path) -> None:
    space = read_space(file)
    check_space(file, space, spec_of(file.stem, tmp_path, "full"))
    assert f"`lit-sentiment sweep {file.stem} --trials " in file.read_text().splitlines()[0]
