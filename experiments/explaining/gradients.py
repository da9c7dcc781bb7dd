"""Integrated gradients on word embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from datamodules.store.batching import TextBatch
from datamodules.store.truncation import TokenTruncation
from experiments.explaining.explanation import Attribution
from experiments.explaining.score import rows_batch, score_of
from lit_models.base.classifier import LitClassifier

_FIRST, _MOST = 16, 1024  # points of the path, the end points counted as one
_GAP = 0.02
_VALUES = 2**20  # of embeddings in one batch
# Ids that a network cannot take for positions or segments, and that every vocabulary has.
_PROBE = np.array([1, 0, 0, 1, 0, 1, 1])


class RowInParts(Exception):
    """A row that a network reads in parts, such as windows, whose embeddings are not its own."""


class IntegratedGradients:
    """Sundararajan, Taly & Yan 2017, "Axiomatic Attribution for Deep Networks".

    a_t = (e_t - u) · ∫₀¹ ∂score(u + α (e - u)) / ∂e_t dα, with e_t the embedding of token t and u
    that of the unknown token. The path begins at a text of as many unknown words, special tokens as
    they are: a text that the model reads as any other, and that says nothing. Zero vectors are no
    such start: a layer norm that reads nothing else turns them into a jump, and no number of points
    finds the integral (`transformer`, `linear_transformer`, `deberta`). The contributions add up to
    score(e) - score(u), but for the error of the quadrature.

    The integral is Fejér's second rule over 15, 31, 63, … points, each of which includes the points
    before it, until that error is under 2% of the difference, and at most over 1,023.

    Args:
        model: In evaluation mode.
        truncation: Special tokens and padding.

    Attributes:
        layers: The layers that look up the tokens; none: the method cannot be used.
    """

    def __init__(self, model: LitClassifier, truncation: TokenTruncation) -> None:
        self.model, self.truncation = model, truncation
        self.layers = _layers_of(model)

    def __call__(self, row: np.ndarray, label: int) -> Attribution:
        """Contributions to the score of a label, of a row int64[T] of token ids.

        Raises:
            RowInParts: The network does not read the row as it is.
        """
        batch = rows_batch([row], self.truncation.pad_id, self.model.device)
        with _frozen(self.model), torch.backends.cudnn.flags(enabled=False):
            base, score = self._run(batch, torch.tensor([0.0, 1.0]), label)[0].tolist()
            difference = score - base
            gradients = np.zeros((0, len(row)))  # of the points so far, by their order
            size = _FIRST
            while True:
                points, weights = fejer(size)
                new = points[::2] if len(gradients) else points
                found = self._gradients(batch, new, label)
                if len(gradients):
                    merged = np.zeros((len(points), len(row)))
                    merged[::2], merged[1::2] = found, gradients
                    found = merged
                gradients = found
                contributions = weights @ gradients
                gap = abs(contributions.sum() - difference) / max(abs(difference), 1e-12)
                if gap < _GAP or size >= _MOST:
                    return Attribution(contributions, score, base, gap, len(points))
                size *= 2

    def _gradients(self, batch: TextBatch, points: np.ndarray, label: int) -> np.ndarray:
        """float64[P, T] e · ∂score(α e) / ∂e of each token, at float64[P] points α."""
        width = max(layer.embedding_dim for layer in self.layers)
        rows = max(1, _VALUES // (batch.tokens.shape[1] * width))
        parts = torch.from_numpy(points).float().split(rows)
        return np.concatenate([self._run(batch, part, label, True)[1] for part in parts])

    def _run(
        self, batch: TextBatch, shares: Tensor, label: int, gradients: bool = False
    ) -> tuple[Tensor, np.ndarray]:
        """float64[P] scores at P points of the path, and the gradients times embeddings there."""
        inputs: list[Tensor] = []
        words: list[Tensor] = []
        special = torch.zeros(batch.tokens.shape[1], dtype=torch.bool)
        special[: self.truncation.prefix] = True
        special[len(special) - self.truncation.suffix :] = True
        special = special.to(batch.tokens.device)[None, :, None]

        def replace(layer: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> Tensor:
            if given[0].shape != copies.tokens.shape:
                raise RowInParts
            share = shares.to(output)[:, None, None]
            unknown = layer.weight[self.truncation.unk_id].detach()  # type: ignore[index]
            removable = torch.where(special, 0.0, output - unknown.to(output))
            mixed = (output - (1 - share) * removable).detach().requires_grad_(gradients)
            inputs.append(mixed)
            words.append(removable)
            return mixed

        copies = TextBatch(*(part.repeat_interleave(len(shares), dim=0) for part in batch))
        with ExitStack() as stack, torch.set_grad_enabled(gradients):
            for layer in self.layers:
                stack.callback(layer.register_forward_hook(replace).remove)
            found = score_of(self.model(copies).double(), label)
            if not gradients:
                return found, np.zeros(0)
            slopes = torch.autograd.grad(found.sum(), inputs)
        products = [
            (slope.double() * word).sum(dim=2) for slope, word in zip(slopes, words, strict=True)
        ]
        return found, torch.stack(products).sum(dim=0).cpu().numpy()


def fejer(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights of Fejér's second rule for the integral from 0 to 1.

    Waldvogel 2006, "Fast Construction of the Fejér and Clenshaw–Curtis Quadrature Rules". Every
    second point of `2 * size` is one of `size`.

    Args:
        size: An even number; the rule has size - 1 points.

    Returns:
        float64[size - 1] each.
    """
    angles = np.arange(1, size) * np.pi / size
    odd = np.arange(1, size, 2)
    sums = (np.sin(odd * angles[:, None]) / odd).sum(axis=1)
    weights = 4 * np.sin(angles) / size * sums
    return (1 - np.cos(angles)) / 2, weights / 2


def _layers_of(model: LitClassifier) -> list[nn.Embedding]:
    """The layers that look up a batch's tokens as they are, and that a gradient reaches."""
    batch = rows_batch([_PROBE], 0, model.device)
    found = list[nn.Embedding]()
    embeddings = [module for module in model.modules() if isinstance(module, nn.Embedding)]
    # A path of one word's vector leaves those around it as is, and one with jumps has no integral.
    refused = "reads_texts", "discontinuous"
    if not embeddings or any(getattr(m, r, False) for m in model.modules() for r in refused):
        return []

    def note(layer: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if len(given) == 1 and torch.equal(given[0], batch.tokens):
            found.append(layer)  # type: ignore[arg-type]
        return output

    with ExitStack() as stack, torch.inference_mode():
        for module in embeddings:
            stack.callback(module.register_forward_hook(note).remove)
        model(batch)
    return found if len(set(found)) == len(found) else []


@contextmanager
def _frozen(model: nn.Module) -> Iterator[None]:
    """Spares the gradients of the parameters, which cost as much as those of the words."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
