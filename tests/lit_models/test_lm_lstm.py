"""A classifier from the weights of a language model: what it reads, how fast each layer learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from datamodules.errors import Unavailable
from datamodules.store.encoder import Encoder
from datamodules.store.truncation import TokenTruncation
from datamodules.tokenizers import WordTokenizer
from lit_models.base.adversarial import embedding_of
from lit_models.base.model import WEIGHTS_FILE
from lit_models.elmo import ELMo
from lit_models.gru_lm import GRULM
from lit_models.language.model import BOUNDARY
from lit_models.language.recurrent import RecurrentLanguageModel
from lit_models.lm_lstm import LMLSTM
from lit_models.lstm_lm import LSTMLM
from tests.batches import make_batch, make_view
from tests.lit_models.contracts import CHECKS, CLASSES, ROWS, VOCAB, Check
from tests.lit_models.language.test_elmo import save

KINDS: dict[str, tuple[type[RecurrentLanguageModel], dict[str, Any]]] = {
    "forward": (LSTMLM, {"hidden_size": 7, "num_layers": 2}),
    "backward": (LSTMLM, {"hidden_size": 7, "direction": "backward"}),
    "both": (ELMo, {"hidden_size": 6}),
}


def words_view() -> Any:
    return make_view(ROWS, [i % CLASSES for i in range(len(ROWS))], VOCAB)


def language_model(kind: type[RecurrentLanguageModel], **settings: Any) -> RecurrentLanguageModel:
    torch.manual_seed(1)
    model = kind(vocab_size=VOCAB, embedding_dim=6, cutoffs=[5, 12], **settings)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    model.prepare(words_view())
    return model.eval()


def save_run(model: RecurrentLanguageModel, folder: Path) -> tuple[str, list[str]]:
    """Run folder of a language model, and the words in its order."""
    tokenizer = WordTokenizer()
    tokenizer.fit([" ".join(f"w{n}" for n in range(2, VOCAB + 9))], 1)  # more than the cap
    Encoder(tokenizer, TokenTruncation(VOCAB, None, "head", 0, 1), ()).save(folder)
    return save(model, folder), tokenizer.vocabulary()[:VOCAB]


@pytest.fixture(scope="module", params=list(KINDS))
def given(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, str]:
    kind, settings = KINDS[request.param]
    model = language_model(kind, **settings)
    return model, save(model, tmp_path_factory.mktemp(request.param))


def build(folder: Any, monkeypatch: pytest.MonkeyPatch | None = None, **settings: Any) -> LMLSTM:
    torch.manual_seed(0)
    if monkeypatch is not None:
        monkeypatch.setattr("lit_models.lm_lstm.words_of", lambda folder: None)
    sizes = {"vocab_size": VOCAB, "num_classes": CLASSES, "head_size": 5}
    return LMLSTM(**sizes | settings, language_model=folder)


@torch.no_grad()
def test_it_reads_as_the_language_model_did(
    given: tuple[Any, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, folder = given
    net, batch = build(folder, monkeypatch).eval().net, make_batch(ROWS)
    pooled = list[Tensor]()
    net.head.register_forward_pre_hook(lambda m, args: pooled.append(args[0]))
    net(batch.tokens, batch.lengths)
    for row, length in zip(ROWS, batch.lengths.tolist(), strict=True):
        expected = list[Tensor]()
        for number, reader in enumerate(model.net.readers):
            backward = model.direction == "backward" or number == 1
            symbols = torch.tensor([[BOUNDARY, *(row[::-1] if backward else row)]])
            words = model.net.embedding(symbols)
            states = reader(words, model.net.begin(1, number))[0][-1][0, 1:]  # [T, H]
            assert len(states) == length
            # The last state is that of the word read last, in either direction.
            expected += [states[-1], states.mean(dim=0), states.max(dim=0).values]
        index = ROWS.index(row)
        found = pooled[0][index].split(model.net.readers[0].hidden_size)
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert torch.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("check", CHECKS)
def test_it_keeps_the_contracts(
    check: Check, given: tuple[Any, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    check(build(given[1], monkeypatch).eval())


def test_a_saved_classifier_needs_no_other_folder(
    given: tuple[Any, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build(given[1], monkeypatch).eval()
    save(model, tmp_path)
    loaded = LMLSTM.load(tmp_path)
    assert given[1] not in str(loaded.hparams)
    batch = make_batch(ROWS)
    one, other = (m.predict_step(batch).probabilities for m in (model, loaded))
    assert torch.equal(one, other)


def test_lower_layers_learn_more_slowly_and_thaw_later(
    given: tuple[Any, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build(given[1], monkeypatch, layer_decay=0.5, gradual_unfreezing=True)
    layers = len(model.net.readers[0].layers)  # type: ignore[arg-type]
    of_parameter = {
        id(p): group["lr"] for group in model.parameter_groups() for p in group["params"]
    }
    assert len(of_parameter) == len(list(model.parameters()))
    depths = {"head": layers + 1, "embedding": 0}
    depths |= {f"layers.{n}.": n + 1 for n in range(layers)}

    def depth(name: str) -> int:
        return next(number for part, number in depths.items() if part in name)

    for name, parameter in model.net.named_parameters():
        rate = 1e-3 * 0.5 ** (layers + 1 - depth(name))
        assert of_parameter[id(parameter)] == pytest.approx(rate), name
    for epoch in range(layers + 3):
        monkeypatch.setattr(LMLSTM, "current_epoch", epoch)
        model.on_train_epoch_start()
        for name, parameter in model.net.named_parameters():
            assert parameter.requires_grad == (depth(name) >= layers + 1 - epoch), (epoch, name)


def test_dropouts_are_the_classifier_s_own(
    given: tuple[Any, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build(given[1], monkeypatch, layer_dropout=0.4, weight_drop=0.3, word_dropout=0.2)
    for reader in model.net.readers:
        assert reader.dropout.p == 0.4
        assert all(layer.weight_drop == 0.3 for layer in reader.layers)
    assert embedding_of(model).word_dropout == 0.2


def test_other_words_are_refused(tmp_path: Path) -> None:
    model = language_model(LSTMLM, hidden_size=7)
    folder, words = save_run(model, tmp_path)
    classifier = build(folder)
    classifier.prepare(replace(words_view(), vocabulary=words))
    other = make_view(ROWS, [0] * len(ROWS), VOCAB, characters=True)
    with pytest.raises(ValueError, match="was fitted to another vocabulary than the 60 words"):
        classifier.prepare(other)
    vectors = np.ones((VOCAB, 6), dtype=np.float32)
    with pytest.raises(ValueError, match="--data.vectors null"):
        classifier.prepare(make_view(ROWS, [0] * len(ROWS), VOCAB, vectors))


def test_what_is_no_lstm_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unavailable, match="no model; .*lit-sentiment fit -c lstm_lm"):
        build(str(tmp_path / "none"))
    folder = save(language_model(GRULM, hidden_size=7), tmp_path)
    with pytest.raises(ValueError, match="model.language_model is .* has no fitted LSTMLM"):
        build(folder, monkeypatch)
    with pytest.raises(ValueError, match="head_size is 0"):
        LMLSTM(head_size=0)
    with pytest.raises(ValueError, match="layer_decay is 1.5"):
        LMLSTM(layer_decay=1.5)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x02.",
        torch.zeros(2),
        {"hyper_parameters": [1], "state_dict": {}},
        {"hyper_parameters": {1: 2}, "state_dict": {}},
        {"hyper_parameters": {"vocab_size": 20, "cutoffs": None}, "state_dict": [1]},
    ],
)
def test_a_stranger_s_weights_are_refused(tmp_path: Path, content: Any) -> None:
    file = tmp_path / WEIGHTS_FILE
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        torch.save(content, file)
    with pytest.raises(ValueError, match=r"has no fitted LSTMLM \(.+\); give the folder"):
        build(str(tmp_path))


def test_the_folder_may_be_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "run").mkdir()
    save_run(language_model(LSTMLM, hidden_size=7), tmp_path / "run")
    assert build("~/run").words is not None
    with pytest.raises(Unavailable, match="where there is no model"):
        build("a" * 300)


def test_the_vocabulary_s_sizes_agree(
    given: tuple[Any, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="has 60 words and the classifier 61"):
        build(given[1], monkeypatch, vocab_size=VOCAB + 1)


def test_parameters_are_as_many_as_the_docstring_says() -> None:
    model = LMLSTM()
    assert f"{model.parameter_count:,} parameters" in (LMLSTM.__doc__ or "")
