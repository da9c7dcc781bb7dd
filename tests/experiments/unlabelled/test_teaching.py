"""`lit-sentiment teach`: soft labels of unlabelled texts, and runs that learn from them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from datamodules.errors import DataError
from datamodules.store.corpus import Corpus, TextSplit
from datamodules.store.soft_labels import SoftLabels, read_soft_labels
from experiments.cli.main import main
from experiments.inference.loaded_ensemble import LoadedEnsemble
from experiments.inference.loaded_run import load_run
from experiments.records.run_files import read_row
from experiments.unlabelled.teaching import _corpus, _labelled_rows, _weights, teach
from tests.experiments.conftest import TOY
from tests.toys import ToyData

FIT = ["--runs", "runs", "--name", "pupil", *TOY]


class WithCopies(ToyData):
    """Toy corpus whose unlabelled rows 0, 5 and 9 are copies of labelled ones, row 3 is blank."""

    def source(self) -> dict[str, Any]:
        return super().source() | {"copies": True}

    def read(self) -> Corpus:
        corpus = super().read()
        assert corpus.unlabelled is not None
        texts = list(corpus.unlabelled.texts)
        texts[0], texts[3] = corpus.train.texts[7], "  "
        texts[5] = corpus.train.texts[self.rows - 1].upper() + "!"  # of the validation rows
        texts[9] = corpus.train.texts[8]
        unlabelled = corpus.unlabelled
        copies = TextSplit(texts, unlabelled.labels, unlabelled.keys, unlabelled.groups)
        parts = vars(corpus) | {"unlabelled": copies}
        return Corpus(**{k: v for k, v in parts.items() if k != "fingerprint"})


@pytest.fixture(scope="module")
def soft(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Soft labels by an ensemble of the toy runs."""
    out = tmp_path_factory.mktemp("soft") / "soft.parquet"
    runs = [str(finished / name / "seed-0") for name in ("bag", "tfidf_logreg")]
    assert main(["teach", *runs, "--out", str(out)]) == 0
    return out


def test_an_ensemble_teaches_what_it_predicts(finished: Path, soft: Path) -> None:
    labels = read_soft_labels(soft)
    runs = [load_run(finished / name / "seed-0") for name in ("bag", "tfidf_logreg")]
    data = ToyData(rows=120)
    texts = data.read().splits["unlabelled"].texts
    assert labels.ids.tolist() == list(range(len(texts)))
    expected = LoadedEnsemble(runs).probabilities(texts)
    assert np.allclose(labels.probabilities, expected, atol=1e-6)
    assert labels.labelled_rows == 90
    assert "· bag (seed 0, " in labels.teacher and "· tfidf_logreg (seed 0, " in labels.teacher


@pytest.mark.parametrize(
    "name",
    [
        "cnn",
        "tfidf_logreg",
        *(pytest.param(one, marks=pytest.mark.slow) for one in ("bag", "capsule")),
    ],
)
def test_any_architecture_learns_from_both(
    name: str, soft: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["fit", "-c", name, *FIT, "--data.teacher", str(soft)]) == 0
    row = read_row(tmp_path / "runs" / "pupil" / name / "seed-0")
    assert row.status == "ok" and row.track == "unlabelled"
    assert any("tfidf_logreg (seed 0" in note for note in row.notes), row.notes
    assert main(["fit", "-c", name, *FIT[:2], "--name", "plain", *TOY]) == 0
    plain = read_row(tmp_path / "runs" / "plain" / name / "seed-0")
    assert plain.track == "labels" and plain.config_hash != row.config_hash
    model, without = (
        load_run(tmp_path / "runs" / place / name / "seed-0") for place in ("pupil", "plain")
    )
    texts = ["class0sign1 word2 word3", "class1sign2 word1"]
    assert not np.array_equal(model.probabilities(texts), without.probabilities(texts))


