"""Encoders of Hugging Face transformers, built from a source or from a config alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from datamodules.errors import DataError
from datamodules.pretrained import check_weights, loading, locate
from lit_models.layers.linear import multiply_by_onednn

# Names of dropout settings in transformers' configs: of hidden states, of attention weights.
_DROPOUTS = (
    "hidden_dropout_prob",
    "dropout",
    "resid_pdrop",
    "embd_pdrop",
    "embedding_dropout",
    "mlp_dropout",
)
_ATTENTION_DROPOUTS = ("attention_probs_dropout_prob", "attention_dropout", "attn_pdrop")
# Values that do not define a model. Those of the last lines name code, which is never loaded.
_EXCLUDED = (
    "_name_or_path",
    "transformers_version",
    "dtype",
    "id2label",
    "label2id",
    "architectures",
    *("auto_map", "custom_pipelines", "quantization_config"),
    *("attn_implementation", "_attn_implementation", "experts_implementation"),
)
_LISTED = 4  # keys that a message lists


def resolve_config(source: str | None, values: dict[str, Any] | None) -> dict[str, Any]:
    """All values of an encoder's configuration, which suffice to build it.

    Args:
        source: source of the pretrained model; None: `values` alone.
        values: values that override the source's; `model_type` must be equal.

    Raises:
        Unavailable: the source is not available.
        ValueError: another `model_type`, or none without a source.
    """
    from transformers import AutoConfig

    given = dict(values or {})
    if source is None:
        kind = given.pop("model_type", None)
        if kind is None:
            raise ValueError(
                "model.source is null and model.config has no model_type; set --model.source to "
                "pretrained weights, or --model.config.model_type to what to build, such as bert"
            )
        config = AutoConfig.for_model(kind, **given)
    else:
        place = locate(source)
        with loading(source) as local:
            config = AutoConfig.from_pretrained(
                place, local_files_only=local, trust_remote_code=False
            )
        kind = given.pop("model_type", config.model_type)
        if kind != config.model_type:
            raise ValueError(
                f"{source} is a model of type {config.model_type!r}, and model.config.model_type "
                f"is {kind!r}; name a {kind} as --model.source"
            )
        for name, value in given.items():
            setattr(config, name, value)
    resolved: dict[str, Any] = json.loads(config.to_json_string(use_diff=False))
    return {name: value for name, value in resolved.items() if name not in _EXCLUDED}


def build_encoder(
    source: str | None,
    config: dict[str, Any],
    dropout: float | None = None,
    attention_dropout: float = 0.0,
) -> tuple[nn.Module, nn.Linear | None]:
    """Encoder in fp32, and the pretrained linear layer of its pooler, if it has one.

    Weights are read from safetensors only.

    Args:
        source: source of the weights; None: random weights.
        config: see `resolve_config`.
        dropout: dropout of hidden states; None: as in `config`.
        attention_dropout: dropout of attention weights.

    Raises:
        Unavailable: the source is not available.
        DataError: weights that are damaged, not safetensors, or of another architecture.
    """
    from transformers import AutoConfig, AutoModel

    values = dict(config)
    settings = AutoConfig.for_model(values.pop("model_type"), **values)
    for name in _ATTENTION_DROPOUTS:
        if hasattr(settings, name):
            setattr(settings, name, attention_dropout)
    for name in _DROPOUTS:
        if dropout is not None and hasattr(settings, name):
            setattr(settings, name, dropout)
    if source is None:
        encoder, learnt = AutoModel.from_config(settings, dtype=torch.float32), False
    else:
        encoder, keys = _read(AutoModel, source, settings)
        learnt = not any(key.startswith("pooler.") for key in keys)
    multiply_by_onednn(encoder)
    return _without_pooler(encoder.train(), learnt)  # from_pretrained returns it in eval mode


def build_causal(source: str | None, config: dict[str, Any]) -> nn.Module:
    """Causal language model with its output layer, in fp32 and in evaluation mode.

    Args:
        source: source of the weights, read from safetensors only; None: random weights.
        config: see `resolve_config`.

    Raises:
        ValueError: an architecture that is no causal language model.
        Unavailable, DataError: see `build_encoder`.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    values = dict(config)
    kind = values.pop("model_type")
    settings = AutoConfig.for_model(kind, **values)
    if type(settings) not in AutoModelForCausalLM._model_mapping:
        raise ValueError(
            f"model.config.model_type is {kind!r}, of which there is no causal language model; "
            "give a decoder such as gpt2"
        )
    if source is None:
        model: nn.Module = AutoModelForCausalLM.from_config(settings, dtype=torch.float32)
        return model.eval()
    model, _ = _read(AutoModelForCausalLM, source, settings)
    return model.eval()


