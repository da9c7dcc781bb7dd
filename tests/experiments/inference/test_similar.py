"""Similar texts: by words against scikit-learn, by a run's vectors, and the command `search`."""

from __future__ import annotations

import argparse
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from datamodules.text import TextDataModule
from experiments import load_run
from experiments.cli import corpora
from experiments.cli.main import main
from experiments.config.registry import ConfigError
from experiments.inference import similar
from experiments.inference.similar import Neighbour, similar_by_run, similar_by_words
from experiments.inference.vectors import text_vectors
from tests.experiments.conftest import REPOSITORY
from tests.toys import make_split

TOY = ("tests.toys.ToyData", "--data.rows=120")


def toy() -> TextDataModule:
    options = argparse.Namespace(corpus=TOY[0], root=None, configs=[], model="tfidf_logreg")
    return corpora._corpus(options, [TOY[1]])[1]


def found(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, list[list[str]], str]:
    code = main(["search", *map(str, words)])
    captured = capsys.readouterr()
    return code, [line.split("\t") for line in captured.out.splitlines()], captured.err


def test_by_words_is_the_cosine_of_scikit_learn() -> None:
    texts, train = similar_by_words(toy()), make_split("train", 120, 2, 0)
    query = "class1sign3 word0 word0 word1 and something train7 unknown"
    reference = TfidfVectorizer(sublinear_tf=True, token_pattern=r"\w+")
    cosines = (reference.fit_transform(train.texts) @ reference.transform([query]).T).toarray()[
        :, 0
    ]
    nearest = texts.nearest(query, 10)
    assert [one.similarity for one in nearest] == pytest.approx(
        np.sort(cosines)[::-1][:10], abs=1e-6
    )
    for one in nearest:
        assert one.text == train.texts[one.row] and one.key == f"train:{one.row}"
        assert one.label == f"class{train.labels[one.row]}" and one.split == "train"
        assert one.similarity == pytest.approx(cosines[one.row], abs=1e-6)
    assert texts.nearest(train.texts[5], 1)[0][2:] == pytest.approx((1.0, "train:5", "train", 5))
    assert len(texts.nearest("train3", 50)) == 1  # what has nothing in common is left out
    with pytest.raises(ConfigError, match="no word of the text is known"):
        texts.nearest("nothing")
    for text in ("", " \n"):
        with pytest.raises(ConfigError, match="give a text with words"):
            texts.nearest(text)


def test_other_splits_are_searched_with_the_weights_of_train() -> None:
    texts = similar_by_words(toy(), "unlabelled")
    (one,) = texts.nearest("word0 class0sign1", 1)
    assert one.label is None and one.key.startswith("unlabelled:") and len(texts) == 30
    assert similar_by_words(toy(), "test").nearest("class0sign1", 1)[0].split == "test"
    with pytest.raises(ConfigError, match="--split nothing: the corpus has no such texts"):
        similar_by_words(toy(), "nothing")


def test_vectors_are_kept_and_made_anew_when_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    data = toy()
    before = similar_by_words(data).nearest("word0 class0sign1")
    files = list((data.cache_dir / "similar").glob("*.npz"))
    made: list[Path] = []
    replace = similar.replace_bytes
    monkeypatch.setattr(similar, "replace_bytes", lambda f, d: made.append(f) or replace(f, d))
    assert similar_by_words(data).nearest("word0 class0sign1") == before and not made
    for file in files:
        file.write_bytes(file.read_bytes()[:1000])
    assert similar_by_words(data).nearest("word0 class0sign1") == before and made


@pytest.mark.parametrize("name", ["bag", "tfidf_logreg"])
def test_by_a_run_is_the_cosine_of_its_vectors(finished: Path, name: str) -> None:
    run, data = load_run(finished / name / "seed-0"), toy()
    texts, train = similar_by_run(run, data), make_split("train", 120, 2, 0)
    query = "class1sign3 class1sign1 word0"
    vectors = text_vectors(run.predictor, [query, *train.texts])
    dense = np.asarray(vectors.todense()) if name == "tfidf_logreg" else vectors
    dense = dense / np.maximum(np.linalg.norm(dense, axis=1, keepdims=True), 1e-12)
    cosines = dense[1:] @ dense[0]
    nearest = texts.nearest(query, 7)
    assert [one.similarity for one in nearest] == pytest.approx(
        np.sort(cosines)[::-1][:7], abs=1e-5
    )
    assert {one.label for one in nearest} == {"class1"}  # the model tells the classes apart


