"""HierarchicalAttention: attention over the words of each sentence, then over the sentences."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.store.batching import TextBatch
from datamodules.store.train_view import TrainView
from lit_models.base.classifier import LitClassifier
from lit_models.layers.attention import ContextAttention
from lit_models.layers.dropout import TextDropout
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.marks import Marks
from lit_models.layers.recurrent import Recurrent
from lit_models.layers.sentences import Sentences, split

# Groups of sentences of similar length, with less padding to compute on a CPU. On a GPU cuDNN skips
# padding by itself.
_GROUPS = 6


class HierarchicalWeights(NamedTuple):
    """Attention weights, for display.

    Attributes:
        words: float[B, T], weight of each word in its sentence; 0 on padding.
        sentences: float[B, N], weight of each sentence in its text; 0 past the last one.
        sentence_of: int64[B, T], the sentence of each word; -1 on padding.
    """

    words: Tensor
    sentences: Tensor
    sentence_of: Tensor


class HierarchicalAttentionNet(nn.Module):
    """Words → BiGRU → attention → sentences → BiGRU → attention → dropout → linear.

    Args: see `HierarchicalAttention`.

    Attributes:
        sentence_ends: bool[V], true where a token ends a sentence.
    """

    sentence_ends: Tensor

    def __init__(
        self,
        embedding: WordEmbedding,
        *,
        hidden_size: int,
        attention_size: int,
        max_sentence_length: int,
        num_classes: int,
        dropout: float,
        sentence_dropout: float,
    ) -> None:
        super().__init__()
        vocab_size, dim = embedding.table.weight.shape
        self.register_buffer("sentence_ends", torch.zeros(vocab_size, dtype=torch.bool))
        self.max_sentence_length = max_sentence_length
        self.embedding = embedding
        self.word_gru = Recurrent("gru", dim, hidden_size, bidirectional=True)
        width = self.word_gru.output_size
        self.word_attention = ContextAttention(width, attention_size)
        self.sentence_dropout = TextDropout(sentence_dropout)
        self.sentence_gru = Recurrent("gru", width, hidden_size, bidirectional=True)
        self.sentence_attention = ContextAttention(width, attention_size)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(width, num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        logits: Tensor = self.output(self.dropout(self._read(tokens, lengths)[0]))
        return logits

    def attend(self, tokens: Tensor, lengths: Tensor) -> HierarchicalWeights:
        """Weights of words and sentences, for display."""
        return self._read(tokens, lengths)[1]

    def _read(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, HierarchicalWeights]:
        """float[B, 2H] reviews and the attention weights."""
        words = self.embedding(tokens).flatten(0, 1)  # [B · T, E]
        sentences = split(tokens, lengths, self.sentence_ends, self.max_sentence_length)
        summaries, word_weights = self._read_sentences(words, sentences)  # [S, 2H], [B · T]
        counts = sentences.counts
        column = torch.arange(int(counts.max()), device=tokens.device)
        places = ((counts.cumsum(dim=0) - counts)[:, None] + column).clamp(max=len(summaries) - 1)
        vectors = F.embedding(places, summaries)  # [B, N, 2H]
        states = self.sentence_gru(self.sentence_dropout(vectors), counts)  # [B, N, 2H]
        review, weights = self.sentence_attention(states, counts)  # [B, 2H], [B, N]
        weights_of_words = word_weights.view_as(tokens)
        return review, HierarchicalWeights(weights_of_words, weights, sentences.number)

    def _read_sentences(self, words: Tensor, sentences: Sentences) -> tuple[Tensor, Tensor]:
        """float[S, 2H] sentences and float[B · T] weights of words, from float[B · T, E] words."""
        order = sentences.lengths.argsort(stable=True)  # [S]
        groups = order.chunk(1 if words.is_cuda else _GROUPS)
        places = [
            sentences.starts[group][:, None]
            + torch.arange(int(sentences.lengths[group].max()), device=words.device)
            for group in groups
        ]  # [S', T'] each
        flat = torch.cat([place.flatten() for place in places]).clamp(max=len(words) - 1)
        # F.embedding: the gradient of words[flat] is slow on a CPU. Once for all groups: that
        # gradient is as large as all words.
        gathered = F.embedding(flat, words).split([place.numel() for place in places])
        summaries, weights = [], []
        for group, place, part in zip(groups, places, gathered, strict=True):
            lengths = sentences.lengths[group]
            states = self.word_gru(part.view(*place.shape, -1), lengths)  # [S', T', 2H]
            summary, weight = self.word_attention(states, lengths)  # [S', 2H], [S', T']
            summaries.append(summary)
            weights.append(weight.detach().flatten())
        added = torch.cat(weights)  # 0 at places past the end of a sentence
        word_weights = added.new_zeros(len(words)).scatter_add_(0, flat, added)
        return F.embedding(order.argsort(), torch.cat(summaries)), word_weights


class HierarchicalAttention(LitClassifier):
    """Yang et al. 2016, "Hierarchical Attention Networks for Document Classification".

    Words t of sentence i:  h_it = [GRU→(x_i)_t; GRU←(x_i)_t];  u_it = tanh(W_w h_it + b_w);
    α_it = softmax_t(u_it · u_w);  s_i = Σ_t α_it h_it;
    sentences:  h_i = [GRU→(s)_i; GRU←(s)_i];  u_i = tanh(W_s h_i + b_s);
    α_i = softmax_i(u_i · u_s);  v = Σ_i α_i h_i;  z = W v + b.
    Sentences end at the tokenizer's `sentence_ends`; where there are none, every
    max_sentence_length words.
    At the default size 4,022,530 parameters: 30,000 × 128 embeddings, 2 × 74,496 in the GRUs,
    2 × 16,640 in the attentions, 128 × 2 + 2 output.

    Args:
        vocab_size: rows of the embedding; linked to `data.vocab_size`.
        embedding_dim: width of a word vector.
        hidden_size: width of the state of one direction, for words and for sentences.
        attention_size: width of the context vectors u_w and u_s.
        max_sentence_length: words after which a longer sentence is split.
        dropout: on v.
        sentence_dropout: on the s_i, whole dimensions of a text.
        word_dropout: share of the vocabulary left out of a batch in training.
        embedding_dropout: on the word vectors.

    Raises:
        ValueError: max_sentence_length below 1.
    """

    net: HierarchicalAttentionNet
    family: ClassVar[str] = "attention, capsules"

    def __init__(
        self,
        *,
        vocab_size: int = 30_000,
        embedding_dim: int = 128,
        hidden_size: int = 64,
        attention_size: int = 128,
        max_sentence_length: int = 60,
        dropout: float = 0.5,
        sentence_dropout: float = 0.2,
        word_dropout: float = 0.3,
        embedding_dropout: float = 0.3,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if max_sentence_length < 1:
            raise ValueError(f"max_sentence_length is {max_sentence_length}; it must be at least 1")
        self.net = HierarchicalAttentionNet(
            WordEmbedding(vocab_size, embedding_dim, word_dropout, embedding_dropout),
            hidden_size=hidden_size,
            attention_size=attention_size,
            max_sentence_length=max_sentence_length,
            num_classes=self.num_classes,
            dropout=dropout,
            sentence_dropout=sentence_dropout,
        )

    def shown(self, batch: TextBatch, label: int) -> dict[str, Marks]:
        """Attention weights of the words in their sentences, and of the sentences."""
        words, sentences, number = (
            part[0] for part in self.net.attend(batch.tokens, batch.lengths)
        )
        counts = number.bincount()
        stops = counts.cumsum(dim=0)
        return {
            "attention to words of a sentence": Marks.of_tokens(words),
            "attention to sentences": Marks(stops - counts, stops, sentences),
        }

    def prepare(self, view: TrainView) -> None:
        """Notes which tokens end a sentence."""
        self.net.sentence_ends.zero_()
        self.net.sentence_ends[list(view.sentence_ends)] = True
