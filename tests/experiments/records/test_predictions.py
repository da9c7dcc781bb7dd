"""Predictions on disk: the Parquet file of a run and the small file of a published row."""

import dataclasses
import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.special import softmax
from sklearn.metrics import roc_auc_score

from experiments.records.evidence import encode, log_odds, read_evidence, write_evidence
from experiments.records.metrics import evaluate
from experiments.records.predictions import read_predictions, write_predictions
from experiments.records.problems.class_predictions import Predictions
from experiments.records.row import Part, ResultsError
from tests.rows import make_predictions


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("classes", [2, 5])
def test_parquet_round_trip_in_id_order(tmp_path: Path, classes: int, dtype: type) -> None:
    p = make_predictions(50, classes)
    shuffled = np.random.default_rng(0).permutation(50)
    mixed = Predictions(
        p.ids[shuffled], p.labels[shuffled], p.probabilities[shuffled].astype(dtype)
    )
    path = tmp_path / "seed=0" / "predictions.parquet"
    write_predictions(path, mixed)
    back = read_predictions(path)
    np.testing.assert_array_equal(back.ids, np.arange(50))
    np.testing.assert_array_equal(back.labels, p.labels)
    np.testing.assert_array_equal(back.probabilities, p.probabilities.astype(dtype))
    assert back.probabilities.dtype == dtype
    with path.open("rb") as stream:
        stored = pq.read_table(stream)
    assert stored.column_names == ["id", "label", *(f"prob_{k}" for k in range(classes))]
    assert stored["id"].to_pylist() == list(range(50))
    assert [file.name for file in path.parent.iterdir()] == ["predictions.parquet"]


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "predictions.parquet"
    write_predictions(path, make_predictions(5))

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_predictions(path, make_predictions(9))
    assert len(read_predictions(path).ids) == 5
    assert [file.name for file in tmp_path.iterdir()] == ["predictions.parquet"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": [0], "prob_0": [0.5], "prob_1": [0.5]}, "column 'label' is missing"),
        ({"id": [0], "label": [1], "prob_0": [0.5]}, "column 'prob_1' is missing"),
        ({"id": [3, 3], "label": [0, 1], "prob_0": [0.5, 1], "prob_1": [0.5, 0]}, "id 3 occurs 2"),
        ({"id": [-2], "label": [0], "prob_0": [0.5], "prob_1": [0.5]}, "id -2 is negative"),
        (
            {"id": [1, None], "label": [0, 1], "prob_0": [0.5, 1], "prob_1": [0.5, 0]},
            "'id' has emp",
        ),
        ({"id": [1], "label": ["a"], "prob_0": [0.5], "prob_1": [0.5]}, "labels have dtype object"),
    ],
)
def test_unsound_parquet_is_named(tmp_path: Path, columns: dict, message: str) -> None:
    path = tmp_path / "predictions.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(ResultsError, match=message) as raised:
        read_predictions(path)
    assert str(path) in str(raised.value)


def test_missing_and_truncated_parquet(tmp_path: Path) -> None:
    path = tmp_path / "predictions.parquet"
    with pytest.raises(ResultsError, match=f"{path}: no such file"):
        read_predictions(path)
    write_predictions(path, make_predictions(50))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ResultsError, match=f"{path}: not a readable Parquet file"):
        read_predictions(path)


def test_shapes_must_fit() -> None:
    p = make_predictions(5)
    with pytest.raises(ResultsError, match=r"shapes \(\(5,\), \(4,\), \(5, 2\)\)"):
        Predictions(p.ids, p.labels[:4], p.probabilities)
    with pytest.raises(ResultsError, match="ids have dtype int32"):
        Predictions(p.ids.astype(np.int32), p.labels, p.probabilities)


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_rounding_never_changes_the_predicted_class(classes: int) -> None:
    generator = np.random.default_rng(classes)
    # Classes closer to each other than a step, and exact ties, are where rounding could bite.
    close = 1 / classes + generator.normal(0, 4e-6, (20_000, classes))
    close[:2000] = close[:2000].round(5)
    close[2000:2100] = 1 / classes
    close[2100:2110] = np.eye(classes)[0]
    close[2110:2120] = np.eye(classes)[-1]
    close[2120:2130, -1] += 1e-12
    close /= close.sum(axis=1, keepdims=True)
    odds = log_odds(close).astype(np.float64)
    if classes == 2:
        odds = np.concatenate([np.zeros((len(close), 1)), odds], axis=1)
    np.testing.assert_array_equal(odds.argmax(axis=1), close.argmax(axis=1))
    assert np.abs(softmax(odds, axis=1) - close).max() <= 1e-5


