"""Encoder: new texts become the batches that the corpus's loader would make of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from datamodules.errors import DataError
from datamodules.store.batching import TextBatch
from datamodules.store.encoder import Encoder
from datamodules.store.truncation import TokenTruncation
from datamodules.tokenizers import WordTokenizer
from datamodules.trusted import Untrusted
from tests.toys import ToyData

TEXTS = ["A Film <br /> isn't", "", "the film's end, good " * 9, "unheard <pad>"]


def make_encoder(**changes: Any) -> Encoder:
    tokenizer = WordTokenizer()
    tokenizer.fit(TEXTS[:3], 3)
    settings = {"vocab_size": 8, "max_length": 12, "truncation": "head+tail"}
    settings |= {"pad_id": 0, "unk_id": 1}
    return Encoder(tokenizer, TokenTruncation(**settings | changes), ("neg", "pos"))


def equal(one: TextBatch, other: TextBatch) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_batch_of_new_texts_keeps_the_contract() -> None:
    batch = make_encoder().encode(TEXTS)
    assert {field.dtype for field in batch} == {torch.int64}
    assert batch.lengths.tolist() == [3, 1, 12, 4]
    assert batch.tokens.shape == (4, 12)
    assert batch.tokens[1].tolist() == [1] + [0] * 11  # no token: one <unk>
    assert batch.tokens[3, :4].tolist() == [1, 1, 1, 1]
    assert int(batch.tokens.max()) == 7
    assert batch.labels.tolist() == [-1] * 4
    assert batch.ids.tolist() == [0, 1, 2, 3]


def test_no_text_is_an_error() -> None:
    with pytest.raises(DataError, match="no text to encode"):
        make_encoder().encode([])


def test_a_saved_encoder_makes_the_same_batch(tmp_path: Path) -> None:
    encoder = make_encoder()
    encoder.save(tmp_path)
    loaded = Encoder.load(tmp_path)
    assert loaded.token_truncation == encoder.token_truncation
    assert loaded.label_names == ("neg", "pos")
    assert equal(loaded.encode(TEXTS), encoder.encode(TEXTS))


def test_a_tokenizer_that_keeps_case_is_loaded_so(tmp_path: Path) -> None:
    tokenizer = WordTokenizer(lowercase=False)
    tokenizer.fit(["A a"], 1)
    encoder = Encoder(tokenizer, TokenTruncation(None, None, "head", 0, 1), ("neg", "pos"))
    encoder.save(tmp_path)
    batch = Encoder.load(tmp_path).encode(["A a"])
    assert len(set(batch.tokens[0].tolist()) - {1}) == 2


def test_a_file_with_the_former_key_is_read(tmp_path: Path) -> None:
    encoder = make_encoder()
    encoder.save(tmp_path)
    file = tmp_path / "encoder.json"
    settings = json.loads(file.read_text(encoding="utf-8"))
    settings["cut"] = settings.pop("token_truncation")
    file.write_text(json.dumps(settings), encoding="utf-8")
    assert Encoder.load(tmp_path).token_truncation == encoder.token_truncation


@pytest.mark.parametrize("truncation", ["head", "tail", "head+tail"])
def test_texts_of_the_corpus_become_what_its_loader_gives(truncation: Any, tmp_path: Path) -> None:
    settings = {"vocab_size": 30, "max_length": 15, "truncation": truncation}
    data = ToyData(cache_dir=str(tmp_path), eval_batch_size=8, **settings)
    data.prepare_data()
    data.setup()
    data.encoder.save(tmp_path)
    texts, encoder = data.texts("test"), Encoder.load(tmp_path)
    for batch in data.test_dataloader():
        again = encoder.encode([texts[row] for row in batch.ids.tolist()])
        width = again.tokens.shape[1]  # the loader's own is rounded up
        assert torch.equal(again.tokens, batch.tokens[:, :width])
        assert (batch.tokens[:, width:] == 0).all()
        assert torch.equal(again.lengths, batch.lengths)


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "{",
        "[]",
        "null",
        {"tokenizer": "WordTokenizer"},
        {"tokenizer": "datamodules.tokenizers.NoTokenizer"},
        {"tokenizer": None},
        {"token_truncation": {"vocab_size": 3}},
        {"token_truncation": None},
        {"label_names": None},
    ],
    ids=str,
)
def test_a_damaged_encoder_is_named(damage: str | dict[str, Any], tmp_path: Path) -> None:
    make_encoder().save(tmp_path)
    file = tmp_path / "encoder.json"
    if isinstance(damage, dict):
        damage = json.dumps(json.loads(file.read_text(encoding="utf-8")) | damage)
    file.write_text(damage, encoding="utf-8")
    with pytest.raises(
        DataError, match=f"{file}: cannot be read .*; give the folder of a finished run"
    ):
        Encoder.load(tmp_path)


@pytest.mark.parametrize("path", ["no_module.WordTokenizer", "builtins.dict", "math.pi"])
def test_a_tokenizer_from_elsewhere_is_refused(path: str, tmp_path: Path) -> None:
    make_encoder().save(tmp_path)
    file = tmp_path / "encoder.json"
    settings = json.loads(file.read_text(encoding="utf-8")) | {"tokenizer": path}
    file.write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(Untrusted, match=rf"{path}.* give its folder with --configs DIR"):
        Encoder.load(tmp_path)


@pytest.mark.parametrize("file", ["encoder.json", "tokenizer.json"])
def test_a_missing_file_is_named(file: str, tmp_path: Path) -> None:
    make_encoder().save(tmp_path)
    (tmp_path / file).unlink()
    with pytest.raises(DataError, match=str(tmp_path / file)):
        Encoder.load(tmp_path)


def test_a_damaged_tokenizer_is_named(tmp_path: Path) -> None:
    make_encoder().save(tmp_path)
    file = tmp_path / "tokenizer.json"
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(DataError, match=f"{file}: not a tokenizer file"):
        Encoder.load(tmp_path)
