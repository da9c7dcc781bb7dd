"""ClassLM: a language model conditioned on the class, and Bayes' rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.store.batching import TextBatch
from datamodules.store.train_view import TrainView
from lit_models.base.classifier import LitClassifier
from lit_models.base.processes import reduce_loss
from lit_models.language.model import BOUNDARY, State
from lit_models.language.recurrent import Reader
from lit_models.language.softmax import make_softmax
from lit_models.layers.dropout import TextDropout
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.masking import mask_of

_AT_ONCE = 8192  # symbols whose probabilities over the vocabulary are in memory, in evaluation


class ClassLMNet(nn.Module):
    """Word and class embedding → LSTM → dropout → state and class embedding → softmax.

    Args:
        embedding: word vectors of symbols, float[V, E].
        reader: LSTM over float[B, T, E + L].
        num_classes: C.
        class_dim: L, width of the vector of a class.
        dropout: dropout of whole dimensions of a text on the states.
        cutoffs: edges of the clusters of the adaptive softmax.

    Attributes:
        log_prior: float[C] ln p(c).
    """

    log_prior: Tensor

    def __init__(
        self,
        embedding: WordEmbedding,
        reader: Reader,
        num_classes: int,
        class_dim: int,
        dropout: float,
        cutoffs: Sequence[int] | None,
    ) -> None:
        super().__init__()
        self.embedding, self.reader = embedding, reader
        self.classes = nn.Embedding(num_classes, class_dim)
        self.dropout = TextDropout(dropout)
        vocab_size = embedding.table.num_embeddings
        self.softmax = make_softmax(reader.hidden_size + class_dim, vocab_size, cutoffs, None)
        self.register_buffer("log_prior", torch.full((num_classes,), -np.log(num_classes)))

    def read(self, symbols: Tensor, labels: Tensor, state: State) -> tuple[Tensor, State]:
        """float[B, T, H + L] inputs of the softmax and the state carried on, from int64[B, T]."""
        width = symbols.shape[1]
        classes = self.classes(labels)[:, None].expand(-1, width, -1)  # [B, T, L]
        words = torch.cat([self.embedding(symbols), classes], dim=2)  # [B, T, E + L]
        layers, state = self.reader(words, state)
        return torch.cat([self.dropout(layers[-1]), classes], dim=2), state

    def losses(self, tokens: Tensor, lengths: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """float[N] -ln p(w_t | w_1 … w_{t-1}, c) of all words and ends, and int64[N] their rows."""
        symbols = F.pad(tokens, (1, 0), value=BOUNDARY)  # [B, T + 1]
        ends = torch.arange(symbols.shape[1], device=tokens.device) == lengths[:, None]
        targets = F.pad(tokens, (0, 1)).masked_fill(ends, BOUNDARY)
        rows, places = mask_of(lengths + 1, symbols.shape[1]).nonzero(as_tuple=True)  # [N]
        start = self.reader.begin(self.embedding.table.weight, len(tokens))
        states = self.read(symbols, labels, start)[0][rows, places]  # [N, H + L]
        parts = zip(states.split(_AT_ONCE), targets[rows, places].split(_AT_ONCE), strict=True)
        return torch.cat([self.softmax.losses(*part) for part in parts]), rows

    def losses_of_classes(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """float[N, C] `losses` under each class, and int64[N] their rows."""
        found = list[Tensor]()
        for label in range(self.classes.num_embeddings):
            losses, rows = self.losses(tokens, lengths, torch.full_like(lengths, label))
            found.append(losses)
        return torch.stack(found, dim=1), rows

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] ln p(c) + Σ_t ln p(w_t | …, c), of each word less its mean over the classes.

        The mean changes no p(c | text), and leaves sums that are small and exact.
        """
        losses, rows = self.losses_of_classes(tokens, lengths)  # [N, C]
        evidence = losses.mean(dim=1, keepdim=True) - losses
        sums = evidence.new_zeros(len(tokens), evidence.shape[1]).index_add(0, rows, evidence)
        return self.log_prior + sums


