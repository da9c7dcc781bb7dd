"""Settings of a stranger's run start and write nothing, and trust ends at the folder named."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from datamodules import trusted
from datamodules.trusted import Untrusted, check_trusted, trust_folder
from experiments.cli.main import main
from lit_models.layers.pretrained import resolve_config
from tests.experiments.test_strangers import MARKER, NETWORK, OLD, in_config, planted

DDP = "lightning.pytorch.strategies.DDPStrategy"
WORKER = {
    "class_path": "experiments.speed.busy.Worker",
    "init_args": {"spin_count": "1", "threads": 1},
}
PROFILER = "lightning.pytorch.profilers.SimpleProfiler"
PRUNING = "experiments.tuning.study.PruningCallback"


@pytest.fixture(autouse=True)
def nothing_trusted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(trusted, "_folders", [])
    monkeypatch.setattr(trusted, "_typed", set())
    yield


def writer(victim: Path) -> dict[str, Any]:
    study = {"study": "$(touch owned)", "trial": 0, "monitor": "val/log_loss", "mode": "min"}
    return {"class_path": PRUNING, "init_args": study | {"journal": str(victim), "pruner": "none"}}


@pytest.mark.parametrize("key", ["strategy", "callbacks", "profiler"])
def test_what_serves_training_is_not_built_by_an_evaluation(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = tmp_path / "victim"
    place = {"dirpath": str(victim), "filename": "x"}
    values: dict[str, Any] = {
        "strategy": {"class_path": DDP, "init_args": {"ddp_comm_state": WORKER}},
        "callbacks": [writer(victim)],
        "profiler": {"class_path": PROFILER, "init_args": place},
    }
    run = planted(tmp_path, NETWORK, "model", "lit_models.bag.Bag")
    in_config("trainer", key, value=lambda _: values[key])(run, "")
    for part in ("train", "validation", "test"):
        file = f"{OLD}/corpus/{part}.csv"
        in_config("data", "init_args", part, value=lambda _, file=file: file)(run, "")  # type: ignore[misc]
    row = json.loads((run / "row.json").read_text())
    (run / "row.json").write_text(json.dumps(row | {"test": None, "checksums": {}}))
    (run / "experiments").mkdir()
    (run / "experiments" / "__init__.py").write_text(MARKER)
    monkeypatch.setenv("MARKER", str(victim))
    monkeypatch.chdir(run)
    assert main(["test", "."]) == main(["predict", ".", "a text"]) == 0
    assert main(["submit", "."]) == 1 and not victim.exists()


@pytest.mark.parametrize("path", [PRUNING, WORKER["class_path"], "experiments.speed.busy.busy"])
def test_programs_of_the_suite_are_not_free_to_name(path: str) -> None:
    with pytest.raises(Untrusted, match="--configs DIR"):
        check_trusted(path)


def test_trust_in_a_folder_covers_its_packages_and_no_other_folder_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in ("mine.py", "package/__init__.py", "package/part.py", "friend/deep/evil.py"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("class Thing: ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    trust_folder(tmp_path)
    for path in ("mine.Thing", "package.Thing", "package.part.Thing"):
        check_trusted(path)
    with pytest.raises(Untrusted, match="evil"):
        check_trusted("friend.deep.evil.Thing")
    trust_folder(tmp_path / "friend" / "deep")
    check_trusted("friend.deep.evil.Thing")


def test_no_process_that_a_command_starts_imports_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "socket.py").write_text(MARKER)
    monkeypatch.setenv("MARKER", str(tmp_path / "marker"))
    monkeypatch.chdir(tmp_path)
    assert main(["list"]) == 0
    subprocess.run([sys.executable, "-c", "import socket, experiments"], check=True)
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("model", [5, "x", [1], None])
def test_a_model_that_is_no_class_is_an_error_in_a_line(
    model: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = planted(tmp_path, NETWORK, "model", "lit_models.bag.Bag")
    in_config("model", value=lambda _: model)(run, "")
    assert main(["predict", str(run), "a text"]) == 1
    assert str(model) in capsys.readouterr().err


def test_a_config_of_transformers_names_no_code() -> None:
    code = {"auto_map": {"AutoModel": "stranger.Thing"}, "attn_implementation": "a/kernel"}
    resolved = resolve_config(None, {"model_type": "bert", **code})
    assert not {"auto_map", "attn_implementation", "_attn_implementation"} & resolved.keys()


def test_what_the_user_types_is_found_in_the_current_folder(
    tmp_path: Path,
    marker: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "own_corpus.py").write_text(
        MARKER + "from tests.toys import ToyData\nclass Own(ToyData): pass\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(SystemExit):
        main(["fit", "-c", "bag", "--data=own_corpus.Own", "--print_config"])
    assert "class_path: own_corpus.Own" in capsys.readouterr().out and marker.exists()
