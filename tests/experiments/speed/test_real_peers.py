"""Comparisons with the libraries themselves, from `make peers`; their times are not looked at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.cli.main import main
from experiments.config.registry import ConfigError
from experiments.speed.comparison.rivals import PEERS, find_python
from tests.experiments.speed.conftest import TOY, Calls

NARROW = ["--model.hidden_size=8", "--model.embedding_dim=8"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("peer", "name", "words", "library"),
    [
        ("sklearn", "nb_logreg", [], "scikit-learn"),
        ("fasttext", "fasttext", ["--model.buckets=100000"], "fasttext"),
        ("gensim", "word2vec", [], "gensim"),
        ("keras", "lstm", [*NARROW, "--max-length=20"], "keras"),
        ("keras", "cnn", ["--model.embedding_dim=8", "--max-length=20"], "keras"),
    ],
)
def test_a_library_does_the_work_of_an_experiment(
    peer: str, name: str, words: list[str], library: str, tmp_path: Path, within: Calls
) -> None:
    """Both fit a model of one size to the same texts, which are easy."""
    try:
        find_python(None, PEERS[peer])
    except ConfigError:
        pytest.skip("there is no .venv-peers; run `make peers`")
    out = tmp_path / "out.json"
    line = ["speed", name, f"--against={peer}", "--reviews=16", "--rounds=1", "--threads=1"]
    assert main([*line, *TOY, *words, f"--out={out}"]) == 0
    one = json.loads(out.read_text())["experiments"][name]
    (sides,) = one["rounds"]
    assert sides["ours"]["seconds"] > 0 and sides[peer]["seconds"] > 0
    assert any(known.startswith(library) for known in one["versions"][peer])
    ours, theirs = sides["ours"], sides[peer]
    if peer == "keras":
        assert 0 < ours["loss"] < 2 and 0 < theirs["loss"] < 2
    elif peer != "gensim":
        assert ours["accuracy"] > 0.9 and theirs["accuracy"] > 0.9
    # Keras's recurrent layers have one bias for two of ours, fastText counts words that it skips.
    assert ours["parameters"] == pytest.approx(theirs["parameters"], rel=0.1)
