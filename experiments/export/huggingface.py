"""A fine-tuned encoder as a folder that transformers loads."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tokenizers as hf
import torch
from torch import Tensor

from datamodules.store.encoder import Encoder
from datamodules.subwords import SubwordTokenizer
from datamodules.tokenizers import WordTokenizer
from experiments.export.check import Unequal
from experiments.forms.portable import NotExportable
from lit_models.base.classifier import LitClassifier
from lit_models.bert import BERT
from lit_models.layers.masking import mask_of

_BATCH_SIZE = 32


class _Head(NamedTuple):
    """Head of a class of transformers: its activation, and the names of its two layers."""

    activation: str
    dense: str
    output: str


_HEADS = {
    "bert": _Head("tanh", "bert.pooler.dense", "classifier"),
    "ernie": _Head("tanh", "ernie.pooler.dense", "classifier"),
    "albert": _Head("tanh", "albert.pooler", "classifier"),
    "roberta": _Head("tanh", "classifier.dense", "classifier.out_proj"),
    "xlm-roberta": _Head("tanh", "classifier.dense", "classifier.out_proj"),
    "electra": _Head("gelu", "classifier.dense", "classifier.out_proj"),
    "distilbert": _Head("relu", "pre_classifier", "classifier"),
    "deberta-v2": _Head("gelu", "pooler.dense", "classifier"),
}


def write_huggingface(model: LitClassifier, encoder: Encoder, folder: Path) -> None:
    """Write configuration, weights and tokenizer for `AutoModelForSequenceClassification`.

    Raises:
        NotExportable: The class of transformers for such an encoder has another head.
    """
    head = _head_of(model, encoder)
    from transformers import AutoModelForSequenceClassification

    net: Any = model.net
    config = copy.deepcopy(net.encoder.config)
    config.id2label = dict(enumerate(encoder.label_names))
    config.label2id = {name: number for number, name in enumerate(encoder.label_names)}
    config.problem_type = "single_label_classification"
    target = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
    prefix = target.base_model_prefix
    state = {f"{prefix}.{name}": value for name, value in net.encoder.state_dict().items()}
    for name, layer in ((head.dense, net.dense), (head.output, net.output)):
        state |= {f"{name}.{part}": value for part, value in layer.state_dict().items()}
    missing, unexpected = target.load_state_dict(state, strict=False)
    if missing or unexpected:
        raise NotExportable(
            f"{type(target).__name__} has other weights: {', '.join(missing) or 'none'} are "
            f"missing, {', '.join(unexpected) or 'none'} are too many"
        )
    target.save_pretrained(folder)
    _fast_tokenizer(encoder).save_pretrained(folder)


def _head_of(model: LitClassifier, encoder: Encoder) -> _Head:
    if not isinstance(model, BERT):
        raise NotExportable(
            f"{type(model).__name__} is no encoder of transformers; use --to onnx or --to pt2"
        )
    net, kind = model.net, model.net.encoder.config.model_type  # type: ignore[union-attr]
    head = _HEADS.get(str(kind))
    values = model.hparams
    activation = values.get("head", "linear")
    wrong = None
    if head is None:
        wrong = f"the head that transformers gives a {kind!r} is not one that a run can have"
    elif activation != head.activation:
        wrong = f"its head is {activation!r}, and that of transformers {head.activation!r}"
    elif net.pooling != "cls" or net.pooled_layers != 1:
        wrong = (
            f"it reads pooling {net.pooling!r} of {net.pooled_layers} layers, and transformers the "
            "first state of the last one"
        )
    elif model.window is not None:
        wrong = f"it averages over windows of {model.window} tokens, and transformers does not"
    elif values.get("lora_rank"):
        wrong = "its matrices have low-rank updates (model.lora_rank)"
    elif net.first_position and net.encoder.config.pad_token_id != encoder.tokenizer.pad_id:  # type: ignore[union-attr]
        wrong = (
            f"its tokenizer pads with {encoder.tokenizer.pad_id}, and its positions count from "
            f"token {net.encoder.config.pad_token_id}"  # type: ignore[union-attr]
        )
    if wrong is not None:
        fit = f"fit with --model.pooling cls --model.head {head.activation}, or " if head else ""
        raise NotExportable(
            f"AutoModelForSequenceClassification would predict otherwise: {wrong}; {fit}use "
            "--to onnx"
        )
    assert head is not None
    return head


def _fast_tokenizer(encoder: Encoder) -> Any:
    from transformers import PreTrainedTokenizerFast

    tokenizer, truncation = encoder.tokenizer, encoder.token_truncation
    if type(tokenizer) not in (WordTokenizer, SubwordTokenizer):
        raise NotExportable(f"transformers has no tokenizer like {type(tokenizer).__name__}")
    content = json.loads(tokenizer._hf.to_str())  # type: ignore[attr-defined]
    if truncation.vocab_size is not None:
        vocabulary = content["model"]["vocab"]
        content["model"]["vocab"] = {
            w: n for w, n in vocabulary.items() if n < truncation.vocab_size
        }
    fast = hf.Tokenizer.from_str(json.dumps(content))
    if isinstance(tokenizer, SubwordTokenizer):
        breaks = hf.normalizers.Replace(hf.Regex(r"<br\s*/?>"), " ")
        steps = [breaks, fast.normalizer] if fast.normalizer else [breaks]
        fast.normalizer = hf.normalizers.Sequence(steps)
    names = tokenizer.vocabulary()
    return PreTrainedTokenizerFast(
        tokenizer_object=fast,
        pad_token=names[tokenizer.pad_id],
        unk_token=names[tokenizer.unk_id],
        split_special_tokens=True,  # "[SEP]" in a text is text
        model_max_length=truncation.max_length,
        truncation_side="left" if truncation.truncation == "tail" else "right",
        model_input_names=["input_ids", "attention_mask"],
    )


def loaded(folder: Path, encoder: Encoder) -> Callable[[Sequence[str]], np.ndarray]:
    """The model of an exported folder, as transformers loads it, over the run's own tokens.

    Texts that are not truncated must have these tokens in transformers, too.
    """
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    most = encoder.token_truncation.max_length

    def predict(texts: Sequence[str]) -> np.ndarray:
        parts = [texts[start : start + _BATCH_SIZE] for start in range(0, len(texts), _BATCH_SIZE)]
        return np.concatenate([one_batch(part) for part in parts])

    def one_batch(texts: Sequence[str]) -> np.ndarray:
        batch = encoder.encode(texts)
        for text, row, length in zip(texts, batch.tokens, batch.lengths.tolist(), strict=True):
            theirs = tokenizer(text)["input_ids"]
            if theirs and len(theirs) <= (most or len(theirs)) and theirs != row[:length].tolist():
                raise Unequal(
                    f"transformers makes other tokens of a text of {length} tokens than the run"
                )
        mask = mask_of(batch.lengths, batch.tokens.shape[1]).long()
        with torch.inference_mode():
            logits: Tensor = model(input_ids=batch.tokens, attention_mask=mask).logits
        probabilities: np.ndarray = logits.softmax(dim=1).numpy()
        return probabilities

    return predict
