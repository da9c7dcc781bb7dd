"""Freezing, unfreezing and learning rates by the depth of a layer in an encoder."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn

from lit_models.layers.pretrained import layers_of


def depths_of(encoder: nn.Module) -> dict[str, int]:
    """Depth of each parameter by its name: 0 in the embeddings, 1 … L in the layers.

    Parameters above the last layer have its depth.
    """
    layers = layers_of(encoder)
    in_layers = {id(p): i + 1 for i, layer in enumerate(layers) for p in layer.parameters()}
    depths = {}
    for name, parameter in encoder.named_parameters():
        embedding = any(part in name for part in ("embed", "wte", "wpe"))
        depths[name] = in_layers.get(id(parameter), 0 if embedding else len(layers))
    return depths


def freeze(encoder: nn.Module, depth: int) -> None:
    """Stop the training of all parameters up to a depth."""
    depths = depths_of(encoder)
    for name, parameter in encoder.named_parameters():
        if depths[name] <= depth:
            parameter.requires_grad_(False)


def layerwise_groups(
    parameters: Iterable[tuple[str, nn.Parameter]],
    depths: dict[str, int],
    top: int,
    learning_rate: float,
    layer_decay: float,
    weight_decay: float,
) -> list[dict[str, Any]]:
    """Optimiser groups of trainable parameters, two for each depth: matrices, and all others.

    Depth d learns at learning_rate · layer_decay^(top - d). Only matrices decay.

    Args:
        parameters: parameters by name.
        depths: depths by name; a parameter without one is in the head.
        top: depth of the head, above all layers.
        learning_rate: at the top.
        layer_decay: ratio of a layer's rate to that of the layer above.
        weight_decay: of matrices.
    """
    groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for name, parameter in parameters:
        if parameter.requires_grad:
            depth = depths.get(name, top)
            groups.setdefault((depth, parameter.ndim < 2), []).append(parameter)
    return [
        {
            "params": members,
            "lr": learning_rate * layer_decay ** (top - depth),
            "weight_decay": 0.0 if flat else weight_decay,
        }
        for (depth, flat), members in sorted(groups.items(), key=lambda item: item[0])
    ]
