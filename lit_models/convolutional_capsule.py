"""ConvolutionalCapsule: capsules of n-grams, routed to those of regions, and these to classes."""

from __future__ import annotations

from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.store.batching import TextBatch
from lit_models.base.classifier import LitClassifier
from lit_models.layers.capsule import LeakyCapsules, Loss, is_margin, length_of, margin_loss, squash
from lit_models.layers.convolution import WordConvolution
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.linear import Linear
from lit_models.layers.marks import Marks
from lit_models.layers.masking import mask_of, zero_padding

_WORDS = 200  # usual number of words, by which the weights start


class CapsuleBranch(nn.Module):
    """N-grams of one size → primary capsules → capsules of regions → capsules of the classes.

    Args:
        input_size: E, width of a word vector.
        filter_size: words of an n-gram.
        num_classes: C.
        Others: see `ConvolutionalCapsule`.
    """

    def __init__(
        self,
        input_size: int,
        filter_size: int,
        *,
        num_filters: int,
        num_capsules: int,
        capsule_size: int,
        region_size: int,
        routing_iterations: int,
        num_classes: int,
    ) -> None:
        super().__init__()
        self.capsule_size, self.region_size = capsule_size, region_size
        self.num_classes = num_classes
        self.convolution = WordConvolution(input_size, num_filters, filter_size)
        self.primary = Linear(num_filters, num_capsules * capsule_size)
        nn.init.kaiming_normal_(self.convolution.weight, nonlinearity="relu")
        nn.init.xavier_normal_(self.primary.weight)
        self.regions = LeakyCapsules(
            capsule_size, num_capsules, capsule_size, routing_iterations, region_size * num_capsules
        )
        self.classes = LeakyCapsules(  # the last is the orphan
            capsule_size, num_classes + 1, capsule_size, routing_iterations, _WORDS * num_capsules
        )

    def forward(self, words: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """float[B, C, D] capsules of the classes, and float[B, T, C] their couplings to regions.

        Args:
            words: float[B, T, E], zero past a row's length.
            lengths: int64[B].
        """
        rows, width, _ = words.shape
        mask = mask_of(lengths, width)  # [B, T]
        ngrams = self.convolution(words).relu()  # [B, T, F]
        primary = squash(self.primary(ngrams).unflatten(2, (-1, self.capsule_size)))  # [B, T, N, D]
        padded = F.pad(primary, (0, 0, 0, 0, 0, self.region_size - 1))
        inside = F.pad(mask, (0, self.region_size - 1))
        steps = range(self.region_size)
        children = torch.cat([padded[:, k : k + width] for k in steps], dim=2)  # [B, T, K · N, D]
        count = primary.shape[2]
        present = torch.stack([inside[:, k : k + width] for k in steps], dim=2)  # [B, T, K]
        present = present.repeat_interleave(count, dim=2)
        regions, _ = self.regions(children.flatten(0, 1), present.flatten(0, 1))  # [B · T, N, D]
        regions = regions.reshape(rows, width * count, self.capsule_size)
        present = mask.repeat_interleave(count, dim=1)  # [B, T · N]
        classes, coupling = self.classes(regions, present)  # [B, C + 1, D], [B, T · N, C + 1]
        coupling = coupling.view(rows, width, count, -1).sum(dim=2)
        return classes[:, : self.num_classes], coupling[:, :, : self.num_classes]


class ConvolutionalCapsuleNet(nn.Module):
    """Embed → a branch for each size of n-grams → mean of their capsules → logits.

    Args: see `ConvolutionalCapsule`.
    """

    def __init__(
        self,
        embedding: WordEmbedding,
        *,
        filter_sizes: list[int],
        loss: Loss,
        num_classes: int,
        capsule_size: int,
        dropout: float,
        **sizes: int,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        sizes |= {"capsule_size": capsule_size, "num_classes": num_classes}
        self.branches = nn.ModuleList(
            CapsuleBranch(embedding.width, size, **sizes) for size in filter_sizes
        )
        self.dropout = nn.Dropout(dropout)
        width = num_classes * capsule_size
        self.output = nn.Linear(width, num_classes) if loss == "cross_entropy" else None

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        capsules, _ = self.route(tokens, lengths)  # [B, C, D]
        if self.output is None:
            return length_of(capsules).log()  # [B, C]
        logits: Tensor = self.output(self.dropout(capsules.flatten(1)))  # [B, C · D] → [B, C]
        return logits

    def route(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """float[B, C, D] capsules of the classes, and float[B, T, C] couplings of the words."""
        words = zero_padding(self.embedding(tokens), lengths)  # [B, T, E]
        # Squares of small capsules underflow in half precision.
        with torch.autocast(tokens.device.type, enabled=False):
            words = words.to(self.embedding.table.weight.dtype)
            routed = [cast(CapsuleBranch, branch)(words, lengths) for branch in self.branches]
        capsules, couplings = zip(*routed, strict=True)
        return torch.stack(capsules).mean(dim=0), torch.stack(couplings).mean(dim=0)


class ConvolutionalCapsule(LitClassifier):
    """Convolutional capsules (Zhao et al. 2018): n-grams, regions and classes as capsules.

    For each size k of n-grams:
    m_t = ReLU(W_k [e_t; …; e_{t+k-1}] + b_k);  u_tn = squash(W_n m_t + b_n), n = 1 … N;
    regions: the N capsules at t are parents of all u at t … t + region_size - 1;
    classes: C + 1 capsules are parents of all T · N capsules of regions. The last, the orphan, is
    for what speaks for no class, such as stop words, and is not read.
    Both by leaky routing with matrices that all children share (see
    `lit_models.layers.capsule.LeakyCapsules`). v_c is the mean over the sizes; one size is the
    paper's Capsule-A, several are Capsule-B.
    margin: p_c = |v_c| / Σ_k |v_k|, learnt by the margin loss on the lengths |v_c|;
    cross_entropy: z = W [v_1; …; v_C] + b.
    Here windows begin at every word, and those at the end of a text are filled with zeros, so that
    texts shorter than a window have capsules too; the paper's program moves them by two words.
    At the default size 3,972,498 parameters: 30,000 × 128 embeddings; for each size k of 3, 4, 5
    128 k × 64 + 64 filters, 64 × 128 + 128 of the u, 8 × 16 × 17 of the regions, 3 × 16 × 17 of the
    classes; 32 × 2 + 2 output.
    Shapes: words [B, T, 128] → n-grams [B, T, 64] → capsules [B, T, 8, 16] → of regions
    [B, T, 8, 16] → of classes [B, 2, 16] → logits [B, 2].

    Args:
        vocab_size: rows of the embedding; linked to `data.vocab_size`.
        embedding_dim: width of a word vector.
        filter_sizes: words of an n-gram, a branch for each.
        num_filters: width of m_t.
        num_capsules: N.
        capsule_size: width of all capsules.
        region_size: words at which a region begins.
        routing_iterations: rounds of routing, in both layers.
        loss: `margin`, or `cross_entropy` over a linear layer.
        dropout: on what the linear layer reads.
        word_dropout: share of the vocabulary left out of a batch in training.
        embedding_dropout: on the word vectors.

    Raises:
        ValueError: an unknown loss, no filter, a size or number of rounds below 1, or label
            smoothing with `margin`.
    """

    net: ConvolutionalCapsuleNet
    family: ClassVar[str] = "attention, capsules"

    def __init__(
        self,
        *,
        vocab_size: int = 30_000,
        embedding_dim: int = 128,
        filter_sizes: list[int] = [3, 4, 5],  # noqa: B006  # never changed; jsonargparse shows it
        num_filters: int = 64,
        num_capsules: int = 8,
        capsule_size: int = 16,
        region_size: int = 3,
        routing_iterations: int = 3,
        loss: Loss = "cross_entropy",
        dropout: float = 0.2,
        word_dropout: float = 0.3,
        embedding_dropout: float = 0.3,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.margin = is_margin(loss, self.label_smoothing, self.multi_label)
        if not filter_sizes:
            raise ValueError("filter_sizes is []; give at least one size of n-grams, such as [3]")
        sizes = {
            "num_filters": num_filters,
            "num_capsules": num_capsules,
            "capsule_size": capsule_size,
            "region_size": region_size,
        }
        for name, value in sizes.items():
            if value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1")
        self.net = ConvolutionalCapsuleNet(
            WordEmbedding(vocab_size, embedding_dim, word_dropout, embedding_dropout),
            filter_sizes=filter_sizes,
            loss=loss,
            num_classes=self.num_classes,
            dropout=dropout,
            routing_iterations=routing_iterations,
            **sizes,
        )

    @classmethod
    def takes_several_labels(cls) -> bool:
        return True  # with cross-entropy

    def loss(self, logits: Tensor, labels: Tensor, reduction: str = "mean") -> Tensor:
        """Margin loss on the lengths of the capsules, or cross-entropy."""
        if self.margin:
            return margin_loss(logits.exp(), labels, reduction)
        return super().loss(logits, labels, reduction)

    def shown(self, batch: TextBatch, label: int) -> dict[str, Marks]:
        """Couplings of the regions that begin at a word to the capsule of the label."""
        _, couplings = self.net.route(batch.tokens, batch.lengths)  # [1, T, C]
        return {"coupling to the capsule of the class": Marks.of_tokens(couplings[0, :, label])}
