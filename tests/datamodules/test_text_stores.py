"""Stores of a datamodule: another one for a refit, a tokenizer, a corpus."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from datamodules.store.corpus import Corpus
from datamodules.tokenizers import WordTokenizer
from tests.datamodules.test_files import ROWS as TEXTS
from tests.datamodules.test_files import make, write
from tests.datamodules.test_text import ROWS, ids, ready
from tests.toys import ToyData


def test_refit_trains_on_validation_too(tmp_path: Path) -> None:
    holdout = ready(tmp_path, vocab_size=None)
    refit = ready(tmp_path, vocab_size=None, refit=True)
    assert refit.store.folder != holdout.store.folder
    assert ids(refit.train_dataloader()) == list(range(ROWS))
    assert refit.val_dataloader() == []
    assert ids(refit.loader("val")) == list(range(30, 40))
    view = refit.train_view()
    assert len(view.tokens) == len(view.labels) == ROWS
    gained = set(view.vocabulary) - set(holdout.train_view().vocabulary)
    assert {f"train{row}" for row in range(30, 40)} <= gained
    assert not {word for word in gained if word.startswith(("test", "unlabelled"))}


def test_refit_puts_scattered_rows_in_order(tmp_path: Path) -> None:
    class Scattered(ToyData):
        def read(self) -> Corpus:
            rows = np.arange(ROWS)
            return replace(super().read(), train_rows=rows[1::2], val_rows=rows[::2])

    data = Scattered(rows=ROWS, cache_dir=str(tmp_path), refit=True)
    data.prepare_data()
    data.setup()
    labels = data.train_view().labels
    assert labels.tolist() == [row % 2 for row in range(ROWS)]


def test_another_tokenizer_has_another_store(tmp_path: Path) -> None:
    one, other = ready(tmp_path), ready(tmp_path, tokenizer=WordTokenizer(lowercase=False))
    assert one.store.folder != other.store.folder
    assert one.corpus_folder == other.corpus_folder


def test_another_corpus_has_another_folder(tmp_path: Path) -> None:
    one, other = ready(tmp_path), ready(tmp_path, text_seed=1)
    assert one.corpus_folder != other.corpus_folder
    assert one.fingerprint != other.fingerprint
    assert one.store.folder != other.store.folder


def test_a_file_of_equal_content_has_its_own_name_and_notes(tmp_path: Path) -> None:
    rows = [(text, {"pos": "1", "neg": "0"}[label]) for text, label in TEXTS]
    write(tmp_path / "one.csv", rows, ("text", "label"))
    write(tmp_path / "two.csv", [(text, f"{label}.0") for text, label in rows], ("text", "label"))
    write(tmp_path / "three.csv", [*rows[:-1], (rows[-1][0], "1.0")], ("text", "label"))
    modules = [make(tmp_path, f"{name}.csv") for name in ("one", "two", "three")]
    for module in modules:
        module.prepare_data()
        module.setup()
    assert len({module.store.folder for module in modules}) == 1
    assert [module.head.name for module in modules] == ["one", "two", "three"]
    assert [len(module.head.notes) for module in modules] == [0, 2, 1]
