"""Texts of a corpus for language models: a stream to learn from, and texts held out by movie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datamodules.errors import DataError
from datamodules.splits import grouped_split, merge_groups
from datamodules.store.corpus import TextSplit, read_split
from datamodules.store.ragged import Ragged, concat_ragged
from datamodules.text import TextDataModule


@dataclass(frozen=True)
class LanguageTexts:
    """Texts that language models of a corpus learn from, and texts that judge them.

    Attributes:
        train: int32 tokens of the texts to learn from: labelled train texts and unlabelled ones.
        held_out: int32 tokens of the other texts. No movie and no copy of a text is on both sides.
        characters: number of characters of the held-out texts.
        tokens: number of token ids; rarer words are `<unk>`, which is predicted as a word is.
        pad_id: the token that no text has.
        note: where the held-out texts come from.
    """

    train: Ragged
    held_out: Ragged
    characters: int
    tokens: int
    pad_id: int
    note: str


def language_texts(data: TextDataModule, held_out: int = 2500, seed: int = 0) -> LanguageTexts:
    """Hold out texts of a corpus; test texts are never read.

    Unlabelled texts are held out, of movies without a labelled train text. A corpus without
    unlabelled texts holds out labelled ones. Texts are whole, whatever `max_length` is: their
    characters are counted, and so is the probability of their end.

    Args:
        data: Set up; its vocabulary is that of the labelled train texts, and `vocab_size` caps it.
        held_out: Number of texts held out.
        seed: Seed of the draw.

    Raises:
        DataError: There are not enough texts to hold out.
    """
    store, truncation = data.store, data.encoder.token_truncation._replace(max_length=None)
    train = read_split(data.corpus_folder, "train")
    unlabelled = "unlabelled" in store.splits
    splits = [train, *([read_split(data.corpus_folder, "unlabelled")] if unlabelled else [])]
    groups = merge_groups(_groups(splits), [text for split in splits for text in split.texts])
    first = len(train) if unlabelled else 0  # the first row that may be held out
    candidates = first + np.flatnonzero(~np.isin(groups[first:], groups[:first]))
    if len(candidates) <= held_out:
        kind = "unlabelled texts of movies without a labelled one" if unlabelled else "train texts"
        raise DataError(
            f"{held_out:,} texts to hold out are not fewer than the {len(candidates):,} {kind} of "
            f"{data.head.name}; hold out fewer"
        )
    nothing = np.zeros(len(candidates), dtype=np.int64)
    drawn = grouped_split(nothing, groups[candidates], {"held out": held_out}, seed)["held out"]
    rows = candidates[drawn]
    rest = np.setdiff1d(np.arange(len(groups)), rows)
    tokens = store.tokens("train")
    if unlabelled:
        tokens = concat_ragged(tokens, store.tokens("unlabelled"))
    texts = [text for split in splits for text in split.texts]
    return LanguageTexts(
        train=truncation.ragged(tokens, rest),
        held_out=truncation.ragged(tokens, rows),
        characters=sum(len(texts[row]) for row in rows),
        tokens=len(data.encoder.tokenizer.vocabulary()[: truncation.vocab_size]),
        pad_id=truncation.pad_id,
        note=f"{held_out:,} {'unlabelled' if unlabelled else 'train'} texts are held out",
    )


def _groups(splits: list[TextSplit]) -> np.ndarray | None:
    """int64[N] groups of the rows of several splits; None where no row has one."""
    if any(split.groups is None for split in splits):
        return None
    return np.concatenate([split.groups for split in splits if split.groups is not None])
