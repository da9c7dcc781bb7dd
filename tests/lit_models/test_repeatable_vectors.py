"""Vectors of words and texts: two processes learn the same, bit for bit, and other rows say so."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules.store.ragged import Ragged
from datamodules.vectors.fasttext import FastText
from datamodules.vectors.word2vec import Word2Vec
from lit_models.doc2vec_logreg import Doc2VecLogReg
from lit_models.glove import GloVe
from lit_models.region_vectors import RegionVectors
from tests.batches import make_view

REPOSITORY = Path(__file__).parents[2]
WORDS = [f"word{token}" for token in range(400)]


def texts() -> Ragged:
    """More words than one of gensim's jobs takes, so that several workers would share them."""
    rng = random.Random(0)
    rows = [[int(rng.paretovariate(0.7)) % 398 + 2 for _ in range(100)] for _ in range(400)]
    return make_view(rows, [0] * len(rows), 400).tokens


def checksums() -> dict[str, str]:
    """Of the vectors that each method learns here with its own number of workers."""
    rows = texts()
    methods = {
        "cbow": Word2Vec(8, architecture="cbow"),
        "skip-gram": Word2Vec(8),
        "hierarchical softmax": Word2Vec(8, output="hierarchical-softmax"),
        "fastText": FastText(8, buckets=1000),
        "GloVe": GloVe(8, epochs=2),
        "regions": RegionVectors(8, epochs=2),
    }
    arrays = {name: method.learn(rows, WORDS, seed=3)[1] for name, method in methods.items()}
    for name in ("dbow", "dm"):
        model = Doc2VecLogReg(architecture=name, dim=8, epochs=2).parts[name]
        model.settings["seed"] = model.seed = 3
        arrays[name] = np.concatenate([model.fit(rows), model.infer(rows)])
    return {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in arrays.items()}


def of_a_process(hash_seed: str) -> str:
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-m", "tests.lit_models.test_repeatable_vectors"]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.slow
def test_two_processes_learn_the_same_vectors() -> None:
    first, second = of_a_process("1"), of_a_process("2")
    assert first == second
    assert first.count("\n") == 8 and "dbow" in first


@pytest.mark.parametrize("vectors", [Word2Vec, FastText])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_row_says_that_its_word_vectors_are_not_repeatable(vectors: Any, workers: int) -> None:
    remark = "word vectors not repeatable: learnt by 2 workers" if workers > 1 else None
    assert vectors(workers=workers).note(["train", "test"]) == remark
    both = vectors(workers=workers, text="train+unlabelled").note(["train", "unlabelled"])
    expected = "word vectors learnt from train and unlabelled texts"
    assert both == (f"{expected}; {remark}" if remark else expected)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_row_says_that_its_paragraph_vectors_are_not_repeatable(workers: int) -> None:
    model = Doc2VecLogReg(dim=4, epochs=1, min_count=1, workers=workers)
    model.learn_features(make_view([[2, 3, 4], [4, 5]], [0, 1], 9))
    model.learn_features(make_view([[2, 3, 4], [4, 5]], [0, 1], 9))  # of the second fit
    remark = "paragraph vectors not repeatable: learnt by 2 workers"
    assert model.notes == ((remark,) if workers > 1 else ())


if __name__ == "__main__":
    for method, checksum in checksums().items():
        print(method, checksum)
