"""The row of a fitted language model, from its files of texts to its figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from datamodules.files import TextFiles
from datamodules.language import LanguageData
from experiments.records.problems.scores import Scores
from experiments.records.run_files import TEST_FILE, VAL_FILE, read_row
from experiments.statistics.reading import read_run_outputs
from lit_models.ngram_lm import NgramLM
from tests.conftest import Command


def write(file: Path, number: int, labelled: bool) -> Path:
    rng = np.random.default_rng(number)
    lines = ["text,author,label" if labelled else "text,author"]
    for row in range(number):
        words = " ".join(f"word{word}" for word in rng.integers(0, 30, rng.integers(3, 20)))
        # Texts of authors who have labelled ones would not be held out.
        author = f"{file.stem} {row // 2}"
        lines.append(f"{words},{author}" + (f",{'ab'[row % 2]}" if labelled else ""))
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.fixture(scope="module")
def fitted(lit: Command, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LanguageData]:
    """A tested run of `ngram_lm`, and the texts that it read."""
    folder = tmp_path_factory.mktemp("own")
    train, others = write(folder / "train.csv", 60, True), write(folder / "others.csv", 50, False)
    words = [f"--data={train}", f"--data.unlabelled={others}", "--data.group_column=author"]
    done = lit("fit", "-c", "ngram_lm", "--runs", folder, *words, "--model.order=2", "--test")
    assert done.returncode == 0, done.stdout + done.stderr
    corpus = TextFiles(
        train=train, unlabelled=others, group_column="author", cache_dir=folder / "cache"
    )
    data = LanguageData(corpus)
    data.prepare_data()
    data.setup()
    return folder / "fit" / "ngram_lm" / "seed-0", data


@pytest.mark.parametrize(("part", "file"), [("val", VAL_FILE), ("test", TEST_FILE)])
def test_the_scores_are_those_of_the_texts_one_by_one(
    fitted: tuple[Path, LanguageData], part: str, file: str
) -> None:
    run, data = fitted
    row, model = read_row(run), NgramLM.load(run)
    scores = read_run_outputs(row, run)[part]  # type: ignore[index]
    assert isinstance(scores, Scores) and (run / file).is_file()
    split = "train" if part == "val" else "unlabelled"
    expected = data.store.rows("val") if part == "val" else data.held_out.rows
    assert scores.ids.tolist() == expected.tolist() and len(expected) > 2
    groups, texts = data.groups(part if part == "test" else "train"), data.texts(split)
    assert groups is not None and scores.groups is not None
    assert scores.groups.tolist() == groups[expected].tolist()
    for place, number in enumerate(expected):
        text = texts[number]
        [score] = model.predict_step(data.encoder.encode([text])).log_probabilities.tolist()
        assert scores.log_probabilities[place] == pytest.approx(score, rel=1e-6)
        assert scores.symbols[place] == len(text.split()) + 1
        assert scores.characters[place] == len(text)
    metrics = row.parts[part]  # type: ignore[index]
    assert metrics is not None and metrics == scores.evaluate()


def test_the_row_says_what_was_learnt_from(fitted: tuple[Path, LanguageData]) -> None:
    run, data = fitted
    row = read_row(run)
    assert (row.problem, row.track, row.task) == ("language modelling", "unlabelled", None)
    assert row.deterministic and row.label_names == []
    count = len(data.held_out.rows)
    assert any(f"{count} unlabelled texts are held out" in note for note in row.notes)
