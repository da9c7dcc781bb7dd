"""Tokenizers: raw text to token numbers, learnt on the train side only."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import tokenizers as hf

from datamodules.errors import DataError

Preparation = Literal["plain", "keras"]

_KERAS_PATTERN = r"[a-z]+"
CHUNK = 1000  # texts encoded at once: bounds the memory that Rust's Encoding objects take


class Tokenizer(ABC):
    """Turns texts into token numbers. `fit` learns a vocabulary; `save` and `load` keep it.

    Attributes:
        pad_id: the number that fills the end of a row in a batch.
        unk_id: the number of a token outside the vocabulary.
        prefix: special tokens at the start of every row, which no truncation takes away.
        suffix: the same at its end.
        fits_vocabulary: whether `fit` learns the vocabulary; a cap on a fixed one is refused.
    """

    pad_id: int
    unk_id: int
    prefix: int = 0
    suffix: int = 0
    fits_vocabulary: ClassVar[bool] = True

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Everything that decides the result of `fit` and `encode`; part of the store's address."""

    @abstractmethod
    def fit(self, texts: Iterable[str], count: int) -> None:
        """Learns the vocabulary from the train texts alone, `count` of them."""

    @abstractmethod
    def encode(self, texts: Iterable[str]) -> Iterator[np.ndarray]:
        """Yields one int32[T] per text, T ≥ 1: a text without tokens becomes one `<unk>`."""

    @abstractmethod
    def vocabulary(self) -> list[str]:
        """All tokens, by number: specials first, then by falling frequency in train."""

    def sentence_ends(self) -> tuple[int, ...]:
        """Numbers of the tokens that end a sentence; none where a tokenizer does not say."""
        return ()

    @abstractmethod
    def save(self, file: Path) -> None:
        """Writes the learnt tokenizer as one `tokenizer.json`."""

    @abstractmethod
    def load(self, file: Path) -> None:
        """Reads what `save` wrote.

        Raises:
            DataError: the file is missing or is not a tokenizer.
        """


