"""Commands in forks: exit codes, output and environment as under `python -m`."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import warm
from tests.conftest import Command
from tests.warm import REPOSITORY, ForkServer

BAD = ["report", "nowhere"]


def write(folder: Path, name: str, code: str) -> None:
    (folder / f"{name}.py").write_text(code)


def test_output_and_exit_code_are_those_of_an_interpreter(lit: Command, cold_lit: Command) -> None:
    for words in (["list"], BAD, ["fit"]):
        warmed, cold = lit(*words), cold_lit(*words)
        assert (warmed.returncode, warmed.stdout) == (cold.returncode, cold.stdout)
        assert warmed.stderr == cold.stderr
    assert lit(*BAD).returncode == 1 and lit("fit").returncode == 2


def test_the_installed_program_is_the_module() -> None:
    program = Path(sys.executable).with_name("lit-sentiment")
    done = subprocess.run([program, *BAD], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stderr.startswith("error: ")


@pytest.mark.parametrize(
    ("code", "expected", "message"),
    [
        ("raise ValueError('made to fail')", 1, "ValueError: made to fail"),
        ("import sys; sys.exit('said so')", 1, "said so"),
        ("import sys; sys.exit(7)", 7, ""),
        ("import os; os.abort()", -6, ""),
        ("import os; os.write(2, b'by descriptor')", 0, "by descriptor"),
        ("import atexit; atexit.register(print, 'at the end')", 0, ""),
    ],
)
def test_exceptions_exits_and_signals_end_a_command_as_usual(
    code: str, expected: int, message: str, fork_server: ForkServer, tmp_path: Path
) -> None:
    write(tmp_path, "ending", f"print('begun')\n{code}\n")
    done = _run(fork_server, tmp_path, "ending")
    assert done.returncode == expected and message in done.stderr
    assert done.stdout.startswith("begun") or expected < 0  # a signal discards the buffer
    assert ("at the end" in done.stdout) == ("atexit" in code)


def _run(fork_server: ForkServer, folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    """Runs a module of a folder outside of the repository."""
    sys.path.append(str(folder))
    try:
        return fork_server.run(name, timeout=60)
    finally:
        sys.path.remove(str(folder))


def test_each_has_its_own_environment_folder_and_process_group(
    fork_server: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        tmp_path,
        "shown",
        "import os, sys\n"
        "print(os.environ.get('A'), os.environ.get('HOME'), os.getcwd(), os.getpgid(0), sys.argv)",
    )
    monkeypatch.delenv("HOME")
    monkeypatch.syspath_prepend(tmp_path)
    command = fork_server.start("shown", "x", A="1")
    words = [str(tmp_path / "shown.py"), "x"]
    assert command.wait(60).stdout == f"1 None {REPOSITORY} {command.pid} {words}\n"
    assert fork_server.run("shown", timeout=60).stdout.startswith("None None ")


def test_a_timeout_kills_the_command_and_what_it_has_started(
    fork_server: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import subprocess; p = subprocess.Popen(['sleep', '60'])\nprint(p.pid, flush=True)"
    write(tmp_path, "waits", f"{code}\np.wait()")
    monkeypatch.syspath_prepend(tmp_path)
    command = fork_server.start("waits")
    while not (started := command.files[0].read_text() if command.files[0].exists() else ""):
        time.sleep(0.05)
    with pytest.raises(subprocess.TimeoutExpired):
        command.wait(0.1)
    end = time.monotonic() + 10
    while _lives(int(started)):
        assert time.monotonic() < end
        time.sleep(0.05)


def _lives(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


STARTS = """
import multiprocessing, os

def show(queue):
    queue.put((os.environ.get("A"), os.getppid()))

if __name__ == "__main__":
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([])
    queue = context.SimpleQueue()
    process = context.Process(target=show, args=(queue,))
    process.start()
    print(*queue.get())
    process.join()
"""


def test_a_command_uses_the_same_fork_server_unless_its_environment_differs(
    fork_server: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "starts", STARTS)
    monkeypatch.syspath_prepend(tmp_path)
    # Libraries that earlier tests imported may have set variables since the server started.
    monkeypatch.setattr(fork_server, "variables", warm._variables())
    server = warm.forkserver._forkserver._forkserver_pid
    assert fork_server.run("starts", timeout=60).stdout == f"None {server}\n"
    value, parent = fork_server.run("starts", A="1", timeout=60).stdout.split()
    assert value == "1" and int(parent) != server