def test_copies_of_labelled_texts_and_blank_ones_are_not_taught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    corpus = [f"--data={WithCopies.__module__}.WithCopies", *TOY[1:]]
    assert main(["fit", "-c", "naive_bayes", "--runs", "runs", *corpus]) == 0
    run = "runs/fit/naive_bayes/seed-0"
    assert main(["teach", run, "--out", "soft.parquet"]) == 0
    ids = read_soft_labels(Path("soft.parquet")).ids.tolist()
    assert ids == [row for row in range(30) if row not in (0, 3, 5, 9)]
    # The pupil learns from those and no others, each with its own text.
    seen = dict[int, str]()

    class Spy(WithCopies):
        def on_after_batch_transfer(self, batch, dataloader_idx):  # type: ignore[no-untyped-def]
            return batch

    data = Spy(rows=120, teacher="soft.parquet")
    data.prepare_data()
    data.setup()
    words, texts = data.tokenizer.vocabulary(), data.texts("unlabelled")
    labels: SoftLabels | None = data.soft_labels()
    assert labels is not None
    for batch in data.train_dataloader():
        for tokens, length, number, target in zip(
            batch.tokens, batch.lengths, batch.ids, batch.targets, strict=True
        ):
            if not torch.isin(target, torch.tensor([0.0, 1.0])).all():  # a soft label
                text = " ".join(words[token] for token in tokens[:length])
                seen[int(number)] = text
                place = labels.ids.tolist().index(int(number))
                assert np.allclose(target, labels.probabilities[place])
    assert sorted(seen) == ids
    known = set(words)
    for number, text in seen.items():
        own = [word if word in known else words[1] for word in texts[number].lower().split()]
        assert text.split() == own


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["runs/none", "--out", "soft.parquet"], "not a finished run"),
        (["RUN", "--out", "soft.csv"], "soft labels are a Parquet file"),
        (["RUN", "--out", "none/soft.parquet"], "make it first"),
        (["RUN", "RUN", "--out", "soft.parquet"], "given twice"),
    ],
)
def test_bad_words_are_refused(
    words: list[str],
    reason: str,
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    run = str(finished / "bag" / "seed-0")
    assert main(["teach", *(run if word == "RUN" else word for word in words)]) == 1
    assert reason in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_missing_teacher_skips_the_experiment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["benchmark", "bag", *FIT, "--data.teacher", "none.parquet"]) in (0, 1)
    row = json.loads((tmp_path / "runs/pupil/bag/seed-0/row.json").read_text())
    assert row["status"] == "skipped" and "lit-sentiment teach" in row["reason"]


def test_a_corpus_without_unlabelled_texts_cannot_be_taught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = ["text,label", *(f"word{n % 7} sign{n % 2} number{n},{n % 2}" for n in range(60))]
    (tmp_path / "own.csv").write_text("\n".join(lines))
    assert main(["fit", "-c", "naive_bayes", "--data", "own.csv", "--runs", "runs"]) == 0
    run = "runs/fit/naive_bayes/seed-0"
    assert main(["teach", run, "--out", "soft.parquet"]) == 1
    assert "has no texts without labels" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([("holdout", 48)], 48),
        ([("holdout", 64)], 48),  # of the second fit under `refit`, and the first one teaches
        ([("holdout", 20)], 20),
        ([("holdout", None)], 48),  # an older row
        ([("holdout", 20), ("holdout", 48)], 48),
        ([("holdout", 48), ("holdout", 20)], 48),
        ([("refit", 64)], 64),
        ([("refit", 20), ("holdout", 48)], 64),  # some of the 20 are validation texts
    ],
)
def test_a_teacher_knows_the_most_that_a_member_knows(
    members: list[tuple[Any, int | None]], expected: int, tmp_path: Path
) -> None:
    data = ToyData(rows=64, cache_dir=str(tmp_path / "cache"))
    data.prepare_data()
    data.setup()
    fits, rows = zip(*members, strict=True)
    stubs: Any = [SimpleNamespace(train_rows=count) for count in rows]
    assert _labelled_rows(data, stubs, fits) == expected


def test_the_first_of_two_fits_teaches(tmp_path: Path) -> None:
    row: Any = SimpleNamespace(protocol="refit")
    assert _weights(tmp_path, row) == "refit"  # a row of before the first fit was kept
    (tmp_path / "refit").mkdir()
    assert _weights(tmp_path, row) == "holdout"
    row.protocol = "holdout"
    assert _weights(tmp_path, row) == "holdout"


def test_another_corpus_than_the_run_s_is_refused(finished: Path) -> None:
    folder = finished / "bag" / "seed-0"
    row = replace(read_row(folder), corpus_fingerprint="0" * 16)
    with pytest.raises(DataError, match=f"was fitted on {'0' * 16}; name that one with --root"):
        _corpus(folder, row, None)


def test_texts_that_are_all_copies_are_nothing_to_teach(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.unlabelled.teaching.text_key", lambda text: "")
    with pytest.raises(DataError, match=r"is a copy of a labelled one \(30 texts\)"):
        teach([finished / "bag" / "seed-0"], tmp_path / "soft.parquet")
    assert not list(tmp_path.iterdir())
