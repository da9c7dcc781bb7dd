"""LoRA: low-rank updates of the matrices of a pretrained encoder, with peft."""

from __future__ import annotations

from torch import nn

from lit_models.layers.pretrained import layers_of


def add_adapters(encoder: nn.Module, rank: int) -> None:
    """Freeze the encoder and replace W x by W x + 2 B A x in all linear layers, in place.

    A, rank × D_in, starts at random and B, D_out × rank, at zero (Hu et al. 2022, "LoRA: Low-Rank
    Adaptation of Large Language Models"); the factor 2 is theirs for language models. The linear
    layers are those of the encoder's stack.

    Args:
        encoder: encoder of transformers.
        rank: rank of the updates.

    Raises:
        ValueError: peft is not installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ValueError(
            f"lora_rank is {rank} and peft is not installed; pip install 'lit-sentiment[lora]', or "
            "set --model.lora_rank 0"
        ) from error
    linear = {id(m) for layer in layers_of(encoder) for m in layer.modules() if _is_linear(m)}
    names = [name for name, module in encoder.named_modules() if id(module) in linear]
    # The matrix of GPT-2's Conv1D is transposed, which peft handles.
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=names), encoder)


def _is_linear(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"
