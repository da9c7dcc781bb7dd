"""Stores of a datamodule: another one for a refit, a tokenizer, a corpus."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from datamodules.store.corpus import Corpus
from datamodules.tokenizers import WordTokenizer
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
