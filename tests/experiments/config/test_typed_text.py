"""Text settings stay as they were typed, on the command line, in files and in what a run keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from experiments.config.registry import ConfigError, Registry, layered, read_profile
from experiments.config.resolved import Resolved
from experiments.config.typed_text import is_text
from experiments.launch.slurm_config import read_cluster

TEXTS = [
    *("yes", "On", "true", "1", "0x10", "1e3", ".5", "1_000", "nan", ".inf", "2024-01-01"),
    *(
        "Review: text",
        "a: b: c",
        "[a]",
        "{a: b}",
        '{"a": 1}',
        "- x",
        "a # b",
        "#x",
        "?",
        "&a",
        "*a",
    ),
    *("~", "None", "Null", "'q'", '"q"', "  two  ", "", "-", "!!str x", "%d", "@x", "`x`", "a=b"),
    *("é", "\\", "a\nb", "datamodules.text.TextDataModule", "1:30:00"),
]


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    return layered(Registry(), "tfidf_logreg", read_profile("full"))


def resolved_with(settings: dict[str, Any], text: str) -> Resolved:
    words = ["--data=datamodules.files.TextFiles", "--data.train=a.csv"]
    words += [f"--data.text_column={text}", f"--run.wandb_project={text}"]
    return Resolved(settings, words)


@pytest.mark.parametrize("text", TEXTS)
def test_a_typed_text_stays_as_it_is_also_in_the_file_of_a_run(
    text: str, settings: dict[str, Any]
) -> None:
    config = resolved_with(settings, text).config
    kept = yaml.safe_load(yaml.safe_dump(config, sort_keys=False))
    again = Resolved(kept).config
    for one in (config, again):
        assert one["data"]["init_args"]["text_column"] == text
        assert one["run"]["wandb_project"] == text


def test_null_is_none_where_there_may_be_none(settings: dict[str, Any]) -> None:
    config = resolved_with(settings, "null").config
    assert config["data"]["init_args"]["text_column"] is None
    assert config["run"]["wandb_project"] is None


def test_a_text_null_in_a_file_is_a_text(settings: dict[str, Any]) -> None:
    data = {"class_path": "datamodules.files.TextFiles"}
    data |= {"init_args": {"train": "a.csv", "text_column": "null"}}  # type: ignore[dict-item]
    config = Resolved({**settings, "data": data}).config
    assert config["data"]["init_args"]["text_column"] == "null"


def test_numbers_lists_and_classes_are_read_as_before(settings: dict[str, Any]) -> None:
    words = [
        "--data.batch_size=64",
        "--data.fold=[0, 5]",
        "--model.C=1e-1",
        "--data.vocab_size=null",
    ]
    words += ["--data.tokenizer=CharacterTokenizer"]
    config = Resolved(settings, words).config
    given = config["data"]["init_args"]
    assert (given["batch_size"], given["fold"], given["vocab_size"]) == (64, [0, 5], None)
    assert config["model"]["init_args"]["C"] == 0.1
    assert given["tokenizer"]["class_path"].endswith(".CharacterTokenizer")


@pytest.mark.parametrize(
    ("hint", "text"),
    [(str, True), (str | None, True), (str | Path | None, True), (str | int, False), (int, False)],
)
def test_types_of_text(hint: Any, text: bool) -> None:
    assert is_text(hint) is text


@pytest.mark.parametrize(
    ("typed", "minutes"),
    [
        *(("90m", 90), ("4h", 240), ("1.5h", 90), ("90", 90), ("1:30:00", 90), ("90:00", 90)),
        *(("2-0", 2880), ("1-2:30", 1590), ("1-0:0:1", 1441), ("00:30:00", 30), ("0:30", 1)),
    ],
)
def test_a_time_limit_is_read_as_slurm_reads_it(typed: str, minutes: int, tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(f"time: {typed}\nsignal_seconds: 10\n")
    assert read_cluster(file).time == minutes


@pytest.mark.parametrize("typed", ["0", "-5", "soon", "1:2:3:4", "1.5", "[1]", "0:00"])
def test_a_time_limit_that_is_none_is_refused(typed: str, tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(f"time: {typed}\n")
    with pytest.raises(ConfigError, match="write 90m, 4h, 1:30:00, or a number of minutes"):
        read_cluster(file)


@pytest.mark.parametrize(
    "typed", ["0123", "yes", "1e3", "2024-01-01", "1_000", "12:30", "node[1-4]"]
)
def test_names_on_a_cluster_stay_as_they_were_typed(typed: str, tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(f"account: {typed}\npartition: {typed}\nqos:\nextra:\n  licenses: {typed}\n")
    cluster = read_cluster(file)
    assert (cluster.account, cluster.partition, cluster.qos) == (typed, typed, None)
    assert cluster.extra == {"licenses": typed}


def test_a_file_of_settings_knows_true_numbers_and_null_alone(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("a: yes\nb: 1:30:00\nc: 2024-01-01\nd: 0123\ne: 12\nf: 0.001\ng: true\nh:\n")
    read = Registry().settings(str(file))
    assert read == dict(
        zip(
            "abcdefgh", ["yes", "1:30:00", "2024-01-01", "0123", 12, 0.001, True, None], strict=True
        )
    )


def test_a_name_in_another_encoding_is_refused_with_a_remedy(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"'caf\\udce9' is not UTF-8; rename"):
        resolved_with(settings, "caf\udce9")
