"""Modules run as `python -m` does, in forks of one process that has imported everything.

An interpreter takes six seconds of a core to import what a command needs, and its fork server takes
as long again. The tests start some sixty commands; as forks they start at once. The process that is
forked is the fork server of `multiprocessing`, which `LocalLauncher` uses too: commands share it,
so that their runs start at once as well. It imports and computes nothing; it has no thread but
that of Arrow's allocator, which outlives a fork.

Whatever only a new interpreter shows (imports, hash seeds, variables that libraries read when they
are imported, signals to a whole process group) is tested with `python -m` itself.
"""

from __future__ import annotations

import atexit
import gc
import json
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from multiprocessing.process import BaseProcess
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
# All that commands import, some of it on their way.
PRELOAD = [
    "tests.warm",
    "tests.toys",
    "experiments.cli.main",
    "experiments.cli.fit",
    "experiments.inference.predictor",
    "experiments.launch.local",
    "experiments.launch.slurm_config",
    "experiments.report.html",
    "experiments.report.wandb_summary",
    "experiments.training.run",
    "lit_models.bag",
    "lit_models.bert",
    "lit_models.tfidf_logreg",
    "peft",
    "plotly.graph_objs._figure",
    "plotly.io",
    "pyarrow.dataset",
    "skops.io",
    "transformers.models.bert.modeling_bert",
    "wandb.sdk.launch",
]
_OF_PYTEST = "PYTEST_CURRENT_TEST"  # changes with every test, and no command reads it


class Command:
    """A module under way in a process and a process group of its own."""

    def __init__(self, process: BaseProcess, words: list[str], folder: str) -> None:
        self.process, self.words = process, words
        self.files = [Path(folder, name) for name in ("stdout", "stderr")]

    @property
    def pid(self) -> int:
        """The number of the process."""
        assert self.process.pid is not None
        return self.process.pid

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self.process.exitcode

    def kill(self) -> None:
        """Kills the process group."""
        if self.poll() is None:
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except ProcessLookupError:  # it has no group yet
                self.process.kill()
        self.process.join()

    def wait(self, timeout: float) -> subprocess.CompletedProcess[str]:
        """Waits for the end; what is under way after `timeout` seconds is killed.

        Raises:
            subprocess.TimeoutExpired: it was killed.
        """
        self.process.join(timeout)
        code = self.poll()
        if code is None:
            self.kill()
        output = [file.read_text(encoding="utf-8", errors="replace") for file in self.files]
        if code is None:
            raise subprocess.TimeoutExpired(self.words, timeout, *output)
        return subprocess.CompletedProcess(self.words, code, *output)


class ForkServer:
    """Starts modules in forks of the one process, each with an environment of its own.

    Args:
        folder: where the commands' output goes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(PRELOAD)
        forkserver.ensure_running()
        self.variables = _variables()
        self.started: list[Command] = []

    def start(self, module: str, *words: object, **environment: str) -> Command:
        """Starts `python -m module words` in the repository's folder.

        Args:
            module: the module.
            *words: its arguments.
            **environment: variables beside those of this process.
        """
        given = [module, *map(str, words)]
        variables = _variables() | environment
        # Runs inherit the fork server's variables: others need a fork server of their own.
        shared = variables == self.variables
        output = tempfile.mkdtemp(dir=self.folder)
        process = self.context.Process(target=_run, args=(given, variables, output, shared))
        process.start()
        self.started.append(Command(process, given, output))
        return self.started[-1]

    def run(
        self, module: str, *words: object, timeout: float, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Starts a module as `start` does and waits for its end as `Command.wait` does."""
        return self.start(module, *words, **environment).wait(timeout)

    def close(self) -> None:
        """Kills what failed tests have left."""
        for command in self.started:
            command.kill()


@contextmanager
def interpreter(
    **environment: str,
) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Runs modules in forks of another interpreter, whose imports have found these variables.

    Args:
        **environment: variables beside those of this process.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "tests.warm"],
        cwd=REPOSITORY,
        env=os.environ | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None

        def run(*words: object, timeout: float = 200) -> subprocess.CompletedProcess[str]:
            print(json.dumps([timeout, *map(str, words)]), file=process.stdin, flush=True)
            return subprocess.CompletedProcess(**json.loads(process.stdout.readline()))

        yield run
        process.stdin.close()


def main() -> None:
    """Runs what standard input names, a line each: JSON of a timeout and the words."""
    with tempfile.TemporaryDirectory() as folder:
        server = ForkServer(Path(folder))
        for line in sys.stdin:
            timeout, *words = json.loads(line)
            print(json.dumps(vars(server.run(*words, timeout=timeout))), flush=True)


def _variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != _OF_PYTEST}


def _run(words: list[str], variables: dict[str, str], folder: str, shared: bool) -> None:
    atexit._clear()  # what is to happen once, when the fork server ends
    gc.freeze()  # or the first collection would touch, and so copy, the whole heap
    os.setsid()
    for number, name in enumerate(("stdout", "stderr"), start=1):
        os.dup2(os.open(Path(folder, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False, buffering=1)
    os.chdir(REPOSITORY)
    os.environ.clear()
    os.environ.update(variables)
    if shared:
        _share_fork_server()
    sys.argv = words
    try:
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    finally:
        sys.stdout.flush()
        atexit._run_exitfuncs()


def _share_fork_server() -> None:
    """Lets this process start further ones through the fork server that it comes from.

    It has its address, but not its process number, and so would start another.
    """
    from experiments.launch import local

    ensure_running = resource_tracker.ensure_running
    forkserver._forkserver.ensure_running = ensure_running  # type: ignore[method-assign]
    local.ensure_running = ensure_running


if __name__ == "__main__":
    main()