def test_the_command_prints_lines(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines, _ = found(capsys, *TOY, "class0sign1 word0", "-k", 3)
    expected: list[Neighbour] = similar_by_words(toy()).nearest("class0sign1 word0", 3)
    assert code == 0 and len(lines) == 3
    for line, one in zip(lines, expected, strict=True):
        assert line == [f"{one.similarity:.3f}", one.label, one.key, one.text]
    for run in ("bag", "tfidf_logreg"):  # its own corpus, and another
        code, lines, told = found(capsys, finished / run / "seed-0", "class0sign1 word0")
        assert code == 0 and len(lines) == 5, told
        words = ["--data", TOY[0], "--data.rows=40", "-k", 1]
        code, lines, told = found(capsys, finished / run / "seed-0", "class0sign1 word0", *words)
        assert code == 0 and int(lines[0][2].split(":")[1]) < 40, told


def test_a_file_to_which_no_model_could_be_fitted_is_searched(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has an empty text, and a row for each class, so that none can be set aside."""
    (tmp_path / "own.csv").write_text('text,label\n"",a\nclass0sign1 word0,b\n')
    text, file = "class0sign1", tmp_path / "own.csv"
    for words in ([file, text], [finished / "bag" / "seed-0", text, "--data", file]):
        code, lines, told = found(capsys, *words, "-k", 1)
        assert code == 0 and [line[2] for line in lines] == ["own.csv:3"], told


def test_texts_and_labels_of_strangers_stay_on_their_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f'"good film number{n} \x1b[2J\nnext",a{n % 2}\\u0007\n' for n in range(40)]
    (tmp_path / "own.csv").write_text("text,label\n" + "".join(rows), encoding="utf-8")
    code, lines, told = found(capsys, tmp_path / "own.csv", "number7", "-k", 1)
    assert code == 0, told
    assert len(lines) == 1 and lines[0][3] == r"good film number7 \x1b[2J next"


def test_the_script_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (script,) = re.findall(
        r"```python\n(.*?)```", (REPOSITORY / "docs/audit.md").read_text(encoding="utf-8"), re.S
    )
    monkeypatch.chdir(tmp_path)
    rows = [f"a beautiful film number {n},{'good' if n % 2 else 'bad'}\n" for n in range(40)]
    Path("reviews.csv").write_text("text,label\n" + "".join(rows))
    exec(compile(script, "docs/audit.md", "exec"), {})
    assert capsys.readouterr().out.count("a beautiful film number") == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([*TOY, ""], "empty text"),
        ([*TOY, " \t"], "blank text"),
        ([*TOY, "nothing"], "no word of the text is known"),
        ([*TOY, "word0", "-k", "0"], "-k is 0; it must be at least 1"),
        (["nowhere/run", "word0"], "no such file or folder"),
        (["{empty}", "word0"], "neither aclImdb/ nor aclImdb*.tar*"),
        (["{broken}", "word0"], "model"),
        (["{benchmark}", "word0"], "is a folder of runs, such as {run}; name one of them"),
        (["{run}", "word0", "--data", "nowhere.csv"], "nowhere.csv"),
        (["{run}", "word0", "--root", "x"], "is on ToyData, which has no root"),
        (["{run}", "word0", "--model.dropout", "0.5"], "--model.dropout=0.5: would change nothing"),
        (
            ["{run}", "word0", "--split", "unlabelled", "--data.rows=3"],
            "the corpus has no such texts",
        ),
    ],
)
def test_bad_input_ends_with_a_message(
    words: list[str],
    message: str,
    finished: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = finished / "bag" / "seed-0"
    broken = tmp_path / "broken"
    shutil.copytree(run, broken)
    (broken / "model.ckpt").unlink()
    (tmp_path / "empty").mkdir()
    names = {"run": run, "broken": broken, "empty": tmp_path / "empty", "benchmark": run.parent}
    code, lines, told = found(capsys, *(word.format(**names) for word in words))
    assert (
        code == 1 and message.format(**names) in told and "Traceback" not in told and not lines
    ), told
