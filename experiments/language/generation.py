"""Texts that a language model writes: settings, prompt, and what comes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from datamodules.reading.joining import texts_of
from datamodules.store.encoder import Encoder
from experiments.config.registry import ConfigError, nearest
from experiments.inference.predictor import LoadedModel, load_model
from experiments.records.run_files import Weights
from lit_models.class_lm import ClassLM
from lit_models.language.beam import beam_search, check_beam
from lit_models.language.decoding import (
    Generated,
    Limits,
    Model,
    Start,
    State,
    check_sampling,
    read_prompt,
    sample,
)

_AT_ONCE = 32  # texts that are drawn together, so that memory does not grow with their number
_MOST_NAMED = 5  # unknown words of a prompt
_WIDEST = 1_000  # beam; 30,000 probabilities of each of its texts are 240 MB
_LAST_SEED = 2**63 - 1


class UsageError(ConfigError):
    """Options of a command that cannot be used."""


@dataclass(frozen=True)
class Settings:
    """Options of a generation.

    Attributes:
        prompt: Beginning of the texts; empty: nothing.
        label: Name of the class of the texts, for a model that is told it.
        count: Number of texts.
        longest: Largest number of generated tokens, the end included.
        unknown: Whether `<unk>` may be generated.
        temperature, top_k, top_p: Of `lit_models.language.decoding.sharpened`; None: 1, all, all.
        seed: Random seed of samples; None: 0.
        beam: Width of a beam search; None: texts are drawn.
        length_norm: α of `lit_models.language.beam.length_penalty`; None: 0.

    Raises:
        UsageError: A setting outside its range, or settings that exclude one another.
    """

    prompt: str = ""
    label: str | None = None
    count: int = 1
    longest: int = 100
    unknown: bool = False
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    seed: int | None = None
    beam: int | None = None
    length_norm: float | None = None

    def __post_init__(self) -> None:
        for name in ("count", "longest"):
            if (value := getattr(self, name)) < 1:
                raise UsageError(f"--{name} is {value}; it must be at least 1")
        if self.beam is not None and self.beam > _WIDEST:
            raise UsageError(
                f"--beam is {self.beam}; it must be at most {_WIDEST:,}, whose texts fit into "
                "memory"
            )
        if self.seed is not None and not 0 <= self.seed <= _LAST_SEED:
            raise UsageError(f"--seed is {self.seed}; it must be from 0 to {_LAST_SEED:,}")
        if any("\ud800" <= letter <= "\udfff" for letter in self.prompt):
            raise UsageError(
                f"--prompt {self.prompt!r} is not UTF-8; type it in a terminal that writes UTF-8"
            )
        drawn = ("temperature", "top_k", "top_p", "seed")
        given = [_option(name) for name in drawn if getattr(self, name) is not None]
        if self.beam is None and self.length_norm is not None:
            raise UsageError("--length-norm puts the texts of a beam into order; add --beam N")
        if self.beam is not None and given:
            raise UsageError(
                f"--beam {self.beam} draws nothing at random; leave {', '.join(given)} out, or "
                "--beam"
            )
        try:
            if self.beam is None:
                check_sampling(_one(self.temperature), self.top_k, self.top_p)
            else:
                check_beam(self.beam, self.length_norm or 0.0)
        except ValueError as error:
            name, _, rest = str(error).partition(" ")
            raise UsageError(f"{_option(name)} {rest}") from error
        if self.beam is not None and self.count > self.beam:
            raise UsageError(
                f"--count is {self.count}, and a beam of {self.beam} gives at most as many texts; "
                f"say --beam {self.count}"
            )


@dataclass(frozen=True)
class GeneratedText:
    """A text that a model wrote.

    Attributes:
        text: The prompt and what follows it.
        generated: What follows the prompt.
        tokens: Number of generated tokens, the end included.
        log_probability: ln p of these after the prompt, as the model gives it.
        ended: Whether the text came to its end.
    """

    text: str
    generated: str
    tokens: int
    log_probability: float
    ended: bool


class Generator:
    """A language model of a run, loaded once for any number of texts.

    Args:
        folder: A run folder, such as `runs/fit/ngram_lm/seed-0`.
        device: Device to compute on.
        weights: Fit whose weights are loaded; None: the last.

    Raises:
        UsageError: The run's model is no language model.
        ConfigError, ResultsError, DataError, Untrusted: See `load_model`.
    """

    def __init__(self, folder: Path, device: str = "cpu", weights: Weights | None = None) -> None:
        loaded = load_model(folder, device, weights)
        self.model, self.encoder = _language_model(folder, loaded), loaded.encoder

    def unknown_words(self, prompt: str) -> list[str]:
        """Words of a prompt that the model does not know, in their order, each once.

        Raises:
            UsageError: It knows none of the prompt.
        """
        if not prompt.strip():
            return []
        unknown, truncation = self.encoder.tokenizer.unk_id, self.encoder.token_truncation
        tokens = _tokens_of(self.encoder, prompt)
        places = self.encoder.tokenizer.spans(prompt).tolist()[truncation.prefix :]
        pairs = zip(tokens, places, strict=False)  # a prompt without tokens is one <unk>
        found = [prompt[first:past] for token, (first, past) in pairs if token == unknown]
        words = list(dict.fromkeys(filter(None, found)))
        if any(token != unknown for token in tokens):
            return words
        vocabulary = self.encoder.tokenizer.vocabulary()[: truncation.vocab_size]
        hints = [f"{word!r}{nearest(word.lower(), vocabulary)}" for word in words[:_MOST_NAMED]]
        raise UsageError(
            f"--prompt {prompt!r} has no word that the model knows{': ' if hints else ''}"
            f"{'; '.join(hints)}; use words of the texts that it learnt from, or leave it out"
        )

    def __call__(self, settings: Settings) -> list[GeneratedText]:
        """Generate texts.

        Raises:
            UsageError: A prompt without a known word, or a label that there is not.
        """
        self.unknown_words(settings.prompt)
        truncation = self.encoder.token_truncation
        prompt = _tokens_of(self.encoder, settings.prompt) if settings.prompt.strip() else []
        backward = getattr(self.model, "direction", "forward") == "backward"
        order = -1 if backward else 1
        forbidden = () if settings.unknown else (self.encoder.tokenizer.unk_id,)
        # A network has outcomes for as many words as it was set to, a small corpus fewer words.
        size = len(self.encoder.tokenizer.vocabulary())
        limits = Limits(truncation.pad_id, settings.longest, forbidden, size)
        read = [truncation.pad_id, *prompt[::order]]
        start = partial(read_prompt, self._begin(settings.label), self.model.advance, read)
        with torch.inference_mode():
            found = list(_texts(self.model, start, limits, settings))
        new = [one.symbols[::order] for one in found]
        texts = self._joined(settings.prompt.strip(), prompt, new, backward)
        return [
            GeneratedText(*pair, one.length, one.log_probability, one.ended)
            for pair, one in zip(texts, found, strict=True)
        ]

    def _joined(
        self, prompt: str, tokens: list[int], new: list[tuple[int, ...]], backward: bool
    ) -> list[tuple[str, str]]:
        """Whole texts, with the prompt as it was typed, and their generated parts."""
        if backward:
            generated = texts_of(self.encoder.tokenizer, new)
            return [(f"{one} {prompt}".strip(), one) for one in generated]
        rows = [tokens, *([*tokens, *row] for row in new)]
        before, *whole = texts_of(self.encoder.tokenizer, rows)
        generated = [one.removeprefix(before) for one in whole]
        return [(prompt + one, one.strip()) for one in generated]

    def _begin(self, label: str | None) -> Callable[[int], State]:
        """Function that begins texts, of a class if the model is told one."""
        names = self.encoder.label_names
        if not isinstance(self.model, ClassLM):
            if label is not None:
                raise UsageError(
                    f"--label is {label!r}, and {type(self.model).__name__} learnt without labels; "
                    "leave it out, or give a run of class_lm"
                )
            return self.model.begin
        if label not in names:
            given = "is missing" if label is None else f"is {label!r}{nearest(label, names)}"
            raise UsageError(f"--label {given}; choose one of {', '.join(names)}")
        return partial(self.model.begin, label=names.index(label))


def _texts(
    model: Model, start: Callable[..., Start], limits: Limits, settings: Settings
) -> Iterator[Generated]:
    if settings.beam is not None:
        norm = settings.length_norm or 0.0
        (found,) = beam_search(model.advance, start(), limits, settings.beam, norm)
        yield from found[: settings.count]
        return
    generator = torch.Generator().manual_seed(settings.seed or 0)
    for first in range(0, settings.count, _AT_ONCE):
        yield from sample(
            model.advance,
            start(count=min(_AT_ONCE, settings.count - first)),
            limits,
            generator,
            temperature=_one(settings.temperature),
            top_k=settings.top_k,
            top_p=settings.top_p,
        )


def _tokens_of(encoder: Encoder, text: str) -> list[int]:
    """Token ids of a text, however long, without special tokens."""
    truncation = encoder.token_truncation
    (row,) = encoder.tokenizer.encode([text])
    tokens: list[int] = row[truncation.prefix : len(row) - truncation.suffix].tolist()
    size = truncation.vocab_size
    return [token if size is None or token < size else truncation.unk_id for token in tokens]


def _language_model(folder: Path, loaded: LoadedModel) -> Any:
    if not isinstance(loaded.model, Model):
        raise UsageError(
            f"{folder}: {type(loaded.model).__name__} is no language model; "
            f"`lit-sentiment predict {folder}` labels texts with it, and runs of ngram_lm or "
            "class_lm generate some"
        )
    return loaded.model


def _option(name: str) -> str:
    return "--beam" if name == "width" else f"--{name.replace('_', '-')}"


def _one(temperature: float | None) -> float:
    return 1.0 if temperature is None else temperature
