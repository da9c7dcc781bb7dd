"""Settings of a stranger's run: one notation, no place of his, no class of his at any depth."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import yaml

from datamodules import trusted
from datamodules.store.cache import default_cache_dir
from datamodules.trusted import Untrusted, check_settings
from experiments.cli.main import main
from experiments.config import resolved
from experiments.config.registry import ConfigError
from experiments.config.resolved import Resolved
from tests.experiments.test_strangers import (
    CODE,
    NETWORK,
    OLD,
    PLACES,
    TAKES_RUN,
    as_yaml,
    planted,
    spec,
    words,
)

Settings = dict[str, Any]
CHECKPOINT = [spec("lightning.pytorch.callbacks.ModelCheckpoint")]


@pytest.fixture(autouse=True)
def nothing_trusted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(trusted, "_folders", [])
    monkeypatch.setattr(trusted, "_typed", set())
    yield


def changed(tmp_path: Path, change: Callable[[Settings], Any]) -> Path:
    """A copy of a run that can be tested, with other settings."""
    run = planted(tmp_path, NETWORK, "model", "lit_models.bag.Bag")
    settings = yaml.safe_load((run / "config.yaml").read_text())
    for part in ("train", "validation", "test"):
        settings["data"]["init_args"][part] = f"{OLD}/corpus/{part}.csv"
    change(settings)
    (run / "config.yaml").write_text(yaml.safe_dump(settings))
    row = json.loads((run / "row.json").read_text())
    (run / "row.json").write_text(json.dumps(row | {"test": None, "checksums": {}}))
    return run


@pytest.mark.parametrize("command", TAKES_RUN)
def test_no_command_makes_a_folder_where_a_run_says(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("uvicorn.Server.run", lambda server: None)  # it would not end
    victim = tmp_path / "victim"
    run = changed(tmp_path, lambda s: s["data"]["init_args"].update(cache_dir=str(victim)))
    try:
        code = main(words(command, run))
    except SystemExit:
        code = None
    assert not victim.exists() and (code == 0 or command != "test")
    assert Resolved.of_run(run).build()[1].cache_dir == default_cache_dir()


def move(part: str, name: str, value: Callable[[Any], Any]) -> Callable[[Settings], Any]:
    """Writes a part in another notation."""
    return lambda settings: settings.update({name: value(settings.pop(part))})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (move("trainer", "trainer", yaml.safe_dump), "trainer is 'acc"),
        (move("data", "data", yaml.safe_dump), "data is 'class_path"),
        (move("data", "data", lambda _: "other.yaml"), "data is 'other.yaml'"),
        (move("run", "run", lambda _: ["x"]), r"run is \['x'\]"),
        (move("trainer", "trainer.callbacks", lambda _: CHECKPOINT), "key 'trainer.callbacks'"),
        (move("trainer", "config", lambda _: "other.yaml"), "key 'config'"),
        (lambda s: s["trainer"].update({"callbacks+": CHECKPOINT}), r"key 'callbacks\+'"),
        (lambda s: s["data"].update({"init_args.cache_dir": "x"}), "key 'init_args.cache_dir'"),
        (lambda s: s["data"].update({"cache_dir": "x"}), "key 'cache_dir'"),
        (lambda s: s["data"]["init_args"].update({"vectors.x": "x"}), "key 'vectors.x'"),
    ],
)
def test_settings_in_another_notation_than_the_programs_are_refused(
    change: Callable[[Settings], Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=f"config.yaml.* {said}.*restore it"):
        Resolved.of_run(changed(tmp_path, change))


IN_CONFIG = {
    "model": PLACES["model"],
    "data": PLACES["data"],
    **{name: plant for name, plant in PLACES.items() if name.startswith(("vectors", "tokenizer"))},
}


@pytest.mark.parametrize("place", IN_CONFIG)
@pytest.mark.parametrize("path", ["stranger.Thing", "subprocess.Popen", "torch.hub.load"])
def test_a_strangers_class_is_refused_without_the_gate_in_the_parser(
    place: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKER", str(tmp_path / "marker"))
    monkeypatch.delitem(sys.modules, "stranger", raising=False)  # of another test
    run = planted(tmp_path, NETWORK, place, path)
    monkeypatch.syspath_prepend(run)
    monkeypatch.setattr(resolved, "checked_imports", lambda _: nullcontext())
    with pytest.raises(Untrusted, match=f"^{path} is in "):
        Resolved.of_run(run)
    assert not (tmp_path / "marker").exists() and "stranger" not in sys.modules


@pytest.mark.parametrize(
    "nested",
    [
        spec,
        as_yaml,
        str,
        lambda path: {"class_path": "torch.nn.Linear", "init_args": {"device": spec(path)}},
        lambda path: [["x", {"deep": [spec(path)]}]],
        lambda path: json.dumps({"x": as_yaml(path)}),
        lambda path: yaml.safe_dump({"x": [spec(path)]}),
        lambda path: f"[&a {path}, *a]",
    ],
)
def test_classes_are_found_at_any_depth(
    nested: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stranger.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "other.yaml"
    file.write_text(yaml.safe_dump(nested("stranger.Thing")))
    for value in (nested("stranger.Thing"), str(file)):
        with pytest.raises(Untrusted, match="^stranger.Thing is in "):
            check_settings({"data": {"init_args": {"x": value}}})


def test_a_setting_that_contains_itself_is_an_error_in_a_line(tmp_path: Path) -> None:
    endless: list[Any] = []
    endless.append(endless)
    run = changed(tmp_path, lambda s: s["data"]["init_args"].update(vectors=endless))
    with pytest.raises(ConfigError, match="a setting contains itself; restore it"):
        Resolved.of_run(run)


@pytest.mark.parametrize("text", ["email.csv", "code.text", "a/b.json", "no.yaml", "{", "a: b"])
def test_names_of_files_and_columns_are_no_classes(text: str) -> None:
    check_settings({"data": {"init_args": {"train": text}}})
