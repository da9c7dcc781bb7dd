"""Made rows and predictions for tests of results and report."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from experiments.records.metrics import Metrics, evaluate
from experiments.records.predictions import write_predictions
from experiments.records.problems.class_predictions import Predictions
from experiments.records.problems.hypotheses import Hypotheses, nearest
from experiments.records.problems.scores import Scores
from experiments.records.problems.tag_counts import TagCounts
from experiments.records.row import Row
from experiments.records.run_files import REFIT, TEST_FILE, VAL_FILE, write_row


def make_metrics(**changes: Any) -> Metrics:
    """Metrics of a plausible run, with `changes`."""
    values: dict[str, Any] = {
        "accuracy": 0.8812,
        "f1": 0.8811,
        "auroc": 0.9523,
        "log_loss": 0.2876,
        "ece": 0.0123,
        "n": 2000,
    }
    return Metrics(**(values | changes))


def make_row(**changes: Any) -> Row:
    """A complete row of one finished run, with `changes`.

    A changed `status` drops the metrics, as the schema wants it.
    """
    values: dict[str, Any] = {
        "experiment": "cnn",
        "architecture": "CNN",
        "corpus": "movie-reviews",
        "corpus_fingerprint": "0123456789abcdef",
        "protocol": "holdout",
        "profile": "quick",
        "seed": 0,
        "val": make_metrics(accuracy=0.8731, n=1000),
        "test": make_metrics(),
        "parameters": 2_612_482,
        "train_seconds": 41.25,
        "seconds_to_best": 24.75,
        "epochs": 5,
        "best_epoch": 2,
        "train_tokens_per_second": 61234.5,
        "peak_memory_bytes": 912 * 2**20,
        "peak_gpu_memory_bytes": None,
        "latency_ms_p50": 1.62,
        "latency_ms_p95": 3.31,
        "reviews_per_second": 1834.2,
        "checkpoint_bytes": 10_482_933,
        "precision": "32-true",
        "tuning": {"trials": 1, "chosen_on": "val"},
        "git_commit": "a" * 40,
        "git_dirty": False,
        "versions": {"lit-sentiment": "0.1.0", "torch": "2.13.0", "lightning": "2.6.6"},
        "hardware": {"cpu": "Example CPU", "cores": 2, "threads": 2, "gpu": None},
        "started": "2026-03-01T10:00:00+00:00",
        "ended": "2026-03-01T10:01:10+00:00",
        "config_hash": "c0ffee" * 2 + "c0ff",
        "wandb_run": "cnn-0-abcdef",
        "notes": ["All reviews are from the official train split."],
        "history": [
            {"epoch": 0, "train/loss": 0.66, "val/log_loss": 0.52, "val/accuracy": 0.79},
            {"epoch": 1, "train/loss": 0.41, "val/log_loss": 0.36, "val/accuracy": 0.85},
            {"epoch": 2, "train/loss": 0.28, "val/log_loss": 0.31, "val/accuracy": 0.873},
            {"epoch": 3, "train/loss": 0.17, "val/log_loss": 0.34, "val/accuracy": 0.872},
            {"epoch": 4, "train/loss": 0.09, "val/log_loss": 0.39, "val/accuracy": 0.87},
        ],
    }
    if changes.get("status", "ok") != "ok":
        for name in ("val", "test", "parameters", "train_seconds", "seconds_to_best", "epochs"):
            values[name] = None
        values |= {"best_epoch": None, "precision": None, "history": []}
    return Row(**(values | changes))


def make_predictions(
    n: int = 200, classes: int = 2, seed: int = 0, ids: np.ndarray | None = None
) -> Predictions:
    """Predictions of a model that is right more often than not, in float32 as models give them."""
    generator = np.random.default_rng(seed)
    # The questions are the same whoever answers: a table refuses anything else.
    labels = np.random.default_rng(n).integers(0, classes, n)
    labels[:classes] = np.arange(classes)  # every class occurs
    logits = generator.normal(0, 2, (n, classes))
    logits[np.arange(n), labels] += 2
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = (shifted / shifted.sum(axis=1, keepdims=True)).astype(np.float32)
    ids = np.arange(n) if ids is None else ids
    return Predictions(ids, labels, probabilities, ids // 3)


def make_run(root: Path, seed: int = 0, data: int = 0, **changes: Any) -> Path:
    """A finished run folder whose row follows from its predictions."""
    parts = {"val": make_predictions(40, seed=data + 100), "test": make_predictions(seed=data)}
    if changes.get("protocol") == "refit":
        parts["test_refit"] = make_predictions(seed=data + 200)
    metrics = {part: evaluate(p.labels, p.probabilities) for part, p in parts.items()}
    row = make_row(seed=seed, **metrics, **changes)
    folder = root / row.experiment / f"seed-{seed}"
    files = {"val": VAL_FILE, "test": TEST_FILE, "test_refit": f"{REFIT}/{TEST_FILE}"}
    for part, predictions in parts.items():
        write_predictions(folder / files[part], predictions)
    config = {"data": {"class_path": "tests.toys.ToyData"}}
    (folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
    write_row(folder, row)
    return folder


def make_scores(seed: int = 0, n: int = 60, start: int = 0, groups: int | None = 20) -> Scores:
    """Scores of a language model on `n` texts, whose losses differ by text, group and seed."""
    rng = np.random.default_rng(seed)
    texts = np.random.default_rng(start)  # the same for all seeds
    symbols = texts.integers(5, 40, n)
    movies = None if groups is None else texts.integers(0, groups, n)
    losses = 4.0 + 0.2 * rng.standard_normal() + 0.3 * texts.standard_normal(n)
    losses += 0.1 * rng.standard_normal(n)
    return Scores(
        ids=np.arange(n) + start,
        log_probabilities=-losses * symbols,
        symbols=symbols,
        characters=symbols * 5,
        groups=movies,
    )


def make_language_run(place: Path, name: str = "lstm_lm", seed: int = 0, data: int = 0) -> Path:
    """Finished run of a language model, with its files, and its folder."""
    folder = place / name / f"seed-{seed}"
    folder.mkdir(parents=True)
    val, test = make_scores(data, 40), make_scores(data + 100, 60, start=7)
    for file, scores in ((VAL_FILE, val), (TEST_FILE, test)):
        write_predictions(folder / file, scores)
    row = make_row(
        experiment=name,
        architecture="LSTMLM",
        seed=seed,
        problem="language modelling",
        task="movie-reviews-v1-language-v1",
        val=val.evaluate(),
        test=test.evaluate(),
        history=[],
        best_epoch=None,
        config={"data": {"class_path": "datamodules.movie_reviews.MovieReviews"}},
    )
    (folder / "config.yaml").write_text(json.dumps(row.config), encoding="utf-8")
    write_row(folder, row)
    return folder


def make_hypotheses(seed: int = 0, n: int = 60, start: int = 0) -> Hypotheses:
    """Strings for `n` texts, of which a third are wrong; the right ones are the same for all."""
    rng, texts = np.random.default_rng(seed), np.random.default_rng(start)
    answers = [texts.integers(1, 40, size).tolist() for size in texts.integers(1, 9, n)]
    strings = list[bytes]()
    for answer in answers:
        written = list(answer)
        if rng.random() < 0.35:
            written[int(rng.integers(len(written)))] = 40
        strings.append(bytes(written[: None if rng.random() < 0.9 else -1]))
    found = [nearest(one, [answer]) for one, answer in zip(strings, answers, strict=True)]
    distances, lengths = (np.array(values) for values in zip(*found, strict=True))
    logs = -rng.random(n).astype(np.float32)
    return Hypotheses(np.arange(n) + start, strings, logs, distances, lengths)


def make_transcription_run(
    place: Path, name: str = "seq2seq", seed: int = 0, data: int | None = None
) -> Path:
    """Finished run of a transcription model, with its files, and its folder."""
    folder = place / name / f"seed-{seed}"
    folder.mkdir(parents=True)
    data = seed if data is None else data
    val, test = make_hypotheses(data, 40), make_hypotheses(data + 100, 60, start=7)
    for file, written in ((VAL_FILE, val), (TEST_FILE, test)):
        write_predictions(folder / file, written)
    row = make_row(
        experiment=name,
        architecture="Seq2Seq",
        corpus="cmudict",
        seed=seed,
        problem="transcription",
        task="cmudict-v1-random",
        val=val.evaluate(),
        test=test.evaluate(),
        history=[],
        best_epoch=None,
        config={"data": {"class_path": "datamodules.movie_reviews.MovieReviews"}},
    )
    (folder / "config.yaml").write_text(json.dumps(row.config), encoding="utf-8")
    write_row(folder, row)
    return folder


KINDS = ("comma", "period", "question mark", "exclamation mark", "capitals")


def make_tag_counts(
    seed: int = 0, n: int = 60, start: int = 0, groups: int | None = 20, skill: float = 0.6
) -> TagCounts:
    """Counts of tags in `n` texts as long as reviews, whose words and tags are the same for all."""
    rng, texts = np.random.default_rng(seed), np.random.default_rng(start)
    movies = None if groups is None else texts.integers(0, groups, n)
    words = np.maximum(texts.lognormal(5.2, 0.6, n).astype(np.int64), 1)
    there = texts.binomial(words[:, None], [0.048, 0.051, 0.0025, 0.0034, 0.13])
    right = rng.binomial(there, skill)
    extra = rng.binomial(words[:, None] - there, 0.4 * there / words[:, None])
    counts = np.stack([right, right + extra, there], axis=2)
    logs = -(words * rng.uniform(0.2, 0.4, n)).astype(np.float32)
    return TagCounts(np.arange(n) + start, logs, words, counts, KINDS, 3, movies)


def make_tagging_run(place: Path, name: str = "bilstm_crf", seed: int = 0, data: int = 0) -> Path:
    """Finished run of a tagger, with its files, and its folder."""
    folder = place / name / f"seed-{seed}"
    folder.mkdir(parents=True)
    val, test = make_tag_counts(data, 40), make_tag_counts(data + 100, 60, start=7)
    for file, counts in ((VAL_FILE, val), (TEST_FILE, test)):
        write_predictions(folder / file, counts)
    row = make_row(
        experiment=name,
        architecture="BiLSTMCRF",
        seed=seed,
        problem="tagging",
        task="movie-reviews-v1-punctuation-v1",
        val=val.evaluate(),
        test=test.evaluate(),
        history=[],
        best_epoch=None,
        config={"data": {"class_path": "datamodules.movie_reviews.MovieReviews"}},
    )
    (folder / "config.yaml").write_text(json.dumps(row.config), encoding="utf-8")
    write_row(folder, row)
    return folder
