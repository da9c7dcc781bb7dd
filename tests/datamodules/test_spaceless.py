"""Texts without spaces between words: divided as asked for, and told where they are not."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import regex
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from datamodules.bpe import BpeTokenizer
from datamodules.files import TextFiles
from datamodules.named_tokenizers import make_tokenizer
from datamodules.store.encoder import Encoder
from datamodules.tokenizers import CharacterTokenizer, WordTokenizer
from lit_models.tfidf_logreg import TfidfLogReg
from tests.datamodules.test_files import make, write

MIXED = [
    "It's 我喜欢这部电影。ok",
    "ฉันรักภาพยนตร์เรื่องนี้",
    "カタカナとひらがな、3.14 don't",
    "naïve cafe\u0301 👨\u200d👩\u200d👧 a_b can't<br />fin",
    "Привет, мир! ١٢٣",
]
CHARACTERS = [chr(0x4E00 + 7 * number) for number in range(1500)]
WORDS = {"pos": ["喜欢", "精彩", "好看", "感动"], "neg": ["失望", "难看", "无聊", "浪费"]}


def chinese(rows: int, seed: int) -> list[tuple[str, str]]:
    """Texts of clauses without spaces, each with a word that tells the label."""
    rng = random.Random(seed)
    texts = []
    for row in range(rows):
        label = ("neg", "pos")[row % 2]
        clauses = []
        for _ in range(rng.randint(2, 4)):
            clause = "".join(rng.choices(CHARACTERS, k=rng.randint(6, 14)))
            place = rng.randrange(len(clause))
            clauses.append(clause[:place] + rng.choice(WORDS[label]) + clause[place:])
        texts.append(("，".join(clauses) + "。", label))
    return texts


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chinese")
    for name, rows, seed in (("train", 600, 1), ("test", 300, 2)):
        write(folder / f"{name}.csv", chinese(rows, seed), ("text", "label"))
    return folder


def ready(folder: Path, **options: Any) -> TextFiles:
    data = make(folder, test="test.csv", **options)
    data.prepare_data()
    data.setup()
    return data


def accuracy(data: TextFiles, model: TfidfLogReg) -> float:
    view = data.train_view()
    fitted = LogisticRegression(C=30).fit(model.learn_features(view), view.labels)
    tokens = data.encoder.token_truncation.ragged(
        data.store.tokens("test"), np.arange(len(data.store.labels("test")))
    )
    return float(fitted.score(model.features(tokens), data.store.labels("test")))


@pytest.mark.parametrize("text", MIXED)
def test_words_by_unicodes_rules_are_those_of_regex(text: str) -> None:
    tokenizer = WordTokenizer(preparation="unicode")
    tokenizer.fit([text], 1)
    vocabulary = tokenizer.vocabulary()
    (row,) = tokenizer.encode([text])
    plain = regex.sub("<br />", " ", regex.sub("e\u0301", "é", text)).lower()
    theirs = [word for word in regex.split(r"(?wV1)\b", plain) if word.strip()]
    assert [vocabulary[token] for token in row] == theirs


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("words", WordTokenizer()),
        ("unicode", WordTokenizer(preparation="unicode")),
        ("subwords", BpeTokenizer()),
        ("characters", CharacterTokenizer()),
    ],
)
def test_short_names(name: Any, same: Any, tmp_path: Path) -> None:
    tokenizer = make_tokenizer(name)
    assert tokenizer.settings() == same.settings()
    tokenizer.fit(MIXED, len(MIXED))
    tokenizer.save(tmp_path / "tokenizer.json")
    same.load(tmp_path / "tokenizer.json")
    texts = [*MIXED, "", "<pad> <unk>", "unknown words"]
    expected = list(tokenizer.encode(texts))
    assert all(map(np.array_equal, same.encode(texts), expected))
    assert all(len(row) >= 1 and tokenizer.pad_id not in row for row in expected)


def test_the_default_is_as_it_was() -> None:
    settings = make_tokenizer(None).settings()
    pattern = r"\w+(?:['’](?!s\b)\w+)*|['’]s\b|[^\w\s]"
    expected = {"class": "WordTokenizer", "pattern": pattern, "lowercase": True, "version": 2}
    assert settings == expected


def test_subwords_are_learnt_on_the_training_rows_and_fall_in_frequency(folder: Path) -> None:
    data = ready(folder, tokenizer=BpeTokenizer(1800))
    counts = data.store.counts()[2:]
    assert (np.diff(counts) <= 0).all() and counts[0] > 0
    vocabulary = data.tokenizer.vocabulary()
    assert len(vocabulary) == len(set(vocabulary)) <= 1800
    assert set(sum(WORDS.values(), [])) <= set(vocabulary)
    texts = data.texts("train")
    again = BpeTokenizer(1800)
    again.fit((texts[row] for row in data.train_indices()), len(data.train_indices()))
    assert again.vocabulary() == vocabulary


def test_a_loaded_encoder_divides_alike(folder: Path, tmp_path: Path) -> None:
    for name in ("unicode", "subwords"):
        encoder = ready(folder, tokenizer=name).encoder
        encoder.save(tmp_path)
        texts = data_texts = [text for text, _ in chinese(5, 3)]
        assert encoder.encode(texts).tokens.equal(Encoder.load(tmp_path).encode(data_texts).tokens)


@pytest.mark.parametrize("name", ["unicode", "subwords", "characters"])
def test_every_way_to_divide_them_finds_the_words(folder: Path, name: Any) -> None:
    data = ready(folder, tokenizer=name)
    assert accuracy(data, TfidfLogReg(ngrams=3)) > 0.97
    assert data.token_notes() == []


def test_undivided_texts_are_told(folder: Path) -> None:
    data = ready(folder)
    (note,) = data.token_notes()
    assert "no spaces between words: set --data.tokenizer unicode, subwords or characters" in note
    assert "validation tokens are not in training texts" in note
    assert accuracy(data, TfidfLogReg(ngrams=2, min_df=1)) < 0.7


def test_characters_are_those_of_the_text_as_in_scikit_learn(folder: Path) -> None:
    """The settings of `tfidf_char_logreg`, whose cap of 150 characters is for alphabets."""
    options = {"tokenizer": "characters", "vocab_size": 150, "max_length": None}
    model = {"ngrams": 6, "word_ngrams": 3, "min_df": 5, "char_weight": 0.4}
    capped = ready(folder, **options)
    assert capped.encoder.token_truncation.vocab_size == 150
    (note,) = capped.token_notes()
    assert "outside the 150 of the vocabulary; raise --data.vocab_size" in note
    data = make(folder, test="test.csv", **options)
    data.soft_cap = True
    data.prepare_data()
    data.setup()
    assert data.encoder.token_truncation.vocab_size is None
    (note,) = data.token_notes()
    assert "characters are kept, since data.vocab_size 150 would make" in note
    train, test = chinese(600, 1), chinese(300, 2)
    theirs = make_pipeline(
        TfidfVectorizer(analyzer="char", ngram_range=(1, 6), min_df=5, sublinear_tf=True),
        LogisticRegression(C=30),
    ).fit(*zip(*train, strict=True))
    ours = accuracy(data, TfidfLogReg(**model))
    assert ours >= theirs.score(*zip(*test, strict=True)) - 0.01 > 0.95


def test_a_soft_cap_holds_for_an_alphabet(tmp_path: Path) -> None:
    rows = [(f"the film number {i} is {'good' if i % 2 else 'bad'}", i % 2) for i in range(100)]
    rows.append(("a rare ♥", 1))
    write(tmp_path / "train.csv", rows, ("text", "label"))
    data = make(tmp_path, tokenizer="characters", vocab_size=30)
    data.soft_cap = True
    data.prepare_data()
    data.setup()
    assert data.encoder.token_truncation.vocab_size == 30 and data.token_notes() == []


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ([f"word{i}" for i in range(60)], "100% of the validation texts are a single token"),
        ([f"a{i} b{i} c{i}, d{i}." for i in range(60)], "validation tokens are not in training"),
        ([f"a fine film {i % 7}" for i in range(60)], None),
        ([f"我 喜欢 这部 电影 {i % 7}" for i in range(60)], None),
    ],
)
def test_tokens_that_say_little_are_told(
    tmp_path: Path, texts: list[str], said: str | None
) -> None:
    rows = [(text, "ab"[i % 2]) for i, text in enumerate(texts)]
    write(tmp_path / "train.csv", rows[:40], ("text", "label"))
    write(tmp_path / "valid.csv", rows[40:], ("text", "label"))
    data = make(tmp_path, validation="valid.csv")
    data.prepare_data()
    data.setup()
    notes = data.token_notes()
    assert bool(notes) == bool(said)
    assert said is None or said in notes[0]
