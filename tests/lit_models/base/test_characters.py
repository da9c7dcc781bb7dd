"""Character n-grams against scikit-learn's own, and beside the words of a TF-IDF model."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from datamodules.store.ragged import Ragged
from datamodules.store.train_view import TrainView
from datamodules.tokenizers import CharacterTokenizer
from lit_models.base.characters import CharacterCounter, WordCounter
from lit_models.tfidf_logreg import TfidfLogReg
from tests.batches import make_view, random_rows

WORDS = ["<pad>", "<unk>", "a", "film", "films", "ill", "naïve", "映画", "!", "aaaaaaaa", "fil"]
TRAIN = random_rows([1, 4, 9, 30, 2, 17, 25, 8], 10, seed=1)  # without the last word
OTHER = [*random_rows([3, 12], 11, seed=2), [1, 1], [3, 1, 10]]


def view_of(rows: list[list[int]]) -> TrainView:
    return replace(make_view(rows, [n % 2 for n in range(len(rows))], 11), vocabulary=WORDS)


def texts(rows: list[list[int]]) -> list[str]:
    return [" ".join(WORDS[token] for token in row if token > 1) for row in rows]


@pytest.mark.parametrize("orders", [1, 3, 5])
@pytest.mark.parametrize("min_df", [1, 3])
def test_counts_are_those_of_count_vectorizer(orders: int, min_df: int) -> None:
    theirs = CountVectorizer(analyzer="char_wb", ngram_range=(1, orders), min_df=min_df).fit(
        texts(TRAIN)
    )
    ours = CharacterCounter(orders, min_df)
    fitted = ours.fit(view_of(TRAIN).tokens, WORDS, {0, 1})
    expected = theirs.transform(texts([*TRAIN, *OTHER])).toarray()
    found = np.concatenate([fitted.toarray(), ours.count(view_of(OTHER).tokens).toarray()])
    # Columns stand in another order: the same columns in the end.
    assert np.array_equal(found[:, np.lexsort(found)], expected[:, np.lexsort(expected)])
    assert expected.shape[1] > 5


def test_the_two_parts_of_a_row_have_lengths_of_their_own() -> None:
    model = TfidfLogReg(ngrams=1, min_df=1, char_ngrams=3, char_weight=0.5)
    model.prepare(view_of(TRAIN))
    found = model.features(view_of(OTHER).tokens)
    products = 0.0
    for analyzer, weight in (("word", 1.0), ("char_wb", 0.5)):
        orders = (1, 1) if analyzer == "word" else (1, 3)
        pattern = {"token_pattern": r"\S+"} if analyzer == "word" else {}
        theirs = TfidfVectorizer(
            analyzer=analyzer, ngram_range=orders, sublinear_tf=True, **pattern
        ).fit(texts(TRAIN))
        rows = theirs.transform(texts(OTHER))
        products = products + weight**2 * (rows @ rows.T).toarray()
    assert np.allclose((found @ found.T).toarray(), products, atol=1e-6)  # characters: float32
    assert products[2].tolist() == [0, 0, 0, 0]  # unknown words alone
    assert model.parameter_count == 2 * found.shape[1] + 1


def test_no_ngram_left_is_an_error_with_the_number() -> None:
    with pytest.raises(ValueError, match="min_df 9 leaves no character n-gram of the 8"):
        CharacterCounter(2, 9).fit(view_of(TRAIN).tokens, WORDS, {0, 1})


def test_a_negative_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"model.char_ngrams is -1; it must be at least 0"):
        TfidfLogReg(char_ngrams=-1)


def characters_of(*lines: str) -> tuple[CharacterTokenizer, Ragged]:
    tokenizer = CharacterTokenizer()
    tokenizer.fit(["it's a film! 映画, fi", "naïve10 films"], 2)
    rows = list(tokenizer.encode(lines))
    return tokenizer, Ragged(np.concatenate(rows), np.cumsum([0, *map(len, rows)]))


LINES = ["It's a film!!", "a film, a", "films  a 映画", "", "!", "'film", "a filmq q naïve10"]


def with_unknown(lines: list[str]) -> list[str]:
    """Lines with one `q` for `<unk>`, which is a part of the word around it, or an empty line."""
    return [re.sub("[xyz]", "q", line) or "q" for line in lines]


@pytest.mark.parametrize("orders", [1, 2, 3])
@pytest.mark.parametrize("min_df", [1, 2])
def test_words_made_of_characters_are_those_of_count_vectorizer(orders: int, min_df: int) -> None:
    others = ["a film", "a fil m", "m film, film a!", "it's, its", "", "x", "a xyz film"]
    theirs = CountVectorizer(
        token_pattern=r"[\w'’]+|[^\w\s]", ngram_range=(1, orders), min_df=min_df
    )
    expected = [theirs.fit_transform(with_unknown(LINES)).toarray()]
    expected.append(theirs.transform(with_unknown(others)).toarray())
    tokenizer, train = characters_of(*LINES)
    counter = WordCounter(orders, min_df)
    found = [counter.fit(train, tokenizer.vocabulary(), {0, 1}).toarray()]
    found.append(counter.count(characters_of(*others)[1]).toarray())
    ours, reference = np.concatenate(found), np.concatenate(expected)
    assert np.array_equal(ours[:, np.lexsort(ours)], reference[:, np.lexsort(reference)])


def test_a_model_of_characters_has_both_blocks_and_is_read_back(tmp_path: Path) -> None:
    tokenizer, train = characters_of(*LINES)
    view = replace(make_view([[2]], [0], 2), tokens=train, vocabulary=tokenizer.vocabulary())
    view = replace(view, labels=np.arange(7) % 2, num_classes=2)
    model = TfidfLogReg(ngrams=2, min_df=1, char_weight=0.4, word_ngrams=1)
    model.prepare(view)
    features = model.features(train)
    words = len(model.words.counter.keys)  # type: ignore[union-attr]
    blocks = features[:, :words], features[:, words:]
    lengths = [np.sqrt(block.power(2).sum(axis=1)) for block in blocks]
    assert np.allclose(lengths[0], 1.0) and np.allclose(lengths[1], 0.4)
    model.save(tmp_path)
    loaded = TfidfLogReg.load(tmp_path)
    assert np.array_equal(loaded.features(train).toarray(), features.toarray())


def test_words_and_characters_as_tokens_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="model.word_ngrams is -1; it must be at least 0"):
        TfidfLogReg(word_ngrams=-1)
    with pytest.raises(ValueError, match="char_ngrams is 2 and model.word_ngrams is 3; tokens are"):
        TfidfLogReg(char_ngrams=2, word_ngrams=3)
