"""Adversarial and virtual adversarial training, and minimal entropy, of networks over words."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor

from datamodules.store.batching import TextBatch
from datamodules.store.ragged import Ragged
from datamodules.store.train_view import TrainView
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.masking import mask_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lit_models.base.model import LitModel

_SMALL = 0.1
"""Norm ξ of the perturbation at which the divergence is differentiated."""
_LARGE = 2.0**12  # times a loss of which the direction alone counts: half precision keeps it


class Perturbations:
    """Losses of worst perturbations of the word vectors, beside the loss of the labels.

    Miyato et al. 2017, "Adversarial Training Methods for Semi-Supervised Text Classification", and
    Grandvalet & Bengio 2005, "Semi-supervised Learning by Entropy Minimization". With the word
    vectors x of a text as one long vector and a small perturbation r of it, added to the labels'
    loss ℓ are

        adversarial:          ℓ(x + ε · g / ‖g‖),  g = ∇_x ℓ(x), of the labelled rows;
        virtual adversarial:  KL(p(·|x) ‖ p(·|x + ε · g / ‖g‖)),  g = ∇_r KL(p(·|x) ‖ p(·|x + r))
                              at r = ξ · d / ‖d‖, d normal, of all rows;
        entropy:              λ · -Σ_c p(c|x) ln p(c|x), of all rows.

    One step from d to g is one step of the power iteration for the largest eigenvector of the
    Hessian of the divergence. No gradient goes through p(·|x) in the divergence, or through g.

    r is measured in standard deviations of each dimension of the word vectors over the running
    words of the train and unlabelled texts. This is the paper's normalised embedding but for a
    linear map of the first layer, which the network learns anyway: large word vectors cannot make
    a perturbation harmless. All passes of a step have the same dropout masks, as in the paper's
    program. Padding is never perturbed.

    Args:
        adversarial: ε of adversarial training; 0: none.
        virtual_adversarial: ε of virtual adversarial training; 0: none.
        entropy: λ; 0: none.
    """

    def __init__(self, adversarial: float, virtual_adversarial: float, entropy: float) -> None:
        self.adversarial, self.virtual_adversarial = adversarial, virtual_adversarial
        self.entropy = entropy
        self.shares: Tensor | None = None  # float[V] of the running words

    @classmethod
    def of(cls, adversarial: float, virtual_adversarial: float, entropy: float) -> Self | None:
        """The losses that settings ask for; None for none."""
        settings = adversarial, virtual_adversarial, entropy
        return cls(*settings) if any(settings) else None

    def learn(self, model: LitModel, view: TrainView) -> None:
        """Count the running words of the train and unlabelled texts.

        Raises:
            ValueError: a model without word embeddings of its own, or one that is compiled.
        """
        layer = embedding_of(model)
        if model.compiled:
            raise ValueError(
                "model.compile is true, and adversarial training adds to the word vectors within "
                "the network; set --model.compile false"
            )
        texts = [view.tokens] if view.unlabelled is None else [view.tokens, view.unlabelled]
        size = layer.table.num_embeddings
        counts = sum((_counts(part, size) for part in texts), np.zeros(size))
        self.shares = torch.from_numpy(counts / counts.sum())

    def __call__(
        self, model: LitModel, batch: TextBatch, labelled: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """float[B, C] logits of the texts as they are, and the sum of all losses.

        Args:
            model: the model, whose `forward` is called for each pass.
            batch: the batch; its last `unlabelled` rows have no labels.
            labelled: loss of logits by the labels.
        """
        layer, masks = embedding_of(model), _Masks(model.device)
        with perturbed(layer, batch) as clean:
            logits: Tensor = model(batch)
        loss = own = labelled(logits)
        after = _Masks(model.device)
        scale = self._deviations(layer)

        def passed(r: Tensor) -> Tensor:
            masks.restore()
            with perturbed(layer, batch, r * scale):
                found: Tensor = model(batch)
            return found

        if self.adversarial:
            slopes = torch.autograd.grad(_LARGE * own, clean.r, retain_graph=True)[0] * scale
            loss = loss + labelled(passed(self.adversarial * unit(slopes)))
        if self.virtual_adversarial:
            log_p = logits.detach().log_softmax(dim=1)
            after.restore()
            d = clean.inside(torch.randn_like(clean.r))
            after = _Masks(model.device)
            r = (_SMALL * unit(d)).requires_grad_()
            slopes = torch.autograd.grad(_LARGE * divergence(log_p, passed(r)).sum(), r)[0]
            worst = self.virtual_adversarial * unit(clean.inside(slopes))
            loss = loss + divergence(log_p, passed(worst)).mean()
        if self.entropy:
            log_q = logits.log_softmax(dim=1)
            loss = loss - self.entropy * (log_q.exp() * log_q).sum(dim=1).mean()
        after.restore()
        return logits, loss

    def _deviations(self, layer: WordEmbedding) -> Tensor:
        """float[E] standard deviations of the dimensions of the word vectors."""
        table = layer.table.weight.detach()
        assert self.shares is not None, "the training texts are not known yet"
        self.shares = self.shares.to(table)
        mean = self.shares @ table
        return (self.shares @ table.square() - mean.square()).clamp(min=0).sqrt()


class _Pass:
    """Perturbation that `perturbed` adds to the word vectors of a batch.

    Attributes:
        r: float[B, T, E], zero at padding.
    """

    r: Tensor

    def __init__(self, lengths: Tensor) -> None:
        self.lengths = lengths

    def inside(self, r: Tensor) -> Tensor:
        """`r` with zeros at padding."""
        return torch.where(mask_of(self.lengths, r.shape[1])[:, :, None], r, 0.0)


@contextmanager
def perturbed(layer: WordEmbedding, batch: TextBatch, r: Tensor | None = None) -> Iterator[_Pass]:
    """Add a perturbation to the output of an embedding, within the block.

    Args:
        layer: the embedding, which the network calls once for a batch.
        batch: the batch.
        r: float[B, T, E]; None: zeros, by which a loss can be differentiated.
    """
    found = _Pass(batch.lengths)

    def add(module: Any, given: Any, words: Tensor) -> Tensor:
        found.r = torch.zeros_like(words, requires_grad=True) if r is None else r
        return words + found.r

    handle = layer.register_forward_hook(add)
    try:
        yield found
    finally:
        handle.remove()


def unit(vectors: Tensor) -> Tensor:
    """float[B, T, E], each text's scaled to norm 1; zeros stay zeros."""
    largest = vectors.abs().amax(dim=(1, 2), keepdim=True)  # whose square may be below fp32's least
    vectors = vectors / torch.where(largest > 0, largest, 1)
    norm = vectors.square().sum(dim=(1, 2), keepdim=True).sqrt()
    return (vectors / torch.where(norm > 0, norm, 1)).detach()


