"""ZeroShot: a language model is asked for the class of a text; nothing is learnt from labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.store.ragged import rows_of
from datamodules.store.train_view import TrainView
from lit_models.base.classifier import LitClassifier
from lit_models.base.without_steps import WithoutSteps
from lit_models.elmo import words_hash
from lit_models.gpt_lm import GPTLM
from lit_models.language.continuing import Continuing, HubModel, OwnModel
from lit_models.language.pretrained import Pretrained, pretrained
from lit_models.layers.bags import padded_chunks
from lit_models.layers.pretrained import build_causal, resolve_config
from lit_models.lm_lstm import words_of

Calibration = Literal["prior", "texts", "none"]
_TEXTS = 1_000  # train texts whose mean scores are subtracted under `texts`
_ROWS = 32  # of them at once
_BEFORE = "."  # a prompt is divided as it is after a sentence, not as at the start of a text


class ZeroShotNet(nn.Module):
    """Text → prompt → log-probability of the words of each class. See `ZeroShot`.

    Attributes:
        prompt: int64[P], tokens of the prompt.
        words: int64[C, M], tokens of the verbaliser of each class, -1 after its end.
        prior: float[C], subtracted from the scores.
        suffix: int64[], special tokens at the end of a row, which are left out.
    """

    prompt: Tensor
    words: Tensor
    prior: Tensor
    suffix: Tensor

    def __init__(self, model: Continuing, num_classes: int) -> None:
        super().__init__()
        self.model = model.requires_grad_(False)
        self.register_buffer("prompt", torch.zeros(1, dtype=torch.int64))
        self.register_buffer("words", torch.zeros(num_classes, 1, dtype=torch.int64))
        self.register_buffer("prior", torch.zeros(num_classes))
        self.register_buffer("suffix", torch.zeros((), dtype=torch.int64))

    def ask(self, prompt: Sequence[int], words: Sequence[Sequence[int]], suffix: int) -> None:
        """Set the tokens of the question and of its answers."""
        longest = max(map(len, words))
        rows = [[*one, *[-1] * (longest - len(one))] for one in words]
        device = self.prior.device
        self.prompt = torch.tensor(prompt, device=device)
        self.words = torch.tensor(rows, device=device)
        self.prior = torch.zeros(len(rows), device=device)
        self.suffix = torch.tensor(suffix, device=device)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        return self.scores(tokens, lengths - self.suffix) - self.prior

    def scores(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] ln p of the words of each class after texts, which may be empty."""
        size, found = (self.words >= 0).sum(dim=1).tolist(), dict[tuple[int, ...], Tensor]()
        rows = [row[:count] for row, count in zip(self.words.tolist(), size, strict=True)]
        columns = list[Tensor]()
        for row in rows:
            stem = tuple(row[:-1])  # classes that differ in the last token alone share a pass
            if stem not in found:
                found[stem] = self._after(tokens, lengths, stem)
            logs = found[stem]  # [B, M, V]
            each = [logs[:, place, token] for place, token in enumerate(row)]
            columns.append(torch.stack(each).sum(dim=0))
        return torch.stack(columns, dim=1)

    def _after(self, tokens: Tensor, lengths: Tensor, stem: Sequence[int]) -> Tensor:
        """float[B, 1 + S, V] ln p of what follows the prompt, and each token of a stem after it."""
        more = torch.cat([self.prompt, self.prompt.new_tensor(list(stem))])
        rows = F.pad(tokens, (0, len(more)))
        columns = lengths[:, None] + torch.arange(len(more), device=tokens.device)
        rows = rows.scatter(1, columns, more.expand(len(rows), -1))
        last = lengths[:, None] + len(self.prompt) - 1
        places = last + torch.arange(len(stem) + 1, device=tokens.device)
        logs: Tensor = self.model(rows, lengths + len(more), places)
        return logs

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        """Make room for the question that is loaded."""
        for name in ("prompt", "words", "prior"):
            if (saved := state_dict.get(f"{prefix}{name}")) is not None:
                setattr(self, name, torch.empty_like(saved))
        super()._load_from_state_dict(state_dict, prefix, *args)


