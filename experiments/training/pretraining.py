"""Pre-training on the corpus's own texts, before its labels: train and unlabelled ones."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback

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
from experiments.training.fitting import ProgressFn
from experiments.training.measure import resolve_precision
from lit_models.layers.segments import PairObjective
from lit_models.masked_lm import MaskedLM

RECORD_FILE = "pretraining.json"
_HELD_OUT = 20  # validation batches on which the loss is told before and after


class MaskedData(L.LightningDataModule):
    """Texts that a language model may see: the rows that are learnt from, and unlabelled ones.

    Args:
        data: set up, without `max_length`, which would leave out what stands between.
        batch_size: rows per step.
        window: a random stretch of this many tokens of each longer row is seen, another each time.
    """

    def __init__(self, data: TextDataModule, batch_size: int, window: int) -> None:
        super().__init__()
        self.data, self.batch_size, self.window = data, batch_size, window

    def rows(self) -> Ragged:
        """Every row of the train side once."""
        view = self.data.train_view()
        parts = [view.tokens] + ([view.unlabelled] if view.unlabelled is not None else [])
        lengths = np.concatenate([part.lengths for part in parts])
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return Ragged(np.concatenate([part.values for part in parts]), offsets)

    def train_dataloader(self) -> TextLoader:
        """Shuffled batches."""
        rows = self.rows()
        nothing = np.full(len(rows), -1, dtype=np.int64)
        dataset = TokenDataset(
            rows, nothing, np.arange(len(rows)), self.data.encoder.token_truncation
        )
        lengths = np.minimum(rows.lengths, self.window)
        sampler = BucketSampler(lengths, self.batch_size, shuffle=True, seed=self.data.seed)
        return TextLoader(dataset, sampler=sampler)

    def on_after_batch_transfer(self, batch: TextBatch, dataloader_idx: int) -> TextBatch:
        """Cuts rows to the window."""
        kind = self.data.tokenizer
        tokens, lengths = random_windows(
            batch.tokens, batch.lengths, self.window, kind.prefix, kind.suffix
        )
        return batch._replace(tokens=tokens, lengths=lengths)


class Told(Callback):
    """Tells how far the training is.

    Args:
        tell: called with (what, share done).
    """

    def __init__(self, tell: ProgressFn) -> None:
        self.tell = tell

    def on_train_batch_end(self, trainer: L.Trainer, module: Any, *rest: Any) -> None:
        loss = float(trainer.callback_metrics["train/masked_loss"])
        share = trainer.global_step / (trainer.max_steps or 1)
        self.tell(f"step {trainer.global_step:,}, loss {loss:.2f}", share)


def pretrain(
    resolved: Resolved,
    out: Path,
    *,
    steps: int,
    batch_size: int = 32,
    window: int = 128,
    learning_rate: float = 1e-4,
    pairs: PairObjective | None = None,
    tell: ProgressFn = lambda what, share: None,
) -> dict[str, Any]:
    """Trains the experiment's encoder on its corpus, into a folder that `--model.source` takes.

    Args:
        resolved: the experiment; its source is where weights start, None: at random.
        out: the folder, which must not exist; whole, or not there at all.
        steps: of the optimiser.
        batch_size: rows per step.
        window: tokens of a row that are seen at a time.
        learning_rate: at its peak.
        pairs: what is learnt beside masked words: `next-sentence` or `sentence-order`.
        tell: told how far it is.

    Returns:
        What was done, as `pretraining.json` in the folder has it.

    Raises:
        ConfigError: no pretrained encoder, no masks in its vocabulary, or the folder exists.
        DataError: the folder could not be written.
        Unavailable: the source cannot be had.
    """
    if out.exists():
        raise ConfigError(f"--out {out} exists; name another folder, or remove it")
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
    kind = data.tokenizer
    if pairs is not None and (kind.prefix, kind.suffix) != (1, 1):
        raise ConfigError(
            f"--pairs {pairs}: pairs are [CLS] first [SEP] second [SEP], and this tokenizer puts "
            f"{kind.prefix} tokens before a text and {kind.suffix} after; leave --pairs out"
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
    precision = resolve_precision(resolved.run.precision)
    masked = MaskedData(data, batch_size, window)
    trainer = resolved.cli.make_trainer(
        max_epochs=-1,
        max_steps=steps,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        precision=precision,
        callbacks=[Told(tell)],
        plugins=[ranks.Processes()],
    )
    before, clock = held_out_loss(model, masked), time.perf_counter()
    trainer.fit(model, datamodule=masked)
    seconds = time.perf_counter() - clock
    after = held_out_loss(model, masked)
    record = {
        "source": options["source"],
        "corpus": data.store.meta["corpus"],
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
        "hardware": hardware(),
        "git_commit": code[0],
        "git_dirty": code[1],
        "started": started,
        "ended": now(),
    }
    write(model, data, out, record)
    return record


def vocabulary(data: TextDataModule) -> tuple[torch.Tensor, torch.Tensor, int]:
    """bool[V] tokens that go on with a word, bool[V] special ones, and the number of the mask.

    Raises:
        ConfigError: the tokenizer has no mask token.
    """
    kind = data.tokenizer
    if not isinstance(kind, SubwordTokenizer):
        raise ConfigError("masks need the tokenizer of a pretrained model: data.tokenizer has none")
    tokens = kind.vocabulary()
    special = kind.special_tokens()
    masks = [number for token, number in special.items() if token in ("[MASK]", "<mask>")]
    if not masks:
        raise ConfigError(f"{kind.source}: its vocabulary has no mask token; decoders have none")
    starts = ("Ġ", "▁")
    if any(token.startswith("##") for token in tokens):
        goes_on = [token.startswith("##") for token in tokens]
    else:
        goes_on = [not token.startswith(starts) for token in tokens]
    continues, specials = torch.tensor(goes_on), torch.zeros(len(tokens), dtype=torch.bool)
    specials[list(special.values())] = True
    return continues & ~specials, specials, masks[0]


def held_out_loss(model: MaskedLM, masked: MaskedData) -> tuple[float, float]:
    """Mean loss of masks and of pairs on validation rows, with the same draws at every call."""
    generator, losses = torch.Generator(model.device).manual_seed(0), []
    loader: Any = masked.data.loader("val")
    model.eval()
    with torch.no_grad():
        for number, batch in enumerate(loader):
            if number == _HELD_OUT:
                break
            tokens, lengths = batch.tokens[:, : masked.window], batch.lengths
            cut = batch._replace(tokens=tokens, lengths=lengths.clamp(max=tokens.shape[1]))
            moved = model.transfer_batch_to_device(cut, model.device, 0)
            losses.append([float(loss) for loss in model.losses(moved, generator)])
    model.train()
    hidden, pairs = np.mean(losses, axis=0).tolist()
    return hidden, pairs


def write(model: MaskedLM, data: TextDataModule, out: Path, record: dict[str, Any]) -> None:
    """Writes encoder, tokenizer and record as one folder, or nothing."""
    from transformers import AutoTokenizer

    kind = data.tokenizer
    assert isinstance(kind, SubwordTokenizer) and kind.source is not None
    with new_folder(out) as temporary:
        model.encoder.save_pretrained(temporary)  # type: ignore[operator]
        with loading(kind.source) as local:
            own = AutoTokenizer.from_pretrained(locate(kind.source), local_files_only=local)
        own.save_pretrained(temporary)
        (temporary / RECORD_FILE).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
