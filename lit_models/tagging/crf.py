"""Linear-chain conditional random field over the scores of a network (Lafferty et al. 2001)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LinearChainCRF(nn.Module):
    """Distribution over whole sequences of tags.

    With scores s_t of the K tags at each of W words, as in Lample et al. 2016:
        score(y) = b[y_1] + Σ_t s_t[y_t] + Σ_{t>1} A[y_{t-1}, y_t] + e[y_W],
        p(y) = exp(score(y)) / Σ_{y'} exp(score(y')).
    The sum is found by the forward algorithm, the most probable y by Viterbi's. What is past a
    row's words has no part in either.

    Args:
        num_tags: K.

    Attributes:
        transitions: A, [K, K] from a tag to the next one.
        starts: b, [K] of the first tag.
        ends: e, [K] of the last tag.
    """

    def __init__(self, num_tags: int) -> None:
        super().__init__()
        self.transitions = nn.Parameter(torch.empty(num_tags, num_tags))
        self.starts, self.ends = (nn.Parameter(torch.empty(num_tags)) for _ in range(2))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.1, 0.1)

    def log_probability(self, scores: Tensor, words: Tensor, tags: Tensor) -> Tensor:
        """float[B] ln p of int64[B, W] tags, given float[B, W, K] scores and int64[B] words."""
        wide = scores.to(torch.promote_types(scores.dtype, torch.float32))
        return self._score(wide, words, tags) - self._log_sum(wide, words)

    @torch.no_grad()
    def best(self, scores: Tensor, words: Tensor) -> Tensor:
        """int64[B, W] most probable tags; past a row's words the last of these tags again."""
        wide = scores.to(torch.promote_types(scores.dtype, torch.float32))
        reached, width = self.starts + wide[:, 0], wide.shape[1]  # [B, K] best score up to a tag
        before = []
        stay = torch.arange(wide.shape[2], device=wide.device)
        for t in range(1, width):
            there, from_tag = (reached[:, :, None] + self.transitions).max(dim=1)
            inside = (t < words)[:, None]
            reached = torch.where(inside, there + wide[:, t], reached)
            before.append(torch.where(inside, from_tag, stay))
        tag = (reached + self.ends).argmax(dim=1)  # [B]
        found = [tag]
        for from_tag in reversed(before):
            tag = from_tag.gather(1, tag[:, None])[:, 0]
            found.append(tag)
        return torch.stack(found[::-1], dim=1)

    def _score(self, scores: Tensor, words: Tensor, tags: Tensor) -> Tensor:
        inside = torch.arange(scores.shape[1], device=scores.device) < words[:, None]
        tags = torch.where(inside, tags, 0)  # past the words: any tag
        emitted = scores.gather(2, tags[:, :, None])[:, :, 0]
        moved = self.transitions[tags[:, :-1], tags[:, 1:]]
        last = tags.gather(1, words[:, None] - 1)[:, 0]
        total: Tensor = self.starts[tags[:, 0]] + self.ends[last]
        total = total + torch.where(inside, emitted, 0.0).sum(dim=1)
        return total + torch.where(inside[:, 1:], moved, 0.0).sum(dim=1)

    def _log_sum(self, scores: Tensor, words: Tensor) -> Tensor:
        """float[B] logarithm of the sum over all sequences of tags."""
        reached = self.starts + scores[:, 0]  # [B, K] of those that end in a tag
        for t, score in enumerate(scores[:, 1:].unbind(dim=1), start=1):
            there = (reached[:, :, None] + self.transitions).logsumexp(dim=1) + score
            reached = torch.where((t < words)[:, None], there, reached)
        return (reached + self.ends).logsumexp(dim=1)
