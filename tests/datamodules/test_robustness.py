"""Robustness sets of a made corpus: pairs read right, and originals excluded from training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from datamodules import robustness
from datamodules.errors import DataError
from datamodules.robustness import SOURCES, contrast_sets, counterfactuals, find_folder, leave_out
from tests.corpora import SmallIMDB, make_aclimdb, make_robustness, review, revise


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of a corpus and `robustness/`."""
    return make_robustness(tmp_path, monkeypatch)


def open_corpus(root: Path, **settings: object) -> SmallIMDB:
    data = SmallIMDB(root=str(root), cache_dir=str(root / "cache"), **settings)  # type: ignore[arg-type]
    data.prepare_data()
    data.setup()
    return data


def test_every_pair_has_its_original_and_opposite_labels(root: Path) -> None:
    data = open_corpus(root)
    train = data.read().train
    pairs = counterfactuals(root / "robustness", train)
    assert len(pairs.originals) == 12
    assert pairs.revised == [revise(text) for text in pairs.originals]
    labels = dict(zip(train.texts, train.labels.tolist(), strict=True))
    assert [labels[text] for text in pairs.originals] == pairs.original_labels.tolist()
    assert (pairs.original_labels + pairs.revised_labels == 1).all()
    contrast = contrast_sets(root / "robustness")
    assert contrast.revised == [revise(text) for text in contrast.originals]
    assert len(contrast.originals) == 4


@pytest.mark.parametrize("refit", [False, True])
def test_originals_are_neither_training_nor_validation_rows(root: Path, refit: bool) -> None:
    split = {"validation_fraction": 0.25, "split_seed": 1}
    drawn = set(open_corpus(root, **split).store.rows("val").tolist())
    assert {2, 3, 22, 23} <= drawn  # originals, of which validation would otherwise have four
    data = open_corpus(root, exclude="robustness", refit=refit, **split)
    used = set(data.train_indices().tolist()) | set(data.store.rows("val").tolist())
    excluded = {20 * label + number for label in (0, 1) for number in range(8)}
    assert used == set(range(40)) - excluded
    assert data.exclude == "robustness" and "16 train reviews" in data.store.meta["notes"][0]
    # `make_review` ends in the review's number, which is a word of this review alone.
    words = set(data.tokenizer.vocabulary())
    training = {str(1_000_000 * (row // 20) + row % 20) for row in data.train_indices().tolist()}
    assert training <= words
    assert not words & {str(1_000_000 * label + n) for label in (0, 1) for n in range(8)}


def test_validation_keeps_its_other_rows(root: Path) -> None:
    split = {"validation_fraction": 0.25, "split_seed": 1}
    plain = open_corpus(root, **split)
    without = open_corpus(root, exclude="robustness", **split)
    left = set(plain.store.rows("val").tolist()) - {2, 3, 22, 23}
    assert set(without.store.rows("val").tolist()) == left
    assert plain.store.meta["fingerprint"] != without.store.meta["fingerprint"]
    assert not plain.store.meta["notes"]


def test_unlabelled_copies_are_dropped(root: Path) -> None:
    copy = root / "aclImdb" / "train" / "unsup" / "5_0.txt"
    copy.write_text(review(root / "aclImdb", 0, 3).upper())
    plain, without = (
        open_corpus(root, exclude=exclude).texts("unlabelled") for exclude in (None, "robustness")
    )
    assert copy.read_text() in plain and copy.read_text() not in without
    assert len(plain) - len(without) == 1


def test_an_original_that_was_itself_changed_is_found_by_its_words(root: Path) -> None:
    file = root / "robustness" / "counterfactual_dev_paired.tsv"
    text = review(root / "aclImdb", 0, 4)
    file.write_text(file.read_text().replace(f"\t{text}\t", f"\t{text[:-1]}, so\t"))
    corpus = open_corpus(root).read()
    assert len(counterfactuals(root / "robustness", corpus.train).originals) == 11
    left = leave_out(corpus, root / "robustness")
    assert 4 not in np.union1d(left.train_rows, left.val_rows)


def test_another_corpus_is_refused(root: Path, tmp_path: Path) -> None:
    other = make_aclimdb(tmp_path / "other")
    for file in (other / "train").glob("[np]*/*.txt"):
        file.write_text("Quite another text " + file.read_text()[::-1])
    data = open_corpus(root)
    data.root = str(other)
    corpus = data.read()
    with pytest.raises(DataError, match="16 originals are not in train"):
        leave_out(corpus, root / "robustness")
    with pytest.raises(DataError, match="0 of the counterfactual pairs have a text in train, must"):
        counterfactuals(root / "robustness", corpus.train)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text.replace("Negative", "Bad", 1), "sentiment 'Bad'"),
        (lambda text: text.rsplit("\n", 2)[0] + "\n", "it has 7 rows, must have 8"),
        (lambda text: text.replace("\t40\n", "\t41\n", 1), "different batch_id"),
        (lambda text: text.replace("Negative", "Positive"), "both texts of a pair have one label"),
    ],
)
def test_a_changed_file_is_refused(root: Path, damage, message: str) -> None:  # type: ignore[no-untyped-def]
    file = root / "robustness" / "counterfactual_dev_paired.tsv"
    file.write_text(damage(file.read_text()))
    with pytest.raises(DataError, match=message):
        counterfactuals(root / "robustness", open_corpus(root).read().train)


def test_missing_files_are_named_with_their_source(root: Path) -> None:
    name = "contrast_sets_dev_original.tsv"
    (root / "robustness" / name).unlink()
    with pytest.raises(DataError, match=f"{name} missing; get .*{SOURCES[name]}"):
        open_corpus(root, exclude="robustness")


def test_the_folder_is_the_one_given_or_beside_the_corpus_or_downloaded(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = root / "robustness"
    assert find_folder(None, str(root), tmp_path) == beside
    assert find_folder(str(beside), None, tmp_path) == beside
    fetched = []

    def fetch(url: str, target: Path) -> None:
        fetched.append(url)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("")

    monkeypatch.setattr(robustness, "download_resumable", fetch)
    cache = tmp_path / "empty"
    assert find_folder(None, None, cache) == cache / "downloads" / "robustness"
    find_folder(None, None, cache)
    assert fetched == list(SOURCES.values())


def test_an_unknown_exclusion_is_refused() -> None:
    with pytest.raises(DataError, match="data.exclude is 'copies'"):
        SmallIMDB(exclude="copies")  # type: ignore[arg-type]
