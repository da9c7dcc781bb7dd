"""Measurements of one experiment of each kind, on made texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from datamodules.sequences import pronunciation
from experiments.config.registry import Registry
from experiments.speed.fitting import Fitting
from experiments.speed.measure import Plan, measure
from experiments.speed.settings import configure
from experiments.speed.steps import PARTS, StepProfiler, shares
from experiments.training.fitting import build_and_setup
from lit_models.lstm import LSTM
from tests.experiments.language.test_tagging import reviews
from tests.experiments.language.test_transcribing import write_dictionary
from tests.experiments.speed.conftest import TOY

NARROW = ["--model.hidden_size=8", "--model.embedding_dim=8"]


def measured(place: Path, name: str, words: list[str], **extent: Any) -> dict[str, Any]:
    resolved = configure(Registry(), name, reviews=16, overrides=words)
    return measure(
        resolved, Plan(name, **{"reviews": 16, "rounds": 2, "warmup": 1, **extent}), place
    )


def check_steps(result: dict[str, Any], rows: int) -> None:
    train, predict = result["train"], result["predict"]
    assert sum(train["shares"].values()) == pytest.approx(1) and tuple(train["shares"]) == PARTS
    assert all(train["shares"][part] > 0 for part in PARTS)
    assert train["reviews"] == rows
    assert train["seconds"] == pytest.approx(rows / train["reviews_per_second"])
    assert train["seconds"] == pytest.approx(train["steps"] * train["milliseconds_per_step"] / 1e3)
    for part in (train, predict):
        assert part["tokens_per_second"] > part["reviews_per_second"] > 0
        assert len(part["rounds"]) == 2
        assert 0 <= part["padding_share"] < 1
        assert part["flops_per_second"] == pytest.approx(part["peak_share"] * result["peak_flops"])
        assert 0 < part["peak_share"] < 1
    assert result["peak_memory_bytes"] > 1e8 and result["peak_gpu_memory_bytes"] is None


def test_a_network_over_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def predicted(*_: Any) -> dict[str, float]:
        return {"tokens_per_second": 2e9, "reviews_per_second": 1e9}

    monkeypatch.setattr("experiments.speed.curves.time_prediction", predicted)
    extent = {"reviews": 60, "lengths": [4, 9], "batch_sizes": [4, 8]}
    result = measured(tmp_path, "lstm", [*TOY, *NARROW], **extent)
    check_steps(result, 60)
    assert [(one["length"], one["rows"]) for one in result["lengths"]] == [(4, 8), (9, 8)]
    assert [one["batch_size"] for one in result["batch_sizes"]] == [4, 8]
    for one in result["lengths"]:
        step = one["milliseconds_per_step"] / 1000
        assert one["tokens_per_second"] * step == pytest.approx(one["length"] * 8)
        assert one["predicted_tokens_per_second"] == 2e9
    assert result["batch_size"] == 8, "as before the other sizes"
    train, predict = (
        result[part]["flops_per_second"] / result[part]["tokens_per_second"]
        for part in ("train", "predict")
    )
    assert train == pytest.approx(3 * predict, rel=0.05), "forward, and twice that backward"


def test_words_that_a_transformer_leaves_out_are_not_counted(tmp_path: Path) -> None:
    words = [*TOY, "--model.embedding_dim=8", "--model.dim_feedforward=8", "--model.num_heads=2"]
    result = measured(tmp_path, "transformer", [*words, "--model.word_dropout=0.5"], rounds=1)
    train, predict = (
        result[part]["flops_per_second"] / result[part]["tokens_per_second"]
        for part in ("train", "predict")
    )
    assert 0.3 < train / (3 * predict) < 0.75, "about half, and less of attention"


def test_every_width_that_is_measured_has_been_read_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with fewer steps of warm-up than a round has, and for other sizes of batches."""
    widths: list[tuple[int, ...]] = []
    step = LSTM.training_step

    def read(model: LSTM, batch: Any, number: int) -> Any:
        widths.append(tuple(batch.tokens.shape))
        return step(model, batch, number)

    monkeypatch.setattr(LSTM, "training_step", read)
    measured(tmp_path, "lstm", [*TOY, *NARROW], reviews=40, rounds=1, batch_sizes=[4])
    assert len(widths) == 2 * 5 + 2 * 10 and len(set(widths)) > 5
    assert widths[:5] == widths[5:10] and widths[10:20] == widths[20:]


