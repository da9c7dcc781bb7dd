"""Preparation of a store: once, by one of several processes."""

from __future__ import annotations

import time
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest

from datamodules.store.corpus import Corpus
from datamodules.tokenizers import WordTokenizer
from tests.datamodules.store.test_token_store import ROWS
from tests.toys import ToyData
from tests.warm import ForkServer


class SlowTokenizer(WordTokenizer):
    """Slow tokenizer that logs each call of `fit`."""

    log: Path

    def fit(self, texts: Any, count: int) -> None:
        with open(self.log, "a", encoding="utf-8") as file:
            file.write("fit\n")
        time.sleep(0.3)
        super().fit(texts, count)


class SlowData(ToyData):
    def read(self) -> Corpus:
        with open(self.cache_dir / "log.txt", "a", encoding="utf-8") as file:
            file.write("read\n")
        time.sleep(0.3)
        return super().read()


def prepare(cache_dir: str, barrier: Barrier) -> None:
    tokenizer = SlowTokenizer()
    tokenizer.log = Path(cache_dir) / "log.txt"
    data = SlowData(rows=ROWS, cache_dir=cache_dir, tokenizer=tokenizer)
    barrier.wait(120)
    data.prepare_data()
    data.setup()
    assert len(data.store.tokens("train")) == ROWS


@pytest.mark.slow
def test_two_processes_at_once_make_one_store(fork_server: ForkServer, tmp_path: Path) -> None:
    context = fork_server.context
    barrier = context.Barrier(2)
    processes = [context.Process(target=prepare, args=(str(tmp_path), barrier)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(150)
    assert [process.exitcode for process in processes] == [0, 0]
    assert (tmp_path / "log.txt").read_text(encoding="utf-8").split() == ["read", "fit"]
    for place in ("corpora", "stores"):
        assert len([path for path in (tmp_path / place).iterdir() if path.is_dir()]) == 1


# Reopening


def test_a_second_preparation_reads_and_tokenises_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ToyData(rows=ROWS, cache_dir=str(tmp_path)).prepare_data()

    def refuse(*_: Any) -> None:
        raise AssertionError("done anew")

    monkeypatch.setattr(ToyData, "read", refuse)
    monkeypatch.setattr(Corpus, "load", refuse)
    monkeypatch.setattr(WordTokenizer, "fit", refuse)
    monkeypatch.setattr(WordTokenizer, "encode", refuse)
    again = ToyData(rows=ROWS, cache_dir=str(tmp_path))
    again.prepare_data()
    again.setup()
    assert len(again.store.tokens("train")) == ROWS
