"""LoRA: low-rank updates of a pretrained encoder's matrices, through peft."""

from __future__ import annotations

from torch import nn

from lit_models.layers.pretrained import layers_of


def add_adapters(encoder: nn.Module, rank: int) -> None:
    """Freezes the encoder and adds W x + 2 B A x to every linear layer of its stack, in place.

    A: rank × D_in at random, B: D_out × rank at zero (Hu et al. 2022, "LoRA: Low-Rank Adaptation of
    Large Language Models"), scaled by 2 as there for language models.

    Args:
        encoder: of transformers.
        rank: of the updates.

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
    linear = {id(m) for layer in layers_of(encoder) for m in layer.modules() if _matrix(m)}
    names = [name for name, module in encoder.named_modules() if id(module) in linear]
    # GPT-2's Conv1D keeps its matrix the other way round; peft tells by itself.
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=names), encoder)


def _matrix(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"