class WordTokenizer(Tokenizer):
    """Words and single punctuation marks, by Hugging Face `tokenizers` (Rust, multi-threaded).

    `<br />` is removed; a word keeps its inner apostrophes (`isn't`), but the genitive `'s` stands
    alone; every other mark is a token of its own. Number 0 is `<pad>`, 1 is `<unk>`; words follow
    by falling frequency, so that a smaller vocabulary is the same one cut short.

    Under `keras` a word is what the Keras models that this suite grew out of were given: markup is
    removed, a word is a run of the letters a to z in lower case (`isn't` gives `isn` and `t`), and
    scikit-learn's 318 English stop words are left out. The list is kept with the learnt tokenizer.

    Args:
        lowercase: fold case before splitting.
        preparation: `plain`, or `keras`.

    Raises:
        DataError: an unknown preparation, or case kept under `keras`.
    """

    pad_id = 0
    unk_id = 1
    _SPECIALS = ("<pad>", "<unk>")
    _SENTENCE_ENDS = (".", "!", "?")
    _PATTERN = r"\w+(?:['’](?!s\b)\w+)*|['’]s\b|[^\w\s]"

    def __init__(self, lowercase: bool = True, preparation: Preparation = "plain") -> None:
        if preparation not in get_args(Preparation):
            raise DataError(
                f"tokenizer.preparation is {preparation!r}; choose of {get_args(Preparation)}"
            )
        if preparation == "keras" and not lowercase:
            raise DataError(
                "tokenizer.preparation 'keras' folds case, and lowercase is False; leave one of "
                "them"
            )
        self.lowercase, self.preparation = lowercase, preparation
        self._hf = hf.Tokenizer(hf.models.WordLevel(vocab={}, unk_token="<unk>"))
        if preparation == "keras":
            self._hf.normalizer, self._hf.pre_tokenizer = _keras_steps()
        else:
            self._hf.normalizer, self._hf.pre_tokenizer = self._plain_steps()
        self._hf.encode_special_tokens = True  # a text that says "<pad>" gets no padding

    def _plain_steps(self) -> tuple[hf.normalizers.Normalizer, hf.pre_tokenizers.PreTokenizer]:
        steps: list[hf.normalizers.Normalizer] = [
            hf.normalizers.Replace(hf.Regex(r"<br\s*/?>"), " ")
        ]
        if self.lowercase:
            steps.append(hf.normalizers.Lowercase())
        words = hf.pre_tokenizers.Split(hf.Regex(self._PATTERN), behavior="removed", invert=True)
        return hf.normalizers.Sequence(steps), words

    def settings(self) -> dict[str, Any]:
        plain = {
            "class": "WordTokenizer",
            "pattern": self._PATTERN,
            "lowercase": self.lowercase,
            "version": 2,
        }
        if self.preparation == "plain":
            return plain  # nothing more: the stores that lie there keep their addresses
        return {**plain, "pattern": _KERAS_PATTERN, "preparation": "keras", "stop": _stop_words()}

    def fit(self, texts: Iterable[str], count: int) -> None:
        trainer = hf.trainers.WordLevelTrainer(
            vocab_size=2**31 - 1,  # uncapped: a cap is applied when batches are cut
            min_frequency=0,
            special_tokens=list(self._SPECIALS),
            show_progress=False,
        )
        self._hf.train_from_iterator(texts, trainer, length=count)

    def encode(self, texts: Iterable[str]) -> Iterator[np.ndarray]:
        texts = iter(texts)
        while chunk := list(islice(texts, CHUNK)):
            for encoding in self._hf.encode_batch_fast(chunk, add_special_tokens=False):
                yield np.array(encoding.ids or [self.unk_id], dtype=np.int32)

    def vocabulary(self) -> list[str]:
        numbers: dict[str, int] = self._hf.get_vocab()
        return sorted(numbers, key=numbers.__getitem__)

    def sentence_ends(self) -> tuple[int, ...]:
        numbers = [self._hf.token_to_id(mark) for mark in self._SENTENCE_ENDS]
        return tuple(number for number in numbers if number is not None)

    def save(self, file: Path) -> None:
        # not _hf.save: on a full disk it raises a bare Exception
        file.write_text(self._hf.to_str(), encoding="utf-8")

    def load(self, file: Path) -> None:
        if not file.is_file():
            raise DataError(f"{file}: no tokenizer there; the run or store is incomplete")
        try:
            self._hf = hf.Tokenizer.from_file(str(file))
            numbers = [self._hf.token_to_id(token) for token in self._SPECIALS]
            if numbers != [self.pad_id, self.unk_id] or self._hf.model.unk_token != "<unk>":
                raise ValueError(f"{self._SPECIALS} are not its first tokens")
        except Exception as error:  # the Rust side raises bare Exception
            raise DataError(f"{file}: not a tokenizer file ({error})") from error
        self._hf.encode_special_tokens = True  # the file does not keep it


def _keras_steps() -> tuple[hf.normalizers.Normalizer, hf.pre_tokenizers.PreTokenizer]:
    steps = [
        hf.normalizers.Replace(hf.Regex(r"</?[A-Za-z][^<>]*>"), " "),
        # Before case is folded: a few letters of other alphabets fold to these.
        hf.normalizers.Replace(hf.Regex(r"[^A-Za-z]+"), " "),
        hf.normalizers.Lowercase(),
    ]
    splits = [
        hf.pre_tokenizers.Split(hf.Regex(_KERAS_PATTERN), behavior="removed", invert=True),
        hf.pre_tokenizers.Split(
            hf.Regex(rf"\A(?:{'|'.join(_stop_words())})\z"), behavior="removed"
        ),
    ]
    return hf.normalizers.Sequence(steps), hf.pre_tokenizers.Sequence(splits)


def _stop_words() -> list[str]:
    # It takes a second, which only those who want the list should wait for.
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return sorted(ENGLISH_STOP_WORDS)
