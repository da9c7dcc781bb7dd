"""`from lit_models import …`: every name resolves, and the package alone loads no heavy library."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import lit_models
from tests.experiments.conftest import REPOSITORY


def test_the_package_loads_neither_torch_nor_lightning() -> None:
    code = "import sys, lit_models; dir(lit_models); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    loaded = {module.partition(".")[0] for module in done.stdout.split()}
    assert "lit_models" in loaded and not loaded & {"torch", "lightning", "numpy", "sklearn"}


@pytest.mark.parametrize("name", lit_models.__all__)
def test_every_name_is_that_of_its_module(name: str) -> None:
    value = getattr(lit_models, name)
    module = import_module(value.__module__)
    assert value.__module__.startswith("lit_models.") and getattr(module, name) is value
    assert name in dir(lit_models)


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(lit_models.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imported = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert sorted(imported) == sorted(lit_models.__all__) == sorted(lit_models._MODULE_OF)
    assert imported == lit_models._MODULE_OF


@pytest.mark.slow
def test_an_architecture_needs_no_other_import() -> None:
    code = (
        "from lit_models import LitClassifier, Recurrent, WordEmbedding, masked_max\n"
        "class Net(LitClassifier):\n    pass\n"
        "print(Net.__mro__[1].__module__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "lit_models.base.classifier"


def test_unknown_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="module 'lit_models' has no attribute 'LitClasifier'"):
        _ = lit_models.LitClasifier  # type: ignore[attr-defined]
