"""ELMo: layers of words in both directions, and classifiers that mix those of a frozen one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.core.mixins.hparams_mixin import _given_hyperparameters_context

from datamodules.errors import Unavailable
from lit_models.base.classifier import LitClassifier
from lit_models.bidirectional_gru import BidirectionalGRU
from lit_models.bidirectional_lstm import BidirectionalLSTM
from lit_models.cnn import CNN
from lit_models.cnn_lstm import CNNLSTM
from lit_models.dpcnn import DPCNN
from lit_models.elmo import ELMo, words_hash
from lit_models.gru import GRU
from lit_models.language.elmo_embedding import ElmoEmbedding
from lit_models.lstm import LSTM
from lit_models.lstm_lm import LSTMLM
from lit_models.rcnn import RCNN
from lit_models.rnn import RNN
from lit_models.stacked_lstm import StackedLSTM
from tests.batches import make_batch, make_view
from tests.lit_models.contracts import CHECKS, CLASSES, LENGTHS, ROWS, VOCAB, Check

KINDS = [
    RNN,
    GRU,
    LSTM,
    StackedLSTM,
    BidirectionalLSTM,
    BidirectionalGRU,
    CNN,
    CNNLSTM,
    RCNN,
    DPCNN,
]
SMALL: dict[str, Any] = {"vocab_size": VOCAB, "embedding_dim": 8, "num_classes": CLASSES}


def view() -> Any:
    return make_view(ROWS, [i % CLASSES for i in range(len(ROWS))], VOCAB)


def save(model: L.LightningModule, folder: Path) -> str:
    trainer = L.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    trainer.strategy.connect(model)
    model.trainer = trainer
    model.save(folder)  # type: ignore[operator]
    return str(folder)


def language_model(**settings: Any) -> ELMo:
    torch.manual_seed(1)
    sizes = {"vocab_size": VOCAB, "embedding_dim": 6, "hidden_size": 6, "cutoffs": [5, 12]}
    model = ELMo(**sizes | settings)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    model.prepare(view())
    return model.eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of a fitted language model with dropouts, which its features must not have."""
    drops = {"dropout": 0.5, "layer_dropout": 0.5, "weight_drop": 0.5, "embedding_dropout": 0.5}
    return save(language_model(**drops), tmp_path_factory.mktemp("elmo"))


def build(kind: type[LitClassifier], elmo: Any, **settings: Any) -> LitClassifier:
    torch.manual_seed(0)
    return kind(**SMALL | settings, elmo=elmo)


def embedding_of(model: LitClassifier) -> ElmoEmbedding:
    embedding: Any = model.net.embedding
    assert isinstance(embedding, ElmoEmbedding)
    return embedding


@torch.no_grad()
def test_the_layers_are_those_of_each_text_read_from_its_ends() -> None:
    model = language_model().double()
    batch = make_batch(ROWS)
    layers = model.layers(batch.tokens, batch.lengths)
    assert [tuple(layer.shape) for layer in layers] == [(len(ROWS), max(LENGTHS), 12)] * 3
    for number, row in enumerate(ROWS):
        sides = []
        for reader, words in enumerate((row, row[::-1])):
            embedded = model.net.embedding.table.weight[[0, *words]]
            states, state = [], model.net.begin(1, reader)
            for vector in embedded:
                of_layers, state = model.net.readers[reader](vector[None, None], state)
                states.append(torch.cat([vector[None], *(s[0] for s in of_layers)]))
            side = torch.stack(states[1:])  # [T, 1 + L, H]
            sides.append(side if reader == 0 else side.flip(0))
        expected = torch.cat(sides, dim=2)
        for layer in range(3):
            found = layers[layer][number, : len(row)]
            assert torch.allclose(found, expected[:, layer], rtol=0, atol=1e-9)


@torch.no_grad()
def test_the_first_layer_is_the_word_vector_twice() -> None:
    model, batch = language_model(), make_batch(ROWS[3:4])
    words = model.net.embedding.table(batch.tokens)
    assert torch.equal(model.layers(batch.tokens, batch.lengths)[0], torch.cat([words] * 2, dim=2))


@pytest.mark.parametrize("kind", KINDS)
def test_every_recurrent_and_convolutional_classifier_takes_it(
    kind: type[LitClassifier], folder: str
) -> None:
    model = build(kind, folder).train()
    plain = build(kind, None)
    assert type(plain.net.embedding).__name__ == "WordEmbedding"
    logits = model(make_batch(ROWS * 4, classes=CLASSES))
    torch.nn.functional.cross_entropy(logits, torch.arange(len(logits)) % CLASSES).backward()
    for name, parameter in model.named_parameters():
        frozen = ".language_model." in name
        assert parameter.requires_grad != frozen
        assert (parameter.grad is None) == frozen, name
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert {"net.embedding.weights", "net.embedding.scale"} <= trained


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", [BidirectionalLSTM, CNN])
def test_it_keeps_the_promises_of_classifiers(
    check: Check, kind: type[LitClassifier], folder: str
) -> None:
    check(build(kind, folder).eval())