def test_a_length_that_cannot_be_read_has_its_error(tmp_path: Path) -> None:
    words = ["--model.config.hidden_size=32", "--model.config.intermediate_size=32"]
    words += ["--model.config.num_hidden_layers=1", "--model.config.num_attention_heads=2"]
    words += ["--model.config.max_position_embeddings=64", "--data.max_length=48", *TOY]
    resolved = configure(Registry(), "bert", reviews=16, from_config=True, overrides=words)
    plan = Plan("bert", reviews=16, rounds=1, warmup=1, lengths=[200, 8])
    long, short = measure(resolved, plan, tmp_path)["lengths"]
    assert "error" in long and "\n" not in long["error"] and "tokens_per_second" not in long
    assert short["tokens_per_second"] > 0, "later lengths are measured"


def test_a_length_without_memory_has_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resize(values: Any, size: int) -> Any:
        raise MemoryError

    monkeypatch.setattr("experiments.speed.curves.np.resize", resize)
    (one,) = measured(tmp_path, "lstm", [*TOY, *NARROW], rounds=1, lengths=[8])["lengths"]
    assert one["error"] == "out of memory"


def test_an_estimator_without_steps(tmp_path: Path) -> None:
    result = measured(tmp_path, "nb_logreg", TOY, lengths=[4], batch_sizes=[4])
    train = result["train"]
    assert train["steps"] == 0 and train["reviews"] == 60 and len(train["rounds"]) == 2
    assert train["reviews_per_second"] == pytest.approx(60 / train["seconds"])
    assert set(train["shares"].values()) == {None} and train["flops_per_second"] is None
    assert result["lengths"] is None and result["batch_sizes"] is None
    assert result["predict"]["reviews_per_second"] > 0


def test_a_language_model(tmp_path: Path) -> None:
    words = [*TOY, "--data.train_window=8", "--model.hidden_size=8"]
    result = measured(tmp_path, "lstm_lm", words, batch_sizes=[4])
    check_steps(result, 16)
    assert result["train"]["padding_share"] == 0, "a stream of texts has none"


def test_a_sequence_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dictionary(tmp_path / "small.dict")
    monkeypatch.setattr(pronunciation, "find_file", lambda: tmp_path / "small.dict")
    monkeypatch.setattr(pronunciation.read_dictionary, "__defaults__", (None,))
    words = ["--data.train_limit=200", "--data.test_size=40", "--data.validation_size=40"]
    words += [*TOY[2:], "--model.hidden_size=16", f"--data.cache_dir={tmp_path / 'cache'}"]
    check_steps(measured(tmp_path, "seq2seq", words), 16)


def test_a_tagger(tmp_path: Path) -> None:
    words = [f"--data={reviews(tmp_path / 'reviews.csv')}", *TOY[2:], *NARROW]
    words += [f"--data.cache_dir={tmp_path / 'cache'}"]
    check_steps(measured(tmp_path, "bilstm_crf", words), 16)


def test_shares_of_known_times() -> None:
    """The optimiser's action has forward and backward within it, and the rest has a name."""
    clocks = [StepProfiler(False), StepProfiler(False)]
    clocks[0].seconds = {"data": 1.0, "forward": 2.0, "backward": 3.0, "optimiser": 6.0}
    clocks[1].seconds = {"data": 0.0, "forward": 1.0, "backward": 1.0, "optimiser": 3.0}
    parts = {"data": 0.1, "forward": 0.3, "backward": 0.4, "optimiser": 0.2, "other": 0.0}
    assert shares(clocks, 10.0) == pytest.approx(parts)
    assert shares(clocks, 20.0)["other"] == pytest.approx(0.5)


def test_steps_are_those_of_a_run(tmp_path: Path) -> None:
    words = [word for word in TOY if "wandb" not in word]
    resolved = configure(Registry(), "lstm", reviews=16, overrides=[*words, *NARROW])
    build_and_setup(resolved)
    with Fitting(resolved, "lstm", tmp_path) as fitting:
        fitting.warm_up(2)
        one = fitting.train(60)
    assert sum(len(batch.lengths) for batch in one.batches) == 60
    assert 0 < one.history["train/epoch_loss"] < 2
    assert list(tmp_path.glob("wandb/offline-run-*")), "metrics are logged as in any run"
