"""Neighbours, analogies and clusters: computed by hand, and from finished runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules.vectors.word2vec import Word2Vec
from experiments.cli.main import main
from experiments.config.registry import ConfigError
from experiments.inference.word_table import WordTable, read_table
from lit_models.base.model import LitModel
from lit_models.cnn import CNN
from lit_models.nnlm import NNLM
from tests.datamodules.vectors.test_word2vec import RARE, data
from tests.experiments.conftest import TOY

TABLE = WordTable(
    ["man", "king", "woman", "queen", "apple"],
    np.array([[2, 0, 0], [1, 1, 0], [0, 0, 3], [0, 1, 1], [-1, 0.1, 0]], dtype=np.float32),
)


def test_neighbours_are_by_angle_whatever_the_length() -> None:
    neighbours = TABLE.neighbours("man", 3)
    assert [word for word, _ in neighbours] == ["king", "woman", "queen"]
    assert [cosine for _, cosine in neighbours] == pytest.approx([0.5**0.5, 0, 0], abs=1e-6)


def test_an_analogy_leaves_its_own_words_out() -> None:
    # king - man + woman, of length 1 each: (0.707 - 1, 0.707, 1); king itself would be second
    (best, cosine), *_ = TABLE.analogy("man", "king", "woman")
    target = np.array([0.5**0.5 - 1, 0.5**0.5, 1])
    assert best == "queen"
    expected = target @ [0, 0.5**0.5, 0.5**0.5] / np.linalg.norm(target)
    assert cosine == pytest.approx(expected, abs=1e-6)
    assert not {"man", "king", "woman"} & {
        word for word, _ in TABLE.analogy("man", "king", "woman")
    }


def test_a_word_without_vector_is_named_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="'womann' has no vector, did you mean 'woman'"):
        TABLE.neighbours("womann")


def run(folder: Path, experiment: str, *more: Any) -> Path:
    words = ["fit", "-c", experiment, "--profile", "smoke", "--runs", folder, *TOY, *more]
    assert main([*map(str, words), "--run.wandb_mode=disabled"]) == 0
    return folder / "fit" / experiment / "seed-0"


def test_a_run_and_kept_vectors_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vectors = '{"class_path": "Word2Vec", "init_args": {"min_count": 1}}'
    place = run(tmp_path, "vector_average_logreg", f"--data.vectors={vectors}")
    capsys.readouterr()
    assert main(["vectors", "neighbours", str(place), "class0sign0"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    word, _, near = line.partition(": ")
    assert word == "class0sign0" and len(near.split(", ")) == 10
    assert main(["vectors", "clusters", str(place)]) == 1
    assert "VectorAverageLogReg has no clusters" in capsys.readouterr().err

    module = data(tmp_path / "cache", vectors=Word2Vec(**RARE))
    view = module.train_view()
    (folder,) = (tmp_path / "cache" / "vectors").glob("*/meta.json")
    table = read_table(folder.parent)
    assert view.vectors is not None
    assert np.array_equal(table.vectors[0], view.vectors[view.vocabulary.index(table.words[0])])
    assert set(table.words) == set(view.vocabulary[2:])


@pytest.mark.parametrize(("name", "kind"), [("cnn", CNN), ("nnlm", NNLM)])
def test_the_table_of_a_network_is_that_of_its_words(
    tmp_path: Path, name: str, kind: type[LitModel]
) -> None:
    place = run(tmp_path, name, "--trainer.max_epochs=1")
    table = read_table(place)
    weights = kind.load(place).net.embedding.table.weight.detach().numpy()  # type: ignore
    assert np.array_equal(table.vectors[0], weights[2]) and table.words[0] != "<unk>"


def test_clusters_of_a_run_are_word_lists(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vectors = '{"class_path": "Word2Vec", "init_args": {"min_count": 1}}'
    place = run(tmp_path, "centroids_forest", f"--data.vectors={vectors}", "--model.n_estimators=5")
    capsys.readouterr()
    assert main(["vectors", "clusters", str(place)]) == 0
    every = capsys.readouterr().out.split()
    assert len(every) == len(set(every)) > 50 and "class0sign0" in every
    assert main(["vectors", "clusters", str(place), "class0sign0"]) == 0
    (one,) = capsys.readouterr().out.splitlines()
    assert "class0sign0" in one.split()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["analogy", "x", "man", "king"], "analogy needs three words.*got 2"),
        (["neighbours", "x"], "neighbours needs at least one word; got 0"),
        (["neighbours", "nowhere", "good"], "nowhere: not a finished run"),
    ],
)
def test_what_cannot_be_answered_is_told(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import re

    assert main(["vectors", *words]) == 1
    assert re.search(message, capsys.readouterr().err)
