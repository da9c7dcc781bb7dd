"""Tags of words by a finished run: marks and capitals put back, and a corpus's own tags."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from datamodules.tagging.marks import TAGS, words_of
from experiments.cli.main import main
from experiments.language import tagging
from experiments.language.tagging import Tagger
from experiments.records.row import Row
from experiments.records.run_files import read_row
from tests.tiny_encoders import TINY

SMALL = [
    *("--trainer.max_epochs=15", "--data.batch_size=8", "--run.wandb_mode=disabled"),
    *("--model.learning_rate=0.03", "--model.hidden_size=8", "--model.embedding_dim=8"),
]


def reviews(path: Path) -> Path:
    """Sentences that begin with `the` and end with `now`, or with `why`."""
    lines = ["text,label"]
    for n in range(60):
        middle = " ".join(f"w{(7 * n + k) % 11}" for k in range(2 + n % 4))
        lines.append(f"The {middle} {'now.' if n % 3 else 'why?'} The w{n % 11} now.,{'ab'[n % 2]}")
    path.write_text("\n".join(lines) + "\n")
    return path


def sentences(path: Path) -> Path:
    names = ["Ann", "Bob", "Cleo", "Dan"]
    rows = [f"saw O\n{names[n % 4]} B-PER\nhere O\nw{n % 7} O\n" for n in range(40)]
    path.write_text("\n".join(rows))
    return path


def fit(folder: Path, experiment: str, *words: str) -> Path:
    common = ["fit", "-c", experiment, "--runs", str(folder), *words]
    assert main([*common, f"--data.cache_dir={folder / 'cache'}"]) == 0
    return folder / "fit" / experiment / "seed-0"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Finished run of `bilstm_crf` on made reviews."""
    folder = tmp_path_factory.mktemp("runs")
    file = reviews(folder / "reviews.csv")
    yield fit(folder, "bilstm_crf", f"--data={file}", f"--data.test={file}", "--test", *SMALL)


