"""Encoders of toy size with random weights, without download."""

from __future__ import annotations

from typing import Any

# Every type of encoder in the experiments, as small as its implementation allows; the corpora of
# the tests need 512 positions and 700 tokens.
_BERT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "vocab_size": 700,
    "max_position_embeddings": 512,
}
TINY: dict[str, dict[str, Any]] = {
    "bert": _BERT,
    "roberta": _BERT,
    "ernie": _BERT,
    "electra": _BERT | {"embedding_size": 16},
    "albert": _BERT | {"embedding_size": 16},
    "distilbert": {
        "dim": 32,
        "n_layers": 2,
        "n_heads": 2,
        "hidden_dim": 48,
        "vocab_size": 700,
        "max_position_embeddings": 512,
    },
    # Two of its three layers attend to four neighbours only, far less than a row.
    "modernbert": _BERT
    | {
        "num_hidden_layers": 3,
        "local_attention": 8,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "cls_token_id": 1,
        "eos_token_id": 2,
        "sep_token_id": 2,
    },
    "deberta-v2": _BERT | {"position_buckets": 8},
    "gpt2": {
        "n_embd": 32,
        "n_layer": 2,
        "n_head": 2,
        "vocab_size": 700,
        "n_positions": 512,
        "bos_token_id": 1,
        "eos_token_id": 2,
    },
}


def tiny(kind: str, **values: Any) -> dict[str, Any]:
    """Config of a tiny encoder of a type."""
    return {"model_type": kind, **TINY[kind], **values}


def offline(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings with which an experiment runs without its pretrained weights; empty if it has none.

    The encoder is a tiny random one of the same type, the tokenizer a word tokenizer fitted on the
    corpus. Learning rates for pretrained weights are far too low for random ones.

    Args:
        settings: settings of the experiment.
    """
    model = settings["model"].get("init_args", {})
    if "source" not in model:
        return {}
    return {
        "model": {
            "init_args": {
                "source": None,
                "config": tiny(model["config"]["model_type"]),
                "learning_rate": 3e-3,
                "layer_decay": 1.0,
                "dropout": 0.0,
                "head_dropout": 0.0,
            }
        },
        "data": {"init_args": {"tokenizer": None, "vocab_size": 700, "max_length": 96}},
    }
