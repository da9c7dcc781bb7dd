"""IMDB: a small made corpus in every form and with every damage; the official one where present."""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules import imdb
from datamodules.errors import DataError
from datamodules.imdb import IMDB
from datamodules.reading.aclimdb import find_corpus, parse_movies
from datamodules.splits import text_key
from datamodules.store.corpus import UNLABELLED, Corpus, read_groups
from tests.corpora import SmallIMDB


def pack(root: Path, path: Path, mode: Any = "w:gz") -> Path:
    with tarfile.open(path, mode) as tar:
        tar.add(root, "aclImdb")
    return path


def read(root: Path, cache: Path | None = None, **options: Any) -> Corpus:
    cache_dir = str(cache or root.parent / "cache")
    return SmallIMDB(root=str(root), cache_dir=cache_dir, **options).read()


def test_a_folder_becomes_splits_in_the_official_order(aclimdb: Path) -> None:
    corpus = read(aclimdb)
    assert (corpus.name, corpus.label_names) == ("imdb", ("negative", "positive"))
    assert corpus.test is not None and corpus.unlabelled is not None
    assert corpus.train.labels.tolist() == [0] * 20 + [1] * 20
    assert corpus.train.keys[:3] == ["train/neg/0_2", "train/neg/1_2", "train/neg/2_2"]
    assert corpus.test.keys[39] == "test/pos/19_9"
    text = (aclimdb / "train" / "pos" / "7_9.txt").read_text("utf-8")
    assert corpus.train.texts[27] == text
    assert (corpus.unlabelled.labels == UNLABELLED).all()


def test_copies_of_test_reviews_leave_the_unlabelled(aclimdb: Path) -> None:
    corpus = read(aclimdb)
    assert corpus.unlabelled is not None
    assert corpus.unlabelled.keys == [f"train/unsup/{number}_0" for number in range(2, 20)]


def test_all_forms_give_the_same_corpus(aclimdb: Path, tmp_path: Path) -> None:
    expected = read(aclimdb).fingerprint
    holder = tmp_path / "holder"
    holder.mkdir()
    archive = pack(aclimdb, holder / "aclImdb.tar.xz", "w:xz")
    plain = pack(aclimdb, tmp_path / "renamed.bin", "w")
    for root in (aclimdb.parent, archive, holder, plain):
        assert read(root).fingerprint == expected, root


@pytest.mark.parametrize("validation", [0.05, 0.1, 0.3])
def test_validation_is_balanced_and_shares_no_movie(aclimdb: Path, validation: float) -> None:
    corpus = read(aclimdb, validation_fraction=validation)
    lists = [aclimdb / "train" / f"urls_{name}.txt" for name in ("neg", "pos")]
    movies = np.concatenate([parse_movies(path.read_bytes(), path.name) for path in lists])
    each = round(20 * validation)
    assert np.bincount(corpus.train.labels[corpus.val_rows]).tolist() == [each, each]
    assert not set(movies[corpus.val_rows]) & set(movies[corpus.train_rows])
    assert corpus.train.groups is not None and np.array_equal(corpus.train.groups, movies)
    rows = np.concatenate([corpus.train_rows, corpus.val_rows])
    assert np.array_equal(np.sort(rows), np.arange(40))


def test_groups_are_movies_across_classes(aclimdb: Path, tmp_path: Path) -> None:
    corpus = read(aclimdb)
    assert corpus.test and corpus.unlabelled and corpus.train.groups is not None
    negative, positive = corpus.train.groups.reshape(2, 20)
    # Two reviews of each class share a movie in the first two thirds, and across the classes.
    assert negative[:4].tolist() == positive[:4].tolist() == [0, 0, 1, 1]
    assert len(set(corpus.train.groups.tolist())) == 7 + 2 * 7
    assert not set(corpus.train.groups) & set(corpus.test.groups)
    assert corpus.unlabelled.groups is not None  # of the copies that were dropped, none is left
    assert len(corpus.unlabelled.groups) == len(corpus.unlabelled)
    corpus.save(tmp_path / "kept")
    for name, split in corpus.splits.items():
        assert np.array_equal(read_groups(tmp_path / "kept", name), split.groups)
        assert np.array_equal(Corpus.load(tmp_path / "kept").splits[name].groups, split.groups)


def test_single_reviews_are_drawn_on_request_alone(aclimdb: Path) -> None:
    movies = read(aclimdb).train.groups
    assert movies is not None
    corpus = read(aclimdb, split_by="row", validation_fraction=0.4)
    assert set(movies[corpus.val_rows]) & set(movies[corpus.train_rows])
    plain, drawn = SmallIMDB(root=str(aclimdb)), SmallIMDB(root=str(aclimdb), split_by="row")
    assert drawn.source() == plain.source() | {"split_by": "row"}
    with pytest.raises(DataError, match="data.split_by is 'title'; choose one of"):
        SmallIMDB(root=str(aclimdb), split_by="title")


