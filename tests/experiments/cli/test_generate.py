"""`lit-sentiment generate` on runs of an n-gram model, and of one that is told the class."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from experiments.cli.main import main
from experiments.language.generation import Generator, Settings
from tests.experiments.conftest import TOY, Command

Printed = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def written(lit: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of runs of `ngram_lm` and `class_lm` over a made corpus."""
    runs = tmp_path_factory.mktemp("runs")
    for name, small in (("ngram_lm", ["--model.order=3"]), ("class_lm", ["--data.vectors=null"])):
        done = lit("fit", "-c", name, "--runs", runs, *TOY, *small)
        assert done.returncode == 0, done.stdout + done.stderr
    return runs / "fit"


def texts_of(run: Path, capsys: Printed, *words: str) -> list[str]:
    assert main(["generate", str(run), *words]) == 0
    return capsys.readouterr().out.splitlines()


def test_texts_begin_with_the_prompt_and_repeat_under_a_seed(
    written: Path, capsys: Printed
) -> None:
    run = written / "ngram_lm" / "seed-0"
    words = ["--prompt", "Word1 word2", "--count", "40", "--temperature", "0.8", "--top-k", "50"]
    found = texts_of(run, capsys, *words)
    assert len(found) == 40 and all(text.startswith("Word1 word2") for text in found)
    assert len(set(found)) > 20 and not any("<unk>" in text for text in found)
    assert texts_of(run, capsys, *words, "--seed", "0") == found
    assert texts_of(run, capsys, *words, "--seed", "1") != found
    assert texts_of(run, capsys, "--top-p", "0.5")  # an empty prompt is the start of a text


def test_a_beam_gives_its_best_texts_as_json(written: Path, capsys: Printed) -> None:
    run = written / "ngram_lm" / "seed-0"
    words = ["--beam", "4", "--count", "3", "--longest", "6", "--format", "json"]
    found = json.loads("\n".join(texts_of(run, capsys, *words)))
    assert [list(one) for one in found] == [
        ["text", "generated", "tokens", "log_probability", "ended"]
    ] * 3
    scores = [one["log_probability"] for one in found]
    assert scores == sorted(scores, reverse=True) and max(scores) < 0
    for one in found:
        assert one["text"] == one["generated"] and one["tokens"] <= 6
        assert one["tokens"] == len(one["text"].split()) + one["ended"]
    longer = texts_of(run, capsys, *words[:2], "--length-norm", "5", "--longest", "6")
    assert len(longer[0].split()) >= found[0]["tokens"]


def test_a_text_that_is_cut_ends_in_a_mark(written: Path, capsys: Printed) -> None:
    (cut,) = texts_of(written / "class_lm" / "seed-0", capsys, "--label=class0", "--longest=1")
    assert cut.endswith(" …")


def test_a_class_has_texts_of_its_own(written: Path, capsys: Printed) -> None:
    run = written / "class_lm" / "seed-0"
    words = ["--prompt", "word1", "--count", "2"]
    assert texts_of(run, capsys, *words, "--label", "class0") != texts_of(
        run, capsys, *words, "--label", "class1"
    )
    assert main(["predict", str(run), "word1 class0sign1"]) == 0  # it classifies, too


def test_a_model_that_reads_backward_writes_what_comes_before(written: Path) -> None:
    generator, settings = Generator(written / "ngram_lm" / "seed-0"), Settings(longest=8, seed=3)
    [forward] = generator(dataclasses.replace(settings, prompt="word2 word1"))
    model = generator.model
    generator.model = SimpleNamespace(
        begin=model.begin, advance=model.advance, direction="backward"
    )
    [found] = generator(dataclasses.replace(settings, prompt="word1 word2"))
    assert len(set(forward.generated.split())) > 1
    assert found.text.split() == forward.text.split()[::-1]
    assert found.log_probability == forward.log_probability


def test_an_unknown_word_of_a_prompt_is_noted(written: Path, capsys: Printed) -> None:
    run = str(written / "ngram_lm" / "seed-0")
    assert main(["generate", run, "--prompt", "nowhere word1"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("nowhere word1")
    assert shown.err == "note: the model reads 'nowhere' as <unk>, which it learnt\n"


@pytest.mark.parametrize(
    "words, message",
    [
        (["--beam", "0"], "--beam is 0; it must be at least 1"),
        (
            ["--beam", "1001"],
            "--beam is 1001; it must be at most 1,000, whose texts fit into memory",
        ),
        (["--seed", "-1"], "--seed is -1; it must be from 0 to 9,223,372,036,854,775,807"),
        (["--seed", "9" * 30], "--seed is 999999999999999999999999999999; it must be from 0"),
        (["--temperature", "0"], "--temperature is 0.0; it must be a number above 0"),
        (["--temperature", "-1"], "--temperature is -1.0; it must be a number above 0"),
        (["--top-p", "0"], "--top-p is 0.0; it must be above 0 and at most 1"),
        (["--top-p", "1.1"], "--top-p is 1.1; it must be above 0 and at most 1"),
        (["--top-k", "0"], "--top-k is 0; it must be at least 1"),
        (["--count", "0"], "--count is 0; it must be at least 1"),
        (["--longest", "0"], "--longest is 0; it must be at least 1"),
        (["--beam", "2", "--length-norm", "-1"], "--length-norm is -1.0; it must be between 0"),
        (["--beam", "2", "--count", "3"], "a beam of 2 gives at most as many texts; say --beam 3"),
        (["--beam", "2", "--seed", "1", "--top-k", "3"], "leave --top-k, --seed out, or --beam"),
        (["--length-norm", "1"], "--length-norm puts the texts of a beam into order; add --beam"),
        (["--prompt", "word1 \udcff"], r"--prompt 'word1 \udcff' is not UTF-8"),
        (["--prompt", "nowhere"], "'nowhere' has no word that the model knows: 'nowhere'"),
        (["--prompt", "wrod1 vord2"], "'wrod1', did you mean 'wor"),
        (["--prompt", "<br />"], "has no word that the model knows; use words"),
        (["--label", "class0"], "--label is 'class0', and NgramLM learnt without labels"),
    ],
)
def test_bad_input_is_named(written: Path, capsys: Printed, words: list[str], message: str) -> None:
    assert main(["generate", str(written / "ngram_lm" / "seed-0"), *words]) == 2
    shown = capsys.readouterr()
    assert message in shown.err and shown.err.startswith("error: ") and not shown.out


@pytest.mark.parametrize(
    "words, message",
    [
        ([], "--label is missing; choose one of class0, class1"),
        (["--label", "clas1"], "--label is 'clas1', did you mean 'class1'?; choose one of class0"),
    ],
)
def test_a_label_must_be_one_of_the_corpus(
    written: Path, capsys: Printed, words: list[str], message: str
) -> None:
    assert main(["generate", str(written / "class_lm" / "seed-0"), *words]) == 2
    assert message in capsys.readouterr().err


def test_runs_of_the_other_kind_are_named(written: Path, finished: Path, capsys: Printed) -> None:
    bag, ngrams = finished / "bag" / "seed-0", written / "ngram_lm" / "seed-0"
    assert main(["generate", str(bag)]) == 2
    message = f"Bag is no language model; `lit-sentiment predict {bag}` labels texts"
    assert message in capsys.readouterr().err
    assert main(["predict", str(ngrams), "word1"]) == 1
    assert f"predicts no labels; `lit-sentiment generate {ngrams}` puts" in capsys.readouterr().err
