"""ByteTokenizer: its ids, its file, and its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from datamodules.errors import DataError
from datamodules.named_tokenizers import make_tokenizer
from datamodules.subwords import ByteTokenizer
from tests.toys import ToyData

TEXT = "A <br />\n é€😀\ud800 ee"


def fitted() -> ByteTokenizer:
    tokenizer = ByteTokenizer()
    tokenizer.fit([TEXT, "eee"], 2)
    return tokenizer


def test_a_text_is_its_bytes_as_they_are() -> None:
    tokenizer, raw = fitted(), TEXT.encode("utf-8", "surrogatepass")
    (row,) = tokenizer.encode([TEXT])
    names = tokenizer.vocabulary()
    assert len(names) == len(set(names)) == 258
    expected = [chr(b) if 32 <= b < 127 else f"<0x{b:02X}>" for b in raw]
    assert [names[token] for token in row] == expected
    assert [one.tolist() for one in tokenizer.encode([""])] == [[1]]
    assert [names[token] for token in tokenizer.sentence_ends()] == [".", "!", "?"]


def test_frequent_bytes_come_first_and_others_by_value() -> None:
    names = fitted().vocabulary()
    assert names[:4] == ["<pad>", "<unk>", "e", " "]
    assert names[-2:] == ["<0xFE>", "<0xFF>"]


def test_each_byte_is_at_its_character() -> None:
    assert ByteTokenizer().spans("aé€").tolist() == [[0, 1], *[[1, 2]] * 2, *[[2, 3]] * 3]
    assert ByteTokenizer().spans("").tolist() == [[-1, -1]]


def test_its_file_is_read_back_and_no_other(tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    with pytest.raises(DataError, match="no such file"):
        ByteTokenizer().load(file)
    fitted().save(file)
    again = ByteTokenizer()
    again.load(file)
    assert again.vocabulary() == fitted().vocabulary()
    assert next(again.encode([TEXT])).tolist() == next(fitted().encode([TEXT])).tolist()
    for content in ('{"characters": "ab"}', "[", '{"bytes": [1, 1]}', '{"bytes": 3}'):
        file.write_text(content)
        with pytest.raises(DataError, match="not a tokenizer file"):
            ByteTokenizer().load(file)


def test_it_is_named_bytes(tmp_path: Path) -> None:
    assert isinstance(make_tokenizer("bytes"), ByteTokenizer)
    data = ToyData(tokenizer="bytes", vocab_size=258, max_length=20, cache_dir=str(tmp_path))
    data.prepare_data()
    data.setup()
    batch = next(iter(data.val_dataloader()))
    assert int(batch.tokens.max()) < 258 and int(batch.lengths.max()) == 20
    text, names = data.texts("train")[0], data.encoder.tokenizer.vocabulary()
    encoded = data.encoder.encode([text]).tokens[0].tolist()
    assert "".join(names[token] for token in encoded) == text[:20]
