"""Bags of features as gather and sum, linear heads over them, and forests."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

Counting = Literal["all", "sublinear", "distinct"]
Scaling = Literal["none", "length", "total"]


class Table(nn.Module):
    """Rows of a matrix by their numbers; `quantize` replaces it by one of 8 bits."""

    weight: Tensor

    def __init__(self, weight: Tensor | np.ndarray) -> None:
        super().__init__()
        self.register_buffer("weight", torch.as_tensor(weight).detach().contiguous())

    def forward(self, items: Tensor) -> Tensor:
        """float[…, E] from int64[…]."""
        return F.embedding(items, self.weight)


class Weights(nn.Module):
    """Weights w_i = a_i f_i of the items of a text, perhaps divided by a norm of the text.

    Args:
        factors: float[F], the f_i; None: 1.
        counting: a of `all` is the count c of an item, of `sublinear` 1 + ln(c), of `distinct` 1.
        scaling: the norm is √Σ w² under `length`, Σ w under `total`.
        squares: float[F], f² in the norm of `length` where it is not the square of f.
    """

    def __init__(
        self,
        factors: Tensor | np.ndarray | None = None,
        counting: Counting = "all",
        scaling: Scaling = "none",
        squares: np.ndarray | None = None,
    ) -> None:
        super().__init__()
        self.counting, self.scaling = counting, scaling
        self.factors = None if factors is None else Table(torch.as_tensor(factors)[:, None])
        self.squares = None if squares is None else Table(squares[:, None])

    def forward(self, items: Tensor, counts: Tensor) -> Tensor:
        """float[B, W] in the dtype of `counts`; 0 where a count is 0.

        Args:
            items: int64[B, W], each item of a text once.
            counts: float[B, W], 0 past the items of a text.
        """
        present = counts > 0
        if self.counting == "sublinear":
            counts = torch.where(present, 1 + counts.clamp(min=1).log(), 0.0)
        elif self.counting == "distinct":
            counts = present.to(counts.dtype)
        weights = counts
        if self.factors is not None:
            weights = counts * self.factors(items).squeeze(2).to(counts.dtype)
        if self.scaling == "none":
            return weights
        if self.scaling == "total":
            total = weights.sum(dim=1, keepdim=True)
        else:
            squares = weights.square()
            if self.squares is not None:
                squares = counts.square() * self.squares(items).squeeze(2).to(counts.dtype)
            total = squares.sum(dim=1, keepdim=True).sqrt()
        return weights / torch.where(total > 0, total, 1.0)  # a text without items has zeros


class WeightedSum(nn.Module):
    """Σ_i w_i · table[i] over the items of a text, plus a bias.

    Args:
        weights: The w_i.
        table: float[F, E].
        bias: float[E]; None: 0.
    """

    bias: Tensor

    def __init__(
        self,
        weights: Weights,
        table: Tensor | np.ndarray,
        bias: Tensor | np.ndarray | None = None,
    ) -> None:
        super().__init__()
        self.weights, self.table = weights, Table(table)
        start = torch.zeros(1) if bias is None else torch.as_tensor(bias).detach().clone()
        self.register_buffer("bias", start)

    def forward(self, items: Tensor, counts: Tensor) -> Tensor:
        """float[B, E]."""
        weights = self.weights(items, counts)
        rows = self.table(items).to(weights.dtype)  # [B, W, E]
        return (rows * weights[:, :, None]).sum(dim=1) + self.bias.to(weights.dtype)


class OneAgainstRest(nn.Module):
    """Logistic regressions of each class against the rest, over features of their own.

    Score c is Σ_i products[i, c] over the distinct items of a text, divided by √Σ_i squares[i, c],
    plus a bias; the logit is the logarithm of its sigmoid.

    Args:
        products: float[F, C], features times coefficients.
        squares: float[F, C] of the features; None: the scores are not divided.
        bias: float[C].
    """

    bias: Tensor

    def __init__(self, products: np.ndarray, squares: np.ndarray | None, bias: np.ndarray) -> None:
        super().__init__()
        self.products = Table(products)
        self.squares = None if squares is None else Table(squares)
        self.register_buffer("bias", torch.as_tensor(bias).clone())

    def forward(self, items: Tensor, counts: Tensor) -> Tensor:
        """float[B, C] from int64[B, W] distinct items and their counts, 0 past the end."""
        present = (counts > 0).to(counts.dtype)[:, :, None]
        scores = (self.products(items).to(counts.dtype) * present).sum(dim=1)
        if self.squares is not None:
            norms = (self.squares(items).to(counts.dtype) * present).sum(dim=1).sqrt()
            scores = scores / torch.where(norms > 0, norms, 1.0)
        return F.logsigmoid(scores + self.bias.to(scores.dtype))


class Dense(nn.Module):
    """The features themselves: a text's weighted items as one row of all columns.

    Args:
        weights: Weight of an item in its text.
        columns: int64[F], column of each item.
    """

    columns: Tensor

    def __init__(self, weights: Weights, columns: np.ndarray) -> None:
        super().__init__()
        self.weights, self.size = weights, int(columns.max()) + 1
        self.register_buffer("columns", torch.from_numpy(columns.astype(np.int64)))

    def forward(self, items: Tensor, counts: Tensor) -> Tensor:
        """float[B, size]."""
        values = self.weights(items, counts)
        empty = values.new_zeros(items.shape[0], self.size)
        return empty.scatter_add(1, self.columns[items], values)


class Forest(nn.Module):
    """Mean of the trees of a forest of scikit-learn; logits are logarithms of probabilities.

    All trees descend at once, as many steps as the deepest has; a leaf leads to itself.
    """

    def __init__(self, forest: Any) -> None:
        super().__init__()
        trees = [one.tree_ for one in forest.estimators_]
        sizes = np.array([tree.node_count for tree in trees])
        roots = np.cumsum(sizes) - sizes
        inner = np.concatenate([tree.children_left != -1 for tree in trees])
        every = np.arange(len(inner))
        children = {
            side: np.where(
                inner,
                np.concatenate(
                    [getattr(t, f"children_{side}") + r for t, r in zip(trees, roots, strict=True)]
                ),
                every,
            )
            for side in ("left", "right")
        }
        thresholds = np.concatenate([tree.threshold for tree in trees])
        # scikit-learn compares float32 features with float64 thresholds. The largest float32 that
        # is not above a threshold divides them in the same way.
        rounded = thresholds.astype(np.float32)
        above = rounded.astype(np.float64) > thresholds
        rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
        values = np.concatenate([tree.value[:, 0] for tree in trees])
        values = values / values.sum(axis=1, keepdims=True)
        features = np.concatenate([tree.feature for tree in trees])
        self.depth = max(int(tree.max_depth) for tree in trees)
        for name, array in {
            "roots": roots.astype(np.int64),
            "left": children["left"].astype(np.int32),
            "right": children["right"].astype(np.int32),
            "features": np.where(inner, features, 0).astype(np.int32),
            "thresholds": rounded,
            "values": values,
        }.items():
            self.register_buffer(name, torch.from_numpy(array))

    def forward(self, features: Tensor) -> Tensor:
        """float64[B, C] logits from float[B, F] features."""
        features = features.float()
        node = self.roots.expand(features.shape[0], -1)  # type: ignore[operator]
        for _ in range(self.depth):
            values = features.gather(1, self.features[node].long())  # type: ignore[index]
            below = values <= self.thresholds[node]  # type: ignore[index]
            node = torch.where(below, self.left[node], self.right[node]).long()  # type: ignore[index]
        result: Tensor = self.values[node].mean(dim=1).log()  # type: ignore[index]
        return result


class TfidfRows(nn.Module):
    """Sublinear TF-IDF of dense counts, as scikit-learn's, rows scaled to length 1."""

    idf: Tensor

    def __init__(self, idf: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("idf", torch.from_numpy(idf.copy()))

    def forward(self, counts: Tensor) -> Tensor:
        """float[B, F] from float[B, F]."""
        weights = torch.where(counts > 0, (1 + counts.clamp(min=1).log()) * self.idf, 0.0)
        length = weights.square().sum(dim=1, keepdim=True).sqrt()
        return weights / torch.where(length > 0, length, 1.0)


class Linear(nn.Module):
    """Linear layer over dense features, in their dtype."""

    def __init__(self, weight: np.ndarray, bias: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("weight", torch.from_numpy(weight.copy()))
        self.register_buffer("bias", torch.from_numpy(bias.copy()))

    def forward(self, features: Tensor) -> Tensor:
        """float[B, K] from float[B, F]."""
        return F.linear(features, self.weight, self.bias)  # type: ignore[arg-type]


class TwoClasses(nn.Module):
    """Logits of two classes from one score, whose logistic function is that of class 1."""

    def forward(self, score: Tensor) -> Tensor:
        """float[B, 2] from float[B, 1]."""
        return torch.cat([-score / 2, score / 2], dim=1)


class Sigmoids(nn.Module):
    """Logits of classes from one score each, by Platt's sigmoids: p_c ∝ 1 / (1 + exp(a s + b))."""

    slopes: Tensor
    offsets: Tensor

    def __init__(self, slopes: np.ndarray, offsets: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("slopes", torch.from_numpy(slopes))
        self.register_buffer("offsets", torch.from_numpy(offsets))

    def forward(self, scores: Tensor) -> Tensor:
        """float[B, C] from float[B, C], or [B, 2] from [B, 1]."""
        logits = -(self.slopes * scores + self.offsets)
        if logits.shape[1] == 1:
            return torch.cat([-logits / 2, logits / 2], dim=1)
        return F.logsigmoid(logits)


class Bags(nn.Module):
    """Sum over one or two blocks of features of a text, then a head.

    Args:
        blocks: A module for each block, from its items and counts.
        head: From the sum of their results to logits.
        precise: Compute in float64, as scikit-learn does.
    """

    def __init__(self, blocks: list[nn.Module], head: nn.Module, precise: bool = False) -> None:
        super().__init__()
        self.blocks, self.head, self.precise = nn.ModuleList(blocks), head, precise

    def forward(
        self,
        items_0: Tensor,
        counts_0: Tensor,
        items_1: Tensor | None = None,
        counts_1: Tensor | None = None,
    ) -> Tensor:
        """float[B, C] logits."""
        total: Tensor = self.blocks[0](items_0, self._exact(counts_0))
        if items_1 is not None and counts_1 is not None:
            total = total + self.blocks[1](items_1, self._exact(counts_1))
        logits: Tensor = self.head(total)
        return logits

    def _exact(self, counts: Tensor) -> Tensor:
        return counts.double() if self.precise else counts