def divergence(log_p: Tensor, logits: Tensor) -> Tensor:
    """float[B] KL(p ‖ softmax(logits)) in nats, from float[B, C] each."""
    return (log_p.exp() * (log_p - logits.log_softmax(dim=1))).sum(dim=1)


def embedding_of(model: LitModel) -> WordEmbedding:
    """The embedding of a model's words.

    Raises:
        ValueError: it has none or several, or one that reads whole texts, as with `model.elmo`.
    """
    found = [module for module in model.modules() if isinstance(module, WordEmbedding)]
    reason = None
    if any(layer.reads_texts for layer in found):
        reason = "has the layers of a language model (model.elmo) beside its word vectors"
    elif len(found) != 1:
        reason = f"has {len(found) or 'no'} embeddings of words and needs one"
    if reason is not None:
        raise ValueError(
            f"{type(model).__name__} {reason}, so that model.adversarial, virtual_adversarial and "
            "entropy do not go with it; leave them out"
        )
    return found[0]


def check_unlabelled(perturbations: Perturbations | None, data: Any) -> None:
    """Refuse rows without labels in training batches where no loss reads them.

    Raises:
        ValueError: there are such rows and no such loss.
    """
    size = getattr(data, "unlabelled_batch_size", 0)
    learns = perturbations and (perturbations.virtual_adversarial or perturbations.entropy)
    if size and not learns:
        raise ValueError(
            f"data.unlabelled_batch_size is {size}, and nothing is learnt from those texts; set "
            "--model.virtual_adversarial or --model.entropy, or --data.unlabelled_batch_size 0"
        )


def _counts(texts: Ragged, size: int) -> np.ndarray:
    return np.bincount(texts.values, minlength=size).astype(float)


class _Masks:
    """State of the random generators from which dropout draws, to draw the same again."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.cpu = device, torch.get_rng_state()
        self.other: Any = None
        if device.type == "cuda":
            self.other = torch.cuda.get_rng_state(device)

    def restore(self) -> None:
        """Draw again what was drawn after this state was taken."""
        torch.set_rng_state(self.cpu)
        if self.other is not None:
            torch.cuda.set_rng_state(self.other, self.device)
