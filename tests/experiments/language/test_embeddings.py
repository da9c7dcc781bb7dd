"""The command that trains word vectors: its file, its figures, its refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules.vectors.files import VectorFile
from experiments.language import embeddings
from experiments.language.embeddings import main
from experiments.language.neighbours import judged_words, nearest, overlap
from tests.datamodules.vectors.test_word2vec import data, named

SMALL = ["--dim", "4", "--min-count", "1", "--epochs", "1", "--batch-pairs", "64", "--sample", "1"]


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    module = data(tmp_path, vectors=None, vocab_size=None)
    monkeypatch.setattr(embeddings, "corpus", lambda root, limit: module)
    return tmp_path


def test_the_file_has_the_vectors_of_train_words_alone(toy: Path) -> None:
    file = toy / "new" / "vectors.txt"
    main(["skip_gram", "--out", str(file), "--no-compare", *SMALL])
    assert [path.name for path in file.parent.iterdir()] == ["vectors.txt"]
    words = {line.split(" ")[0] for line in file.read_text().splitlines()[1:]}
    assert {f"train{row}" for row in range(30)} <= words
    assert not {f"train{row}" for row in range(30, 40)} & words, "validation"
    assert not any(word.startswith("test") or word.startswith("<") for word in words)
    read = named(data(toy, vectors=VectorFile(str(file))))
    assert set(read) == words
    again = toy / "again.txt"
    main(["skip_gram", "--out", str(again), "--no-compare", *SMALL])
    assert again.read_bytes() == file.read_bytes()


def test_figures_are_printed_and_put_in_a_document(
    toy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = toy / "page.md"
    page.write_text("before\n<!-- word vectors -->\n<!-- /word vectors -->\nafter\n")
    main(["cbow", "--output", "hierarchical-softmax", "--table", str(page), *SMALL])
    printed = capsys.readouterr().out
    assert "cbow, hierarchical-softmax: " in printed and "two runs of gensim have" in printed
    before, *_, last, _, _, after = page.read_text().splitlines()
    assert (before, after) == ("before", "after")
    assert last.startswith("| CBOW | hierarchical softmax | 0.0 | ") and last.count("|") == 9


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["skip_gram", "--dim", "0"], "dim is 0; it must be at least 1"),
        (["skip_gram", "--window", "0"], "window is 0; it must be at least 1"),
        (["skip_gram", "--min-count", "999"], "no word occurs 999 times in the 40 texts"),
        (["skip_gram", "cbow", "--out", "f"], "--out is the file of one method, and 2 are named"),
        (["cbow", "--out", "."], "--out . is a folder; name a file"),
        (
            ["cbow", "--out", "f", "--no-compare", *SMALL, "--dim", "2"],
            "dim is 2; vectors in a file",
        ),
        (["cbow", "--table", "missing.md"], "missing.md"),
        (["cbow", "--table", "t", "--no-compare"], "leave --no-compare out"),
        (["glove"], "invalid choice: 'glove'"),
    ],
)
def test_bad_input_is_an_error(
    toy: Path,
    words: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(toy)
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
    assert not (toy / "f").exists()


def test_a_document_without_the_marks_is_refused_before_anything_is_trained(
    toy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embeddings, "corpus", lambda root, limit: pytest.fail("read the corpus"))
    (toy / "page.md").write_text("no marks")
    with pytest.raises(SystemExit):
        main(["cbow", "--table", str(toy / "page.md")])
    assert "the document lacks <!-- word vectors -->" in capsys.readouterr().err


def test_neighbours_in_common_are_counted() -> None:
    tokens = np.array([5, 2, 7, 9])
    values = np.array([[1, 0], [1, 0.1], [0, 2], [-1, 1]], dtype=np.float32)
    near = nearest(tokens, values, np.array([2, 9]), 2)
    assert near.tolist() == [[5, 7], [7, 2]]
    assert overlap(near, np.array([[7, 9], [2, 7]])) == (1 / 2 + 2 / 2) / 2


def test_words_that_are_judged_are_frequent_and_no_stop_words() -> None:
    vocabulary = ["<pad>", "<unk>", "the", "film", ",", "plot", "80s", "rare"]
    counts = np.array([0, 99, 90, 5, 80, 7, 6, 1])
    assert judged_words(counts, vocabulary, 2).tolist() == [5, 3]


def test_settings_of_the_comparison_are_those_of_the_training(
    toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Any]] = []

    class Spy(embeddings.Word2Vec):
        def __init__(self, **options: Any) -> None:
            seen.append(options)
            super().__init__(**options)

    monkeypatch.setattr(embeddings, "Word2Vec", Spy)
    main(["skip_gram", *SMALL, "--window", "3", "--negative", "2"])
    assert seen == [
        {"architecture": "skip-gram", "output": "negative-sampling", "dim": 4, "window": 3}
        | {"negative": 2, "min_count": 1, "sample": 1.0, "epochs": 1}
    ]