def test_confident_predictions_keep_their_order(tmp_path: Path) -> None:
    sure = np.array([1e-300, 1e-250, 1e-30, 1e-20, 1e-10])
    both = np.concatenate([np.stack([sure, 1 - sure], 1), np.stack([1 - sure, sure], 1)])
    labels = np.array([1, 0, 1, 0, 1, 0, 0, 1, 0, 1])
    kept = Predictions(np.arange(10), labels, both)
    found = write_evidence(tmp_path / "a.npz", {"val": kept}).parts["val"]
    wanted = np.argsort(np.log(both[:, 1]) - np.log(both[:, 0]))
    odds = np.log(found.probabilities[:, 1]) - np.log(found.probabilities[:, 0])
    np.testing.assert_array_equal(np.argsort(odds), wanted)
    # Probabilities near 1 are equal numbers, their areas under the curve are not.
    assert evaluate(labels, found.probabilities).auroc == evaluate(labels, both).auroc
    assert evaluate(labels, both).auroc == pytest.approx(roc_auc_score(labels, odds), abs=1e-12)


def test_evidence_round_trip(tmp_path: Path) -> None:
    test = make_predictions(300, classes=3)
    val = make_predictions(30, classes=3, seed=1, ids=np.arange(30) * 7 + 4)
    path = tmp_path / "cnn-seed-0.npz"
    parts: dict[Part, Predictions] = {"val": val, "test": test}
    parts["test_refit"] = make_predictions(300, classes=3, seed=2)
    written = write_evidence(path, parts)
    read = read_evidence(path, written.checksum)
    assert read.parts.keys() == parts.keys()
    for part, before in parts.items():
        after = read.parts[part]
        np.testing.assert_array_equal(after.ids, before.ids)
        np.testing.assert_array_equal(after.labels, before.labels)
        np.testing.assert_allclose(after.probabilities, before.probabilities, atol=1e-3)
        assert evaluate(after.labels, after.probabilities).accuracy == (
            evaluate(before.labels, before.probabilities).accuracy
        )
    with np.load(path, allow_pickle=False) as archive:
        assert archive["test_log_odds"].shape == (3, 300) and archive["format"] == 3
        assert (archive["test_log_odds"].max(axis=0) == 0).all()
        assert archive["test_log_odds"].dtype == np.float16
        assert archive["test_labels"].dtype == np.uint8


@pytest.mark.parametrize("negligible", [1e-4, 1e-9, 1e-30, 1e-300, 0.0])
@pytest.mark.parametrize("classes", [3, 5])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_probabilities_stay_fine_whichever_class_is_negligible(
    negligible: float, classes: int, at: int, tmp_path: Path
) -> None:
    generator = np.random.default_rng(classes)
    values = generator.dirichlet(np.ones(classes), 2000)
    values[:, at] = negligible
    values /= values.sum(axis=1, keepdims=True)
    kept = Predictions(np.arange(2000), generator.integers(0, classes, 2000), values)
    found = write_evidence(tmp_path / "a.npz", {"val": kept}).parts["val"].probabilities
    assert np.abs(found - values).max() < 2.5e-4
    # At most a step of 16 bits at the logarithm of the least probability that a log loss knows.
    seen = np.maximum(values, 1 / 131070)
    assert np.abs(np.log(np.maximum(found, 1 / 131070) / seen)).max() < 2**-7
    np.testing.assert_array_equal(found.argmax(axis=1), values.argmax(axis=1))


