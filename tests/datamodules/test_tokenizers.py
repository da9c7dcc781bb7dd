"""Word and character tokenizers: splitting, order of the vocabulary, saved and loaded files."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from datamodules.errors import DataError
from datamodules.store.cache import digest
from datamodules.store.encoder import Encoder
from datamodules.store.truncation import TokenTruncation
from datamodules.tokenizers import CharacterTokenizer, WordTokenizer


def words(tokens: Sequence[int] | np.ndarray, vocabulary: list[str]) -> list[str]:
    return [vocabulary[token] for token in tokens]


def fitted(*texts: str, lowercase: bool = True) -> WordTokenizer:
    tokenizer = WordTokenizer(lowercase)
    tokenizer.fit(texts, len(texts))
    return tokenizer


def split(text: str, lowercase: bool = True) -> list[str]:
    """Tokens of a text, all of whose words are known."""
    tokenizer = fitted(text, lowercase=lowercase)
    return words(next(tokenizer.encode([text])), tokenizer.vocabulary())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Good.<br /><br />Bad", "good . bad"),
        ("one<br>two<br/>three", "one two three"),
        ("A 10/10 MOVIE!!", "a 10 / 10 movie ! !"),
        ("well-made (mostly)", "well - made ( mostly )"),
        ("it isn't, we'd've", "it isn't , we'd've"),
        ("the movie's end", "the movie 's end"),
        ("the movie’s end isn’t", "the movie ’s end isn’t"),
        ("o'sullivan's 'so-called'", "o'sullivan 's ' so - called '"),
        ("the actors' lines", "the actors ' lines"),
        ("ÉCOLE naïve 映画 Ёлка", "école naïve 映画 ёлка"),
        ("great 👍👍\u00a0film\tyes\n", "great 👍 👍 film yes"),
    ],
)
def test_words_and_marks(text: str, expected: str) -> None:
    assert split(text) == expected.split(" ")


def keras(*texts: str) -> WordTokenizer:
    tokenizer = WordTokenizer(preparation="keras")
    tokenizer.fit(texts, len(texts))
    return tokenizer


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Good.<br /><br />Bad <i>Films</i>", "good bad films"),
        ("A 10/10 MOVIE!! It was the best", "movie best"),
        ("well-acted, isn't it", "acted isn t"),
        ("nowhere man, nothingness", "man nothingness"),  # stop words go whole, not as parts
        ("ÉCOLE na\u00efve 5 < 6 \u0130stanbul \u212a", "cole na ve stanbul"),
    ],
)
def test_the_keras_preparation(text: str, expected: str) -> None:
    tokenizer = keras(text)
    (row,) = tokenizer.encode([text])
    assert words(row, tokenizer.vocabulary()) == expected.split(" ")
    assert tokenizer.sentence_ends() == ()


def test_the_keras_preparation_leaves_nothing_of_a_text_of_stop_words() -> None:
    tokenizer = keras("a film")
    assert tokenizer.vocabulary() == ["<pad>", "<unk>", "film"]
    assert next(tokenizer.encode(["It is <b>the</b> 1!"])).tolist() == [1]


def test_the_keras_preparation_travels_in_the_file_alone(tmp_path: Path) -> None:
    keras("the<br />Film's END").save(tmp_path / "tokenizer.json")
    loaded = WordTokenizer()
    loaded.load(tmp_path / "tokenizer.json")
    (row,) = loaded.encode(["The end of <i>this</i> film"])
    assert words(row, loaded.vocabulary()) == ["end", "film"]


def test_preparations_that_do_not_exist_or_contradict_are_refused() -> None:
    with pytest.raises(
        DataError, match=r"preparation is 'kera'; choose one of \('plain', 'keras', 'unicode'\)"
    ):
        WordTokenizer(preparation="kera")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="lowercase is False, and preparation 'keras' folds case"):
        WordTokenizer(lowercase=False, preparation="keras")


def test_case_is_kept_on_request() -> None:
    assert split("A Good<br />Film", lowercase=False) == ["A", "Good", "Film"]


def test_a_decomposed_letter_stays_in_its_word() -> None:
    assert split("cafe\u0301 noir") == ["cafe\u0301", "noir"]


@pytest.mark.parametrize("text", ["", " \n\t", "<br /><br />"])
def test_a_text_without_tokens_is_one_unk(text: str) -> None:
    (row,) = fitted("a film").encode([text])
    assert row.tolist() == [1]
    assert row.dtype == np.int32


def test_unknown_words_are_unk() -> None:
    (row,) = fitted("a film").encode(["a strange film"])
    assert row.tolist() == [2, 1, 3]


def test_the_vocabulary_has_the_specials_first_and_falls_in_frequency() -> None:
    tokenizer = fitted("b b b a", "a c", "c c c c")
    assert tokenizer.vocabulary() == ["<pad>", "<unk>", "c", "b", "a"]


def test_marks_that_end_a_sentence_have_their_ids(tmp_path: Path) -> None:
    tokenizer = fitted("Well, is it? It is: good. Good. Good")
    assert words(tokenizer.sentence_ends(), tokenizer.vocabulary()) == [".", "?"]  # no "!" seen
    tokenizer.save(tmp_path / "tokenizer.json")
    again = WordTokenizer()
    assert again.sentence_ends() == ()
    again.load(tmp_path / "tokenizer.json")
    assert again.sentence_ends() == tokenizer.sentence_ends()


def test_a_text_that_names_the_specials_gets_no_padding(tmp_path: Path) -> None:
    text = "a <pad> and an <unk>"
    tokenizer = fitted(text)
    tokenizer.save(tmp_path / "tokenizer.json")
    loaded = WordTokenizer()
    loaded.load(tmp_path / "tokenizer.json")
    for each in (tokenizer, loaded):
        row = next(each.encode([text]))
        expected = ["a", "<", "pad", ">", "and", "an", "<", "unk", ">"]
        assert words(row, each.vocabulary()) == expected


def test_rows_come_in_order_over_many_chunks() -> None:
    texts = [f"w{number} " * (number % 3 + 1) for number in range(2501)]
    tokenizer = fitted(*texts)
    vocabulary = tokenizer.vocabulary()
    rows = list(tokenizer.encode(iter(texts)))
    assert [words(row, vocabulary) for row in rows] == [text.split() for text in texts]


@pytest.mark.parametrize("lowercase", [True, False])
def test_a_saved_tokenizer_encodes_as_before(lowercase: bool, tmp_path: Path) -> None:
    texts = ["A Movie's end isn't<br />near.", "", "映画 <pad>"]
    tokenizer = fitted(*texts, lowercase=lowercase)
    tokenizer.save(tmp_path / "tokenizer.json")
    loaded = WordTokenizer()
    loaded.load(tmp_path / "tokenizer.json")
    assert loaded.vocabulary() == tokenizer.vocabulary()
    pairs = zip(tokenizer.encode(texts), loaded.encode(texts), strict=True)
    assert all(np.array_equal(one, other) for one, other in pairs)


def test_settings_tell_tokenizers_apart() -> None:
    assert WordTokenizer(True).settings() != WordTokenizer(False).settings()
    assert WordTokenizer(preparation="keras").settings() != WordTokenizer().settings()
    # Part of the address of every existing store: another value would tokenise all corpora anew.
    assert digest(WordTokenizer().settings()) == "e7e8496d0b402a3d"


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: b"\xff" + content[1:],
        lambda content: content.replace(b'"unk_token":"<unk>"', b'"unk_token":"<unq>"'),
        lambda content: content.replace(b'"<pad>": 0', b'"<paq>": 0').replace(b"<pad>", b"<paq>"),
        lambda content: b'{"version": "1.0", "model": null}',
    ],
)
def test_a_damaged_file_is_named(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    fitted("a film").save(file)
    content = file.read_bytes()
    file.write_bytes(damage(content))
    assert file.read_bytes() != content
    with pytest.raises(DataError, match=f"{file}: not a tokenizer file"):
        WordTokenizer().load(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{tmp_path / 'none.json'}: no such file"):
        WordTokenizer().load(tmp_path / "none.json")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_an_os_error() -> None:
    with pytest.raises(OSError) as caught:
        fitted("a film").save(Path("/dev/full"))
    assert caught.value.errno == errno.ENOSPC


def characters(text: str, *others: str, lowercase: bool = True) -> list[str]:
    tokenizer = CharacterTokenizer(lowercase)
    tokenizer.fit([text, *others], 1 + len(others))
    return words(next(tokenizer.encode([text])), tokenizer.vocabulary())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Good.<br /><br />Bad", "good. bad"),
        ("  one<br>\t two\u00a0<br/>\n three ", "one two three"),
        ("well-made (10/10)!!", "well-made (10/10)!!"),
        ("ÉCOLE 映画がいい。 👍🏽 e\u0301", "école 映画がいい。 👍🏽 e\u0301"),
        ("\ud800 <pad>", "\ud800 <pad>"),  # half a surrogate pair; text that looks like padding
    ],
)
def test_characters_of_every_script(text: str, expected: str) -> None:
    assert characters(text) == list(expected)
    assert characters("A bA", lowercase=False) == list("A bA")


def test_characters_are_ordered_by_frequency_and_unknown_ones_are_unk() -> None:
    tokenizer = CharacterTokenizer()
    tokenizer.fit(["bab!", "Ac."], 2)
    assert tokenizer.vocabulary() == ["<pad>", "<unk>", "a", "b", "!", ".", "c"]
    assert tokenizer.sentence_ends() == (5, 4)
    rows = [row.tolist() for row in tokenizer.encode(["Cz<br />a", "", " <br />"])]
    assert rows == [[6, 1, 1, 2], [1], [1]]


def test_an_encoder_of_characters_is_read_back(tmp_path: Path) -> None:
    tokenizer = CharacterTokenizer(lowercase=False)
    tokenizer.fit(["Ein Film, 映画 \ud800"], 1)
    truncation = TokenTruncation.for_tokenizer(tokenizer, None, 8, "head")
    encoder = Encoder(tokenizer, truncation, ("negative", "positive"))
    encoder.save(tmp_path)
    loaded = Encoder.load(tmp_path)
    assert loaded.tokenizer.vocabulary() == tokenizer.vocabulary()
    texts = ["Film e film", "", "映画映画映画映画映画"]
    assert loaded.encode(texts).tokens.tolist() == encoder.encode(texts).tokens.tolist()
    assert loaded.tokenizer.settings() == tokenizer.settings()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"lowercase": 1, "characters": "a"}',
        '{"lowercase": true, "characters": "aa"}',
    ],
)
def test_a_damaged_file_of_characters_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "tokenizer.json"
    with pytest.raises(DataError, match=r"tokenizer.json: no such file; .* make it anew"):
        CharacterTokenizer().load(file)
    file.write_text(content)
    with pytest.raises(DataError, match=r"tokenizer.json: not a tokenizer file .* make the run"):
        CharacterTokenizer().load(file)