def test_the_mix_alone_learns_and_the_language_model_does_not(folder: str) -> None:
    model = build(BidirectionalLSTM, folder).train()
    embedding = embedding_of(model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in ("net.embedding.weights", "net.embedding.scale"))
    before = {k: v.clone() for k, v in embedding.language_model.state_dict().items()}
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.1)
    batch = make_batch(ROWS * 4, classes=CLASSES)
    losses = []
    model.eval()  # no dropout between the steps
    for _ in range(20):
        optimizer.zero_grad()
        loss = model.loss(model(batch), batch.labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 1e-4
    assert embedding.weights.abs().min() > 0 and embedding.scale != 1
    for name, value in embedding.language_model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_the_mix_is_that_of_the_paper(folder: str) -> None:
    embedding = embedding_of(build(LSTM, folder)).eval()
    batch = make_batch(ROWS)
    with torch.no_grad():
        embedding.weights.copy_(torch.tensor([0.5, -1.0, 2.0]))
        embedding.scale.fill_(0.7)
        found = embedding(batch.tokens, batch.lengths)
        layers = embedding.language_model.layers(batch.tokens, batch.lengths)
    shares = np.exp([0.5, -1.0, 2.0]) / np.exp([0.5, -1.0, 2.0]).sum()
    expected = 0.7 * sum(float(s) * layer for s, layer in zip(shares, layers, strict=True))
    assert found.shape[2] == embedding.width == 8 + 12
    assert torch.allclose(found[:, :, 8:], expected, atol=1e-6)
    assert torch.equal(found[:, :, :8], embedding.table(batch.tokens))


@torch.no_grad()
def test_its_dropouts_stay_off_in_training(folder: str) -> None:
    embedding = embedding_of(build(LSTM, folder, embedding_dropout=0.0, word_dropout=0.0)).train()
    batch = make_batch(ROWS)
    one, other = (embedding(batch.tokens, batch.lengths) for _ in range(2))
    assert not embedding.language_model.training and torch.equal(one, other)


@torch.no_grad()
def test_a_change_in_the_language_model_changes_the_features(folder: str) -> None:
    embedding = embedding_of(build(LSTM, folder)).eval()
    batch = make_batch(ROWS)
    before = embedding(batch.tokens, batch.lengths)
    for reader in embedding.language_model.net.readers:
        weight = reader.layers[1].core.weight_hh_l0
        weight.add_(0.1)
        after = embedding(batch.tokens, batch.lengths)
        assert not torch.allclose(before[:, :, 8:], after[:, :, 8:])
        assert torch.equal(before[:, :, :8], after[:, :, :8])
        weight.sub_(0.1)


def test_a_saved_classifier_needs_no_other_folder(folder: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "language_model"
    elsewhere.mkdir()
    Path(elsewhere / "model.ckpt").write_bytes(Path(folder, "model.ckpt").read_bytes())
    model = build(CNN, str(elsewhere)).eval()
    (tmp_path / "run").mkdir()
    save(model, tmp_path / "run")
    (elsewhere / "model.ckpt").unlink()
    loaded = CNN.load(tmp_path / "run")
    assert str(tmp_path) not in str(loaded.hparams)
    batch = make_batch(ROWS)
    one, other = (m.eval().predict_step(batch).probabilities for m in (model, loaded))
    assert torch.equal(one, other)
    embedding_of(loaded).check_vocabulary(view().vocabulary)  # its words are known, too


def test_a_classifier_made_by_a_command_keeps_the_settings_of_its_language_model(
    folder: str, tmp_path: Path
) -> None:
    """Lightning gives every model that is made meanwhile the settings of the classifier."""
    with _given_hyperparameters_context({**SMALL, "elmo": folder}, "command"):
        model = build(LSTM, folder).eval()
    save(model, tmp_path)
    loaded = LSTM.load(tmp_path)
    batch = make_batch(ROWS)
    one, other = (m.predict_step(batch).probabilities for m in (model, loaded))
    assert torch.equal(one, other) and loaded.hparams["elmo"]["embedding_dim"] == 6


def test_another_vocabulary_is_refused(folder: str) -> None:
    model = build(LSTM, folder)
    words = list(view().vocabulary)
    model._learn(view())
    other = make_view(ROWS, [0] * len(ROWS), VOCAB)
    other.vocabulary[7], other.vocabulary[8] = words[8], words[7]
    with pytest.raises(ValueError, match="another vocabulary than the 60 words of this corpus"):
        model._learn(other)
    with pytest.raises(ValueError, match="has 60 words and the classifier 61;.*vocab_size"):
        build(LSTM, folder, vocab_size=VOCAB + 1)


def test_a_folder_without_an_elmo_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="model.elmo is .*no model.*lit-sentiment fit -c elmo"):
        build(LSTM, str(tmp_path / "nowhere"))
    (tmp_path / "model.ckpt").write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match="model.elmo is .*which has no fitted ELMo"):
        build(LSTM, str(tmp_path))
    other = LSTMLM(vocab_size=VOCAB, embedding_dim=6, hidden_size=6, cutoffs=None)
    with pytest.raises(ValueError, match="has no fitted ELMo .*lit-sentiment fit -c elmo"):
        build(LSTM, save(other, tmp_path))


def test_word_vectors_of_the_corpus_leave_the_language_model_alone(folder: str) -> None:
    model = build(LSTM, folder)
    before = embedding_of(model).language_model.net.embedding.table.weight.clone()
    vectors = np.ones((VOCAB, 8), dtype=np.float32)
    model._initialize_embeddings(make_view(ROWS, [0] * len(ROWS), VOCAB, vectors))
    assert embedding_of(model).table.weight.eq(1).all()
    assert torch.equal(embedding_of(model).language_model.net.embedding.table.weight, before)


def test_the_hash_is_of_the_words_in_their_order() -> None:
    assert torch.equal(words_hash(["a", "b"]), words_hash(["a", "b"]))
    assert not torch.equal(words_hash(["a", "b"]), words_hash(["b", "a"]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"direction": "forward"}, "direction is 'forward'; ELMo reads in 'both'"),
        ({"hidden_size": 7}, "hidden_size is 7 and embedding_dim 256; .*same width"),
    ],
)
def test_settings_that_make_no_elmo_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ELMo(**settings)
