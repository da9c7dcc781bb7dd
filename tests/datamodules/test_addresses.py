"""Public addresses of the package: every name resolves, and only on use."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

import datamodules
from datamodules.imdb import IMDB
from tests.datamodules.conftest import REPOSITORY


def test_importing_the_package_loads_no_large_library() -> None:
    code = (
        "import datamodules, sys; "
        "print(*{name.partition('.')[0] for name in sys.modules} & {'torch', 'lightning', 'numpy'})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True
    )
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("name", datamodules.__all__)
def test_every_public_name_is_that_of_its_module(name: str) -> None:
    public = getattr(datamodules, name)
    assert public is getattr(import_module(datamodules._MODULES[name]), name)
    assert getattr(public, "__name__", name) == name


def test_all_lists_every_public_name() -> None:
    assert sorted(datamodules.__all__) == sorted(datamodules._MODULES)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'datamodules' has no attribute 'IMDb'"):
        datamodules.IMDb  # noqa: B018


def test_a_class_of_configs_has_one_address() -> None:
    from jsonargparse._util import get_import_path

    assert get_import_path(IMDB) == "datamodules.imdb.IMDB"
