"""A run folder from a stranger runs nothing of its own, whichever command is given it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.numpy import load_file, save_file

from experiments.cli.main import main
from experiments.cli.parser import parser
from tests.warm import REPOSITORY

OLD = REPOSITORY / "tests" / "old_runs"
NETWORK, ESTIMATOR = (OLD / "runs/old" / name / "seed-0" for name in ("bag", "tfidf_logreg"))
TAKES_RUN: dict[str, list[str]] = {
    "predict": ["RUN", "a text"],
    "explain": ["RUN", "a text"],
    "generate": ["RUN"],
    "transcribe": ["RUN", "a text"],
    "tag": ["RUN", "a text"],
    "teach": ["RUN", "--out", "SOFT"],
    "search": ["RUN", "a text"],
    "audit": ["TRAIN", "--run", "RUN"],
    "playground": ["RUN", "--port", "47869"],
    "test": ["RUN"],
    "report": ["BENCHMARK", "--out", "OUT"],
    "compare": ["BENCHMARK", "RUN"],
    "robustness": ["BENCHMARK"],
    "vectors": ["neighbours", "RUN", "film"],
    "publish": ["RUN", "--table", "t", "--results", "OUT"],
    "submit": ["RUN", "--out", "OUT/submission.csv"],
    "subsets": ["BENCHMARK"],
    "ensemble": ["new", "RUN", "BENCHMARK", "--runs", "ROOT"],
    "cost": ["TABLE"],
    "export": ["RUN", "--to", "onnx", "--out", "OUT"],
    "benchmark": ["NAME", "--runs", "ROOT", "--name", "b", "CORPUS"],
    "fit": ["-c", "NAME", "--runs", "ROOT", "--name", "b", "CORPUS"],
    "sweep": ["NAME", "--runs", "ROOT", "--name", "b", "--trials", "1", "CORPUS"],
}
# `table-publish` reads runs as `publish` does.
TAKES_NONE = {"prepare", "pretrain", "speed", "list", "table", "table-publish", "table-times"}
# Python files that write a marker when they are imported, each where an import may find it.
MODULES = ("stranger", "installed_stranger")
MARKER = "import os, pathlib\npathlib.Path(os.environ['MARKER']).touch()\n"
THING = "class Thing:\n    def __init__(self, *a, **k):\n        pass\n"
CODE = f"{MARKER}{THING}def run(*a, **k): pass\n"

Plant = Callable[[Path, str], Any]


def in_config(*keys: str, value: Callable[[str], Any]) -> Plant:
    """Plants a value in the settings of a run."""

    def plant(run: Path, path: str) -> None:
        content = yaml.safe_load((run / "config.yaml").read_text())
        section = content
        for key in keys[:-1]:
            section = section.setdefault(key, {})
        section[keys[-1]] = value(path)
        (run / "config.yaml").write_text(yaml.safe_dump(content))
        row = json.loads((run / "row.json").read_text())
        (run / "row.json").write_text(
            json.dumps(row | ({"config": content} if "config" in row else {}))
        )

    return plant


def spec(path: str) -> dict[str, Any]:
    return {"class_path": path}


def as_yaml(path: str) -> str:
    return f'{{"class\\u005fpath": "{path}"}}'  # hidden from whoever looks for `class_path`


def calling(path: str) -> list[Any]:
    callback = "lightning.pytorch.callbacks.LambdaCallback"
    return [{"class_path": callback, "init_args": {"on_fit_start": path}}]


def in_encoder(run: Path, path: str) -> None:
    file = run / "encoder.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"tokenizer": path}))


def in_config_file(run: Path, path: str) -> None:
    (run / "other.yaml").write_text(yaml.safe_dump(spec(path)))
    in_config("trainer", "strategy", value=lambda _: str(run / "other.yaml"))(run, path)


def in_hyperparameters(run: Path, path: str) -> None:
    named = {"_class_path": path, "_instantiator": f"{path}"}
    if (run / "model.ckpt").is_file():
        content = torch.load(run / "model.ckpt", weights_only=True)
        content["hyper_parameters"] |= named
        torch.save(content, run / "model.ckpt")
    else:
        arrays = load_file(run / "arrays.safetensors")
        save_file(arrays, run / "arrays.safetensors", {"hparams": json.dumps(named)})


class Bomb:
    """Unpickled it calls a function."""

    def __init__(self, module: str) -> None:
        self.module = module

    def __reduce__(self) -> Any:
        return __import__, (self.module,)


def in_pickle(run: Path, path: str) -> None:
    torch.save({"state_dict": Bomb(path.partition(".")[0])}, run / "model.ckpt")
    torch.save({"identity": Bomb(path.partition(".")[0])}, run / "resume.ckpt")


def in_skops(run: Path, path: str) -> None:
    module, _, name = path.rpartition(".")
    schema = {"__class__": name, "__module__": module, "__loader__": "ObjectNode", "content": None}
    schema |= {"__id__": 1, "protocol": 2, "_skops_version": "0.11"}
    with zipfile.ZipFile(run / "model.skops", "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))


def in_source(run: Path, path: str) -> None:
    """A folder of a pretrained model whose config names code beside it."""
    shutil.copytree(OLD / "pretrained" / "tiny", run / "source")
    module, _, name = path.rpartition(".")
    for file in ("config.json", "tokenizer_config.json"):
        content = json.loads((run / "source" / file).read_text())
        named = {auto: f"{module}.{name}" for auto in ("AutoConfig", "AutoModel")}
        named["AutoTokenizer"] = [f"{module}.{name}", f"{module}.{name}"]  # type: ignore[assignment]
        content |= {"auto_map": named, "model_type": "strange"}
        (run / "source" / file).write_text(json.dumps(content))
    shutil.copy(run / "stranger.py", run / "source")
    arguments = {"source": str(run / "source")}
    model = {"class_path": "lit_models.bert.BERT", "init_args": arguments}
    tokenizer = {"class_path": "datamodules.subwords.SubwordTokenizer", "init_args": arguments}
    in_config("model", value=lambda _: model)(run, path)
    in_config("data", "init_args", "tokenizer", value=lambda _: tokenizer)(run, path)


PLACES: dict[str, Plant] = {
    "model": in_config("model", "class_path", value=str),
    "data": in_config("data", "class_path", value=str),
    "data as a string": in_config("data", value=str),
    "vectors": in_config("data", "init_args", "vectors", value=spec),
    "vectors as YAML": in_config("data", "init_args", "vectors", value=as_yaml),
    "tokenizer": in_config("data", "init_args", "tokenizer", value=spec),
    "tokenizer as a string": in_config("data", "init_args", "tokenizer", value=str),
    "callbacks": in_config("trainer", "callbacks", value=lambda path: [spec(path)]),
    "callbacks as a string": in_config("trainer", "callbacks", value=str),
    "function of a callback": in_config("trainer", "callbacks", value=calling),
    "plugins": in_config("trainer", "plugins", value=lambda path: [spec(path)]),
    "logger": in_config("trainer", "logger", value=spec),
    "strategy": in_config("trainer", "strategy", value=spec),
    "strategy in a file": in_config_file,
    "profiler": in_config("trainer", "profiler", value=spec),
    "encoder": in_encoder,
    "hyper-parameters": in_hyperparameters,
    "pickle": in_pickle,
    "skops": in_skops,
    "source": in_source,
}
CASES: list[Any] = [(place, "stranger.Thing") for place in PLACES]
# Of what is installed, those that another function each reads; the others are slow.
CASES += [
    pytest.param(place, path, marks=[] if place in ("model", "encoder") else pytest.mark.slow)
    for place in ("model", "data", "tokenizer", "callbacks", "encoder")
    for path in ("installed_stranger.Thing", "antigravity.fly")
]


def planted(tmp_path: Path, finished: Path, place: str, path: str) -> Path:
    """A copy of a finished run, with Python files beside its own, one of which they name."""
    run = tmp_path / "b" / finished.parent.name / "seed-0"
    shutil.copytree(finished, run)
    (run / "stranger.py").write_text(CODE)
    site = tmp_path / "site" / "installed_stranger"
    site.mkdir(parents=True)
    (site / "__init__.py").write_text(CODE)
    (site.parent / "installed_stranger-1.dist-info").mkdir()
    PLACES[place](run, path)
    row = json.loads((run / "row.json").read_text())
    (tmp_path / "b" / "table.jsonl").write_text(json.dumps(row) + "\n")
    return run


def words(command: str, run: Path) -> list[str]:
    """The words of a command on a run folder."""
    root = run.parents[2]
    corpus = [f"--data.{part}={OLD}/corpus/{part}.csv" for part in ("train", "validation", "test")]
    replaced = {
        "RUN": [str(run)],
        "BENCHMARK": [str(run.parents[1])],
        "ROOT": [str(root)],
        "TABLE": [str(run.parents[1] / "table.jsonl")],
        "OUT": [str(root / "out")],
        "OUT/submission.csv": [str(root / "out" / "submission.csv")],
        "SOFT": [str(root / "soft.parquet")],
        "NAME": [run.parent.name],
        "TRAIN": [f"{OLD}/corpus/train.csv"],
        "CORPUS": ["--data=TextFiles", *corpus, "--run.wandb_mode=disabled", "--model.wrong=1"],
    }
    given = (replaced.get(word, [word]) for word in TAKES_RUN[command])
    return [command, *(word for words in given for word in words)]


def test_every_command_is_listed() -> None:
    assert set(parser()[1]) == TAKES_RUN.keys() | TAKES_NONE


@pytest.mark.parametrize(("place", "path"), CASES)
def test_nothing_that_a_run_names_is_run(
    place: str, path: str, tmp_path: Path, marker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = ESTIMATOR if place in ("skops", "hyper-parameters") else NETWORK
    run = planted(tmp_path, finished, place, path)
    module = path.partition(".")[0]
    monkeypatch.chdir(run)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.syspath_prepend(run)
    monkeypatch.setattr("uvicorn.Server.run", lambda server: None)  # it would not end
    for command in TAKES_RUN:
        try:
            main(words(command, run))
        except (SystemExit, Exception) as error:
            print(f"{command}: {error}")
        ran = marker.exists() or module in sys.modules
        sys.modules.pop(module, None)
        assert not ran, command


@pytest.mark.parametrize(
    ("command", "place", "value"),
    [
        ("predict", "model", "subprocess.Popen"),
        ("predict", "model", "datamodules.files.Path"),
        ("predict", "encoder", "torch.hub.load"),
        ("test", "model", "subprocess.Popen"),
        ("test", "data", "lightning.pytorch.cli.LightningCLI"),
        ("test", "data", "unittest.mock.Mock"),
        ("test", "vectors", "os.system"),
        ("test", "vectors", "datamodules.store.cache.os.system"),
    ],
)
def test_what_python_and_libraries_have_is_not_free_to_name(
    command: str, place: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = planted(tmp_path, NETWORK, place, value)
    row = json.loads((run / "row.json").read_text())
    (run / "row.json").write_text(json.dumps(row | {"test": None}))
    assert main(words(command, run)) == 1
    assert "named with --configs" in capsys.readouterr().err


def test_the_error_says_path_rule_and_remedy_and_the_remedy_helps(
    tmp_path: Path,
    marker: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = planted(tmp_path, NETWORK, "model", "stranger.Thing")
    monkeypatch.syspath_prepend(run)
    assert main(["predict", str(run), "x"]) == 1
    told = capsys.readouterr().err.splitlines()[-1]  # a note, said once, may come before
    assert told.startswith(f"error: stranger.Thing is in {run / 'stranger.py'}; what a run's files")
    assert "give its folder with --configs DIR" in told and not marker.exists()
    assert main(["predict", str(run), "x", "--configs", str(run)]) == 1
    assert "it is no LitModel" in capsys.readouterr().err and marker.exists()


@pytest.mark.slow
@pytest.mark.parametrize("file", ["stranger.py", "datamodules.py", "yaml.py", "torch.py"])
def test_the_current_folder_is_not_where_modules_come_from(
    file: str, tmp_path: Path, marker: Path
) -> None:
    run = planted(tmp_path, NETWORK, "model", "stranger.Thing")
    (run / file).write_text(CODE)
    done = subprocess.run(
        [sys.executable, "-m", "experiments", "predict", ".", "a text"],
        cwd=run,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "stranger.Thing: its module is not found" in done.stderr
    assert not marker.exists()