def test_copies_within_train_stay_on_one_side(aclimdb: Path) -> None:
    text = (aclimdb / "train" / "neg" / "19_2.txt").read_text("utf-8")
    for number in (15, 16, 17):
        (aclimdb / "train" / "neg" / f"{number}_2.txt").write_text(text.upper(), "utf-8")
    for seed in range(10):
        corpus = read(aclimdb, split_seed=seed, validation_fraction=0.4)
        assert len({row in corpus.val_rows for row in (15, 16, 17, 19)}) == 1


def test_the_seed_decides_the_validation_and_the_source(aclimdb: Path) -> None:
    modules = [
        SmallIMDB(root=str(aclimdb), cache_dir=str(aclimdb), split_seed=seed) for seed in (0, 0, 1)
    ]
    first, again, other = (module.read().val_rows.tolist() for module in modules)
    assert first == again != other
    sources = [json.dumps(module.source()) for module in modules]
    assert sources[0] == sources[1] != sources[2]


def test_the_source_notices_a_changed_file_without_reading_it(aclimdb: Path) -> None:
    module = SmallIMDB(root=str(aclimdb), cache_dir=str(aclimdb))
    before = module.source()
    (aclimdb / "test" / "pos" / "0_9.txt").unlink()
    assert module.source() != before
    (aclimdb / "train" / "urls_neg.txt").unlink()
    with pytest.raises(DataError, match="urls_neg.txt is missing"):
        module.source()


def test_without_a_root_the_archive_is_downloaded_once(
    aclimdb: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = pack(aclimdb, tmp_path / "origin.tar.gz")
    monkeypatch.setattr(imdb, "URL", origin.as_uri())
    monkeypatch.setattr(imdb, "MD5", hashlib.md5(origin.read_bytes()).hexdigest())
    module = SmallIMDB(cache_dir=str(tmp_path / "cache"))
    source = module.source()
    expected = read(aclimdb).fingerprint
    assert module.read().fingerprint == expected
    origin.unlink()
    assert module.read().fingerprint == expected
    assert module.source() == source
    kept = tmp_path / "cache" / "downloads" / "aclImdb_v1.tar.gz"
    kept.write_bytes(b"changed")
    with pytest.raises(DataError, match=r"aclImdb_v1\.tar\.gz: MD5 is .* must be"):
        module.read()
    assert kept.read_bytes() == b"changed"


def test_offline_without_a_root_says_which_file_goes_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imdb, "URL", "http://127.0.0.1:9/aclImdb_v1.tar.gz")
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(DataError, match="cannot be downloaded") as caught:
        IMDB(cache_dir=str(tmp_path)).read()
    assert f"put it at {tmp_path}/downloads/aclImdb_v1.tar.gz" in str(caught.value)
    assert list((tmp_path / "downloads").iterdir()) == []


def test_the_official_name_promises_the_official_sum(aclimdb: Path, tmp_path: Path) -> None:
    archive = pack(aclimdb, tmp_path / "aclImdb_v1.tar.gz")
    with pytest.raises(DataError, match=f"must be {imdb.MD5}"):
        read(archive)


def test_a_root_that_holds_nothing_or_too_much_is_an_error(aclimdb: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gone' does not exist"):
        find_corpus(tmp_path / "gone")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="contains neither aclImdb/ nor aclImdb"):
        find_corpus(empty)
    for name in ("aclImdb.tar.xz", "aclImdb-old.tar.gz"):
        (empty / name).touch()
    with pytest.raises(DataError, match=r"aclImdb-old\.tar\.gz, aclImdb\.tar\.xz; name the one"):
        find_corpus(empty)
    (empty / "aclImdb_v1.tar.gz").touch()
    assert find_corpus(empty).name == "aclImdb_v1.tar.gz"


def test_a_missing_review_is_named(aclimdb: Path, tmp_path: Path) -> None:
    (aclimdb / "train" / "pos" / "3_9.txt").unlink()
    message = r"train/pos has 19 reviews, must have 20.*the first missing is number 3"
    with pytest.raises(DataError, match=message):
        read(aclimdb)
    with pytest.raises(DataError, match=message):
        read(pack(aclimdb, tmp_path / "few.tar.gz"))


def test_a_corpus_of_another_size_is_not_the_official_one(aclimdb: Path) -> None:
    with pytest.raises(DataError, match="train/neg has 20 reviews, must have 12,500"):
        IMDB(root=str(aclimdb), cache_dir=str(aclimdb)).read()


def test_a_review_twice_is_named(aclimdb: Path) -> None:
    shutil.copy(aclimdb / "test" / "neg" / "4_2.txt", aclimdb / "test" / "neg" / "4_1.txt")
    with pytest.raises(DataError, match=r"4_[12]\.txt is a second review number 4 of test/neg"):
        read(aclimdb)