@pytest.fixture(scope="module")
def own_tags(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Finished run of `bilstm_tagger` on a CoNLL file."""
    folder = tmp_path_factory.mktemp("own")
    file = sentences(folder / "people.conll")
    data = ["--data=datamodules.tagging.files.Tagging", f"--data.train={file}"]
    run = fit(folder, "bilstm_tagger", *data, f"--data.test={file}", *SMALL)
    assert main(["test", str(run)]) == 0
    yield run


def figures(row: Row) -> tuple[list[str], int]:
    assert row.status == "ok" and row.problem == "tagging" and row.test is not None
    return [kind.name for kind in row.test.kinds], row.test.n  # type: ignore[union-attr]


def test_runs_have_rows_of_their_problem(run: Path, own_tags: Path) -> None:
    row = read_row(run)
    kinds = ["comma", "period", "question mark", "exclamation mark", "capitals"]
    assert figures(row) == (kinds, 60)
    assert row.task is None and tuple(row.label_names) == TAGS
    assert {"val/accuracy", "val/log_loss"} <= row.history[0].keys()
    row = read_row(own_tags)
    assert figures(row) == (["all spans", "PER"], 40)
    assert row.label_names == ["B-PER", "O"] and row.corpus == "people"


def lines(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    capsys.readouterr()
    assert main(["tag", *words]) == 0
    return capsys.readouterr().out.splitlines()


def test_marks_and_capitals_are_put_back(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = lines(capsys, str(run), "the w1 w2 now the w3 now", "<br />THE, w1?", "")
    assert [words_of(line) for line in found] == [
        ["the", "w1", "w2", "now", "the", "w3", "now"],
        ["the", "w1"],
        [],
    ]
    assert found[0].startswith("The w1") and found[0].endswith("now.")


def test_texts_of_a_file_and_of_standard_input(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "texts.txt"
    file.write_text("the w1 now\n\nunknown words\n")
    expected = lines(capsys, str(run), "the w1 now", "", "unknown words")
    assert len(expected) == 3 and expected[1] == ""
    assert lines(capsys, str(run), "--file", str(file)) == expected
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(file.read_bytes())))
    assert lines(capsys, str(run)) == expected


def test_own_tags_are_in_columns(own_tags: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = lines(capsys, str(own_tags), "saw Bob here", "w1 \x1b[31m")
    assert [line.split("\t")[0] for line in found] == [
        *("saw", "Bob", "here", ""),
        *("w1", "\\x1b[31m", ""),
    ]
    assert {line.split("\t")[1] for line in found if line} <= {"B-PER", "O"}


def test_a_long_text_is_tagged_in_pieces(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tagging, "MOST_WORDS", 7)
    tagger = Tagger(run)
    texts = ["the w1 now " * 9, "", "why"]
    found = list(tagger(texts))
    assert [len(one.words) for one in found] == [27, 0, 1]
    parts = list(tagger([" ".join(found[0].words[n : n + 7]) for n in range(0, 27, 7)]))
    assert found[0].tags == tuple(tag for part in parts for tag in part.tags)


def test_the_table_of_transitions(
    run: Path, own_tags: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [line.split("\t") for line in lines(capsys, str(run), "--transitions")]
    assert found[0] == ["from / to", *TAGS, "(end)"]
    assert [line[0] for line in found[1:]] == ["(start)", *TAGS]
    assert {len(line) for line in found} == {17}
    crf = Tagger(run).model.crf
    assert float(found[3][2]) == pytest.approx(float(crf.transitions[1, 1].detach()), abs=0.005)  # type: ignore[index,union-attr]
    assert main(["tag", str(own_tags), "--transitions"]) == 1
    assert "BiLSTMTagger has no table of transitions" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["\udcff"], "'\\udcff' is not valid Unicode; give a text"),
        (["--file", "nowhere.txt"], "nowhere.txt: cannot be read"),
    ],
)
def test_bad_texts_are_refused(
    words: list[str], reason: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tag", str(run), *words]) == 1
    assert reason in capsys.readouterr().err


def test_runs_of_other_problems_are_refused(
    finished: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tag", str(finished / "bag" / "seed-0"), "zoo"]) == 1
    assert "is a model of classification and tags no words" in capsys.readouterr().err
    assert main(["predict", str(run), "zoo"]) == 1
    error = capsys.readouterr().err
    assert "BiLSTMCRF is a model of tagging and predicts no labels; `lit-sentiment tag" in error


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["-c", "bag"], "Tagging is a corpus for tagging, and the model is one of classification"),
        (["-c", "bilstm_crf", "--run.protocol=refit"], "is fitted under holdout alone"),
        (["-c", "bilstm_crf", "--run.threshold=f1"], "predicts no classes"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    words: list[str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = sentences(tmp_path / "people.conll")
    data = ["--data=datamodules.tagging.files.Tagging", f"--data.train={file}"]
    assert main(["fit", *words, "--runs", str(tmp_path), *data]) == 1
    assert reason in capsys.readouterr().err


def test_an_encoder_of_toy_size_is_fitted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = sentences(tmp_path / "people.conll")
    sizes = TINY["bert"] | {"vocab_size": 30_522}
    words = ["--data=datamodules.tagging.files.Tagging", f"--data.train={file}"]
    words += ["--model.source=null", "--model.config.model_type=bert", "--trainer.max_epochs=1"]
    words += [f"--model.config.{name}={value}" for name, value in sizes.items()]
    words += ["--data.batch_size=8", "--run.wandb_mode=disabled", "--model.window=64"]
    folder = fit(tmp_path, "minilm_tagger", *words)
    row = read_row(folder)
    assert row.val is not None and row.val.n == 4
    found = lines(capsys, str(folder), "saw Bob here")
    assert [line.split("\t")[0] for line in found] == ["saw", "Bob", "here", ""]