def test_more_classes_in_format_2_are_read(tmp_path: Path) -> None:
    """A file as the version before format 3 wrote it: log-odds against class 0."""
    values = np.array([[0.2, 0.5, 0.3], [0.7, 0.1, 0.2]])
    odds = np.log(values[:, 1:] / values[:, :1]).T.astype("<f2")
    arrays = {"format": np.array(2), "val_log_odds": odds}
    arrays |= {"val_id_steps": np.array([0, 1], "u1"), "val_labels": np.array([1, 0], "u1")}
    digest = hashlib.sha256(b"val (2, 2)")
    digest.update(np.array([0, 1], "<i8").tobytes() + np.array([1, 0], "<i8").tobytes())
    digest.update(odds.tobytes())
    np.savez_compressed(tmp_path / "a.npz", checksum=np.array(digest.hexdigest()), **arrays)
    found = read_evidence(tmp_path / "a.npz").parts["val"].probabilities
    np.testing.assert_allclose(found, values, atol=1e-3)


def test_files_of_two_classes_are_byte_for_byte_those_of_format_2() -> None:
    parts: dict[Part, Predictions] = {"val": make_predictions(50, seed=3)}
    parts["test"] = make_predictions(400, seed=4)
    content = encode(parts)[1]
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        assert archive["format"] == 2 and archive["test_log_odds"].shape == (1, 400)
    digest = hashlib.sha256()
    with zipfile.ZipFile(io.BytesIO(content)) as file:  # what zlib makes of it may differ
        for name in sorted(file.namelist()):
            digest.update(name.encode() + file.read(name))
    assert digest.hexdigest() == "5575b5e20a50471f5248011717a157b5b262df521fd91d55522c8f5691ee5c51"


def test_evidence_is_small(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    ids = np.sort(generator.choice(25_000, 2_500, replace=False))
    one = generator.random(27_500)  # the worst case: no two bytes alike
    both = np.stack([1 - one, one], axis=1)
    labels = generator.integers(0, 2, 27_500)
    test = Predictions(np.arange(25_000), labels[:25_000], both[:25_000])
    path = tmp_path / "cnn-seed-0.npz"
    val = Predictions(ids, labels[25_000:], both[25_000:])
    write_evidence(path, {"val": val, "test": test, "test_refit": test})
    assert path.stat().st_size <= 200_000


@pytest.mark.parametrize("name", ["test_labels", "val_id_steps", "test_log_odds", "checksum"])
def test_edited_evidence_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / "cnn-seed-0.npz"
    write_evidence(path, {"val": make_predictions(10), "test": make_predictions(20)})
    with np.load(path, allow_pickle=False) as archive:
        arrays = {key: archive[key] for key in archive.files}
    if name == "checksum":
        arrays[name] = np.array("0" * 64)
    else:
        arrays[name] = arrays[name].copy()
        arrays[name].flat[3] += 1
    np.savez_compressed(path, **arrays)
    with pytest.raises(ResultsError, match=f"{path}: the content has checksum .* changed after"):
        read_evidence(path)


def test_evidence_of_another_run_does_not_fit_the_row(tmp_path: Path) -> None:
    path = tmp_path / "cnn-seed-0.npz"
    first = write_evidence(path, {"val": make_predictions(10), "test": make_predictions(20)})
    write_evidence(path, {"val": make_predictions(10), "test": make_predictions(20, seed=5)})
    with pytest.raises(ResultsError, match=f"its row says {first.checksum[:12]}"):
        read_evidence(path, first.checksum)


@pytest.mark.parametrize("damage", ["absent", "truncated", "garbage", "pickle", "incomplete"])
def test_damaged_evidence_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "cnn-seed-0.npz"
    if damage != "absent":
        write_evidence(path, {"val": make_predictions(10), "test": make_predictions(20)})
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:200])
    if damage == "garbage":
        path.write_bytes(b"not an archive")
    if damage == "pickle":
        np.savez(path, format=np.array([{"an": "object"}], dtype=object))
    if damage == "incomplete":
        np.savez(path, format=np.array(1))
    with pytest.raises(ResultsError, match=f"{path}: "):
        read_evidence(path)


def test_predictions_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        make_predictions(3).ids = np.arange(3)  # type: ignore[misc]
