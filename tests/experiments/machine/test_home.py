"""A user without a name and a home folder, and caches in odd places."""

from __future__ import annotations

import getpass
import os
import pwd
import stat
import tempfile
from pathlib import Path

import pytest

from datamodules.errors import DataError
from datamodules.store.cache import default_cache_dir
from experiments.machine.home import give_home

NAMES = ("LOGNAME", "USER", "LNAME", "USERNAME", "HOME", "LIT_SENTIMENT_CACHE", "XDG_CACHE_HOME")


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A number that no user has; the folder of temporary files."""

    def unknown(number: object) -> object:
        raise KeyError(f"uid not found: {number}")

    for name in NAMES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_nobody_gets_a_home_of_its_own_and_is_told(
    nobody: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    give_home()
    folder = nobody / f"lit-sentiment-{os.getuid()}"
    assert Path.home() == folder and stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert getpass.getuser() == f"uid-{os.getuid()}"
    assert f"the cache goes to {folder}" in capsys.readouterr().err
    assert default_cache_dir() == folder / ".cache" / "lit-sentiment"
    give_home()  # the next command finds it
    assert not capsys.readouterr().err


def test_nobody_with_a_cache_folder_is_told_nothing(
    nobody: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIT_SENTIMENT_CACHE", str(nobody / "cache"))
    give_home()
    assert not capsys.readouterr().err and default_cache_dir() == nobody / "cache"


def test_a_folder_of_somebody_else_is_no_home(nobody: Path) -> None:
    (nobody / "theirs").mkdir()
    (nobody / f"lit-sentiment-{os.getuid()}").symlink_to(nobody / "theirs")
    with pytest.raises(PermissionError, match="is somebody else's; set \\$HOME to a folder"):
        give_home()


def test_a_user_with_a_home_keeps_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    give_home()
    assert Path.home() == tmp_path and not capsys.readouterr().err


@pytest.mark.parametrize("name", ["LIT_SENTIMENT_CACHE", "XDG_CACHE_HOME"])
def test_a_tilde_in_the_name_of_a_cache_is_the_home_folder(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("LIT_SENTIMENT_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(name, "~/c d")
    assert default_cache_dir().is_relative_to(tmp_path / "c d")


def test_a_cache_under_no_home_is_told_with_the_remedy(
    nobody: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match=r"set \$LIT_SENTIMENT_CACHE to a folder"):
        default_cache_dir()
    monkeypatch.setenv("LIT_SENTIMENT_CACHE", "~no-such-user/c")
    with pytest.raises(DataError, match="~no-such-user/c is under a home folder that does not"):
        default_cache_dir()
