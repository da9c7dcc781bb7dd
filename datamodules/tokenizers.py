"""Tokenizer, the base of all tokenizers; tokenizers of words and of characters."""

from __future__ import annotations

import json
import re
import sys
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import tokenizers as hf

from datamodules.errors import DataError
from datamodules.reading.keras_words import KERAS_PATTERN, Steps, keras_steps, stop_words
from datamodules.reading.spans import Characters, spans_of
from datamodules.reading.tokenizer_files import reading

Preparation = Literal["plain", "keras", "unicode"]

_UNICODE_PATTERN = r"(?y{w})\X"  # Oniguruma's text segments: a word of UAX #29
CHUNK = 1000  # texts encoded at once: bounds the memory of Rust's Encoding objects


class Tokenizer(ABC):
    """Turns texts into rows of token ids.

    Attributes:
        pad_id: id of padding at the end of a row.
        unk_id: id of tokens outside the vocabulary.
        prefix: number of special tokens at the start of every row; truncation keeps them.
        suffix: the same at its end.
        continued: ids from here on are those of pieces that continue a word; None: tokens do not
            tell where words begin.
        fits_vocabulary: `fit` determines the vocabulary. False: it is fixed, and cannot be capped.
    """

    pad_id: int
    unk_id: int
    prefix: int = 0
    suffix: int = 0
    continued: int | None = None
    fits_vocabulary: ClassVar[bool] = True
    head_distances: ClassVar[dict[int, int]] = {}  # `TreeTokenizer`: to a word's head, by id

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Everything that `fit` and `encode` depend on; part of the cache key."""

    @abstractmethod
    def fit(self, texts: Iterable[str], count: int) -> None:
        """Determines the vocabulary.

        Args:
            texts: texts of the training rows alone.
            count: number of these texts.
        """

    @abstractmethod
    def encode(self, texts: Iterable[str]) -> Iterator[np.ndarray]:
        """Yields the ids of each text, int32[T], T ≥ 1: a text without tokens is one `<unk>`."""

    def spans(self, text: str) -> np.ndarray:
        """int64[T, 2] start and end of each token of `encode` among the characters of a text.

        A token without characters of its own, such as `[CLS]`, has -1 twice, as have all tokens of
        a tokenizer that does not override this method. Characters are those of the text as given,
        before case, markup and Unicode are normalised.
        """
        return np.full((len(next(self.encode([text]))), 2), -1)

    @abstractmethod
    def vocabulary(self) -> list[str]:
        """All tokens, by id."""

    def sentence_ends(self) -> tuple[int, ...]:
        """Ids of the tokens that end a sentence; empty where they are unknown."""
        return ()

    @abstractmethod
    def save(self, file: Path) -> None:
        """Writes the fitted tokenizer as one `tokenizer.json`."""

    @abstractmethod
    def load(self, file: Path) -> None:
        """Reads what `save` wrote.

        Raises:
            DataError: the file is missing, damaged or no tokenizer.
        """


class FittedTokenizer(Tokenizer):
    """Tokenizer of Hugging Face's `tokenizers` (Rust, multi-threaded), fitted on training rows.

    Id 0 is `<pad>`, 1 is `<unk>`; tokens follow by falling frequency in the training rows, so that
    a smaller vocabulary is the start of a larger one.
    """

    pad_id = 0
    unk_id = 1
    SPECIALS = ("<pad>", "<unk>")
    _SENTENCE_ENDS = (".", "!", "?")
    _hf: hf.Tokenizer

    def encode(self, texts: Iterable[str]) -> Iterator[np.ndarray]:
        texts = iter(texts)
        while chunk := list(islice(texts, CHUNK)):
            for encoding in self._hf.encode_batch_fast(chunk, add_special_tokens=False):
                yield np.array(encoding.ids or [self.unk_id], dtype=np.int32)

    def spans(self, text: str) -> np.ndarray:
        return spans_of(self._hf.encode(text, add_special_tokens=False), Characters.of(text))

    def vocabulary(self) -> list[str]:
        ids: dict[str, int] = self._hf.get_vocab()
        return sorted(ids, key=ids.__getitem__)

    def sentence_ends(self) -> tuple[int, ...]:
        ids = [self._hf.token_to_id(mark) for mark in self._SENTENCE_ENDS]
        return tuple(token for token in ids if token is not None)

    def save(self, file: Path) -> None:
        # not _hf.save: on a full disk it raises a bare Exception
        file.write_text(self._hf.to_str(), encoding="utf-8")

    def load(self, file: Path) -> None:
        with reading(file):
            self._hf = hf.Tokenizer.from_file(str(file))
            ids = [self._hf.token_to_id(token) for token in self.SPECIALS]
            if ids != [self.pad_id, self.unk_id] or self._hf.model.unk_token != "<unk>":
                raise ValueError(f"{self.SPECIALS} are not its first tokens")
        self._hf.encode_special_tokens = True  # not part of the file


class WordTokenizer(FittedTokenizer):
    """Words and single punctuation marks.

    `<br />` is removed. A word includes inner apostrophes (`isn't`); the genitive `'s` and every
    other mark are tokens of their own.

    The preparation `unicode` has the words of Unicode's rules (UAX #29) in normal form C: Chinese
    characters and kana are words of their own, as are the syllables of Thai.

    The preparation `keras` is that of the Keras models that this suite grew out of: markup is
    removed, a word is a run of the letters a to z in lower case (`isn't` gives `isn` and `t`), and
    scikit-learn's 318 English stop words are left out. `tokenizer.json` includes the list.

    Args:
        lowercase: fold case before splitting.
        preparation: `plain`, `keras` or `unicode`.

    Raises:
        DataError: `preparation` is another word, or `keras` without `lowercase`.
    """

    _PATTERN = r"\w+(?:['’](?!s\b)\w+)*|['’]s\b|[^\w\s]"

    def __init__(self, lowercase: bool = True, preparation: Preparation = "plain") -> None:
        if preparation not in get_args(Preparation):
            raise DataError(
                f"tokenizer.preparation is {preparation!r}; choose one of {get_args(Preparation)}"
            )
        if preparation == "keras" and not lowercase:
            raise DataError(
                "tokenizer.lowercase is False, and preparation 'keras' folds case; set lowercase "
                "true or preparation plain"
            )
        self.lowercase, self.preparation = lowercase, preparation
        self._hf = hf.Tokenizer(hf.models.WordLevel(vocab={}, unk_token="<unk>"))
        if preparation == "keras":
            self._hf.normalizer, self._hf.pre_tokenizer = keras_steps()
        elif preparation == "unicode":
            self._hf.normalizer, self._hf.pre_tokenizer = self._unicode_steps()
        else:
            self._hf.normalizer, self._hf.pre_tokenizer = self._plain_steps()
        self._hf.encode_special_tokens = True  # a text that says "<pad>" gets no padding

    def _plain_steps(self) -> Steps:
        steps: list[hf.normalizers.Normalizer] = [
            hf.normalizers.Replace(hf.Regex(r"<br\s*/?>"), " ")
        ]
        if self.lowercase:
            steps.append(hf.normalizers.Lowercase())
        words = hf.pre_tokenizers.Split(hf.Regex(self._PATTERN), behavior="removed", invert=True)
        return hf.normalizers.Sequence(steps), words

    def _unicode_steps(self) -> Steps:
        steps = [hf.normalizers.NFC(), self._plain_steps()[0]]
        spaces = hf.pre_tokenizers.Split(hf.Regex(r"\A[\s\p{Cf}]+\z"), behavior="removed")
        words = hf.pre_tokenizers.Split(hf.Regex(_UNICODE_PATTERN), behavior="isolated")
        return hf.normalizers.Sequence(steps), hf.pre_tokenizers.Sequence([words, spaces])

    def settings(self) -> dict[str, Any]:
        plain = {
            "class": "WordTokenizer",
            "pattern": self._PATTERN,
            "lowercase": self.lowercase,
            "version": 2,
        }
        if self.preparation == "plain":
            return plain  # no further key: existing stores keep their addresses
        if self.preparation == "unicode":
            return {**plain, "pattern": _UNICODE_PATTERN, "preparation": "unicode"}
        return {**plain, "pattern": KERAS_PATTERN, "preparation": "keras", "stop": stop_words()}

    def fit(self, texts: Iterable[str], count: int) -> None:
        trainer = hf.trainers.WordLevelTrainer(
            vocab_size=2**31 - 1,  # no cap: TokenTruncation applies it
            min_frequency=0,
            special_tokens=list(self.SPECIALS),
            show_progress=False,
        )
        self._hf.train_from_iterator(texts, trainer, length=count)


class CharacterTokenizer(Tokenizer):
    """Characters of every script, punctuation and spaces included.

    `<br />` and any run of white space are one space. Id 0 is `<pad>`, 1 is `<unk>`; characters
    follow by falling frequency in the training rows, equally frequent ones by code point.

    Args:
        lowercase: fold case.
    """

    pad_id = 0
    unk_id = 1
    _SPACE = re.compile(r"(?:<br\s*/?>|\s)+")

    def __init__(self, lowercase: bool = True) -> None:
        self.lowercase = lowercase
        self._use("")

    def _use(self, characters: str) -> None:
        self._characters = characters
        self._ids = np.full(sys.maxunicode + 1, self.unk_id, dtype=np.int32)  # by code point
        self._ids[_code_points(characters)] = np.arange(2, len(characters) + 2)

    def settings(self) -> dict[str, Any]:
        return {"class": "CharacterTokenizer", "lowercase": self.lowercase, "version": 1}

    def fit(self, texts: Iterable[str], count: int) -> None:
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(self._prepared(text))
        self._use("".join(sorted(counts, key=lambda character: (-counts[character], character))))

    def encode(self, texts: Iterable[str]) -> Iterator[np.ndarray]:
        for text in texts:
            ids = self._ids[_code_points(self._prepared(text))]
            yield ids if len(ids) else np.array([self.unk_id], dtype=np.int32)

    def _prepared(self, text: str) -> str:
        text = self._SPACE.sub(" ", text).strip()
        return text.lower() if self.lowercase else text

    def spans(self, text: str) -> np.ndarray:
        characters = Characters.of(text).substituted(self._SPACE, " ").stripped()
        places = characters.lowered() if self.lowercase else characters.places
        return places if len(places) else np.full((1, 2), -1)

    def vocabulary(self) -> list[str]:
        return ["<pad>", "<unk>", *self._characters]

    def sentence_ends(self) -> tuple[int, ...]:
        return tuple(self._characters.index(c) + 2 for c in ".!?" if c in self._characters)

    def save(self, file: Path) -> None:
        content = {"lowercase": self.lowercase, "characters": self._characters}
        file.write_text(json.dumps(content), encoding="utf-8")

    def load(self, file: Path) -> None:
        with reading(file):
            content = json.loads(file.read_text(encoding="utf-8"))
            lowercase, characters = content["lowercase"], content["characters"]
            if type(lowercase) is not bool or len(set(characters)) < len(characters):
                raise ValueError("its characters are not distinct, or its case is unknown")
            self._use(characters)
            self.lowercase = lowercase


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
