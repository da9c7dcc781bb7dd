"""LMLSTM: a classifier that starts from the weights of a language model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from datamodules.errors import DataError
from datamodules.store.encoder import Encoder
from datamodules.store.train_view import TrainView
from lit_models.base.classifier import LitClassifier
from lit_models.elmo import words_hash
from lit_models.language.model import BOUNDARY
from lit_models.language.pretrained import Pretrained, pretrained
from lit_models.language.recurrent import Reader
from lit_models.layers.depths import layerwise_groups
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.masking import last_state, masked_max, masked_mean
from lit_models.layers.recurrent import reverse
from lit_models.lstm_lm import LSTMLM


class LMLSTMNet(nn.Module):
    """Embedding → a reader for each direction → [last; mean; max] → dropout → ReLU layer → linear.

    Args: see `LMLSTM`.
    """

    def __init__(
        self,
        embedding: WordEmbedding,
        readers: Sequence[Reader],
        backward: Sequence[bool],
        head_size: int,
        num_classes: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.embedding, self.readers = embedding, nn.ModuleList(readers)
        self.backward = tuple(backward)
        pooled = 3 * sum(reader.hidden_size for reader in readers)
        self.head = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(pooled, head_size),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(head_size, num_classes),
        )

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        words = self.embedding(tokens, lengths)  # [B, T, E]
        start = self.embedding.table.weight[BOUNDARY].expand(len(words), 1, -1)
        pooled = list[Tensor]()
        for reader, backward in zip(self.readers, self.backward, strict=True):
            row = reverse(words.contiguous(), lengths) if backward else words
            read = torch.cat([start, row], dim=1)  # [B, T + 1, E], as the language model read
            state = reader.begin(read, len(read))  # type: ignore[operator]
            states = reader(read, state)[0][-1][:, 1:]  # [B, T, H]
            pooled += [f(states, lengths) for f in (last_state, masked_mean, masked_max)]
        logits: Tensor = self.head(torch.cat(pooled, dim=1))
        return logits


class LMLSTM(LitClassifier):
    """Dai & Le 2015, "Semi-supervised Sequence Learning"; Howard & Ruder 2018 (ULMFiT).

    h_1 … h_T = LSTM(x_0, x_1 … x_T), with embedding and LSTM those of a language model and x_0 the
    boundary before a text;  v = [h_T; mean_t h_t; max_t h_t];  z = W_2 ReLU(W_1 v + b_1) + b_2.
    A language model of both directions gives two LSTMs, and v has the parts of both.
    As in ULMFiT, lower layers learn more slowly, and thaw one after another from the top; the
    head has dropout, and no batch norm.
    Shapes of the default: words [B, T, 256] → states [B, T, 256] → v [B, 768] → logits [B, 2].
    At the default size 8,244,888 parameters: 30,000 × 256 embeddings, 526,336 in the LSTM,
    768 × 50 + 50 and 50 × 2 + 2 in the head.

    Args:
        vocab_size: rows of the embedding; linked to `data.vocab_size`, and the language model's.
        language_model: folder of a finished run of `lstm_lm` or `elmo`, on the same corpus; its
            weights are saved with the classifier's. None: random weights of the default size.
        head_size: width of the layer between v and the logits.
        dropout: before each layer of the head.
        word_dropout: probability of dropping a word of the vocabulary from a batch.
        embedding_dropout: dropout of whole dimensions of the word vectors.
        layer_dropout: dropout on the states between two layers.
        weight_drop: dropout of recurrent weights, with one mask for a batch.
        layer_decay: ratio of each layer's learning rate to that of the layer above; 1 / 2.6 in
            ULMFiT.
        gradual_unfreezing: train the head alone in the first epoch, and in each further epoch one
            more layer below.

    Raises:
        ValueError: the folder has no such run, or one of another vocabulary.
    """

    net: LMLSTMNet
    family: ClassVar[str] = "recurrent"
    # The language model has the words of its own split.
    protocols: ClassVar[tuple[str, ...]] = ("holdout",)

    def __init__(
        self,
        *,
        vocab_size: int = 30_000,
        language_model: Pretrained | None = None,
        head_size: int = 50,
        dropout: float = 0.3,
        word_dropout: float = 0.1,
        embedding_dropout: float = 0.1,
        layer_dropout: float = 0.2,
        weight_drop: float = 0.0,
        layer_decay: float = 1.0,
        gradual_unfreezing: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if head_size < 1:
            raise ValueError(f"head_size is {head_size}; it must be at least 1")
        if not 0 < layer_decay <= 1:
            raise ValueError(f"layer_decay is {layer_decay}; it must be above 0 and at most 1")
        self.layer_decay, self.gradual_unfreezing = layer_decay, gradual_unfreezing
        given: Pretrained = {"vocab_size": vocab_size} if language_model is None else language_model
        name = "model.language_model"
        model, self.hparams["language_model"] = pretrained(LSTMLM, given, name, "lstm_lm")
        if model.vocab_size != vocab_size:
            raise ValueError(
                f"{name} has {model.vocab_size:,} words and the classifier {vocab_size:,}; give "
                "both the same --data.vocab_size"
            )
        self.words = words_of(Path(given).expanduser()) if isinstance(given, str) else None
        embedding, readers = model.net.embedding, list(model.net.readers)
        own = WordEmbedding(vocab_size, embedding.width, word_dropout, embedding_dropout)
        own.load_state_dict(embedding.state_dict())
        for reader in readers:
            _set_dropout(reader, layer_dropout, weight_drop)  # type: ignore[arg-type]
        backward = [model.direction == "backward", True][: len(readers)]
        self.net = LMLSTMNet(own, readers, backward, head_size, self.num_classes, dropout)  # type: ignore[arg-type]
        self.depths = _depths(self.net)
        self.top = max(self.depths.values()) + 1

    def prepare(self, view: TrainView) -> None:
        """Refuse a language model that was fitted to other words.

        Raises:
            ValueError: it was, or there are other word vectors.
        """
        if view.vectors is not None:
            raise ValueError(
                "data.vectors is set, and the word vectors are those of model.language_model; set "
                "--data.vectors null"
            )
        if self.words is not None and not torch.equal(self.words, words_hash(view.vocabulary)):
            raise ValueError(
                "model.language_model was fitted to another vocabulary than the "
                f"{len(view.vocabulary):,} words of this corpus, so its rows are those of other "
                "words; fit it to the same corpus, with the same tokenizer and vocab_size"
            )

    def parameter_groups(self) -> list[dict[str, Any]]:
        """One group for each layer's matrices and one for its biases."""
        named = ((name.removeprefix("net."), p) for name, p in self.named_parameters())
        rates = self.learning_rate, self.layer_decay, self.weight_decay
        return layerwise_groups(named, self.depths, self.top, *rates)

    def on_train_start(self) -> None:
        """Freeze the layers not yet learnt, also where a fit resumes within an epoch."""
        self.on_train_epoch_start()

    def on_train_epoch_start(self) -> None:
        """Thaw one more layer, under gradual unfreezing."""
        if self.gradual_unfreezing:
            lowest = self.top - self.current_epoch
            for name, depth in self.depths.items():
                self.net.get_parameter(name).requires_grad_(depth >= lowest)


def _depths(net: LMLSTMNet) -> dict[str, int]:
    """Depth of each parameter below the head by its name: 0 in the embedding, 1 … L in layers."""
    depths = {"embedding.table.weight": 0}
    for number, reader in enumerate(net.readers):
        layers: nn.ModuleList = reader.layers  # type: ignore[assignment]
        for depth, layer in enumerate(layers, start=1):
            prefix = f"readers.{number}.layers.{depth - 1}"
            depths |= {f"{prefix}.{name}": depth for name, _ in layer.named_parameters()}
    return depths


def words_of(folder: Path) -> Tensor:
    """Hash of the words that a run's language model was fitted to."""
    try:
        encoder = Encoder.load(folder)
    except DataError as error:
        raise ValueError(f"model.language_model is {str(folder)!r}: {error}") from error
    return words_hash(encoder.tokenizer.vocabulary()[: encoder.token_truncation.vocab_size])


def _set_dropout(reader: Reader, layer_dropout: float, weight_drop: float) -> None:
    """Dropouts of the classifier, in place of those of the language model."""
    reader.dropout.p = layer_dropout
    for layer in reader.layers:
        layer.weight_drop = weight_drop  # type: ignore[assignment]
