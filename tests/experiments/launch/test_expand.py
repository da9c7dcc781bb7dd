"""Names of planned runs: each experiment keeps its whole name."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.config.registry import ConfigError, Registry, read_profile
from experiments.launch.benchmark import Plan, expand

BAG = "# A bag.\nmodel: {class_path: lit_models.bag.Bag}\n"
DOTTED = ["nb_lr0.01", "nb_lr0.02", "v1.2.3", "v1.2.4", "a.yaml", "a.yml", "ends.", "0.5"]


@pytest.fixture
def dotted(tmp_path: Path) -> Path:
    folder = tmp_path / "configs"
    folder.mkdir()
    for name in DOTTED:
        (folder / f"{name}.yaml").write_text(BAG)
    return folder


def plan_of(names: list[str], folders: list[Path], sizes: tuple[int, ...] = ()) -> Plan:
    return expand(
        Registry(folders),
        read_profile("smoke"),
        names=names,
        seeds=[0],
        name="b",
        runs=Path("runs"),
        train_sizes=sizes,
    )


@pytest.mark.parametrize("by_path", [False, True])
@pytest.mark.parametrize(("sizes", "ending"), [((), ""), ((50,), "-50")])
def test_a_dot_in_a_name_is_part_of_it(
    dotted: Path, by_path: bool, sizes: tuple[int, ...], ending: str
) -> None:
    names = [str(dotted / f"{name}.yaml") for name in DOTTED] if by_path else DOTTED
    plan = plan_of(names, [] if by_path else [dotted], sizes)
    assert [spec.experiment for spec in plan.specs] == [f"{name}{ending}" for name in DOTTED]
    assert len({spec.folder for spec in plan.specs}) == len(DOTTED)


def test_files_of_one_name_are_refused(tmp_path: Path) -> None:
    files = [tmp_path / "one" / "x.1.yaml", tmp_path / "two" / "x.1.yml"]
    for file in files:
        file.parent.mkdir()
        file.write_text(BAG)
    with pytest.raises(ConfigError, match="is named twice"):
        plan_of([str(file) for file in files], [])


def test_variants_in_subfolders_keep_their_names() -> None:
    file = "experiments/configs/keras/cnn_keras.yaml"
    assert plan_of([file], []).specs[0].folder == Path("runs/b/cnn_keras/seed-0")


def test_the_official_corpus_goes_to_the_experiments_that_read_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`make table ROOT=DIR` names it for all; the dictionary of `ctc` comes with a wheel."""
    plan = expand(
        Registry(),
        read_profile("full"),
        names=["ctc", "cnn"],
        seeds=[0],
        name="b",
        runs=Path("runs"),
        overrides=["--data.root=DIR", "--model.dropout=0.1"],
    )
    overrides = {spec.experiment: spec.overrides for spec in plan.specs}
    assert overrides["cnn"] == ("--data.root=DIR", "--model.dropout=0.1")
    assert overrides["ctc"] == ("--model.dropout=0.1",)
    assert "ctc reads Pronunciations, which needs no DIR" in capsys.readouterr().err
    assert "root" not in plan.specs[0].resolve().config["data"]["init_args"]
