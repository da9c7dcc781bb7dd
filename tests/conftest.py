"""What all tests share: no network, no account, a cache of their own, and the registry."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

# Workers share the cores: with threads of their own on top they would wait for one another.
# Before torch is imported, and for the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest  # noqa: E402

from experiments.config.registry import Registry  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--configs",
        action="append",
        default=[],
        metavar="DIR",
        help="test the experiments of a further folder too",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs a test that asks for `experiment` once for each experiment that exists."""
    if "experiment" in metafunc.fixturenames:
        registry = Registry(Path(folder) for folder in metafunc.config.getoption("--configs"))
        metafunc.parametrize("experiment", list(registry.files))


@pytest.fixture(scope="session")
def registry(pytestconfig: pytest.Config) -> Registry:
    return Registry(Path(folder) for folder in pytestconfig.getoption("--configs"))


@pytest.fixture(scope="session", autouse=True)
def own_places(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keeps the user's cache, W&B account and settings out of the tests."""
    patch = pytest.MonkeyPatch()
    patch.setenv("LIT_SENTIMENT_CACHE", str(tmp_path_factory.mktemp("cache")))
    for name in ("WANDB_API_KEY", "WANDB_PROJECT", "WANDB_ENTITY"):
        patch.delenv(name, raising=False)
    patch.setenv("WANDB_MODE", "offline")
    from experiments.records import test_log  # the one of the repository is not for tests

    patch.setattr(test_log, "LOG", tmp_path_factory.mktemp("log") / "test_log.jsonl")


@pytest.fixture(autouse=True)
def own_wandb_process() -> Iterator[None]:
    """Ends W&B's process with the test that began it: processes of later tests would inherit it."""
    yield
    if (wandb := sys.modules.get("wandb")) is not None:
        wandb.teardown()
