"""Pre-training of an encoder on the texts of the train side, labelled and unlabelled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback

from datamodules.halts import RunningClock
from datamodules.pretrained import loading, locate
from datamodules.store.batching import TextBatch, TextLoader, TokenDataset
from datamodules.store.cache import new_folder
from datamodules.store.ragged import Ragged
from datamodules.store.sampler import BucketSampler
from datamodules.store.windows import random_windows
from datamodules.subwords import SubwordTokenizer
from datamodules.text import TextDataModule
from experiments.config.registry import ConfigError, merge
from experiments.config.resolved import Resolved
from experiments.machine.environment import git_state, hardware, now, versions
from experiments.training import ranks
from experiments.training.callbacks import ProgressFn
from experiments.training.devices import devices_of, resolve_precision
from lit_models.base.optimizers import check_training
from lit_models.layers.segments import PairObjective
from lit_models.masked_lm import MaskedLM

RECORD_FILE = "pretraining.json"
_VALIDATION_BATCHES = 20  # on which the loss is measured before and after


class MaskedData(L.LightningDataModule):
    """Texts for masked language modelling: the train rows and the unlabelled ones.

    Args:
        data: set up, without `max_length`, which would cut the middle out of long rows.
        batch_size: rows per step.
        window: tokens of the random window to which a longer row is cut, anew in every epoch.
    """

    def __init__(self, data: TextDataModule, batch_size: int, window: int) -> None:
        super().__init__()
        self.data, self.batch_size, self.window = data, batch_size, window

    def rows(self) -> Ragged:
        """Token ids of every train and unlabelled row, once each."""
        view = self.data.train_view()
        parts = [view.tokens] + ([view.unlabelled] if view.unlabelled is not None else [])
        lengths = np.concatenate([part.lengths for part in parts])
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return Ragged(np.concatenate([part.values for part in parts]), offsets)

    def train_dataloader(self) -> TextLoader:
        """Shuffled batches."""
        rows = self.rows()
        no_labels = np.full(len(rows), -1, dtype=np.int64)
        dataset = TokenDataset(
            rows, no_labels, np.arange(len(rows)), self.data.encoder.token_truncation
        )
        lengths = np.minimum(rows.lengths, self.window)
        sampler = BucketSampler(lengths, self.batch_size, shuffle=True, seed=self.data.seed)
        return TextLoader(dataset, sampler=sampler)

    def on_after_batch_transfer(self, batch: TextBatch, dataloader_idx: int) -> TextBatch:
        """Cuts rows to a random window."""
        tokenizer = self.data.tokenizer
        tokens, lengths = random_windows(
            batch.tokens, batch.lengths, self.window, tokenizer.prefix, tokenizer.suffix
        )
        return batch._replace(tokens=tokens, lengths=lengths)


class PretrainingProgress(Callback):
    """Reports the progress of pre-training.

    Args:
        progress: called with a description and the fraction done.
    """

    def __init__(self, progress: ProgressFn) -> None:
        self.progress = progress

    def on_train_batch_end(self, trainer: L.Trainer, module: Any, *rest: Any) -> None:
        loss = float(trainer.callback_metrics["train/masked_loss"])
        fraction = trainer.global_step / (trainer.max_steps or 1)
        self.progress(f"step {trainer.global_step:,}, loss {loss:.2f}", fraction)


def pretrain(
    resolved: Resolved,
    out: Path,
    *,
    steps: int,
    batch_size: int = 32,
    window: int = 128,
    learning_rate: float = 1e-4,
    pairs: PairObjective | None = None,
    progress: ProgressFn = lambda description, fraction: None,
) -> dict[str, Any]:
    """Trains an experiment's encoder on masked words of its corpus, for `--model.source`.

    Args:
        resolved: the experiment; training starts from the weights of its source, or at random if
            that is None.
        out: folder to write, which must not exist; a failure leaves none.
        steps: optimiser steps.
        batch_size: rows per step.
        window: tokens of a row per step.
        learning_rate: peak learning rate.
        pairs: second objective beside masked words: `next-sentence` or `sentence-order`.
        progress: called with a description and the fraction done.

    Returns:
        The content of `pretraining.json` in the folder.

    Raises:
        ConfigError: a rate outside its range, not a pretrained encoder, no mask token in its
            vocabulary, or `out` exists.
        DataError: the folder could not be written.
        Unavailable: the source is not available.
    """
    if out.exists():
        raise ConfigError(f"--out {out} exists; name another folder, or remove it")
    try:
        check_training({"learning_rate": learning_rate})
    except ValueError as error:
        raise ConfigError(f"--{str(error).replace('_', '-', 1)}") from error
    started, code = now(), git_state()
    L.seed_everything(resolved.seed, verbose=False)
    model_settings = resolved.config["model"]
    options = model_settings["init_args"]
    if model_settings["class_path"] != "lit_models.bert.BERT":
        raise ConfigError("only pretrained encoders learn masked words; try `minilm` or `bert`")
    whole = {"data": {"init_args": {"max_length": None, "train_window": None}}}
    resolved = Resolved(merge(resolved.config, whole))
    _, data = resolved.build()
    data.prepare_data()
    data.setup()
    continues, specials, mask_id = vocabulary(data)
    tokenizer = data.tokenizer
    if pairs is not None and (tokenizer.prefix, tokenizer.suffix) != (1, 1):
        raise ConfigError(
            f"--pairs {pairs}: pairs are [CLS] first [SEP] second [SEP], and this tokenizer puts "
            f"{tokenizer.prefix} tokens before a text and {tokenizer.suffix} after; leave --pairs "
            "out"
        )
    model = MaskedLM(
        source=options["source"],
        config=options["config"],
        continues=continues,
        specials=specials,
        mask_id=mask_id,
        pairs=pairs,
        learning_rate=learning_rate,
        steps=steps,
    )
    devices = devices_of(resolved)
    precision = resolve_precision(resolved.run.precision, devices[0])
    masked = MaskedData(data, batch_size, window)
    trainer = resolved.cli.make_trainer(
        max_epochs=-1,
        max_steps=steps,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        precision=precision,
        callbacks=[PretrainingProgress(progress)],
        plugins=[ranks.RankEnvironment()],
    )
    before = validation_loss(model, masked)
    with RunningClock() as clock:
        trainer.fit(model, datamodule=masked)
        seconds = clock.elapsed()
    after = validation_loss(model, masked)
    record = {
        "source": options["source"],
        "corpus": data.head.name,
        "corpus_fingerprint": data.store.meta["fingerprint"],
        "rows": len(masked.rows()),
        "steps": steps,
        "batch_size": batch_size,
        "window": window,
        "learning_rate": learning_rate,
        "pairs": pairs,
        "seed": resolved.seed,
        "precision": precision,
        "seconds": seconds,
        "val_masked_loss_before": before[0],
        "val_masked_loss": after[0],
        "val_pairs_loss_before": None if pairs is None else before[1],
        "val_pairs_loss": None if pairs is None else after[1],
        "versions": versions(),
        "hardware": hardware(devices),
        "git_commit": code[0],
        "git_dirty": code[1],
        "started": started,
        "ended": now(),
    }
    write(model, data, out, record)
    return record


def vocabulary(data: TextDataModule) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Roles of the tokens in a subword vocabulary.

    Returns:
        bool[V] continuations of a word, bool[V] special tokens, and the id of the mask token.

    Raises:
        ConfigError: the tokenizer has no mask token.
    """
    tokenizer = data.tokenizer
    if not isinstance(tokenizer, SubwordTokenizer):
        raise ConfigError("masks need the tokenizer of a pretrained model: data.tokenizer has none")
    tokens = tokenizer.vocabulary()
    special = tokenizer.special_tokens()
    masks = [number for token, number in special.items() if token in ("[MASK]", "<mask>")]
    if not masks:
        raise ConfigError(
            f"{tokenizer.source}: its vocabulary has no mask token; decoders have none"
        )
    starts = ("Ġ", "▁")  # of a word, in byte-level BPE and in SentencePiece
    if any(token.startswith("##") for token in tokens):  # WordPiece
        continuations = [token.startswith("##") for token in tokens]
    else:
        continuations = [not token.startswith(starts) for token in tokens]
    continues, specials = torch.tensor(continuations), torch.zeros(len(tokens), dtype=torch.bool)
    specials[list(special.values())] = True
    return continues & ~specials, specials, masks[0]


