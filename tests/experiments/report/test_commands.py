"""The command of a line on the page: it resolves to the settings of the line's rows."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from experiments.cli import main as cli
from experiments.cli.common import plan_of
from experiments.cli.parser import RESULTS
from experiments.config.registry import Registry
from experiments.inference.members import find_member
from experiments.launch.benchmark import Plan
from experiments.launch.table import TABLES
from experiments.records.row import Row
from experiments.records.run_files import read_rows, tables_in
from experiments.report.page.commands import commands
from experiments.report.tables import Table
from tests.experiments.conftest import REPOSITORY
from tests.rows import make_row

PUBLISHED = [row for table in tables_in(RESULTS) for row in read_rows(table) if not row.claimed]
OWN = "--data=datamodules.files.TextFiles"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small files of a user, beside the experiments: their size decides on some settings."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "experiments").symlink_to(REPOSITORY / "experiments")
    texts = [f"{('good', 'bad')[number % 2]} film {number}" for number in range(120)]
    heads = {
        "t.csv": "text,label,writer",
        "u.csv": "text,label,writer",
        "b.csv": "body,the label,n",
    }
    for name, head in heads.items():
        lines = [f"{text} {name},{'yn'[n % 2]},{n // 4}" for n, text in enumerate(texts)]
        (folder / name).write_text("\n".join([head, *lines, ""]))
    labelled = [f'"{n}_{8 - 6 * (n % 2)}"\t{1 - n % 2}\t"{text}"' for n, text in enumerate(texts)]
    head = "id\tsentiment\treview"
    (folder / "labeledTrainData.tsv").write_text("\n".join([head, *labelled, ""]))
    (folder / "testData.tsv").write_text('id\treview\n"1_8"\t"some other film"\n')
    return folder


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch, files: Path, within_a_command: None) -> Any:
    """Function that gives the plan of a command, as the command line itself makes it."""
    plans: list[Plan] = []

    def benchmark(options: Any, rest: list[str], *_: Any) -> tuple[bool, bool]:
        plans.append(plan_of(options, rest))
        return True, False

    def fit(plan: Plan, *_: Any, **__: Any) -> int:
        plans.append(plan)
        return 0

    monkeypatch.chdir(files)
    monkeypatch.setattr("experiments.cli.benchmark._run_and_report", benchmark)
    monkeypatch.setattr("experiments.cli.fit_one.fit_one", fit)

    def planned(command: str) -> Plan:
        program, *words = shlex.split(command)
        assert program == "lit-sentiment" and cli.main(words) == 0
        return plans.pop()

    return planned


def row_of(plan: Plan, **changes: Any) -> Row:
    """The row that the only run of a plan would leave."""
    (spec,) = plan.specs
    resolved = spec.resolve()
    protocol = "folds" if resolved.run.folds else resolved.run.protocol
    row = make_row(
        experiment=spec.experiment,
        profile=spec.profile,
        seed=spec.seed,
        config=resolved.config,
        config_hash=resolved.hash,
        protocol=protocol,
    )
    return replace(row, **changes)


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda r: f"{r.experiment}-{r.protocol}-{r.seed}")
def test_the_command_of_a_published_row_gives_its_settings(row: Row, planned: Any) -> None:
    (command,) = commands([row], "results")
    if row.members:  # published rows, too, which need no run folder
        program, verb, name, *members, option, seed = shlex.split(command)
        assert (program, verb, name) == ("lit-sentiment", "ensemble", row.experiment)
        assert (option, seed) == ("--seeds", str(row.seed))
        found = [find_member(member, row.seed).setting for member in members]
        assert sorted(found) == sorted(row.config["ensemble"])
        return
    plan = planned(command)
    (spec,) = plan.specs
    assert plan.name == TABLES[row.problem]
    assert (spec.experiment, spec.seed) == (row.experiment, row.seed)
    assert spec.resolve().hash == row.settings_hash
    assert "configs/sweeps" not in command


# A setting of a kind that another of the commands has, too.
SLOW = [
    f"benchmark tfidf_logreg --seeds 0 {OWN} --data.train t.csv --data.tokenizer "
    "CharacterTokenizer --model.ngrams 3",
    "benchmark cnn --profile full --seeds 0 --data t.csv --run.protocol refit",
    "benchmark cnn --profile full --seeds 0 --data t.csv --data.batch_size 7",
    "benchmark vector_average_logreg --profile full --seeds 0 --data t.csv --data.vectors.epochs 5",
    "benchmark cnn --seeds 0 --data t.csv --model.class_weights balanced",
    "fit -c bag --data t.csv --seed 3",
    "benchmark nb_logreg --seeds 0 --data t.csv --run.threshold f1",
]


@pytest.mark.parametrize(
    "typed",
    [
        "benchmark cnn --seeds 0",
        "benchmark cnn --profile full --seeds 3 --root HOME/aclImdb",
        "benchmark nb_bag --profile full --seeds 0 --run.protocol holdout --run.patience 7",
        "benchmark cnn --profile full --seeds 0 --trainer.max_epochs 6 "
        "--trainer.accumulate_grad_batches 2",
        f"benchmark tfidf_logreg --profile full --seeds 0 {OWN} --data.train HOME/t.csv "
        "--data.test u.csv",
        f"benchmark cnn --profile full --seeds 0 {OWN} --data.train t.csv --data.vectors null "
        "--data.batch_size 8 --model.filter_sizes [2,3] --model.dropout 0.25",
        f"benchmark cnn --seeds 1 {OWN} --data.train b.csv --data.text_column body "
        "--data.label_column 'the label' --trainer.max_epochs 2",
        f"benchmark bow_forest --profile full --seeds 0 {OWN} --data.train t.csv --data.tokenizer "
        "WordTokenizer --data.tokenizer.preparation keras",
        "benchmark cnn_word2vec --profile full --seeds 0 --configs experiments/configs/word2vec "
        "--data.vectors.window 3",
        "benchmark cnn --seeds 0 --data.vectors datamodules.vectors.word2vec.Word2Vec "
        "--data.vectors.dim 50 --model.embedding_dim 50",
        "benchmark minilm --seeds 0 --run.precision bf16-mixed --model.frozen_layers 1",
        "benchmark lstm --profile full --seeds 0 --data.exclude robustness",
        "benchmark nb_logreg --profile full --seeds 0 --train-sizes 500",
        "benchmark cnn --profile gpu --seeds 0 --trainer.devices 2 --trainer.precision 16-mixed",
        "fit -c cnn --profile quick --seed 4 --model.dropout 0.3",
        f"fit -c nb_logreg {OWN} --data.train t.csv --data.validation_fraction 0.2",
        "fit -c tfidf_logreg --profile quick --run.folds 5",
        "benchmark cnn --seeds 0 --data HOME/t.csv",
        "benchmark lstm --profile full --seeds 0 --data t.csv --data.test u.csv",
        "benchmark cnn --profile full --seeds 0 --data t.csv --trainer.max_epochs 8",
        "benchmark cnn --profile full --seeds 0 --data t.csv --data.vectors "
        "datamodules.vectors.word2vec.Word2Vec",
        "benchmark bag --seeds 0 --data t.csv --data.group_column writer --data.split_seed 4",
        "benchmark tfidf_logreg --seeds 0 --data t.csv --data.tokenizer characters",
        "fit -c cnn --data t.csv --data.tokenizer subwords --run.folds 3",
        "fit -c nb_logreg --data datamodules.kaggle.Kaggle --root HOME",
        "fit -c bag --profile smoke --data.train_size 150 --data.split_seed 3",
        *(pytest.param(typed, marks=pytest.mark.slow) for typed in SLOW),
    ],
)
def test_the_command_of_a_run_gives_its_settings(typed: str, planned: Any, files: Path) -> None:
    row = row_of(planned(f"lit-sentiment {typed.replace('HOME', str(files))}"))
    untested = typed.startswith("fit") or "data.test" not in typed and ".csv" in typed
    row = replace(row, test=None) if untested else row
    (command,) = commands([row], "mine")
    # A corpus without a test file gives `benchmark` no more than `fit`.
    name = "benchmark" if ".csv" in typed and "folds" not in typed else typed.split()[0]
    assert str(files) not in command and shlex.split(command)[1] == name
    plan = planned(command.replace("--root DIR", f"--root {files}"))
    (spec,) = plan.specs
    assert plan.name == "mine" and (spec.experiment, spec.seed) == (row.experiment, row.seed)
    resolved = spec.resolve()
    assert resolved.hash == row.settings_hash
    for name in ("devices", "precision"):
        assert resolved.config["trainer"][name] == row.config["trainer"][name]
    assert (resolved.config["data"]["init_args"].get("root") is None) == ("--root" not in typed)


def test_a_command_names_what_was_typed_and_little_else(planned: Any) -> None:
    typed = f"fit -c nb_bag --profile full --seed 0 --name mine {OWN} --data.train=t.csv"
    typed += " --data.batch_size=16 --model.ngram_dropout=0.1 --trainer.max_epochs=6"
    row = replace(row_of(planned(f"lit-sentiment {typed}")), test=None)
    (command,) = commands([row], "mine")
    words = command.split()
    assert command.startswith(
        "lit-sentiment benchmark nb_bag --profile full --seeds 0 --name mine "
    )
    assert set(typed.split()[8:]) <= set(words)
    # Settings that the class of the corpus takes over from the experiment are named too.
    assert all(word.startswith("--data.") for word in set(words[9:]) - set(typed.split()))


def test_seeds_of_an_estimator_on_a_corpus_without_a_test_file_share_a_command(
    planned: Any,
) -> None:
    typed = "lit-sentiment benchmark nb_logreg --data t.csv --seeds"
    rows = [replace(row_of(planned(f"{typed} {n}")), test=None, epochs=0) for n in (0, 1)]
    (command,) = commands(rows, "b")
    assert "--seeds 0 1 " in command and "epochs" not in command
    assert [spec.resolve().hash for spec in planned(command).specs] == [
        row.settings_hash for row in rows
    ]


def test_seeds_of_the_same_settings_share_a_command_and_others_do_not(planned: Any) -> None:
    rows = [
        row_of(planned(f"lit-sentiment benchmark bag --seeds {seed} --run.protocol {protocol}"))
        for seed, protocol in ((0, "refit"), (1, "holdout"), (2, "holdout"))
    ]
    assert commands(rows, "b") == [
        "lit-sentiment benchmark bag --profile quick --seeds 0 --name b --run.protocol=refit",
        "lit-sentiment benchmark bag --profile quick --seeds 1 2 --name b",
    ]
    fitted = [replace(row, test=None) for row in rows[1:]]
    assert [command.split()[2:8] for command in commands(fitted, "b")] == [
        ["-c", "bag", "--profile", "quick", "--seed", seed] for seed in "12"
    ]


YAML = "model:\n  class_path: lit_models.bag.Bag\n  init_args: {dropout: 0.4}\n"


def test_an_experiment_of_the_users_own_folder(planned: Any, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "small_bag.yaml").write_text(YAML)
    typed = f"benchmark small_bag --seeds 0 --configs {tmp_path}/mine --trainer.max_epochs 3"
    row = row_of(planned(f"lit-sentiment {typed}"))
    assert commands([row], "b") == []  # its folder was not named
    (command,) = commands([row], "b", registry=Registry([tmp_path / "mine"]))
    assert command.endswith("--name b --configs mine --trainer.max_epochs=3")
    assert planned(command.replace("mine ", f"{tmp_path}/mine ")).specs[0].resolve().hash == (
        row.settings_hash
    )


def test_a_strangers_classes_are_named_and_not_imported(tmp_path: Path, planned: Any) -> None:
    row = row_of(planned("lit-sentiment benchmark bag --seeds 0"))
    config = {**row.config, "data": {"class_path": "evil_corpus.Evil", "init_args": {"a": "t.csv"}}}
    (tmp_path / "evil_corpus.py").write_text("raise SystemExit('imported')")
    (command,) = commands([replace(row, config=config)], "b")
    assert "--name b --data=evil_corpus.Evil --data.a=t.csv" in command


def test_every_line_of_the_published_tables_has_a_command(published_tables: list[Table]) -> None:
    for table in published_tables:
        for line in table.lines:
            assert commands(line.rows, "results"), line.experiment
