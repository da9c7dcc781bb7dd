"""Probabilities of a causal language model for what follows each text of a batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_models.language.model import BOUNDARY, LitLanguageModel
from lit_models.layers.masking import mask_of
from lit_models.layers.pretrained import longest_row

_SYMBOLS_AT_ONCE = 16_384  # so that memory does not grow with the length of the texts


class Continuing(nn.Module, ABC):
    """Causal language model that says how probable the symbols at some places of rows are."""

    longest: int | None = None
    """Largest number of symbols of a row; None: any."""

    @abstractmethod
    def states(self, tokens: Tensor, lengths: Tensor, places: Tensor) -> Tensor:
        """float[B, P, D] states from which the symbols after some places are predicted.

        Args:
            tokens: int64[B, T].
            lengths: int64[B].
            places: int64[B, P], ascending in a row; -1 is the place before the first token.
        """

    @abstractmethod
    def log_probabilities(self, states: Tensor) -> Tensor:
        """float[N, V] ln p of the next symbol, from float[N, D] states."""

    def forward(self, tokens: Tensor, lengths: Tensor, places: Tensor) -> Tensor:
        """float[B, P, V] ln p of the symbol after each place; see `states`."""
        states = self.states(tokens, lengths, places)
        return self.log_probabilities(states.flatten(0, 1)).unflatten(0, states.shape[:2])


class OwnModel(Continuing):
    """Language model of this suite.

    Args:
        model: forward, with the boundary before each text.
    """

    def __init__(self, model: LitLanguageModel) -> None:
        super().__init__()
        self.net = model.net

    def states(self, tokens: Tensor, lengths: Tensor, places: Tensor) -> Tensor:
        symbols = F.pad(tokens, (1, 0), value=BOUNDARY)  # the state after symbol t + 1 is of t
        state, found = self.net.begin(len(tokens)), list[Tensor]()
        piece = max(1, _SYMBOLS_AT_ONCE // len(tokens))
        for start in range(0, symbols.shape[1], piece):
            read, state = self.net(symbols[:, start : start + piece], state)  # [B, t, D]
            at = places + 1 - start
            inside = (at >= 0) & (at < read.shape[1])
            index = at.clamp(0, read.shape[1] - 1)[:, :, None].expand(-1, -1, read.shape[2])
            found.append(torch.where(inside[:, :, None], read.gather(1, index), 0.0))
        return torch.stack(found).sum(dim=0)

    def log_probabilities(self, states: Tensor) -> Tensor:
        logs: Tensor = self.net.softmax.log_probabilities(states)
        return logs


class HubModel(Continuing):
    """Causal language model of `transformers`, whose logits are linear in its last states.

    Args:
        model: from `build_causal`.

    Raises:
        ValueError: its logits are not, as with a cap on them.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        if getattr(model.config, "max_position_embeddings", None) is not None:
            self.longest = longest_row(model)
        tokens = torch.arange(3)[None] % int(model.config.vocab_size)
        with torch.no_grad():
            logits = model(input_ids=tokens).logits.float().log_softmax(dim=2)
            states = self.states(tokens, torch.tensor([3]), torch.arange(3)[None])
            same = torch.allclose(self.log_probabilities(states[0]), logits[0], atol=1e-3)
        if not same:
            raise ValueError(
                f"model.config.model_type is {model.config.model_type!r}, whose logits are more "
                "than a linear layer over its last states; give another, such as gpt2"
            )

    def states(self, tokens: Tensor, lengths: Tensor, places: Tensor) -> Tensor:
        read = self.model.base_model(
            input_ids=tokens,
            attention_mask=mask_of(lengths, tokens.shape[1]).long(),
            use_cache=False,
        ).last_hidden_state
        return read.gather(1, places[:, :, None].expand(-1, -1, read.shape[2]))

    def log_probabilities(self, states: Tensor) -> Tensor:
        return self.model.get_output_embeddings()(states).float().log_softmax(dim=1)
