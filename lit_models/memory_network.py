"""MemoryNetwork: a learnt question, asked several times of the sentences of a text."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from datamodules.store.batching import TextBatch
from datamodules.store.train_view import TrainView
from lit_models.base.classifier import LitClassifier
from lit_models.layers.dropout import TextDropout
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.marks import Marks
from lit_models.layers.masking import mask_of, zero_padding
from lit_models.layers.sentences import first_words


class MemoryEmbedding(nn.Module):
    """Vectors A x of words for matching and C x for answering, from two tables.

    C is learnt as A + D with D = 0 at first: given word vectors start both, and what is added to
    the vectors of A in adversarial training reaches both. D is as free as C would be. A dropped
    word or dimension is dropped from both.

    Args: see `WordEmbedding`.
    """

    def __init__(
        self, vocab_size: int, embedding_dim: int, word_dropout: float, dropout: float
    ) -> None:
        super().__init__()
        self.matching = WordEmbedding(vocab_size, embedding_dim, 0.0, 0.0)
        self.difference = nn.Embedding(vocab_size, embedding_dim)
        nn.init.zeros_(self.difference.weight)
        self.word_dropout = word_dropout
        self.dropout = TextDropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """float[B, T, 2E], A x and C x side by side, from int64[B, T]."""
        matching = self.matching(tokens)
        words = torch.cat([matching, matching + self.difference(tokens)], dim=2)
        if self.training and self.word_dropout:
            draws = torch.rand(self.difference.num_embeddings, device=tokens.device)
            scale = (draws >= self.word_dropout).to(words.dtype) / (1 - self.word_dropout)  # [V]
            words = words * scale[tokens][:, :, None]
        dropped: Tensor = self.dropout(words)
        return dropped


class MemoryNetworkNet(nn.Module):
    """Words → a memory for each sentence → hops → dropout → linear.

    Args: see `MemoryNetwork`.

    Attributes:
        sentence_ends: bool[V], true where a token ends a sentence.
    """

    sentence_ends: Tensor

    def __init__(
        self,
        embedding: MemoryEmbedding,
        *,
        num_hops: int,
        max_sentence_length: int,
        max_sentences: int,
        position_encoding: bool,
        num_classes: int,
        dropout: float,
    ) -> None:
        super().__init__()
        vocab_size, width = embedding.difference.weight.shape
        self.register_buffer("sentence_ends", torch.zeros(vocab_size, dtype=torch.bool))
        self.embedding, self.num_hops = embedding, num_hops
        self.max_sentence_length, self.position_encoding = max_sentence_length, position_encoding
        self.question = nn.Parameter(torch.empty(width))
        self.temporal = nn.Embedding(max_sentences, 2 * width)  # T_A and T_C
        self.between = nn.Linear(width, width, bias=False)  # H
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(width, num_classes)
        nn.init.normal_(self.question, std=0.1)
        nn.init.normal_(self.temporal.weight, std=0.1)
        nn.init.eye_(self.between.weight)  # u + o, as with the paper's other kind of tying

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        logits: Tensor = self.output(self.dropout(self._read(tokens, lengths)[0]))
        return logits

    def attend(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """For display, float[B, K, T] weights of hops and int64[B, T] sentences of the words.

        Place n of a row of weights is that of sentence n; it is 0 past the last one. The sentence
        of padding is -1.
        """
        _, weights, number = self._read(tokens, lengths)
        return weights, number

    def _read(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """float[B, E] last state of the question, and what `attend` returns."""
        ends, longest = self.sentence_ends, self.max_sentence_length
        first, number = first_words(tokens, lengths, ends, longest)  # [B, T]
        counts = first.sum(dim=1)  # int64[B]
        matching, answering = self.memories(tokens, lengths, first, number)  # [B, T, E] each
        inside = mask_of(counts, tokens.shape[1])  # [B, T]: place n is for sentence n
        # A copy: PyTorch's counter of operations fails at views of parameters.
        state = self.question.repeat(tokens.shape[0], 1)  # u¹ [B, E]
        hops = []
        for _ in range(self.num_hops):
            scores = (matching @ state[:, :, None]).squeeze(2)  # [B, T]
            weights = scores.masked_fill(~inside, float("-inf")).softmax(dim=1)  # p
            answer = (weights[:, None].to(answering.dtype) @ answering).squeeze(1)  # o [B, E]
            state = self.between(state) + answer
            hops.append(weights)
        return state, torch.stack(hops, dim=1), number

    def memories(
        self, tokens: Tensor, lengths: Tensor, first: Tensor, number: Tensor
    ) -> tuple[Tensor, Tensor]:
        """float[B, T, E] memories for matching and for answering, at place n that of sentence n.

        Places past the last sentence are zero. There are as many as words, so that their number
        does not depend on where sentences end.
        """
        words = zero_padding(self.embedding(tokens), lengths)  # [B, T, 2E]
        width, size = tokens.shape[1], words.shape[2] // 2
        place = number.clamp(min=0)  # of the sentence of each word
        column = torch.arange(width, device=tokens.device)
        empty = torch.zeros_like(number)
        sizes = empty.scatter_add(1, place, (number >= 0).long())  # words J of each sentence
        starts = empty.scatter_add(1, place, torch.where(first, column, 0))
        J = sizes.gather(1, place).clamp(min=1)[:, :, None].to(words.dtype)  # [B, T, 1]
        j = (column - starts.gather(1, place) + 1)[:, :, None].to(words.dtype)  # of 1 … J
        if self.position_encoding:
            share = torch.arange(1, size + 1, device=words.device, dtype=words.dtype) / size  # k/E
            shares = torch.cat([share, share])
            words = words * ((1 - j / J) - shares * (1 - 2 * j / J))  # l_j ⊙ x_j
        words = words / J.sqrt()
        index = place[:, :, None].expand(-1, -1, 2 * size)
        sums = torch.zeros_like(words).scatter_add(1, index, words)  # [B, T, 2E]
        counts = first.sum(dim=1, keepdim=True)
        ages = (counts - 1 - column).clamp(0, self.temporal.num_embeddings - 1)  # 0: the last
        memories = zero_padding(sums + self.temporal(ages), counts.squeeze(1))
        matching, answering = memories.split(size, dim=2)
        return matching, answering


class MemoryNetwork(LitClassifier):
    """Sukhbaatar et al. 2015, "End-To-End Memory Networks", with a learnt question.

    Memories of sentence i, of words x_i1 … x_iJ:
    m_i = Σ_j l_j ⊙ A x_ij / √J + T_A(i);  c_i = Σ_j l_j ⊙ C x_ij / √J + T_C(i);
    l_jk = (1 - j/J) - (k/E) (1 - 2j/J), dimension k of E;
    hop k of K:  p_i = softmax_i(u^k · m_i);  o^k = Σ_i p_i c_i;  u^{k+1} = H u^k + o^k;
    z = W u^{K+1} + b.
    All hops share A, C and H, the paper's layer-wise tying: there are two tables of words whatever
    K is, where adjacent tying (A^{k+1} = C^k) has K + 1. The question u¹ is a parameter, since a
    classifier always asks the same. Sentences are counted from the end, as in the paper; those
    further away than max_sentences share the last temporal vectors. The 1/√J is not in the paper,
    whose sentences have about ten words: sums over up to 60 words would make long ones win.
    Sentences end at the tokenizer's `sentence_ends`; where there are none, every
    max_sentence_length words.
    At the default size 7,709,570 parameters: 2 × 30,000 × 128 in A and C, 50 × 256 in T_A and T_C,
    128 question, 128² in H, 128 × 2 + 2 output.
    Shapes: words [B, T, 2 · 128] → memories [B, N, 128] of N sentences, twice → u [B, 128] → logits
    [B, 2].

    Args:
        vocab_size: rows of A and of C; linked to `data.vocab_size`.
        embedding_dim: E, width of a word vector and of a memory.
        num_hops: K.
        max_sentence_length: words after which a longer sentence is split.
        max_sentences: sentences from the end with temporal vectors of their own.
        position_encoding: weight words by their place in the sentence (l); else l = 1.
        dropout: on the last state of the question.
        word_dropout: share of the vocabulary left out of a batch in training.
        embedding_dropout: on the word vectors.

    Raises:
        ValueError: num_hops, max_sentence_length or max_sentences below 1.
    """

    net: MemoryNetworkNet
    family: ClassVar[str] = "attention, capsules"

    def __init__(
        self,
        *,
        vocab_size: int = 30_000,
        embedding_dim: int = 128,
        num_hops: int = 3,
        max_sentence_length: int = 60,
        max_sentences: int = 50,
        position_encoding: bool = True,
        dropout: float = 0.5,
        word_dropout: float = 0.3,
        embedding_dropout: float = 0.3,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, value in {
            "num_hops": num_hops,
            "max_sentence_length": max_sentence_length,
            "max_sentences": max_sentences,
        }.items():
            if value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1")
        self.net = MemoryNetworkNet(
            MemoryEmbedding(vocab_size, embedding_dim, word_dropout, embedding_dropout),
            num_hops=num_hops,
            max_sentence_length=max_sentence_length,
            max_sentences=max_sentences,
            position_encoding=position_encoding,
            num_classes=self.num_classes,
            dropout=dropout,
        )

    def shown(self, batch: TextBatch, label: int) -> dict[str, Marks]:
        """Weights of the sentences in each hop."""
        weights, number = (part[0] for part in self.net.attend(batch.tokens, batch.lengths))
        sizes = number.bincount()
        stops = sizes.cumsum(dim=0)
        return {
            f"attention to sentences, hop {hop}": Marks(stops - sizes, stops, row[: len(sizes)])
            for hop, row in enumerate(weights, start=1)
        }

    def prepare(self, view: TrainView) -> None:
        """Notes which tokens end a sentence."""
        self.net.sentence_ends.zero_()
        self.net.sentence_ends[list(view.sentence_ends)] = True
