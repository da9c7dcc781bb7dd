"""Packed rows: the tokens of a batch in one row without padding, attention within each text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from lit_models.layers.masking import mask_of

VARLEN = "lit_sentiment_varlen"
# Model types whose attention uses transformers' interface and accepts a given mask.
PACKABLE = ("bert", "distilbert", "roberta", "xlm-roberta", "albert", "electra", "ernie")


class Packed(NamedTuple):
    """A batch without its padding.

    Attributes:
        tokens: int64[1, N] tokens, row after row.
        positions: int64[1, N] position of each token in its row.
        edges: int32[B + 1] starts and ends of rows.
        longest: length of the longest row.
        places: int64[N] index of each token in the flattened [B · T] batch.
    """

    tokens: Tensor
    positions: Tensor
    edges: Tensor
    longest: int
    places: Tensor


def pack(tokens: Tensor, lengths: Tensor) -> Packed:
    """Pack int64[B, T] tokens of int64[B] lengths."""
    width = tokens.shape[1]
    index = mask_of(lengths, width).flatten().nonzero()[:, 0]
    edges = torch.zeros(len(lengths) + 1, dtype=torch.int32, device=tokens.device)
    edges[1:] = lengths.cumsum(0)
    positions = (index % width)[None]
    return Packed(tokens.flatten()[index][None], positions, edges, width, index)


def unpack(states: Tensor, packed: Packed, rows: int) -> Tensor:
    """[B, T, D] states with zero vectors in the padding, from [1, N, D]."""
    flat = states.new_zeros(rows * packed.longest, states.shape[2])
    flat = flat.index_copy(0, packed.places, states[0])
    return flat.view(rows, packed.longest, -1)


def block_mask(packed: Packed) -> Tensor:
    """bool[1, 1, N, N] mask, true where both tokens are of one row. Works on any device."""
    lengths = packed.edges.diff().long()
    row = torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), lengths)
    return (row[:, None] == row[None, :])[None, None]


def packs_fast(encoder: nn.Module, tokens: Tensor) -> bool:
    """True where packed rows have a kernel of their own: on a GPU, in 16 bits."""
    if not tokens.is_cuda or _kernel() is None:
        return False
    config: Any = encoder.config
    weights = next(encoder.parameters()).dtype
    dtype = torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else weights
    return config.model_type in PACKABLE and dtype in (torch.bfloat16, torch.float16)


def encode_packed(encoder: nn.Module, packed: Packed, first_position: int, fast: bool) -> Any:
    """Outputs of an encoder for packed rows.

    Args:
        encoder: encoder of transformers, of a type in `PACKABLE`.
        packed: the rows.
        first_position: see `lit_models.layers.pretrained`.
        fast: use the variable-length kernel, not SDPA with the block-diagonal mask.

    Raises:
        ValueError: an encoder of another type.
    """
    config: Any = encoder.config
    if config.model_type not in PACKABLE:
        raise ValueError(
            f"rows of a {config.model_type!r} cannot be packed, only those of "
            f"{', '.join(PACKABLE)}; set --model.packing never"
        )
    inputs = {"input_ids": packed.tokens, "position_ids": packed.positions + first_position}
    if not fast:
        return encoder(**inputs, attention_mask=block_mask(packed))
    _register()
    before, config._attn_implementation = config._attn_implementation, VARLEN
    try:  # transformers has no mask function of that name and makes no mask
        return encoder(**inputs, edges=packed.edges, longest=packed.longest)
    finally:
        config._attn_implementation = before


def varlen_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    edges: Tensor,
    longest: int,
    scaling: float | None = None,
    dropout: float = 0.0,
    **rest: Any,
) -> tuple[Tensor, None]:
    """transformers' attention interface over torch's `varlen_attn`: [1, N, H, d].

    Args:
        module: the layer; unused.
        query: [1, H, N, d].
        key: [1, H, N, d].
        value: [1, H, N, d].
        attention_mask: unused.
        edges: int32[B + 1].
        longest: length of the longest row.
        scaling: factor of the products; None: 1/√d.
        dropout: must be 0; the kernel has no dropout.
        **rest: further arguments of models; unused.

    Raises:
        ValueError: a dropout other than 0.
    """
    if dropout:
        raise ValueError(
            f"attention_dropout is {dropout} and the kernel of packed rows has none; set "
            "--model.attention_dropout 0 or --model.packing never"
        )
    kernel = _kernel()
    assert kernel is not None
    q, k, v = (part[0].transpose(0, 1) for part in (query, key, value))  # [N, H, d]
    mixed = kernel(q, k, v, edges, edges, longest, longest, scale=scaling)
    return mixed[None], None


def _kernel() -> Callable[..., Any] | None:
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:  # torch before 2.10
        return None
    return varlen_attn


def _register() -> None:
    from transformers import AttentionInterface

    AttentionInterface.register(VARLEN, varlen_attention)
