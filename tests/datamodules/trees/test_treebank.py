"""Treebank: texts and labels of CoNLL-U files, their rows, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules.errors import DataError
from datamodules.reading.conllu import read_conllu
from datamodules.trees.tokenizer import ARCS, FARTHEST, TreeTokenizer, arc_id, arc_name
from datamodules.trees.treebank import Treebank
from tests.treebanks import sentence, write_treebank


def bank(folder: Path, **settings: Any) -> Treebank:
    data = Treebank(**{"train": str(folder / "train.conllu"), "cache_dir": str(folder)} | settings)
    data.prepare_data()
    data.setup()
    return data


def write(file: Path, *blocks: str) -> str:
    file.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")
    return str(file)


GOOD, BAD = "# label = good\n" + sentence("a good one", 0), "# label = bad\n" + sentence("a bad", 1)


def test_documents_are_texts_and_their_first_comment_has_the_label(tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.conllu",
        "# newdoc id = r1\n# label = good\n" + sentence("This is good", 2),
        "# sent_id = 2\n" + sentence("Yes", 0),
        "# newdoc\n# label = bad\n" + sentence("No", 0),
    )
    corpus = Treebank(train=file, validation=file).read()
    assert corpus.name == "a" and corpus.label_names == ("bad", "good")
    assert corpus.train.labels.tolist() == [1, 0, 1, 0]
    assert corpus.train.keys[:2] == ["a.conllu:1", "a.conllu:10"]
    first = list(read_conllu(corpus.train.texts[0].split("\n"), "text"))
    assert [part.words for part in first] == [["This", "is", "good"], ["Yes"]]
    assert "#" not in "".join(corpus.train.texts)  # no label where the model would see it
    assert corpus.train_rows.tolist() == [0, 1] and corpus.val_rows.tolist() == [2, 3]


def test_without_documents_each_sentence_is_a_text(tmp_path: Path) -> None:
    file = write(tmp_path / "a.conllu", *[GOOD, BAD] * 3)
    corpus = Treebank(train=file, validation=file, test=file).read()
    assert corpus.test is not None
    assert corpus.test.labels.tolist() == [1, 0] * 3


def test_a_row_has_each_word_and_the_way_to_its_head(tmp_path: Path) -> None:
    tokenizer = TreeTokenizer()
    text = sentence("The film was not Good", 2) + "\n\n" + sentence("Good", 0)
    tokenizer.fit([text], 1)
    names = tokenizer.vocabulary()
    (row,) = tokenizer.encode([text])
    found = [names[token] for token in row]
    parsed = read_conllu(text.split("\n"), "text")
    heads = [head and head - n for one in parsed for n, head in enumerate(one.heads, start=1)]
    words = ["the", "film", "was", "not", "good", "good"]
    assert found[::2] == words and found[1::2] == [arc_name(distance) for distance in heads]
    assert found[5] == "<root>" and names[2 + len(ARCS)] == "good"  # the most frequent word
    (other,) = tokenizer.encode([sentence("Bad", 0)])
    assert [names[token] for token in other] == ["<unk>", "<root>"]
    tokenizer.save(tmp_path / "tokenizer.json")
    again = TreeTokenizer(lowercase=False)
    again.load(tmp_path / "tokenizer.json")
    assert np.array_equal(next(again.encode([text])), row) and again.settings()["lowercase"]


def test_ids_of_distances_are_those_of_the_vocabulary() -> None:
    tokenizer = TreeTokenizer()
    names = tokenizer.vocabulary()
    assert len(ARCS) == 2 * FARTHEST + 1
    for distance in (0, 1, -1, 2, -2, FARTHEST, -FARTHEST):
        assert names[arc_id(distance)] == arc_name(distance)
        assert tokenizer.head_distances[arc_id(distance)] == distance


def test_a_treebank_gives_batches_and_a_view_with_the_distances(tmp_path: Path) -> None:
    write_treebank(tmp_path / "train.conllu", texts=40)
    data = bank(tmp_path, validation_fraction=0.25, batch_size=8)
    batch = next(iter(data.train_dataloader()))
    assert len(batch.labels) == 8 and len(data.train_indices()) == 30
    view = data.train_view()
    assert view.head_distances[arc_id(-3)] == -3 and len(view.head_distances) == len(ARCS)
    text = data.texts("train")[0]
    encoded = data.encoder.encode([text])
    assert encoded.lengths.tolist() == [2 * sum(line != "" for line in text.split("\n"))]


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([sentence("a", 0), BAD], r"a.conllu:1: a text without a label; write `# label = NAME`"),
        ([BAD, "# label =\n" + sentence("a", 0)], r"a.conllu:5: a text without a label"),
        (
            ["# newdoc\n" + GOOD, BAD],
            r"a.conllu:7: label 'bad' is not at the start of a text; move it",
        ),
        ([BAD, BAD], "has the one label 'bad' throughout"),
        (["# nothing"], "has no sentences; give a CoNLL-U file"),
        ([GOOD, BAD + "\n9\tx"], r"a.conllu:9: has 2 columns; a word has 10"),
    ],
)
def test_broken_files_are_errors_with_their_line(
    tmp_path: Path, blocks: list[str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        Treebank(train=write(tmp_path / "a.conllu", *blocks))


def test_labels_that_train_lacks_and_missing_files_are_errors(tmp_path: Path) -> None:
    train = write(tmp_path / "a.conllu", *[GOOD, BAD] * 4)
    other = write(tmp_path / "b.conllu", GOOD, GOOD.replace("good\n", "fine\n"))
    with pytest.raises(DataError, match=r"b.conllu:6: label 'fine' does not .* 'bad', 'good'"):
        Treebank(train=train, test=other).read()
    with pytest.raises(DataError, match=r"c.conllu: cannot be read \(No such file"):
        Treebank(train=str(tmp_path / "c.conllu"))
    (tmp_path / "d.conllu").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(DataError, match=r"d.conllu: cannot be read .* UTF-8"):
        Treebank(train=str(tmp_path / "d.conllu"))


def test_a_word_too_far_from_its_head_is_an_error(tmp_path: Path) -> None:
    text = sentence(" ".join(["a"] * (FARTHEST + 2)), 0)
    message = r":1: a word is 512 words away .* 511 can be expressed. Split the sentence"
    with pytest.raises(DataError, match="text" + message):
        TreeTokenizer().fit([text], 1)
    with pytest.raises(DataError, match="a.conllu" + message):
        Treebank(train=write(tmp_path / "a.conllu", text))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"max_length": 100},
            "data.max_length is 100, and .* --data.max_length null",
        ),
        ({"train_window": 50}, "data.train_window is 50, and trees are whole"),
        ({"min_frequency": 2}, "data.min_frequency is 2, and .* --data.min_frequency 1"),
        ({"vocab_size": 1000}, "data.vocab_size is 1000; it must be at least 1026"),
        ({"validation_fraction": 1.0}, r"data.validation_fraction is 1\.0"),
    ],
)
def test_bad_settings_are_errors_with_their_value(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    train = write(tmp_path / "a.conllu", *[GOOD, BAD] * 4)
    with pytest.raises(DataError, match=message):
        Treebank(train=train, **settings)
