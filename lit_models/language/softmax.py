"""Output layers of language models: full and adaptive softmax, with or without tied weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_models.layers.linear import linear


class FullSoftmax(nn.Module):
    """ln p(w | s) = ln softmax_w(E s + b) over the whole vocabulary.

    Args:
        width: D, width of a state.
        vocab_size: V.
        weight: E, the rows of the word embedding (tied, Press & Wolf 2017), float[V, D]; None: the
            layer has a matrix of its own.
    """

    def __init__(self, width: int, vocab_size: int, weight: Tensor | None = None) -> None:
        super().__init__()
        self.weight = _rows(width, vocab_size) if weight is None else weight
        self.bias = nn.Parameter(torch.zeros(vocab_size))

    def losses(self, states: Tensor, targets: Tensor) -> Tensor:
        """float[N] -ln p of int64[N] targets, from float[N, D] states."""
        return _cross_entropy(linear(states, self.weight, self.bias), targets)

    def log_probabilities(self, states: Tensor) -> Tensor:
        """float[N, V] ln p of all words, from float[N, D] states."""
        return _log_softmax(linear(states, self.weight, self.bias))


class AdaptiveSoftmax(nn.Module):
    """Grave et al. 2017: frequent words and clusters of rare ones first, then a word of a cluster.

    Words are numbered by falling frequency. The head has the first n_0 words and one outcome for
    each cluster k of the words n_{k-1} … n_k - 1; with s the state,
        p(w | s) = softmax_w(H s)                                 for words of the head,
        p(w | s) = softmax_k(H s) · softmax_w(E_k s)              for words of cluster k.
    The cost of a rare word is not paid for every word. All rows have the width of the state, so
    that they can be those of the word embedding. (PyTorch's own layer, `LowRankSoftmax`, saves
    more with narrow clusters, which cannot be tied.)

    Args:
        width: D, width of a state.
        vocab_size: V.
        cutoffs: n_0 < n_1 < … < V.
        weight: rows of the word embedding, float[V, D]; None: the layer has a matrix of its own.
    """

    def __init__(
        self,
        width: int,
        vocab_size: int,
        cutoffs: Sequence[int],
        weight: Tensor | None = None,
    ) -> None:
        super().__init__()
        edges = [0, *cutoffs, vocab_size]
        self.starts = edges[1:-1]  # first word of each cluster
        self.sizes = [end - start for start, end in zip(edges, edges[1:], strict=False)]
        self.weight = _rows(width, vocab_size) if weight is None else weight
        self.bias = nn.Parameter(torch.zeros(vocab_size))
        self.clusters = _rows(width, len(self.starts))
        self.cluster_bias = nn.Parameter(torch.zeros(len(self.starts)))

    def losses(self, states: Tensor, targets: Tensor) -> Tensor:
        """float[N] -ln p of int64[N] targets, from float[N, D] states."""
        (head, bias), *tails = self._parts()
        cluster = torch.zeros_like(targets)  # 0: a word of the head
        for start in self.starts:
            cluster += targets >= start
        outcome = torch.where(cluster == 0, targets, self.starts[0] - 1 + cluster)
        losses = _cross_entropy(linear(states, head, bias), outcome)
        for number, (start, (weight, bias)) in enumerate(zip(self.starts, tails, strict=True)):
            rows = (cluster == number + 1).nonzero()[:, 0]
            logits = linear(states[rows], weight, bias)
            losses = losses.index_add(0, rows, _cross_entropy(logits, targets[rows] - start))
        return losses

    def log_probabilities(self, states: Tensor) -> Tensor:
        """float[N, V] ln p of all words, from float[N, D] states."""
        (head, bias), *tails = self._parts()
        first = _log_softmax(linear(states, head, bias))
        words = [first[:, : self.starts[0]]]
        for number, (weight, bias) in enumerate(tails):
            cluster = first[:, self.starts[0] + number, None]
            words.append(cluster + _log_softmax(linear(states, weight, bias)))
        return torch.cat(words, dim=1)

    def _parts(self) -> list[tuple[Tensor, Tensor]]:
        """Weight and bias of the head and of each cluster."""
        # One split, not slices, each of which would have a gradient as large as the whole table.
        weights, biases = self.weight.split(self.sizes), self.bias.split(self.sizes)
        head = torch.cat([weights[0], self.clusters]), torch.cat([biases[0], self.cluster_bias])
        return [head, *zip(weights[1:], biases[1:], strict=True)]


class LowRankSoftmax(nn.Module):
    """PyTorch's adaptive softmax: the states of cluster k are projected to D / 4^k dimensions.

    Args:
        width: D, width of a state.
        vocab_size: V.
        cutoffs: as of `AdaptiveSoftmax`.

    Raises:
        ValueError: D is below 4^k.
    """

    def __init__(self, width: int, vocab_size: int, cutoffs: Sequence[int]) -> None:
        super().__init__()
        if width < 4 ** len(cutoffs):
            raise ValueError(
                f"the width is {width} and the states of {len(cutoffs)} clusters are narrower by "
                f"up to 4 to the power {len(cutoffs)}; choose fewer --model.cutoffs, or a larger "
                "--model.hidden_size"
            )
        self.layer = nn.AdaptiveLogSoftmaxWithLoss(
            width, vocab_size, list(cutoffs), div_value=4.0, head_bias=True
        )

    def losses(self, states: Tensor, targets: Tensor) -> Tensor:
        """float[N] -ln p of int64[N] targets, from float[N, D] states."""
        with torch.autocast(states.device.type, enabled=False):  # under it the layer fails
            losses: Tensor = -self.layer(_precise(states), targets).output
        return losses

    def log_probabilities(self, states: Tensor) -> Tensor:
        """float[N, V] ln p of all words, from float[N, D] states."""
        with torch.autocast(states.device.type, enabled=False):
            found: Tensor = self.layer.log_prob(_precise(states))
        return found


Softmax = FullSoftmax | AdaptiveSoftmax | LowRankSoftmax


def make_softmax(
    width: int, vocab_size: int, cutoffs: Sequence[int] | None, weight: Tensor | None
) -> Softmax:
    """Output layer of a language model.

    Args:
        width: D, width of a state.
        vocab_size: V.
        cutoffs: n_0 < n_1 < …, see `AdaptiveSoftmax`; those of V or more are left out. None, or
            none left: full softmax.
        weight: rows of the word embedding, to which the output is tied; None: it is not, and
            clusters are narrow.

    Raises:
        ValueError: cutoffs that do not rise from 1 or more.
    """
    cutoffs = list(cutoffs or [])
    if cutoffs != sorted(set(cutoffs)) or any(cutoff < 1 for cutoff in cutoffs):
        raise ValueError(
            f"cutoffs is {cutoffs}; it must rise from 1 or more, as in [2000, 10000], or be null "
            "for the full softmax"
        )
    cutoffs = [cutoff for cutoff in cutoffs if cutoff < vocab_size]
    if not cutoffs:
        return FullSoftmax(width, vocab_size, weight)
    if weight is None:
        return LowRankSoftmax(width, vocab_size, cutoffs)
    return AdaptiveSoftmax(width, vocab_size, cutoffs, weight)


def _rows(width: int, count: int) -> nn.Parameter:
    return nn.Parameter(0.1 * torch.randn(count, width))


def _precise(values: Tensor) -> Tensor:
    """At least fp32, also under autocast."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(_precise(logits), targets, reduction="none")


def _log_softmax(logits: Tensor) -> Tensor:
    return _precise(logits).log_softmax(dim=1)
