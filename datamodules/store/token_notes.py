"""Notes on a tokenizer from the tokens of a corpus: texts that it does not divide or know."""

from __future__ import annotations

import re

import numpy as np

from datamodules.store.token_store import TokenStore
from datamodules.store.truncation import TokenTruncation
from datamodules.tokenizers import CharacterTokenizer, Tokenizer, WordTokenizer

MOST_OUTSIDE = 0.02
"""Largest share of the running characters that a soft cap may make unknown."""

_MOST = 0.5
_MOST_CHARACTERS = 0.1  # of characters nearly all should be known
_LONG_WORD = 4.0  # mean characters of a word in a script without spaces; divided words have 1 to 3

SPACELESS = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Ranges of characters of scripts without spaces between words: Han, kana, Thai, Lao, Myanmar,
Khmer, Tibetan."""
_SPACELESS = re.compile(f"[{SPACELESS}]")
_REMEDY = "set --data.tokenizer unicode, subwords or characters"


def outside_share(store: TokenStore, tokenizer: Tokenizer, cap: int | None) -> float:
    """Share of the running training characters outside a cap; 0 for tokens that are none."""
    if cap is None or not isinstance(tokenizer, CharacterTokenizer):
        return 0.0
    counts = store.counts()
    return float(counts[cap:].sum() / max(counts.sum(), 1))


def token_notes(
    store: TokenStore, truncation: TokenTruncation, tokenizer: Tokenizer, cap: int | None
) -> list[str]:
    """Sentences on validation texts of one token, and on unknown tokens, with their remedy.

    Marks of punctuation do not count as tokens. The sentences end without a full stop.

    Args:
        store: token store of a corpus.
        truncation: vocabulary cap of the batches.
        tokenizer: fitted tokenizer of the store.
        cap: `data.vocab_size`, which may have given way.
    """
    rows, vocabulary = store.rows("val"), tokenizer.vocabulary()
    tokens = store.tokens("train")
    if not len(rows):
        return []
    uncapped = truncation._replace(vocab_size=None, max_length=None)
    raw = uncapped.ragged(tokens, rows)
    is_word = np.array([any(map(str.isalnum, token)) for token in vocabulary], dtype=bool)
    is_word[tokenizer.unk_id] = True
    words = raw.values[is_word[raw.values]]
    unknown = float((words == tokenizer.unk_id).mean()) if len(words) else 1.0
    outside = 0.0 if truncation.vocab_size else outside_share(store, tokenizer, cap)
    if outside > MOST_OUTSIDE:
        return [
            f"all {len(vocabulary):,} characters are kept, since data.vocab_size {cap} would make "
            f"{outside:.0%} of the running ones unknown"
        ]
    cap = truncation.vocab_size or len(vocabulary)
    capped = float(((words == tokenizer.unk_id) | (words >= cap)).mean()) if len(words) else 1.0
    most = _MOST_CHARACTERS if isinstance(tokenizer, CharacterTokenizer) else _MOST
    spaceless = (
        isinstance(tokenizer, WordTokenizer)
        and tokenizer.preparation != "unicode"
        and _has_long_runs(store, vocabulary)
    )
    remedy = f"these texts have no spaces between words: {_REMEDY}"
    if not spaceless:
        remedy = f"train on more rows, or {_REMEDY}"
    row_of = np.repeat(np.arange(len(rows)), np.diff(raw.offsets))
    lengths = np.bincount(row_of[is_word[raw.values]], minlength=len(rows))
    if (single := float((lengths <= 1).mean())) >= _MOST:
        return [f"{single:.0%} of the validation texts are a single token; {remedy}"]
    if unknown >= most:
        return [f"{unknown:.0%} of the validation tokens are not in training texts; {remedy}"]
    if capped >= most:
        return [
            f"{capped:.0%} of the validation tokens are outside the {cap:,} of the vocabulary; "
            "raise --data.vocab_size (null: no limit), or lower --data.min_frequency"
        ]
    if spaceless:
        return [f"words are divided at spaces and marks alone, and {remedy}"]
    return []


def _has_long_runs(store: TokenStore, vocabulary: list[str]) -> bool:
    """Whether most running words are long ones in a script without spaces between words."""
    counts = store.counts()
    spaceless = np.array([bool(_SPACELESS.search(token)) for token in vocabulary])
    lengths = np.array([len(token) for token in vocabulary])
    is_word = np.array([any(map(str.isalnum, token)) for token in vocabulary])
    is_word[: len(WordTokenizer.SPECIALS)] = False
    running = counts[is_word].sum()
    runs = counts * spaceless
    if not running or runs.sum() < _MOST * running:
        return False
    return float((runs * lengths).sum() / runs.sum()) > _LONG_WORD
