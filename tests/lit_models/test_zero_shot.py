"""Zero-shot: scores by running each question and answer alone; the prior; both kinds of models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
import torch
import transformers
from torch import Tensor

from datamodules.store.encoder import Encoder
from datamodules.store.truncation import TokenTruncation
from datamodules.subwords import SubwordTokenizer
from datamodules.tokenizers import WordTokenizer
from lit_models.gpt_lm import GPTLM
from lit_models.language.continuing import OwnModel
from lit_models.language.model import BOUNDARY
from lit_models.zero_shot import ZeroShot, ZeroShotNet
from tests.batches import make_view
from tests.lit_models.contracts import CHECKS, CLASSES, ROWS, VOCAB, Check
from tests.lit_models.language.test_elmo import save

TEXT = "it was great and terrible . very bad indeed a film"
SIZES = {"embedding_dim": 8, "num_heads": 2, "dim_feedforward": 9, "context": 5, "cutoffs": [4]}
TINY = {"n_embd": 12, "n_layer": 2, "n_head": 2, "n_positions": 64}


def sharpened(model: Any) -> Any:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    return model.eval()


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> tuple[GPTLM, str, Encoder]:
    """Language model of a few words, its run folder and its encoder."""
    tokenizer = WordTokenizer()
    tokenizer.fit([TEXT], 1)
    size = len(tokenizer.vocabulary())
    torch.manual_seed(1)
    model = sharpened(GPTLM(vocab_size=size, **SIZES))
    view = replace(make_view(ROWS, [0, 1] * (len(ROWS) // 2), VOCAB))
    model.prepare(replace(view, vocabulary=tokenizer.vocabulary()))
    folder = tmp_path_factory.mktemp("own")
    encoder = Encoder(tokenizer, TokenTruncation(size, None, "head", 0, 1), ("neg", "pos"))
    encoder.save(folder)
    return model, save(model, folder), encoder


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, str, Encoder]:
    """GPT-2 of a few byte pairs, its folder and its encoder."""
    folder = tmp_path_factory.mktemp("hub")
    bytes_ = tokenizers.ByteLevelBPETokenizer()
    bytes_.train_from_iterator([f"{TEXT}. It was great. It was terrible."] * 9, vocab_size=300,
                               min_frequency=1, special_tokens=["<|endoftext|>"])  # fmt: skip
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=bytes_._tokenizer, eos_token="<|endoftext|>"
    )
    fast.save_pretrained(folder)
    torch.manual_seed(1)
    config = transformers.GPT2Config(vocab_size=len(fast), **TINY)
    model = sharpened(transformers.GPT2LMHeadModel(config))
    model.save_pretrained(folder)
    tokenizer = SubwordTokenizer(str(folder))
    tokenizer.fit([], 0)
    cap = TokenTruncation.for_tokenizer(tokenizer, None, 50, "tail")
    return model, str(folder), Encoder(tokenizer, cap, ("neg", "pos"))


def view_of(encoder: Encoder, texts: list[str]) -> Any:
    rows = [row.tolist() for row in encoder.tokenizer.encode(texts)]
    view = make_view(rows, [0, 1] * len(rows), VOCAB)
    cap = encoder.token_truncation
    return replace(
        view,
        vocabulary=encoder.tokenizer.vocabulary(),
        encode=encoder.ids,
        unk_id=cap.unk_id,
        max_length=cap.max_length,
    )


def log_p_own(model: GPTLM, tokens: list[int], answer: list[int]) -> float:
    """ln p of an answer after tokens, one symbol at a time."""
    state, total = model.begin(1), 0.0
    logs, state = model.advance(torch.tensor([BOUNDARY]), state)
    for position, token in enumerate([*tokens, *answer]):
        if position >= len(tokens):
            total += float(logs[0, token])
        logs, state = model.advance(torch.tensor([token]), state)
    return total


def log_p_hub(model: Any, tokens: list[int], answer: list[int]) -> float:
    """ln p of an answer after tokens, by the whole model."""
    logits = model(input_ids=torch.tensor([[*tokens, *answer]])).logits[0].log_softmax(dim=1)
    return float(sum(logits[len(tokens) - 1 + i, token] for i, token in enumerate(answer)))


CASES: dict[str, tuple[Callable[..., float], list[str]]] = {
    "own": (log_p_own, ["terrible", "great"]),
    "own, several words": (log_p_own, ["very bad", "great", "very great"]),
    "hub": (log_p_hub, [" terrible", " great"]),
    "hub, several tokens": (log_p_hub, ["very bad indeed", "unheard of"]),
}


@pytest.mark.parametrize("calibration", ["prior", "texts", "none"])
@pytest.mark.parametrize("name", CASES)
@torch.no_grad()
def test_the_scores_are_those_of_each_answer_alone(
    name: str, calibration: str, own: Any, hub: Any, tmp_path: Path
) -> None:
    log_p, words = CASES[name]
    words = [word.strip() for word in words]
    model, folder, encoder = own if name.startswith("own") else hub
    given: dict[str, Any] = {"source": folder}
    if name.startswith("own"):
        given = {"language_model": folder, "vocab_size": model.vocab_size}
    texts = ["a film", "it was bad . very very bad", "great"]
    view = view_of(encoder, texts)
    asked = ZeroShot(
        num_classes=len(words), prompt="it was", verbalisers=words, calibration=calibration, **given
    )  # type: ignore[arg-type]
    asked.prepare(view)
    asked.eval()
    batch = encoder.encode(texts)
    before = encoder.ids(".").tolist()
    question = encoder.ids(". it was").tolist()[len(before) :]
    expected = list[list[float]]()
    for row in encoder.tokenizer.encode(texts):
        scores = list[float]()
        for word in words:
            answer = encoder.ids(f". it was {word}").tolist()[len(before) + len(question) :]
            score = log_p(model, [*row.tolist(), *question], answer)
            prior = log_p(model, question, answer) if calibration == "prior" else 0.0
            scores.append(score - prior)
        expected.append(scores)
    if calibration == "texts":
        expected = (Tensor(expected) - Tensor(expected).mean(dim=0)).tolist()
    logits = asked(batch)
    assert torch.allclose(logits, Tensor(expected), atol=1e-4)
    assert logits.std() > 1e-2
    save(asked, tmp_path)
    loaded = ZeroShot.load(tmp_path)
    assert folder not in str(loaded.hparams)
    one, other = (model.predict_step(batch).probabilities for model in (loaded, asked))
    assert torch.equal(one, other)
    assert "no label was learnt from" in asked.notes[0]
    assert asked.trainable_parameter_count == 0
    assert not any(p.requires_grad for p in asked.parameters())


@pytest.mark.parametrize("check", CHECKS)
def test_it_keeps_the_contracts(check: Check) -> None:
    # A word whose vector overflows is one of the softmax, too, where weights are tied.
    settings = {"vocab_size": VOCAB, **SIZES, "tie_weights": False}
    words = [f"w{n}" for n in range(CLASSES)]
    torch.manual_seed(0)
    model = ZeroShot(
        num_classes=CLASSES, vocab_size=VOCAB, verbalisers=words, language_model=settings
    )
    sharpened(model.net.model)
    model.net.ask([5, 6], [[7 + n, 9] for n in range(CLASSES)], 0)
    check(model.eval())


@torch.no_grad()
def test_long_texts_are_read_in_pieces(own: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, _, _ = own
    tokens = torch.randint(2, model.vocab_size, (3, 40), generator=torch.Generator().manual_seed(0))
    lengths, places = torch.tensor([40, 7, 22]), torch.tensor([[-1, 38, 39], [0, 5, 6], [3, 4, 21]])
    whole = OwnModel(model)(tokens, lengths, places)
    for size in (3, 24, 119):
        monkeypatch.setattr("lit_models.language.continuing._SYMBOLS_AT_ONCE", size)
        assert torch.allclose(OwnModel(model)(tokens, lengths, places), whole, atol=1e-5)


@torch.no_grad()
def test_special_tokens_at_the_end_are_left_out(own: Any) -> None:
    model, _, _ = own
    net = ZeroShotNet(OwnModel(model), 2)
    tokens, lengths = torch.tensor([[3, 4, 5, 2], [6, 2, 0, 0]]), torch.tensor([4, 2])
    net.ask([5], [[3], [4]], 0)
    expected = net(tokens, lengths - 1)
    net.ask([5], [[3], [4]], 1)
    assert torch.equal(net(tokens, lengths), expected)


def test_a_model_whose_logits_are_scaled_is_refused() -> None:
    sizes = {"vocab_size": 20, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
    sizes |= {"num_attention_heads": 2, "num_key_value_heads": 2, "logit_scale": 0.1}
    config = {"model_type": "cohere", **sizes, "pad_token_id": 0, "bos_token_id": 1}
    with pytest.raises(ValueError, match="'cohere', whose logits are more than a linear layer"):
        ZeroShot(config=config | {"eos_token_id": 2})


def test_labels_change_nothing(own: Any) -> None:
    _, folder, encoder = own
    texts = ["a film", "it was bad"]
    logits = list[Tensor]()
    for flipped in (False, True):
        view = view_of(encoder, texts)
        if flipped:
            view = replace(view, labels=1 - view.labels)
        model = ZeroShot(vocab_size=len(view.vocabulary), language_model=folder, prompt="it was")
        model.prepare(view)
        logits.append(model.eval()(encoder.encode(texts)))
    assert torch.equal(*logits)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_classes": 3}, r"verbalisers has 2 entries .* and the corpus 3 classes"),
        ({"calibration": "labels"}, "calibration is 'labels'; it must be 'prior', 'texts' or"),
        ({"prompt": " "}, "prompt is ' '; it must have a word"),
        ({"source": "here", "language_model": "there"}, "are both set; leave one of them out"),
        ({"config": {"model_type": "resnet"}}, "no causal language model; give a decoder"),
        ({"multi_label": True}, "several labels a text, and ZeroShot"),
        ({"verbalisers": ["bad", "unheard"]}, "has 'unheard', and the vocabulary .* does not"),
        ({"verbalisers": ["bad", "Bad"]}, "two of which are the same words here"),
        ({"verbalisers": ["bad", " "]}, "has ' ', which makes no tokens of its own"),
    ],
)
def test_faults_say_what_to_do(settings: dict[str, Any], message: str, own: Any) -> None:
    model, folder, encoder = own
    given = {"vocab_size": model.vocab_size, "prompt": "it was"}
    if not {"source", "config"} & settings.keys():
        given["language_model"] = folder
    with pytest.raises(ValueError, match=message):
        ZeroShot(**given | settings).prepare(view_of(encoder, ["a film"]))


def test_texts_that_do_not_fit_are_refused(hub: Any) -> None:
    _, folder, encoder = hub
    view = replace(view_of(encoder, ["a film"]), max_length=64)
    with pytest.raises(ValueError, match="the model has 64 positions; set --data.max_length 6"):
        ZeroShot(source=folder, prompt="it was").prepare(view)


def test_another_vocabulary_is_refused(own: Any) -> None:
    model, folder, encoder = own
    view = view_of(encoder, ["a film"])
    other = replace(view, vocabulary=[*view.vocabulary[:-1], "other"])
    with pytest.raises(ValueError, match="was fitted to another vocabulary"):
        ZeroShot(vocab_size=model.vocab_size, language_model=folder).prepare(other)


def test_ids_leave_out_specials_and_cap(own: Any) -> None:
    encoder = own[2]
    cap = encoder.token_truncation._replace(vocab_size=4)
    rows = next(iter(encoder.tokenizer.encode(["it was great"])))
    found = replace(encoder, token_truncation=cap).ids("it was great")
    assert np.array_equal(found, np.where(rows < 4, rows, 1))
