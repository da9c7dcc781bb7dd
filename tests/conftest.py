"""What all tests share: no network, no account, a cache of their own, and the registry."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

# Workers share the cores: with threads of their own on top they would wait for one another.
# Before torch is imported, and for the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A quarter of the time of the imports and the collection, in which nothing becomes garbage.
gc.disable()

import pytest  # noqa: E402

from datamodules.trusted import trust_folder  # noqa: E402
from experiments.config.parse_once import parse_once  # noqa: E402
from experiments.config.registry import Registry  # noqa: E402
from tests.warm import REPOSITORY, ForkServer  # noqa: E402

Command = Callable[..., subprocess.CompletedProcess[str]]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--configs",
        action="append",
        default=[],
        metavar="DIR",
        help="test the experiments of a further folder too",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs a test that asks for `experiment` once for each classifier among the experiments.

    One that asks for `language_experiment` runs once for each language model, one that asks for
    `any_experiment` for both. Those that its marker `slow_for` names take long, and run among the
    slow tests.
    """
    folders = tuple(metafunc.config.getoption("--configs"))
    slow = {name for mark in metafunc.definition.iter_markers("slow_for") for name in mark.args}
    for fixture in set(_PROBLEMS) & set(metafunc.fixturenames):
        names = names_of(folders, _PROBLEMS[fixture])
        assert slow <= set(names), f"no experiments: {slow - set(names)}"
        marks = {True: [pytest.mark.slow], False: []}
        metafunc.parametrize(fixture, [pytest.param(n, marks=marks[n in slow]) for n in names])


_PROBLEMS = {
    "experiment": ("classification",),
    "language_experiment": ("language modelling",),
    "any_experiment": ("classification", "language modelling"),
}


@cache
def names_of(folders: tuple[str, ...], problems: tuple[str, ...]) -> list[str]:
    """Experiments whose model is of some kinds of problems, those of other folders as named."""
    registry, names = Registry(map(Path, folders)), list[str]()
    for name in registry.files:
        module, _, kind = registry.settings(name)["model"]["class_path"].rpartition(".")
        own = not module.startswith("lit_models.")
        if own or getattr(import_module(module), kind).problem in problems:
            names.append(name)
    return names


# Costly fixtures, which one worker makes for all tests that ask for them.
_OF_ONE_WORKER = {"official_place", "published_tables", "sharded", "two_processes"}
# Tests that start processes take longest. They come first, so that no worker ends with one.
_OF_PROCESSES = {"cold_lit", "fork_server"}


@pytest.hookimpl(wrapper=True)  # before xdist reads the groups, which it does with `tryfirst`
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    """Groups the tests of a costly fixture and those of an experiment, for `--dist loadgroup`.

    Those on the official corpus are slow; small made ones show the same in the fast tests.
    """
    first, others = list[pytest.Item](), list[pytest.Item]()
    for item in items:
        assert isinstance(item, pytest.Function)
        groups = sorted(_OF_ONE_WORKER & set(item.fixturenames))
        if "official_place" in item.fixturenames:  # it takes long to read
            item.add_marker(pytest.mark.slow)
        for fixture in {"experiment", "any_experiment"} & set(item.fixturenames):
            groups.append(item.callspec.params[fixture])
        if "fork_server" in item.fixturenames and not item.get_closest_marker("slow"):
            groups.append("fork_server")  # it imports everything; the slow tests would take longer
        if groups:
            item.add_marker(pytest.mark.xdist_group(groups[0]))
        (others if _OF_PROCESSES.isdisjoint(item.fixturenames) else first).append(item)
    items[:] = first + others
    yield


def pytest_collection_finish() -> None:
    """Spares the garbage collector the modules, in this process and in its forks."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def registry(pytestconfig: pytest.Config) -> Registry:
    return Registry(Path(folder) for folder in pytestconfig.getoption("--configs"))


@pytest.fixture(scope="session", autouse=True)
def own_places(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keeps the user's cache, W&B account and settings out of the tests."""
    patch = pytest.MonkeyPatch()
    patch.setenv("LIT_SENTIMENT_CACHE", str(tmp_path_factory.mktemp("cache")))
    for name in ("QUIET", "WANDB_API_KEY", "WANDB_PROJECT", "WANDB_ENTITY"):
        patch.delenv(name, raising=False)
    patch.setenv("WANDB_MODE", "offline")
    trust_folder(REPOSITORY / "tests")  # runs on a toy corpus are not those of a stranger
    from experiments.records import test_log, tuning_log

    logs = tmp_path_factory.mktemp("log")  # those of the repository are not for tests
    for module in (test_log, tuning_log):
        patch.setattr(module, "LOG", logs / module.LOG.name)


@pytest.fixture(autouse=True)
def own_environment() -> Iterator[None]:
    """Takes back the variables that a test or a library has set, such as Lightning's seed.

    A command whose variables are not those of the fork server needs a fork server of its own.
    """
    variables = dict(os.environ)
    yield
    for name in os.environ.keys() - variables.keys():
        del os.environ[name]
    os.environ.update(variables)


@pytest.fixture(autouse=True)
def own_wandb_process() -> Iterator[None]:
    """Ends W&B's process with the test that began it: processes of later tests would inherit it."""
    yield
    if (wandb := sys.modules.get("wandb")) is not None:
        wandb.teardown()


@pytest.fixture
def within_a_command() -> Iterator[None]:
    """Parses equal settings once, as within a command, for tests of what many runs share."""
    with parse_once():
        yield


@pytest.fixture(scope="session")
def fork_server(own_places: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    """Starts `python -m …` in forks. Tests whose runs this process starts ask for it too."""
    server = ForkServer(tmp_path_factory.mktemp("commands"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def lit(fork_server: ForkServer) -> Command:
    """Runs `python -m experiments …` in the repository and returns what it printed."""

    def run(
        *words: object, timeout: float = 200, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return fork_server.run("experiments", *words, timeout=timeout, **environment)

    return run


@pytest.fixture(scope="session")
def cold_lit(own_places: None) -> Command:
    """As `lit`, in a new interpreter, which has its environment while it imports."""

    def run(
        *words: object, timeout: float = 200, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "experiments", *map(str, words)],
            cwd=REPOSITORY,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run