def test_a_missing_folder_or_list_is_named(aclimdb: Path) -> None:
    with (aclimdb / "train" / "urls_pos.txt").open("a") as file:
        file.write("http://www.imdb.com/title/tt0000001/\n")
    with pytest.raises(DataError, match=r"urls_pos\.txt has 21 lines, must have one for each of"):
        read(aclimdb)
    (aclimdb / "test" / "urls_neg.txt").write_text("http://www.imdb.com/title/tt0000001/\n")
    (aclimdb / "train" / "urls_pos.txt").write_text(
        (aclimdb / "train" / "urls_neg.txt").read_text("utf-8"), "utf-8"
    )
    with pytest.raises(DataError, match=r"test/urls_neg\.txt has 1 lines, must have one for each"):
        read(aclimdb)
    (aclimdb / "train" / "urls_pos.txt").unlink()
    with pytest.raises(DataError, match=r"list of movies train/urls_pos\.txt is missing"):
        read(aclimdb)
    shutil.rmtree(aclimdb / "train" / "unsup")
    with pytest.raises(DataError, match="the folder train/unsup is missing"):
        read(aclimdb)


def test_a_line_without_a_title_is_named(aclimdb: Path) -> None:
    path = aclimdb / "train" / "urls_neg.txt"
    lines = path.read_text("utf-8").splitlines()
    lines[4] = "http://www.imdb.com/name/nm1"
    path.write_text("\n".join(lines), "utf-8")
    with pytest.raises(DataError, match=r"urls_neg\.txt, line 5: '.*nm1' has no title"):
        read(aclimdb)


def test_bytes_that_are_not_utf8_are_named(aclimdb: Path, tmp_path: Path) -> None:
    (aclimdb / "test" / "pos" / "11_9.txt").write_bytes(b"caf\xe9 is fine")
    message = r"test/pos/11_9\.txt is not UTF-8 at byte 3 \(0xe9\)"
    with pytest.raises(DataError, match=message):
        read(aclimdb)
    with pytest.raises(DataError, match=message):
        read(pack(aclimdb, tmp_path / "latin.tar.gz"))


def test_a_review_of_a_mebibyte_is_refused(aclimdb: Path) -> None:
    (aclimdb / "test" / "pos" / "11_9.txt").write_bytes(b"a" * ((4 << 20) + 1))
    with pytest.raises(DataError, match=r"11_9\.txt has over 4,194,304 bytes"):
        read(aclimdb)


def test_another_number_of_copies_means_changed_texts(aclimdb: Path) -> None:
    (aclimdb / "train" / "unsup" / "0_0.txt").write_text("something else", "utf-8")
    with pytest.raises(DataError, match="1 unlabelled reviews are copies .* must be 2"):
        read(aclimdb)


@pytest.mark.parametrize("validation", [0.0, 1.0, -0.1, 10])
def test_validation_is_a_share(validation: float) -> None:
    with pytest.raises(
        DataError, match=f"data.validation_fraction is {validation}; it must be above 0"
    ):
        IMDB(validation_fraction=validation)


def test_the_official_corpus_has_its_sizes(official_corpus: Corpus) -> None:
    sizes = {name: len(split) for name, split in official_corpus.splits.items()}
    assert sizes == {"train": 25_000, "test": 25_000, "unlabelled": 50_000 - 270}
    assert official_corpus.fingerprint == "9052cca64ed31571"  # that of every published row
    assert official_corpus.test is not None
    for split in (official_corpus.train, official_corpus.test):
        assert np.bincount(split.labels).tolist() == [12_500, 12_500]
        assert split.labels[:12_500].max() == 0
    assert official_corpus.test.keys[10_003] == "test/neg/10003_3"


def test_the_official_validation_shares_no_movie_and_no_text_with_train(
    official_corpus: Corpus, official_movies: dict[str, np.ndarray]
) -> None:
    train, val = official_corpus.train_rows, official_corpus.val_rows
    assert (len(train), len(val)) == (22_500, 2_500)
    assert np.bincount(official_corpus.train.labels[val]).tolist() == [1_250, 1_250]
    movies = np.concatenate([official_movies["neg"], official_movies["pos"]])
    assert np.array_equal(official_corpus.train.groups, movies)
    assert official_corpus.test and len(np.unique(official_corpus.test.groups)) == 3_581
    assert not set(movies[train]) & set(movies[val])
    texts = official_corpus.train.texts
    train_keys = {text_key(texts[row]) for row in train}
    assert not any(text_key(texts[row]) in train_keys for row in val)


def test_no_official_test_text_is_among_the_unlabelled(official_corpus: Corpus) -> None:
    assert official_corpus.test is not None and official_corpus.unlabelled is not None
    tested = {text_key(text) for text in official_corpus.test.texts}
    assert not any(text_key(text) in tested for text in official_corpus.unlabelled.texts)
