"""CoNLL files: what is read, what is refused, and what is counted."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules.errors import DataError
from datamodules.reading.opening import SourceFile
from datamodules.store.ragged import Ragged
from datamodules.tagging import conll, files
from datamodules.tagging.conll import Columns, read_sentences
from datamodules.tagging.files import Tagging
from datamodules.tagging.spans import spans_of
from datamodules.tagging.tokenizers import given_words

CONLL = """\
-DOCSTART- -X- O O

EU NNP B-NP B-ORG
rejects VBZ B-VP O
# # I-NP O
call NN I-NP O

# a comment
Peter NNP B-NP B-PER
Blackburn NNP I-NP I-PER

-DOCSTART- -X- O O

#tag\tNN\tB-NP\tO
Rome\tNNP\tI-NP\tB-LOC
"""


def sentences(path: Path, content: str | bytes, *columns: Any) -> list[Any]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_sentences(SourceFile(path), Columns(*columns)))


def test_sentences_and_documents(tmp_path: Path) -> None:
    found = sentences(tmp_path / "a.conll", CONLL)
    assert [one.words for one in found] == [
        ["EU", "rejects", "#", "call"],
        ["Peter", "Blackburn"],
        ["#tag", "Rome"],
    ]
    assert [one.tags for one in found] == [
        ["B-ORG", "O", "O", "O"],
        ["B-PER", "I-PER"],
        ["O", "B-LOC"],
    ]
    assert [(one.line, one.document) for one in found] == [(3, 0), (9, 0), (14, 1)]


def test_other_columns_ends_of_lines_and_encodings(tmp_path: Path) -> None:
    plain = "1\tIch\tPRON\t_\r\n2\tgehe\tVERB\t_\r\n   \r\n# text = Na\r\n1\tÖl\tNOUN\t_"
    for content in (plain.encode(), b"\xef\xbb\xbf" + plain.encode(), plain.encode("utf-16")):
        found = sentences(tmp_path / "a.conll", content, 2, 3)
        assert [one.words for one in found] == [["Ich", "gehe"], ["Öl"]]
        assert [one.tags for one in found] == [["PRON", "VERB"], ["NOUN"]]
    (tmp_path / "a.conll.gz").write_bytes(gzip.compress(plain.encode()))
    assert len(list(read_sentences(SourceFile(tmp_path / "a.conll.gz"), Columns(2, 3)))) == 2
    spaces = sentences(tmp_path / "b.conll", "a   X\n#b\n\n#c\nd Y\n".replace("#b\n", ""))
    assert [one.words for one in spaces] == [["a"], ["d"]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a X\nb\n", "a.conll, line 2: has 1 column, must have 2, as the first line of a word"),
        ("a X\n\nb Y Z\n", "line 3: has 3 columns, must have 2"),
        ("word\n", "line 1: has 1 column, must have at least 2: a word and its tag"),
        ("\tX\n", "line 1: its word is empty; fill it in"),
        ("a\t\n", "line 1: its tag is empty; fill it in"),
        ("New York\tB-LOC\n", "line 1: its word 'New York' has a space or a NUL in it"),
        ("a X\n" * 40 + "a" * 70_000 + " X\n", "line 41: has more than 65,536 characters"),
        ("a X\nb\udcff Y\n".encode("utf-8", "surrogateescape"), "line 2: byte .* is not UTF-8"),
        ("a X\n".encode("utf-16-le"), "has NUL bytes, as UTF-16 without a byte order mark"),
        ("a X\n" * 2_000 + "b\0 X\n", r"line 2001: its word 'b\\x00' has a space or a NUL"),
    ],
)
def test_broken_lines_are_named(content: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        sentences(tmp_path / "a.conll", content)


def test_a_file_without_blank_lines_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conll, "MOST_WORDS", 5)
    with pytest.raises(DataError, match="line 1: more than 5 words follow without a blank line"):
        sentences(tmp_path / "a.conll", "a X\n" * 6)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ((0, None), "data.word_column is 0; columns are counted from 1"),
        ((1, -1), "data.tag_column is -1; columns are counted from 1"),
        ((2, 2), "are both 2; words and tags are in two columns"),
    ],
)
def test_impossible_columns_are_refused(columns: tuple[int, int | None], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Columns(*columns)


def test_words_are_not_their_own_tags(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 1: column 2, the last one, has words and tags"):
        sentences(tmp_path / "a.conll", "O word\nO other\n", 2)
    assert sentences(tmp_path / "a.conll", "O word\nO other\n", 2, 1)[0].tags == ["O", "O"]


SPANS = "".join(f"w{n} O\nX{n} B-PER\ny{n} I-PER\n\nz{n} B-LOC\nend{n} O\n\n" for n in range(20))


def tagging(folder: Path, train: str = SPANS, **settings: Any) -> Tagging:
    names = {"train": train} | {
        part: settings.pop(part) for part in ("validation", "test") if part in settings
    }
    for part, content in names.items():
        (folder / f"{part}.conll").write_text(content)
    paths = {part: str(folder / f"{part}.conll") for part in names}
    return Tagging(**paths | {"cache_dir": str(folder / "cache")} | settings)  # type: ignore[arg-type]


def ready(data: Tagging) -> Tagging:
    data.prepare_data()
    data.setup()
    return data


def test_batches_have_the_words_and_tags_of_the_files(tmp_path: Path) -> None:
    test = "w0 O\nnever B-LOC\n"
    data = tagging(tmp_path, test=test)
    assert data.tag_names == ("B-LOC", "B-PER", "I-PER", "O") and data.num_tags == 4
    assert data.figures == ("all spans", "LOC", "PER") and data.problem == "tagging"
    ready(data)
    assert len(data.store.rows("val")) == 4 and len(data.train_indices()) == 36
    names = data.encoder.tokenizer.vocabulary()
    (batch,) = data.loader("test")
    assert [names[token] for token in batch.tokens[0, :2].tolist()] == ["w0", "<unk>"]
    assert [data.tag_names[tag] for tag in batch.tags[0, :2].tolist()] == ["O", "B-LOC"]
    assert (data.task, data.head.name) == (None, tmp_path.name)


def test_sentences_of_a_document_are_on_one_side(tmp_path: Path) -> None:
    train = "".join(f"-DOCSTART- O\n\na{n} X\n\nb{n} Y\n\nc{n} X\n\n" for n in range(10))
    data = ready(tagging(tmp_path, train, validation_fraction=0.2))
    groups, rows = data.groups("train"), data.store.rows("val")
    assert groups is not None and len(rows) == 6
    assert not set(groups[rows]) & set(groups[data.train_indices()])


@pytest.mark.parametrize("split_seed", range(3))
def test_copies_of_a_sentence_are_on_one_side_whatever_their_tags(
    split_seed: int, tmp_path: Path
) -> None:
    copies = "".join(f"w{n % 10} O\nX B-{'AB'[n // 10 % 2]}\n\n" for n in range(40))
    data = ready(tagging(tmp_path, copies, validation_fraction=0.3, split_seed=split_seed))
    texts = [given_words(text)[0] for text in data.texts("train")]
    rows = data.store.rows("val")
    sides = [{texts[row] for row in part} for part in (rows, data.train_indices())]
    assert len(sides[0]) == 3 and not sides[0] & sides[1] and len(rows) == 12


def test_documents_of_two_files_are_different_ones(tmp_path: Path) -> None:
    train = "".join(f"-DOCSTART- O\n\na{n} X\n\nb{n} Y\n\n" for n in range(3))
    data = ready(tagging(tmp_path, train, validation="-DOCSTART- O\n\nc X\n\nd X\n\ne X\n"))
    groups = data.groups("train")
    assert groups is not None and groups.tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 4]


def test_validation_sentences_of_a_file_of_their_own(tmp_path: Path) -> None:
    data = ready(tagging(tmp_path, validation="v O\n\nu B-LOC\n"))
    assert data.store.rows("val").tolist() == [40, 41] and len(data.train_indices()) == 40
    keys = data.store.keys("train")
    assert keys[0] == "train.conll:1" and keys[41] == "validation.conll:3"


def count(data: Tagging, right: list[list[str]], written: list[list[str]]) -> list[Any]:
    numbers = {name: number for number, name in enumerate(data.tag_names)}
    edges = np.concatenate([[0], np.cumsum([len(row) for row in right])])
    both = [np.array([numbers[t] for row in rows for t in row]) for rows in (right, written)]
    found: list[Any] = data.count(*(Ragged(tags, edges) for tags in both)).tolist()
    return found


def test_spans_are_counted_as_conlleval_does(tmp_path: Path) -> None:
    data = tagging(tmp_path)
    right = [["O", "B-PER", "I-PER", "B-LOC"], ["B-PER", "I-PER"], ["B-LOC", "O"]]
    written = [["O", "B-PER", "O", "B-LOC"], ["I-PER", "I-PER"], ["O", "O"]]
    assert count(data, right, written) == [
        [[1, 2, 2], [1, 1, 1], [0, 1, 1]],  # all spans, LOC, PER
        [[1, 1, 1], [0, 0, 0], [1, 1, 1]],  # as conlleval, a span may begin with I
        [[0, 0, 1], [0, 0, 1], [0, 0, 0]],
    ]
    # conlleval: 2 of 3 written are right, and 2 of 4 there.
    assert np.array(count(data, right, written)).sum(axis=0)[0].tolist() == [2, 3, 4]


def test_bioes_tags_are_spans_and_others_are_words(tmp_path: Path) -> None:
    data = tagging(tmp_path, "a O\nb S-X\n\nc B-X\nd E-X\ne O\n\n")
    assert data.figures == ("all spans", "X")
    assert count(data, [["B-X", "E-X", "S-X"]], [["B-X", "E-X", "O"]])[0][0] == [1, 1, 2]
    assert tagging(tmp_path, "a B-X\nb O\nc NOUN\n\n").figures == ("words",)
    data = tagging(tmp_path, "a NOUN\nb VERB\n\nc O\n\n")
    assert data.figures == ("words",)
    assert count(data, [["NOUN", "VERB"], ["O"]], [["NOUN", "O"], ["O"]]) == [
        [[1, 2, 2]],
        [[1, 1, 1]],
    ]


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("O B-X I-X O", {("X", 1, 2)}),
        ("B-X B-X I-X", {("X", 0, 0), ("X", 1, 2)}),
        ("B-X I-Y E-Y I-Y", {("X", 0, 0), ("Y", 1, 2), ("Y", 3, 3)}),
        ("S-X I-X E-X E-X", {("X", 0, 0), ("X", 1, 2), ("X", 3, 3)}),
        ("I-X O E-X S-A-B", {("X", 0, 0), ("X", 2, 2), ("A-B", 3, 3)}),
    ],
)
def test_spans(tags: str, spans: set[tuple[str, int, int]]) -> None:
    assert spans_of(tags.split()) == spans


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train": ""}, "train.conll: has no words; a tagger needs at least two tags"),
        ({"train": "a O\nb O\n"}, "train.conll: has the only tag 'O'; a tagger needs"),
        ({"validation_fraction": 1.0}, "data.validation_fraction is 1.0; it must be above 0"),
        ({"encoding": "utf-9"}, "data.encoding is 'utf-9', which is no encoding"),
    ],
)
def test_what_cannot_be_used_is_refused(
    settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        tagging(tmp_path, **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"test": "a O\nb B-NEW\n"}, "test.conll, line 2: tag 'B-NEW' does not occur in the train"),
        ({"validation": "\n\n"}, "validation.conll: has no words; give a file with at least one"),
        ({"train": "a O\nb X\n"}, "of its 1 sentences, in 1 documents.*--data.validation"),
    ],
)
def test_files_that_do_not_fit_are_refused(
    settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        tagging(tmp_path, **settings).prepare_data()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere.conll: cannot be read .*give a CoNLL file"):
        Tagging(train=str(tmp_path / "nowhere.conll"))


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    data = ready(tagging(tmp_path))
    before = data.fingerprint
    changed = tagging(tmp_path, SPANS.replace("B-LOC", "B-ORG"))
    assert changed.tag_names == ("B-ORG", "B-PER", "I-PER", "O")
    assert ready(changed).fingerprint != before
    assert files.READER_VERSION == 2


def test_words_that_are_called_as_special_tokens(tmp_path: Path) -> None:
    """As in the Penn Treebank of language models, whose rare words are `<unk>`."""
    train = "".join(f"w{n} X\n<unk> Y\n<pad> Y\n<unk> X\n\n" for n in range(10))
    data = ready(tagging(tmp_path, train))
    names, known = data.encoder.tokenizer.vocabulary(), data.encoder.tokenizer
    (batch,) = data.val_dataloader()
    for row, size in zip(batch.tokens, batch.lengths, strict=True):
        assert size == 4 and row[[1, 3]].tolist() == [known.unk_id] * 2
        assert row[2] != known.pad_id and row.max() < len(names)
