"""Evaluation of saved runs on robustness sets: `lit-sentiment robustness`.

Each evaluated run has a file `robustness.npz` in its folder, with a description of the run and the
probabilities of every robustness set, in the format of published rows. Every figure is computed
from these files alone; published ones are in `experiments/results/robustness/`.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from datamodules.imdb import IMDB
from datamodules.splits import text_key
from datamodules.store.corpus import TextSplit, read_split
from experiments.config.names import check_name, check_part
from experiments.config.resolved import Resolved
from experiments.inference.predictor import Predictor
from experiments.inference.robustness_sets import Challenge, build_challenges
from experiments.records.atomic import replace_bytes
from experiments.records.evidence import SCALE
from experiments.records.lock import Locked, exclusive_lock
from experiments.records.metrics import predicted_classes
from experiments.records.row import ResultsError, Row
from experiments.records.run_files import Weights, read_rows, weights_folder

FILE = "robustness.npz"
PUBLISHED = "robustness"
_REMEDY = "run `lit-sentiment robustness` again"
_RUN_FIELDS = (
    "experiment",
    "seed",
    "protocol",
    "profile",
    "config_hash",
    "git_commit",
    "threshold",
)


class UnsuitableRun(Exception):
    """A run that robustness sets cannot be used on. The message gives reason and remedy."""


@dataclass(frozen=True)
class RobustnessResult:
    """Predictions of a run on all robustness sets.

    Attributes:
        run: Description of the run: experiment, seed, protocol, profile, config_hash, git_commit
            and threshold as in its row; `weights`, the fit that predicted; `train_rows`, the number
            of texts that this fit learnt from, and its `val_accuracy`, None for a second fit, which
            has none.
        labels: int64[N] by set.
        predicted: int64[N] by set, by the threshold of the run if it has one.
    """

    run: dict[str, Any]
    labels: dict[str, np.ndarray]
    predicted: dict[str, np.ndarray]

    def accuracy(self, name: str) -> float:
        """Accuracy on one set, in 0..1."""
        return float((self.labels[name] == self.predicted[name]).mean())

    def consistency(self, pairs: str) -> float:
        """Share of pairs of which both texts are classified correctly, in 0..1."""
        original, revised = (
            self.labels[f"{pairs}_{half}"] == self.predicted[f"{pairs}_{half}"]
            for half in ("original", "revised")
        )
        return float((original & revised).mean())

    def figures(self) -> dict[str, float]:
        """Compute all figures of the tables, in 0..1."""
        values = {name: self.accuracy(name) for name in self.labels}
        for pairs in ("contrast", "counterfactual"):
            values[f"{pairs}_consistency"] = self.consistency(pairs)
        return values


def evaluate_run(folder: Path, row: Row) -> RobustnessResult:
    """Predict every robustness set with a saved run and write the probabilities to its folder.

    Of a run under `refit` the first fit predicts, which the validation accuracy is of; older runs
    kept the second alone.

    Args:
        folder: The run folder.
        row: Its row.

    Raises:
        UnsuitableRun: The run is not finished, or was trained on reviews of the robustness sets.
        DataError: The corpus or the robustness sets cannot be read.
    """
    data, train = suitable_data(folder, row)
    sets = build_challenges(data.robustness_folder(), train)
    check_unseen(row, data, train.texts, sets)
    weights = _weights(folder, row)
    predictor = Predictor(folder, "cuda" if torch.cuda.is_available() else "cpu", weights)
    arrays: dict[str, np.ndarray] = {}
    for challenge in sets:
        arrays[f"{challenge.name}_labels"] = challenge.labels.astype(np.uint8)
        counts = _counts(predictor(challenge.texts), row.threshold)
        arrays[f"{challenge.name}_counts"] = counts.astype("<u2")
    first = weights == "holdout"
    run = {key: getattr(row, key) for key in _RUN_FIELDS} | {
        "weights": weights,
        "train_rows": len(data.train_indices()) if first else row.train_rows,
        "val_accuracy": val.accuracy if first and (val := row.classified("val")) else None,
    }
    arrays["run"] = np.array(json.dumps(run))
    arrays["checksum"] = np.array(_checksum(arrays))
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    replace_bytes(folder / FILE, buffer.getvalue())
    return read_result(folder / FILE)


def suitable_data(folder: Path, row: Row) -> tuple[IMDB, TextSplit]:
    """Data of a run that learnt without the robustness sets, and the whole official train split.

    Raises:
        UnsuitableRun: The run is not finished, or may have learnt from them.
        DataError: The corpus cannot be read.
    """
    name = f"{row.experiment}, seed {row.seed}"
    if row.status != "ok":
        raise UnsuitableRun(f"{name} {row.status}: {row.reason}")
    if row.cross_validated:
        raise UnsuitableRun(f"{name} was cross-validated, and its models were not kept")
    data = Resolved.of_run(folder).build()[1]
    if not isinstance(data, IMDB) or row.excluded != "robustness":
        raise UnsuitableRun(
            f"{name} was fitted on {row.corpus} with the reviews that the robustness sets were "
            "written from, so that their accuracy would be that of training; fit it on the "
            "official corpus with --data.exclude robustness"
        )
    data.prepare_data()
    data.setup()
    return data, read_split(data.corpus_folder, "train")


def _weights(folder: Path, row: Row) -> Weights:
    only_second = row.protocol == "refit" and weights_folder(folder, row) == folder
    return "refit" if only_second else "holdout"


def _is_of(result: RobustnessResult, folder: Path, row: Row) -> bool:
    """True if a result is of these weights of this run."""
    same = all(result.run[key] == getattr(row, key) for key in _RUN_FIELDS)
    return same and result.run["weights"] == _weights(folder, row)


def _counts(probabilities: np.ndarray, threshold: float | None) -> np.ndarray:
    """float64[N] probabilities of class 1 in 65535ths, rounded without another predicted class."""
    ones = probabilities[:, 1].astype(np.float64) * SCALE
    counts = np.ceil(ones - 0.5)  # half down, so that 0.5 remains a prediction of class 0
    if threshold is not None:
        wanted = predicted_classes(probabilities, threshold)
        counts += wanted - _predicted(counts, threshold)
    return counts


def _predicted(counts: np.ndarray, threshold: float | None) -> np.ndarray:
    if threshold is None:  # a tie is class 0, as in `metrics`
        return (2 * counts.astype(np.int64) > SCALE).astype(np.int64)
    return (counts / SCALE >= threshold).astype(np.int64)


def check_unseen(row: Row, data: IMDB, texts: Sequence[str], sets: list[Challenge]) -> None:
    """Check that the originals are not among the reviews that the run used, as its row says."""
    used = np.union1d(data.train_indices(), data.store.rows("val"))
    keys = {text_key(text) for c in sets if c.name.endswith("_original") for text in c.texts}
    seen = sum(text_key(texts[number]) in keys for number in used)
    if seen:
        raise UnsuitableRun(
            f"{row.experiment}, seed {row.seed}: it used {seen:,} originals of the robustness "
            "sets; fit it again"
        )


def evaluate_benchmark(
    benchmark: Path, log: Callable[[str], None]
) -> list[tuple[Path, RobustnessResult]]:
    """Evaluate every suitable run of a benchmark; existing results are read instead.

    Args:
        benchmark: A benchmark folder, or a run folder.
        log: Called with a message for each run that is evaluated or unsuitable.

    Returns:
        The folder of each run, and its predictions.

    Raises:
        ResultsError: There are no runs.
        DataError: The corpus or the robustness sets cannot be read.
    """
    results: list[tuple[Path, RobustnessResult]] = []
    for row in read_rows(benchmark):
        run_folder = benchmark / row.experiment / f"seed-{row.seed}"
        folder = run_folder if run_folder.is_dir() else benchmark
        try:
            result = read_result(folder / FILE) if (folder / FILE).is_file() else None
            if result is None or not _is_of(result, folder, row):
                with exclusive_lock(folder):
                    result = evaluate_run(folder, row)
                log(f"{row.experiment}, seed {row.seed}: evaluated")
            results.append((folder, result))
        except (UnsuitableRun, Locked) as reason:
            log(f"left out: {reason}")
    return results


def publish_result(result: RobustnessResult, folder: Path, results: Path) -> Path:
    """Copy the file of a run to the published ones and return its new path.

    Raises:
        OSError: As raised by the file system.
    """
    name = result.run["experiment"]
    check_name(name, "experiment")
    place = results / PUBLISHED / f"{name}-seed-{result.run['seed']}.npz"
    replace_bytes(place, (folder / FILE).read_bytes())
    return place


def read_published_results(results: Path) -> list[RobustnessResult]:
    """Read all published results, in the order of their file names."""
    return [read_result(file) for file in sorted((results / PUBLISHED).glob("*.npz"))]


def read_result(file: Path) -> RobustnessResult:
    """Read a `robustness.npz`.

    Raises:
        ResultsError: It is damaged, or was changed by hand.
    """
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        stored = str(arrays.pop("checksum"))
        if stored != _checksum(arrays):
            raise ValueError("its checksum does not match: it was changed after it was written")
        run = json.loads(str(arrays.pop("run")))
        check_part(str(run["experiment"]), "experiment")
        run["seed"] = int(run["seed"])
        if run.setdefault("weights", run["protocol"]) == "refit":
            run["val_accuracy"] = None  # older files had that of the first fit
        names = [key.removesuffix("_labels") for key in arrays if key.endswith("_labels")]
        labels = {name: arrays[f"{name}_labels"].astype(np.int64) for name in names}
        threshold = run.setdefault("threshold", None)  # older files know none
        predicted = {name: _predicted(arrays[f"{name}_counts"], threshold) for name in names}
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise ResultsError(f"{file}: not a valid robustness file ({error}); {_REMEDY}") from error
    return RobustnessResult(run, labels, predicted)


def _checksum(arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        content = arrays[name]
        digest.update(f"{name} {content.shape}".encode())
        digest.update(str(content).encode() if content.ndim == 0 else content.tobytes())
    return digest.hexdigest()
