"""Variables of torchrun and Slurm, whole, in part, empty, or nonsense."""

from __future__ import annotations

import os

import pytest

from experiments.config.registry import ConfigError
from experiments.launch.rank_variables import _NUMBERS, check_rank_variables

TORCHRUN = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}
ADDRESS = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1234"}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*_NUMBERS, *ADDRESS, "SLURM_JOB_ID"):
        monkeypatch.setenv(name, "")  # so that what the test drops is put back
        monkeypatch.delenv(name)


def left() -> dict[str, str]:
    return {name: os.environ[name] for name in _NUMBERS if name in os.environ}


@pytest.mark.parametrize("name", _NUMBERS)
def test_an_empty_variable_is_none(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, " ")
    check_rank_variables()
    assert left() == {}


@pytest.mark.parametrize("name", _NUMBERS)
@pytest.mark.parametrize("value", ["x", "-1", "1.5", "1 2"])
def test_nonsense_is_told_with_its_name(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=rf"\${name} is '{value}'.*`unset {name}`"):
        check_rank_variables()


@pytest.mark.parametrize(
    "variables",
    [
        *({"RANK": "1"}, {"LOCAL_RANK": "3"}, {"WORLD_SIZE": "4"}, {"SLURM_PROCID": "2"}),
        TORCHRUN | {"SLURM_JOB_ID": "7"},  # of a batch script, whose runs are on their own
    ],
)
def test_what_was_left_of_another_group_is_dropped_and_told(
    variables: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    check_rank_variables()
    assert left() == {}
    assert f"note: ${next(iter(variables))}" in (said := capsys.readouterr().err)
    assert "without the other variables of a process group" in said


@pytest.mark.parametrize(
    "variables",
    [TORCHRUN | ADDRESS, {"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"}],
)
def test_a_whole_group_is_heeded(
    variables: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    check_rank_variables()
    assert left() == {name: v for name, v in variables.items() if name in _NUMBERS}
    assert not capsys.readouterr().err


def test_an_allocation_with_one_task_says_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLURM_PROCID", "0")
    monkeypatch.setenv("SLURM_NTASKS", "4")
    check_rank_variables()
    assert left() == {"SLURM_NTASKS": "4"} and not capsys.readouterr().err


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (TORCHRUN, r"\$MASTER_ADDR is not; start the processes with torchrun"),
        (
            TORCHRUN | {"SLURM_JOB_ID": "7", "SLURM_STEP_NUM_TASKS": "2"},
            r"\$MASTER_ADDR is not; start the processes with torchrun",
        ),
        (TORCHRUN | ADDRESS | {"RANK": "2"}, r"\$RANK is 2 and \$WORLD_SIZE 2; ranks count from 0"),
    ],
)
def test_a_group_that_cannot_be_is_refused(
    variables: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=message):
        check_rank_variables()