class ClassLM(LitClassifier):
    """Yogatama et al. 2017, "Generative and Discriminative Text Classification with Recurrent
    Neural Networks": one language model for all classes, told which class a text is of.

    An LSTM reads the word before and the vector v of the class, h_t = LSTM([x_{t-1}; v], h_{t-1});
    p(w_t = w | w_1 … w_{t-1}, c) = softmax_w(W [h_t; v] + b), adaptive (Grave et al. 2017). In the
    paper v is part of the softmax alone. The loss is -ln p(text | c) of the labelled train texts,
    and p(c | text) ∝ p(c) · p(text | c), with the shares of the classes as p(c). Each word counts
    as if it were new evidence, so that probabilities are too close to 0 and 1. `advance` generates.
    Shapes: [x; v] [B, T, 160] → states [B, T, 256] → [h; v] [N, 288] → ln p [N] → logits [B, 2].
    At the default size 5,808,594 parameters: 30,000 × 128 embeddings, 428,032 in the LSTM, 2 × 32
    of classes, 2,002 × 289 in the head of the softmax, 596,736 and 365,184 in its clusters.

    Args:
        vocab_size: V, rows of the embedding; linked to `data.vocab_size`.
        embedding_dim: E, width of a word vector.
        class_dim: L, width of the vector of a class.
        hidden_size: H, width of the state.
        num_layers: number of stacked LSTM layers.
        cutoffs: edges of the clusters of the adaptive softmax, see `make_softmax`; null: full.
        dropout: dropout of whole dimensions of a text on the states.
        layer_dropout: the same between two layers.
        weight_drop: dropout of recurrent weights, with one mask for a batch.
        word_dropout: probability of dropping a word of the vocabulary from the inputs of a batch.
        embedding_dropout: dropout of whole dimensions of the word vectors.
        **kwargs: arguments of `LitClassifier`; balanced class weights make the p(c) equal.

    Raises:
        ValueError: a setting outside its range, or label smoothing.
    """

    family: ClassVar[str] = "recurrent"
    net: ClassLMNet

    def __init__(
        self,
        *,
        vocab_size: int = 30_000,
        embedding_dim: int = 128,
        class_dim: int = 32,
        hidden_size: int = 256,
        num_layers: int = 1,
        cutoffs: list[int] | None = [2_000, 10_000],  # noqa: B006  # never changed
        dropout: float = 0.2,
        layer_dropout: float = 0.2,
        weight_drop: float = 0.0,
        word_dropout: float = 0.0,
        embedding_dropout: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if self.label_smoothing:
            raise ValueError(
                f"model.label_smoothing is {self.label_smoothing}, and the loss of ClassLM is that "
                "of words, not of labels; set it to 0"
            )
        if num_layers < 1 or class_dim < 1:
            raise ValueError(
                f"model.num_layers is {num_layers} and model.class_dim {class_dim}; both must be "
                "at least 1"
            )
        width = embedding_dim + class_dim
        self.net = ClassLMNet(
            WordEmbedding(vocab_size, embedding_dim, word_dropout, embedding_dropout),
            Reader("lstm", width, hidden_size, num_layers, layer_dropout, weight_drop),
            self.num_classes,
            class_dim,
            dropout,
            cutoffs,
        )

    def prepare(self, view: TrainView) -> None:
        """Learn p(c); a class without a text has the share 1e-12."""
        counts = np.bincount(view.labels, minlength=self.num_classes)
        if self.class_weighting is not None:
            counts = (counts > 0).astype(float)
        shares = np.maximum(counts / counts.sum(), 1e-12)
        self.net.log_prior.copy_(torch.from_numpy(np.log(shares)))

    def training_step(self, batch: TextBatch, batch_idx: int) -> Tensor:
        """Mean -ln p(w_t | w_1 … w_{t-1}, c) of one batch, with the texts' own classes."""
        losses, rows = self.net.losses(batch.tokens, batch.lengths, batch.labels)
        if self.class_weighting is not None:
            losses = self.class_weighting(losses, batch.labels[rows])
        world = 1 if self._trainer is None else self._trainer.world_size
        loss, self.step_loss, symbols = reduce_loss(losses.mean(), len(losses), world, is_sum=False)
        self.train_loss.update(self.step_loss, symbols)
        size = len(batch.labels)
        self.log("train/loss", self.step_loss, prog_bar=True, batch_size=size)
        self.log("train/epoch_loss", self.train_loss, on_step=False, on_epoch=True, batch_size=size)
        return loss

    def evidence(self, row: np.ndarray) -> np.ndarray:
        """float64[C, T + 2] ln p of each token and of the end under each class, and ln p(c)."""
        tokens = torch.from_numpy(row)[None].to(self.device, torch.int64)
        with torch.no_grad():
            losses, _ = self.net.losses_of_classes(
                tokens, torch.tensor([len(row)], device=self.device)
            )
            logs = torch.cat([-losses.T, self.net.log_prior[:, None]], dim=1)
        return logs.cpu().double().numpy()

    def begin(self, size: int, label: int = 0) -> State:
        """State of `size` texts of a class before the boundary has been read."""
        weight = self.net.embedding.table.weight
        labels = torch.full((size,), label, device=weight.device)
        return (labels, *self.net.reader.begin(weight, size))

    def advance(self, symbols: Tensor, state: State) -> tuple[Tensor, State]:
        """float[B, V] ln p of the next symbol and the new state, after int64[B] symbols."""
        labels, *before = state
        states, after = self.net.read(symbols[:, None], labels, tuple(before))
        return self.net.softmax.log_probabilities(states[:, 0]), (labels, *after)