class ZeroShot(WithoutSteps, LitClassifier):
    """Radford et al. 2019; Schick & Schütze 2021, "Exploiting Cloze Questions…" (verbalisers).

    p(c | text) = softmax_c(s_c);  s_c = ln p(v_c | text, prompt) - ln p(v_c | prompt), with p by a
    causal language model and v_c the words of class c, such as `terrible` and `great` after
    `It was`. The second term is the content-free prior (Zhao et al. 2021, "Calibrate Before Use";
    Holtzman et al. 2021): without it the word that is more frequent wins most texts. No label is
    learnt from: training is empty, and validation chooses nothing.

    Args:
        vocab_size: number of words; linked to `data.vocab_size`, and the language model's.
        language_model: folder of a finished run of `gpt_lm` on the same corpus; its weights are
            saved with the classifier's. None: `source`, or random weights of its default size.
        source: causal language model of the Hugging Face hub, or a local folder of one, in place
            of `language_model`, with `data.tokenizer.source` the same. A checkpoint has none.
        config: values of transformers' configuration that override those of the source.
        prompt: what follows the text.
        verbalisers: words of each class, in the order of the labels.
        calibration: `prior` subtracts the scores without a text; `texts` the mean scores of up to
            1,000 train texts, whose labels are not read, as if classes were equally frequent
            (Zhou et al. 2024, "Batch Calibration"); `none` nothing.

    Raises:
        Unavailable: the model is not available.
        ValueError: values that do not fit together.
    """

    net: ZeroShotNet
    family: ClassVar[str] = "pretrained"
    deterministic = True
    protocols: ClassVar[tuple[str, ...]] = ("holdout",)  # a language model has one split's words

    def __init__(
        self,
        *,
        vocab_size: int = 30_000,
        language_model: Pretrained | None = None,
        source: str | None = None,
        config: dict[str, Any] | None = None,
        prompt: str = "It was",
        verbalisers: list[str] = ["terrible", "great"],  # noqa: B006  # never changed
        calibration: Calibration = "prior",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if calibration not in get_args(Calibration):
            raise ValueError(
                f"model.calibration is {calibration!r}; it must be 'prior', 'texts' or 'none'"
            )
        if len(verbalisers) != self.num_classes:
            raise ValueError(
                f"model.verbalisers has {len(verbalisers)} entries {verbalisers}, and the corpus "
                f"{self.num_classes} classes; give one for each, in the order of the labels"
            )
        if not prompt.strip():
            raise ValueError(f"model.prompt is {prompt!r}; it must have a word, such as 'It was'")
        if language_model is not None and (source or config):
            raise ValueError(
                "model.language_model and model.source are both set; leave one of them out"
            )
        self.prompt, self.verbalisers, self.calibration = prompt, list(verbalisers), calibration
        self.words: Tensor | None = None
        if source or config:
            resolved = resolve_config(source, config)
            self.hparams.update({"source": None, "config": resolved})
            self.net = ZeroShotNet(HubModel(build_causal(source, resolved)), self.num_classes)
            return
        given: Pretrained = {"vocab_size": vocab_size} if language_model is None else language_model
        name = "model.language_model"
        model, self.hparams["language_model"] = pretrained(GPTLM, given, name, "gpt_lm")
        if model.vocab_size != vocab_size:
            raise ValueError(
                f"{name} has {model.vocab_size:,} words and the classifier {vocab_size}; give both "
                "the same --data.vocab_size"
            )
        if isinstance(given, str):
            self.words = words_of(Path(given).expanduser())
        self.net = ZeroShotNet(OwnModel(model), self.num_classes)

    @classmethod
    def takes_several_labels(cls) -> bool:
        return False  # the words of the classes share one probability

    def prepare(self, view: TrainView) -> None:
        """Turn prompt and verbalisers into tokens, and learn the prior, from no text at all.

        Raises:
            ValueError: words that the model does not know, or texts that are too long for it.
        """
        super().prepare(view)
        if self.words is not None and not torch.equal(self.words, words_hash(view.vocabulary)):
            raise ValueError(
                "model.language_model was fitted to another vocabulary than the "
                f"{len(view.vocabulary):,} words of this corpus; fit it to the same corpus, with "
                "the same tokenizer and vocab_size"
            )
        prompt = _following(view, self.prompt)
        words = [self._answer(view, prompt, one) for one in self.verbalisers]
        if len({tuple(one) for one in words}) < len(words):
            raise ValueError(
                f"model.verbalisers are {self.verbalisers}, two of which are the same words here; "
                "give each class its own"
            )
        longest = view.max_length or int(view.tokens.lengths.max())
        longest += len(prompt) + max(map(len, words)) - view.suffix
        limit = self.net.model.longest
        if limit is not None and longest > limit:
            raise ValueError(
                f"rows with the prompt have up to {longest:,} tokens, and the model has {limit:,} "
                f"positions; set --data.max_length {limit - len(prompt) - max(map(len, words))}"
            )
        self.net.ask(prompt, words, view.suffix)
        answers = ", ".join(f"{self.prompt} {one}" for one in self.verbalisers)
        self.notes = (f"no label was learnt from: classes are asked for by {answers}",)
        if self.calibration != "none":
            training, _ = self.net.training, self.net.eval()
            self.net.prior = self._prior(view) if self.calibration == "prior" else self._mean(view)
            self.net.train(training)

    @torch.no_grad()
    def _prior(self, view: TrainView) -> Tensor:
        """float[C] scores after an empty text, which has the special tokens at its start alone."""
        first = view.tokens.values[: view.prefix].astype(np.int64)
        tokens = torch.from_numpy(first)[None].to(self.net.prior.device)
        scores = self.net.scores(tokens, torch.tensor([len(first)], device=tokens.device))[0]
        return scores.float()

    @torch.no_grad()
    def _mean(self, view: TrainView) -> Tensor:
        """float[C] mean scores of train texts, at equal steps where they are many."""
        step = max(1, len(view.tokens) // _TEXTS)
        rows = np.arange(0, len(view.tokens), step)[:_TEXTS]
        total, device = torch.zeros_like(self.net.prior), self.net.prior.device
        for _, tokens, lengths in padded_chunks(rows_of(view.tokens, rows)):
            for part, sizes in zip(tokens.split(_ROWS), lengths.split(_ROWS), strict=True):
                part = part[:, : int(sizes.max())]
                total += self.net(part.to(device), sizes.to(device)).sum(dim=0).float()
        return total / len(rows)

    def _answer(self, view: TrainView, prompt: list[int], word: str) -> list[int]:
        """Tokens of a verbaliser after the prompt."""
        whole = _following(view, f"{self.prompt} {word}")
        if not word.strip() or whole[: len(prompt)] != prompt or len(whole) == len(prompt):
            raise ValueError(
                f"model.verbalisers has {word!r}, which makes no tokens of its own after the "
                f"prompt {self.prompt!r}; give a word"
            )
        answer = whole[len(prompt) :]
        if view.unk_id in answer:
            raise ValueError(
                f"model.verbalisers has {word!r}, and the vocabulary of "
                f"{len(view.vocabulary):,} tokens does not; give a more frequent word"
            )
        return answer

    @property
    def trainable_parameter_count(self) -> int:
        """None is trained."""
        return 0


def _following(view: TrainView, text: str) -> list[int]:
    """Tokens of a text that follows another.

    Raises:
        ValueError: There is no tokenizer, or it joins them.
    """
    if view.encode is None:
        raise ValueError("ZeroShot needs a corpus with a tokenizer, which divides its prompt")
    before, whole = view.encode(_BEFORE).tolist(), view.encode(f"{_BEFORE} {text}").tolist()
    if whole[: len(before)] != before:
        raise ValueError(
            f"the tokenizer joins {text!r} to the text before it; use words or subwords "
            "(--data.tokenizer)"
        )
    rest: list[int] = whole[len(before) :]
    return rest
