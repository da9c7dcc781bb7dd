"""TextDataModule: prepared once, set up anywhere, and no row on a side where it does not belong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules.errors import DataError
from datamodules.store.corpus import Corpus
from datamodules.tokenizers import WordTokenizer
from tests.toys import ToyData

ROWS = 40  # of train, the last 10 of them validation


def ready(cache_dir: Path, **options: Any) -> ToyData:
    data = ToyData(cache_dir=str(cache_dir), **({"rows": ROWS} | options))
    data.prepare_data()
    data.setup()
    return data


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file with its size and time of change."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def ids(loader: Any) -> list[int]:
    return sorted(row for batch in loader for row in batch.ids.tolist())


# Hooks


def test_prepare_data_again_changes_nothing(tmp_path: Path) -> None:
    data = ready(tmp_path)
    before = snapshot(tmp_path)
    data.prepare_data()
    ready(tmp_path)
    assert snapshot(tmp_path) == before


def test_setup_again_keeps_what_is_open(cache: Path) -> None:
    data = ready(cache)
    store, encoder = data.store, data.encoder
    data.setup("fit")
    data.setup("test")
    assert data.store is store and data.encoder is encoder


def test_setup_needs_nothing_that_prepare_data_assigned(tmp_path: Path) -> None:
    first = ToyData(rows=ROWS, cache_dir=str(tmp_path))
    before = {name: id(value) for name, value in vars(first).items()}
    first.prepare_data()
    assert {name: id(value) for name, value in vars(first).items()} == before
    other = ToyData(rows=ROWS, cache_dir=str(tmp_path))  # as another process would make it
    other.setup()
    assert ids(other.train_dataloader()) == list(range(30))
    assert other.tokenizer.vocabulary() == first.tokenizer.vocabulary()


@pytest.mark.parametrize("name", ["store", "encoder"])
def test_store_and_encoder_need_setup(name: str, cache: Path) -> None:
    with pytest.raises(RuntimeError, match=r"call prepare_data\(\) and setup\(\) first"):
        getattr(ToyData(cache_dir=str(cache)), name)


def test_setup_before_prepare_data_says_so(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"call prepare_data\(\) first"):
        ToyData(cache_dir=str(tmp_path)).setup()


def test_a_damaged_corpus_is_named(tmp_path: Path) -> None:
    data = ready(tmp_path)
    (data.corpus_folder / "corpus.json").write_text("{", encoding="utf-8")
    again = ToyData(rows=ROWS, cache_dir=str(tmp_path))
    message = f"{data.corpus_folder}: the cached corpus is damaged .*delete the folder"
    for step in (again.prepare_data, again.setup):
        with pytest.raises(DataError, match=message):
            step()


# Rows of each side


def test_each_loader_shows_its_rows_once(cache: Path) -> None:
    data = ready(cache, batch_size=7, eval_batch_size=4)
    train, val, test = data.train_dataloader(), data.val_dataloader(), data.test_dataloader()
    assert ids(train) == list(range(30))
    assert ids(val) == list(range(30, 40))
    assert ids(test) == list(range(20))
    assert {len(batch.ids) for batch in train} == {7, 2}
    assert {len(batch.ids) for batch in val} == {4, 2}
    assert ids(data.loader("unlabelled")) == list(range(10))


def test_labels_and_tokens_belong_to_the_ids(cache: Path) -> None:
    data, known = ready(cache), ready(cache).tokenizer.vocabulary()
    for split, loader in (("train", data.train_dataloader()), ("test", data.test_dataloader())):
        texts = data.texts(split)
        for batch in loader:
            assert (batch.labels == batch.ids % 2).all()
            for row, tokens in zip(batch.ids.tolist(), batch.tokens.tolist(), strict=True):
                pairs = zip(texts[row].split(), tokens, strict=False)
                assert all(known[token] in (word, "<unk>") for word, token in pairs)


def test_seed_decides_the_order_of_training_alone(cache: Path) -> None:
    def batches(loader: Any) -> list[list[int]]:
        return [batch.ids.tolist() for batch in loader]

    one, same, other = (ready(cache, seed=seed, batch_size=4) for seed in (0, 0, 1))
    assert batches(one.train_dataloader()) == batches(same.train_dataloader())
    assert batches(one.train_dataloader()) != batches(other.train_dataloader())
    assert batches(one.test_dataloader()) == batches(other.test_dataloader())


def test_the_train_view_shows_the_train_side_alone(cache: Path) -> None:
    data = ready(cache, max_length=10, vocab_size=60, truncation="tail")
    view = data.train_view()
    assert len(view.tokens) == len(view.labels) == 30
    assert view.labels.tolist() == [row % 2 for row in range(30)]
    assert view.unlabelled is not None and len(view.unlabelled) == 10
    assert len(view.vocabulary) == 60
    assert (view.num_classes, view.pad_id, view.unk_id) == (2, 0, 1)
    for batch in data.train_dataloader():  # truncated as the batches
        for row, tokens, length in zip(batch.ids, batch.tokens, batch.lengths, strict=True):
            start, end = view.tokens.offsets[row : row + 2]
            assert view.tokens.values[start:end].tolist() == tokens[:length].tolist()


class Ended(WordTokenizer):
    """Tokenizer whose tokens 5 and 20 end a sentence."""

    def sentence_ends(self) -> tuple[int, ...]:
        return (5, 20)


@pytest.mark.parametrize(("cap", "expected"), [(None, (5, 20)), (21, (5, 20)), (20, (5,))])
def test_the_train_view_has_the_sentence_ends_that_the_cap_leaves(
    cap: int | None, expected: tuple[int, ...], tmp_path: Path
) -> None:
    view = ready(tmp_path, tokenizer=Ended(), vocab_size=cap).train_view()
    assert view.sentence_ends == expected


def test_the_whole_vocabulary_is_of_the_train_side(cache: Path) -> None:
    view = ready(cache, vocab_size=None).train_view()
    named = {word for word in view.vocabulary if word.startswith(("train", "test", "unlabelled"))}
    assert named == {f"train{row}" for row in range(30)}


def test_a_corpus_without_test_or_unlabelled_rows(tmp_path: Path) -> None:
    class TrainOnly(ToyData):
        def read(self) -> Corpus:
            return replace(super().read(), test=None, unlabelled=None)

    data = TrainOnly(rows=ROWS, cache_dir=str(tmp_path))
    data.prepare_data()
    data.setup()
    assert data.train_view().unlabelled is None
    with pytest.raises(DataError, match=r"no split 'test'; it has \['train'\]"):
        data.test_dataloader()


# Caps


@pytest.mark.parametrize("least", [2, 4])
def test_rare_words_become_unk(least: int, cache: Path) -> None:
    data = ready(cache, min_frequency=least, vocab_size=None)
    vocabulary, counts = data.train_view().vocabulary, data.store.counts()
    size = int((counts >= least).sum()) + 2
    assert len(vocabulary) == size == data.encoder.token_truncation.vocab_size
    assert counts[2:size].min() >= least > counts[size:].max()
    assert int(data.train_view().tokens.values.max()) == size - 1


def test_the_lower_of_two_caps_holds(cache: Path) -> None:
    frequent = ready(cache, min_frequency=2, vocab_size=None).encoder.token_truncation.vocab_size
    assert frequent is not None
    for cap, expected in ((5, 5), (frequent + 100, frequent)):
        data = ready(cache, min_frequency=2, vocab_size=cap)
        assert data.encoder.token_truncation.vocab_size == expected
        assert max(int(batch.tokens.max()) for batch in data.test_dataloader()) < expected


@pytest.mark.parametrize(
    ("name", "value", "least"),
    [
        ("vocab_size", 0, 2),
        ("vocab_size", 1, 2),
        ("min_frequency", 0, 1),
        ("max_length", 0, 1),
        ("batch_size", -3, 1),
        ("eval_batch_size", 0, 1),
        ("seed", -1, 0),
    ],
)
def test_bad_values_are_named(name: str, value: int, least: int) -> None:
    with pytest.raises(DataError, match=f"data.{name} is {value}; it must be at least {least}"):
        ToyData(**{name: value})


def test_an_unknown_truncation_is_named() -> None:
    with pytest.raises(DataError, match=r"data.truncation is 'middle'; choose one of \('head'"):
        ToyData(truncation="middle")


def test_the_smallest_values_work(cache: Path) -> None:
    data = ready(cache, vocab_size=2, max_length=1, batch_size=1, eval_batch_size=1)
    assert {batch.tokens.tolist()[0][0] for batch in data.train_dataloader()} == {1}
    assert {tuple(batch.tokens.shape) for batch in data.test_dataloader()} == {(1, 1)}


def test_the_cache_folder_follows_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("LIT_SENTIMENT_CACHE", raising=False)
    assert ToyData().cache_dir == tmp_path / "xdg" / "lit-sentiment"
    monkeypatch.setenv("LIT_SENTIMENT_CACHE", str(tmp_path / "own"))
    assert ToyData().cache_dir == tmp_path / "own"
    assert ToyData(cache_dir=str(tmp_path / "given")).cache_dir == tmp_path / "given"


def test_a_vocabulary_that_min_frequency_empties_is_an_error(cache: Path) -> None:
    with pytest.raises(
        DataError,
        match=r"min_frequency is 999, which leaves none of \d+ words; it must be at most \d+,",
    ):
        ready(cache, min_frequency=999)


def test_texts_prepared_otherwise_have_a_store_of_their_own(cache: Path) -> None:
    plain = ready(cache)
    other = ready(cache, tokenizer=WordTokenizer(preparation="keras"))
    assert other.corpus_folder == plain.corpus_folder
    assert other.store.folder != plain.store.folder
    assert "class0sign0" in plain.tokenizer.vocabulary()
    assert {"class", "sign"} < set(other.tokenizer.vocabulary())  # letters only
    again = ready(cache, tokenizer=WordTokenizer(preparation="keras"))
    assert again.store.folder == other.store.folder


def test_a_limit_leaves_rows_and_their_words_out_and_validation_as_it_is(cache: Path) -> None:
    whole, part = ready(cache), ready(cache, train_limit=8)
    rows = part.train_indices()
    assert ids(part.train_dataloader()) == rows.tolist() and len(rows) == 8
    assert np.bincount(part.store.labels("train")[rows]).tolist() == [4, 4]
    assert ids(part.loader("val")) == ids(whole.loader("val"))
    tokenizer = WordTokenizer()
    texts = part.texts("train")
    tokenizer.fit((texts[row] for row in rows), len(rows))
    assert part.tokenizer.vocabulary() == tokenizer.vocabulary()
    assert len(tokenizer.vocabulary()) < len(whole.tokenizer.vocabulary())
    assert set(ready(cache, train_limit=4).train_indices()) < set(rows)
    assert (
        ready(cache, train_limit=10**6).train_indices().tolist() == whole.train_indices().tolist()
    )


def test_a_limit_needs_a_row_of_each_class(cache: Path) -> None:
    with pytest.raises(DataError, match="train_limit is 1; it must be at least 2"):
        ToyData(cache_dir=str(cache), train_limit=1)