def validation_loss(model: MaskedLM, masked: MaskedData) -> tuple[float, float]:
    """Mean losses of masked words and of pairs on validation rows; every call masks the same."""
    generator, losses = torch.Generator(model.device).manual_seed(0), []
    loader: Any = masked.data.loader("val")
    model.eval()
    with torch.no_grad():
        for number, batch in enumerate(loader):
            if number == _VALIDATION_BATCHES:
                break
            tokens, lengths = batch.tokens[:, : masked.window], batch.lengths
            cut = batch._replace(tokens=tokens, lengths=lengths.clamp(max=tokens.shape[1]))
            moved = model.transfer_batch_to_device(cut, model.device, 0)
            losses.append([float(loss) for loss in model.losses(moved, generator)])
    model.train()
    masked_loss, pairs_loss = np.mean(losses, axis=0).tolist()
    return masked_loss, pairs_loss


def write(model: MaskedLM, data: TextDataModule, out: Path, record: dict[str, Any]) -> None:
    """Writes encoder, tokenizer and record into a new folder; a failure leaves none."""
    from transformers import AutoTokenizer

    subwords = data.tokenizer
    assert isinstance(subwords, SubwordTokenizer) and subwords.source is not None
    with new_folder(out) as temporary:
        model.encoder.save_pretrained(temporary)  # type: ignore[operator]
        with loading(subwords.source) as local:
            source = locate(subwords.source)
            tokenizer = AutoTokenizer.from_pretrained(
                source, local_files_only=local, trust_remote_code=False
            )
        tokenizer.save_pretrained(temporary)
        (temporary / RECORD_FILE).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