def _read(kind: Any, source: str, settings: Any) -> tuple[nn.Module, list[str]]:
    """Pretrained model of one of transformers' classes, and the parameters that it lacks."""
    place = locate(source)
    if Path(place).is_dir():
        check_weights(Path(place))
    with loading(source) as local, _quiet():
        model, report = kind.from_pretrained(
            place,
            config=settings,
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=local,
            ignore_mismatched_sizes=True,  # reported below, with missing keys
            output_loading_info=True,
        )
    missing = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
    mismatched = sorted(str(key[0]) for key in report["mismatched_keys"])
    if missing or mismatched:
        raise DataError(
            f"{source}: its weights are not those of a {settings.model_type} as its config and "
            f"model.config describe it: missing {_some(missing)}; unexpected "
            f"{_some(sorted(report['unexpected_keys']))}; of another shape {_some(mismatched)}; "
            "give the source that belongs to the config, or leave model.config out"
        )
    return model, list(report["missing_keys"])


def layers_of(encoder: nn.Module) -> list[nn.Module]:
    """Layers of an encoder, lowest first; the layer that ALBERT repeats counts once."""
    stack = next(module for module in encoder.modules() if isinstance(module, nn.ModuleList))
    return list(stack)


def reinitialise(layers: list[nn.Module], deviation: float) -> None:
    """Initialise layers as BERT: normal matrices, zero biases, unit gains."""
    for layer in layers:
        for module in layer.modules():
            weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
            if isinstance(weight, nn.Parameter):
                if weight.ndim > 1:
                    nn.init.normal_(weight, std=deviation)
                else:
                    nn.init.ones_(weight)
            if isinstance(bias, nn.Parameter):
                nn.init.zeros_(bias)


def first_position(encoder: nn.Module) -> int:
    """Id of a row's first position: the padding id plus 1 in RoBERTa, 0 in others."""
    embeddings = getattr(encoder, "embeddings", None)
    if hasattr(embeddings, "create_position_ids_from_input_ids"):
        return int(embeddings.padding_idx) + 1  # type: ignore[union-attr]
    return 0


def longest_row(encoder: nn.Module) -> int:
    """Largest number of tokens in a row."""
    config: Any = encoder.config
    return int(config.max_position_embeddings) - first_position(encoder)


def _without_pooler(encoder: nn.Module, learnt: bool) -> tuple[nn.Module, nn.Linear | None]:
    pooler = getattr(encoder, "pooler", None)
    if pooler is None:
        return encoder, None
    encoder.pooler = None  # type: ignore[assignment]  # else its unused output would be computed
    linear = getattr(pooler, "dense", pooler)
    return encoder, linear if learnt and isinstance(linear, nn.Linear) else None


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_LISTED]) or "none"
    return shown + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")


class _quiet:
    """Silence transformers' progress bar and its report of keys, which are checked here."""

    def __enter__(self) -> None:
        from transformers.utils import logging

        self.level, self.bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
        logging.set_verbosity_error()
        logging.disable_progress_bar()

    def __exit__(self, *error: object) -> None:
        from transformers.utils import logging

        logging.set_verbosity(self.level)
        if self.bar:
            logging.enable_progress_bar()
